"""Hostile folders, run arguments, links inside a run, and archives; and whether a command leaves everything else alone.

Each case is a command in a world of its own: the folder `elsewhere`, which belongs to others, and what the case puts
next to it. A command must end with status 2 or 3 and one line, or with status 0 and 1; either way `elsewhere`, and
whatever the kit did not write, must stay as it was, and its words must be in no file that the command makes.
"""

import hashlib
import os
import shutil
import stat
import sys
import tarfile
from itertools import product
from pathlib import Path
from typing import Any

from pse_repro.errors import KitError
from tests.support.archives import packed
from tests.support.damaged import Damaged
from tests.support.hostile_archives import hostile_members, raw_archives
from tests.support.hostile_places import (
    ARGUMENT_COMMANDS,
    ARGUMENTS,
    INSIDE,
    INSIDE_COMMANDS,
    INSTEAD,
    OUT_COMMANDS,
    OUTS,
    SECRET,
)
from tests.support.limited import SECONDS, Hang, command_line, forget_files, within
from tests.support.tiny import write_images

STUDY = """
name = "hostile"
scale = "reduced"
expected = "paper"
epochs = 1
folds = 1
evaluations = ["knn"]
[overrides]
batch_size = 8
[[models]]
encoder = "cnn"
objective = "mse"
"""


