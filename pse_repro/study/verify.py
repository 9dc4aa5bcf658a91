"""Whole runs against their manifests and against their own predictions; altered files are set aside for repair."""

import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import read_regular
from pse_repro.study.address import (
    EPOCHS,
    FIGURES,
    MANIFEST,
    SET_ASIDE,
    RunFiles,
    manifest_folder,
    may_be_left_out,
)
from pse_repro.study.manifest import (
    Content,
    Manifest,
    RecordedFile,
    has_lost_manifest,
    is_recorded,
    read_manifest,
    record_removal,
    rewrite,
)
from pse_repro.study.record import Run
from pse_repro.study.rows import computed_results
from pse_repro.tables import KEY, as_table

What = Literal["deleted", "altered", "not written by this run"]
_RELATIVE = 1e-9  # scores may differ in their last digits between machines
_SHOWN = 5  # faults named in one line
# Files that any command writes again from the others, so that they are no part of the digest.
_NOT_EVIDENCE = re.compile(rf"asked\.json|report\.(html|md)|{FIGURES}/.+")


@dataclass(frozen=True)
class Fault:
    """A file of a run, by its path in the run, that is not as it was written."""

    name: str
    what: What

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """Result of `verify`: `files` were compared, of which `adopted` were recorded only when the run was resumed.

    `differing` describes the values of results.csv that do not follow from the predictions; `pending` counts those that
    results.csv does not have yet.
    """

    digest: str
    files: int
    adopted: int
    values: int
    faults: list[Fault]
    differing: list[str]
    pending: int

    @property
    def as_computed(self) -> bool:
        return not self.faults and not self.differing


def verify(directory: Path) -> Verification:
    """Compare every file of a run with its manifests, and results.csv with what the stored predictions give.

    Raises:
        UsageError: the directory is not a run.
        NotFitError: the run was made before there were manifests.
    """
    faults = find_faults(directory)
    if RunFiles(directory).record.is_file() and not is_recorded(directory) and not faults:
        raise NotFitError(
            f"{directory} was made before a run recorded its files: nothing in it can be proven; "
            "resume it once, and alterations from then on are noticed"
        )
    files = [file for manifest in _manifests(directory).values() for file in manifest.files.values() if file.required]
    values, differing, pending = (0, [], 0) if faults else _compare_results(Run.open(directory))
    adopted = sum(file.adopted for file in files)
    return Verification(digest(directory), len(files), adopted, values, faults, differing, pending)


def open_intact(directory: Path) -> Run:
    """Open a run to read it; NotFitError if the names and lengths of its files are not as it recorded them."""
    run = Run.open(directory)
    require_intact(directory)
    return run


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
    files, found = RunFiles(directory), dict[str, What]()
    if not is_recorded(directory):
        return [Fault(MANIFEST, "deleted")] if has_lost_manifest(directory, files.manifest_folders()) else []
    own: dict[Path, list[str]] = {}
    folders = files.own_folders()
    for path in files.own_files():
        folder = manifest_folder(directory, path)
        own.setdefault(folder, []).append(_relative(folder, path))
    for folder in files.manifest_folders():
        prefix = "" if folder == directory else f"{folder.relative_to(directory).as_posix()}/"
        try:
            manifest = read_manifest(directory, folder)
        except NotFitError:
            found[prefix + MANIFEST] = "not written by this run"
            continue
        if manifest.damaged:
            found[prefix + MANIFEST] = "altered"
        for inner in manifest.folders:
            if not os.path.lexists(directory / inner / MANIFEST):
                found[f"{inner}/{MANIFEST}"] = "deleted"
            elif directory / inner not in folders:  # behind a link
                found[f"{inner}/{MANIFEST}"] = "not written by this run"
        for name in manifest.files:
            what = _what(folder / name, manifest.files[name], contents)
            if what:  # again, as a running process may have written it since the manifest was read
                what = _what(folder / name, read_manifest(directory, folder).files[name], contents)
            if not what and os.path.lexists(folder / name) and (folder / name).parent not in folders:
                what = "altered"  # behind a link
            if what and not (what == "deleted" and may_be_left_out(directory, prefix + name)):
                found[prefix + name] = what
        if prefix + MANIFEST in found and not manifest.files:  # deleted, and all its files with it
            continue
        strange = [name for name in own.get(folder, ()) if name not in manifest.files]
        found |= dict.fromkeys((prefix + name for name in strange), "not written by this run")
    return [Fault(name, found[name]) for name in sorted(found)]


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


def digest(directory: Path) -> str:
    """Return the SHA-256 of the names and SHA-256 of a run's files, without those that other commands write again."""
    lines = [
        f"{file.accepted[-1].sha256}  {name}\n"
        for folder, manifest in _manifests(directory).items()
        for name, file in ((_relative(directory, folder / inner), file) for inner, file in manifest.files.items())
        if file.required and not _NOT_EVIDENCE.fullmatch(name)
    ]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


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


def _compare_results(run: Run) -> tuple[int, list[str], int]:
    """Compare results.csv with the rows that the stored files give.

    Returns the number of equal values, a description of each that differs, and the number that results.csv lacks.
    """
    key = list(KEY)
    computed = as_table(computed_results(run)) if run.cells else run.results
    joined = run.results.merge(
        computed[[*key, "value"]], on=key, how="outer", suffixes=("", "_computed"), indicator=True
    )
    stored, again = joined["value"].to_numpy(float), joined["value_computed"].to_numpy(float)
    equal = np.isclose(stored, again, rtol=_RELATIVE, atol=0, equal_nan=True) & (joined["_merge"] == "both")
    wrong = joined[~equal & (joined["_merge"] != "right_only")]
    differing = [
        f"{' '.join(str(row[column]) for column in key if row[column])}: {row['value']!r} in results.csv, "
        + (f"{row['value_computed']!r} by its predictions" if row["_merge"] == "both" else "no predictions")
        for row in wrong.to_dict("records")
    ]
    return int(equal.sum()), differing, int((joined["_merge"] == "right_only").sum())


def _manifests(directory: Path) -> dict[Path, Manifest]:
    """Read the manifests of a run that can be read, by their folders."""
    found = {}
    for folder in RunFiles(directory).manifest_folders():
        try:
            found[folder] = read_manifest(directory, folder)
        except NotFitError:
            continue
    return found


def _relative(directory: Path, path: Path) -> str:
    return path.relative_to(directory).as_posix()


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
