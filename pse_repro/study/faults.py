"""Files of a run that are not as its manifests say, and their setting aside, so that they are made again."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import read_regular
from pse_repro.study.address import (
    EPOCHS,
    MANIFEST,
    SET_ASIDE,
    RunFiles,
    link_on_way,
    manifest_folder,
    may_be_left_out,
)
from pse_repro.study.manifest import (
    Content,
    RecordedFile,
    has_lost_manifest,
    is_recorded,
    read_manifest,
    record_removal,
    recorded_file,
    rewrite,
)

What = Literal["deleted", "altered", "not written by this run"]
_SHOWN = 5  # faults named in one line


@dataclass(frozen=True)
class Fault:
    """A file of a run, by its path in the run, that is not as it was written."""

    name: str
    what: What

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


def require_intact(directory: Path, contents: bool = False) -> None:
    """Raise NotFitError, which names them, if files of the run are not as they were written (`find_faults`)."""
    if faults := find_faults(directory, contents):
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise NotFitError(
            f"{directory} is not as this kit wrote it: {', '.join(map(str, faults[:_SHOWN]))}{more}; "
            "run its study again with --repair to set these aside and make them again"
        )


def find_faults(directory: Path, contents: bool = True) -> list[Fault]:
    """Return the files that are not as a run's manifests say, or that it did not write; none for old runs.

    Without `contents` only names and lengths are compared. An archive may lack what archives leave out.
    """
    files = RunFiles(directory)
    if not is_recorded(directory):
        return [Fault(MANIFEST, "deleted")] if has_lost_manifest(directory, files.manifest_folders()) else []
    own = files.own_files()  # before any manifest is read, in which a working process lists a file before it appears
    found = _manifest_faults(directory)
    unproven = {directory / name for name, what in found.items() if what != "altered"}
    for folder in files.manifest_folders():
        if folder / MANIFEST not in unproven:
            found |= _file_faults(directory, folder, contents)
    for path in own:
        if manifest_folder(directory, path) / MANIFEST not in unproven and not recorded_file(directory, path).accepted:
            found[_relative(directory, path)] = "not written by this run"
    return [Fault(name, found[name]) for name in sorted(found)]


def _manifest_faults(directory: Path) -> dict[str, What]:
    """Return what is wrong with the manifests, by their path in the run."""
    found: dict[str, What] = {}
    for folder in RunFiles(directory).manifest_folders():
        path = folder / MANIFEST
        try:
            manifest = read_manifest(directory, folder)
        except NotFitError:
            found[_relative(directory, path)] = "not written by this run"
            continue
        if manifest.damaged:
            found[_relative(directory, path)] = "altered"
        for inner in (directory / name / MANIFEST for name in manifest.folders):
            if not os.path.lexists(inner):
                found[_relative(directory, inner)] = "deleted"
            elif link_on_way(directory, inner):
                found[_relative(directory, inner)] = "not written by this run"
    return found


def _file_faults(directory: Path, folder: Path, contents: bool) -> dict[str, What]:
    """Return what is wrong with the files that one manifest lists, by their path in the run."""
    found: dict[str, What] = {}
    for path in (folder / name for name in read_manifest(directory, folder).files):
        name = _relative(directory, path)
        for _ in range(2):  # again, as a working process may have written the file since the manifest was read
            what = _what(path, recorded_file(directory, path), contents)
            if not what:
                break
        if not what and os.path.lexists(path) and link_on_way(directory, path):
            what = "altered"
        if what and not (what == "deleted" and may_be_left_out(directory, name)):
            found[name] = what
    return found


def is_fault(path: Path, file: RecordedFile) -> bool:
    """Return True if a file is not as its manifest says."""
    return _what(path, file, contents=True) is not None


def _what(path: Path, file: RecordedFile, contents: bool) -> What | None:
    """Compare a file with what its manifest says of it."""
    try:
        stat = path.lstat()
        if stat.st_size in {each.length for each in file.accepted}:
            same = not contents or Content.of(read_regular(path, stat.st_size)) in file.accepted
            return None if same and not path.is_symlink() else "altered"
        return "altered"
    except (FileNotFoundError, NotADirectoryError):
        return "deleted" if file.required else None
    except OSError:  # a folder, a pipe, or not to be read
        return "altered"


def set_aside(directory: Path, faults: list[Fault]) -> Path:
    """Move what is not as it was written, and what can only be made together with it, to RUN/set-aside/TIME; return it.

    Damaged manifests are copied there and written anew without their damaged lines. The caller holds the lock.
    """
    for fault in faults:
        path = directory / fault.name
        if path.name == MANIFEST and fault.what == "altered":
            shutil.copyfile(path, _aside(directory, path))
            rewrite(directory, path.parent)
            continue
        for folder in reversed(path.relative_to(directory).parents):
            if folder.name and ((directory / folder).is_symlink() or not (directory / folder).is_dir()):
                move_aside(directory, directory / folder)  # a link or a file in the place of a folder
        for each in _made_together(directory, path):
            if path.name != MANIFEST:
                record_removal(each)
            move_aside(directory, each)
        if path.name == MANIFEST:
            rewrite(directory, path.parent)
    return directory / SET_ASIDE


def _made_together(directory: Path, path: Path) -> list[Path]:
    """Return a file and those that can only be made again together with it."""
    kind, *parts = path.relative_to(directory).parts
    own = RunFiles(directory).own_files()
    if path.name == MANIFEST:  # of another run or folder: everything that it lists, and itself last
        return [*(each for each in own if manifest_folder(directory, each) == path.parent), path]
    if kind != "models" or path.name.startswith("fold-") or path.stem in ("portrait", "reconstructions"):
        return [path]
    if len(parts) == 3 and parts[1] != EPOCHS:  # an evaluation without folds
        folders = [path.parent]
    else:
        model = directory / kind / parts[0]
        folders = [model, model / EPOCHS]
    return [path, *(each for each in own if each.parent in folders and each != path)]


def move_aside(directory: Path, path: Path) -> None:
    """Move what is at a path of a run, never what it links to, to where `set_aside` moves files."""
    if os.path.lexists(path):
        os.rename(path, _aside(directory, path))


def _aside(directory: Path, path: Path) -> Path:
    """Return the path, in a folder that exists, to which a file of a run is set aside; UsageError behind a link."""
    if (directory / SET_ASIDE).is_symlink():
        raise UsageError(f"{directory / SET_ASIDE} is a link; nothing of a run is written through one: remove it")
    target = directory / SET_ASIDE / time.strftime("%Y%m%d-%H%M%S") / _relative(directory, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _relative(directory: Path, path: Path) -> str:
    return path.relative_to(directory).as_posix()