class Attacked:
    """A finished run, images and a study, and the worlds in which the commands are given."""

    def __init__(self, folder: Path, damaged: Damaged) -> None:
        self.folder, self.world, self.damaged = folder, folder / "world", damaged
        self.words: dict[str, str] = {}
        self.found: list[dict[str, str]] = []

    def prepare(self) -> None:
        write_images(self.folder / "images", unlabeled=60, train=40, test=20)
        (self.folder / "study.toml").write_text(STUDY)
        self.words = {"STUDY": str(self.folder / "study.toml"), "DATA": str(self.folder / "images")}
        self.words["RUN"] = str(self.damaged.bases / "finished")

    def all(self) -> dict[str, Any]:
        """Attack in every way; return the facts."""
        for name, command in product(OUTS, OUT_COMMANDS):
            self.out(name, command)
        for name, command in product(ARGUMENTS, ARGUMENT_COMMANDS):
            self.argument(name, command)
        for place, name, command in product(INSIDE, INSTEAD, INSIDE_COMMANDS):
            self.inside(place, name, command)
        self.archives()
        return self.facts()

    def facts(self) -> dict[str, Any]:
        kinds = [case["kind"] for case in self.found]
        bad = [case for case in self.found if case["kind"] not in ("refused", "accepted")]
        counts = {kind: kinds.count(kind) for kind in ("refused", "accepted")}
        parts = ("out", "argument", "inside", "archive")
        by_part = {part: sum(case["part"] == part for case in self.found) for part in parts}
        return {"cases": len(self.found), "by_part": by_part} | counts | {"bad": bad}

    def _new(self) -> Path:
        """Make a new world; return the path of the case's target, where nothing is yet."""
        shutil.rmtree(self.world, ignore_errors=True)
        (self.world / "elsewhere" / "folder").mkdir(parents=True)
        for name in ("file.txt", "folder/file.txt", "curves.csv", "7.json", "a.svg", "fold-1.npz", ".a.svg.7.part"):
            (self.world / "elsewhere" / name).write_bytes(SECRET)
        forget_files()
        return self.world / "target"

    def out(self, name: str, command: str) -> None:
        """Give a folder of others as --out."""
        target = self._new()
        OUTS[name](target)
        if name == "a path below a file":
            target = target / "run"
        self._check("out", f"{name}: {command}", OUT_COMMANDS[command], target)

    def argument(self, name: str, command: str) -> None:
        """Give something where a run is expected."""
        target = self._new()
        if name == "a large archive by name":
            target = target.with_name("target.tar.gz")
        ARGUMENTS[name](target)
        if name == "a path below a file":
            target = target / "run"
        self._check("argument", f"{name}: {command}", ARGUMENT_COMMANDS[command], target)

    def inside(self, place: str, name: str, command: str) -> None:
        """Put something in the place of a folder of a run, which is then used."""
        target = self._new()
        shutil.copytree(self.damaged.bases / "finished", target, symlinks=True)
        path = min(target.glob(place), default=target / place)
        if INSTEAD[name] is not INSTEAD["others' files in it"]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        elif path.is_file():
            path.unlink()
        INSTEAD[name](path)
        run, self.damaged.run = self.damaged.run, target
        self._check("inside", f"{place}: {name}: {command}", INSIDE_COMMANDS[command], target)
        self.damaged.run = run

    def archives(self, commands: tuple[str, ...] = ("compare", "verify", "explain")) -> None:
        """Give hostile archives."""
        run = self.damaged.bases / "finished"
        good = {name: (run / name).read_bytes() for name in ("run.json", "results.csv", "manifest.jsonl")}
        for suffix in (".tar.gz", ".zip"):
            for name, content in raw_archives().items():
                self._archive(name, suffix, content, commands)
            for name, members in hostile_members(good).items():
                self._archive(name, suffix, packed(suffix, members), commands)

    def _archive(self, name: str, suffix: str, content: bytes, commands: tuple[str, ...]) -> None:
        for command in commands:
            target = self._new().with_name(f"target{suffix}")
            target.write_bytes(content)
            self._check("archive", f"{name}: {suffix}: {command}", ARGUMENT_COMMANDS[command], target)

    def _check(self, part: str, case: str, words: tuple[str, ...], target: Path) -> None:
        before = tree(self.world)
        kind, said = self._given(words, target)
        harm = self._harm(before, kind, target, part)
        if harm:
            kind, said = "harm", f"{', '.join(harm)[:300]} ({said[:200]})"
        self.found.append({"part": part, "case": case, "kind": kind, "said": said[:400]})
        if kind not in ("refused", "accepted"):
            print(f"{part}: {case}: {kind}: {said[:300]}", file=sys.stderr, flush=True)

    def _given(self, words: tuple[str, ...], target: Path) -> tuple[str, str]:
        """Give the command; return what became of it and its words."""
        own = self.words | {"TARGET": str(target), "OUT": str(self.world / "out.tar.gz")}
        try:
            with within(SECONDS):
                if not words or words == ("repair",):
                    self.damaged.resume(repair=bool(words))
                    return "accepted", ""
                status, text = command_line(*(own.get(word, word) for word in words))
        except Hang:
            return "hang", ""
        except KitError as error:
            one_line = "\n" not in str(error) and str(error).isprintable()
            return "refused" if error.exit_status in (2, 3) and one_line else "not one line", str(error)
        except Exception as error:
            return "unexpected", f"{type(error).__name__}: {error}"
        return ("refused" if status == 3 else "accepted"), text.splitlines()[-1] if text else ""

    def _harm(self, before: dict[str, str], kind: str, target: Path, part: str) -> list[str]:
        """Return what is not as it was, of others' files and, for a command that refused, anywhere."""
        after, own = tree(self.world), f"{target.name}/"
        changed = [name for name in before if after.get(name) != before[name]]
        # Moved by a repair, or by --fresh from what may be a damaged run.
        kept = {name.split("/", 3)[-1] for name in after if name.startswith(f"{own}set-aside/")}
        kept |= {name.partition("/")[2] for name in after if name.startswith(f"{target.name}-before-")}
        others = [name for name in changed if before[name] == SECRET_DIGEST and name.removeprefix(own) not in kept]
        harm = [name for name in changed if not name.startswith(own)] + others
        new = [name for name in after if name not in before]
        if kind == "refused" and part != "inside":
            harm += [name for name in new if name != f"{own}.lock"]
        harm += [name for name in new if name.startswith("elsewhere")]
        out = self.world / "out.tar.gz"
        if out.exists():
            with tarfile.open(out) as tar:
                contents = {member.name: tar.extractfile(member) for member in tar}
                harm += [f"packed {name}" for name, content in contents.items() if content and SECRET in content.read()]
        return harm


SECRET_DIGEST = hashlib.sha256(SECRET).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """Return all paths in a folder, none of them behind a link, with what they are and the SHA-256 of files."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                large = path.lstat().st_size > 2**30
                content = "large" if large else hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = f"{stat.S_IFMT(mode)} {os.readlink(path) if path.is_symlink() else ''}"
            found[path.relative_to(folder).as_posix()] = content
    return found
