"""Hostile folders, run arguments, links inside a run, and archives; and whether a command leaves everything else alone.

Each case is a command in a world of its own: the folder `elsewhere`, which belongs to others, and what the case puts
next to it. A command must end with status 2 or 3 and one line, or with status 0 and 1; either way `elsewhere`, and
whatever the kit did not write, must stay as it was, and its words must be in no file that the command makes.
"""

import gzip
import hashlib
import io
import os
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pse_repro.errors import KitError
from pse_repro.study import manifest, survey
from pse_repro.study.archive import SUMS
from tests.support.damaged import Damaged, Hang, command_line, within
from tests.support.tiny import write_images

SECRET = b"this belongs to somebody else"
SECONDS = 30
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
Make = Callable[[Path], Any]


def _folder(files: dict[str, bytes]) -> Make:
    def make(path: Path) -> None:
        path.mkdir()
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)

    return make


def _with(make: Callable[[Path], object]) -> Make:
    """Return a folder of others that `make` adds something to."""

    def both(path: Path) -> None:
        path.mkdir()
        make(path)

    return both


def _elsewhere(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.name == "world") / "elsewhere"


# Folders of other things, given as --out.
OUTS: dict[str, Make] = {
    "a text": _folder({"notes.txt": SECRET}),
    "a hidden file": _folder({".hidden": SECRET}),
    "a partial file": _folder({".thesis.tex.7.part": SECRET}),
    "partial files of a run's names": _folder({".results.csv.7.part": SECRET, ".report.html.7.part": SECRET}),
    "a lock with contents": _folder({".lock": SECRET}),
    "a folder": _folder({"thesis/chapter.tex": SECRET}),
    "a run's folders without its record": _folder({"models/a-seed0-12345678/curves.csv": SECRET}),
    "figures": _folder({"figures/a.svg": SECRET}),
    "a manifest": _folder({"manifest.jsonl": SECRET}),
    "status files": _folder({"now/7.json": SECRET}),
    "a record of another program": _folder({"run.json": b'{"name": "lint", "version": 1}', "a": SECRET}),
    "a record that is a list": _folder({"run.json": b"[]", "a": SECRET}),
    "a record of a study alone": _folder({"run.json": b'{"study": {}}', "a": SECRET}),
    "a record with a text for a study": _folder({"run.json": b'{"study": "a"}', "a": SECRET}),
    "a record with deep lists": _folder({"run.json": b'{"study": {"a":' + b"[" * 100_000}),
    "a record that is no JSON": _folder({"run.json": b"\xff\xfe", "a": SECRET}),
    "an empty record": _folder({"run.json": b"", "a": SECRET}),
    "a record that is a named pipe": _with(lambda path: os.mkfifo(path / "run.json")),
    "a record that is a folder": _with(lambda path: (path / "run.json").mkdir()),
    "a record that is a link": _with(lambda path: (path / "run.json").symlink_to(_elsewhere(path) / "file.txt")),
    "a dangling record": _with(lambda path: (path / "run.json").symlink_to("nowhere")),
    "a record of zeros": _with(lambda path: (path / "run.json").symlink_to("/dev/zero")),
    "a large record": _with(lambda path: _sparse(path / "run.json")),
    "a lock that is a link": _with(lambda path: (path / ".lock").symlink_to(_elsewhere(path) / "file.txt")),
    "a lock that is a named pipe": _with(lambda path: (os.mkfifo(path / ".lock"), (path / "a").touch())),
    "a lock that is a folder": _with(lambda path: (path / ".lock").mkdir()),
    "a manifest that is a link": _with(
        lambda path: (path / "manifest.jsonl").symlink_to(_elsewhere(path) / "file.txt")
    ),
    "a manifest that is a named pipe": _with(lambda path: os.mkfifo(path / "manifest.jsonl")),
    "a manifest that is a folder": _with(lambda path: (path / "manifest.jsonl").mkdir()),
    "a link to others' folder": lambda path: path.symlink_to(_elsewhere(path)),
    "a file": lambda path: path.write_bytes(SECRET),
    "a path below a file": lambda path: path.parent.joinpath("target").write_bytes(SECRET),
    "a named pipe": os.mkfifo,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}
OUT_COMMANDS = {
    "run": ("run", "STUDY", "--data", "DATA", "--device", "cpu", "--out", "TARGET"),
    "fresh": ("run", "STUDY", "--data", "DATA", "--device", "cpu", "--out", "TARGET", "--fresh"),
    "repair": ("run", "STUDY", "--data", "DATA", "--device", "cpu", "--out", "TARGET", "--repair"),
}

# Given where a run is expected.
ARGUMENTS: dict[str, Make] = {
    **{name: make for name, make in OUTS.items() if not name.startswith("a lock")},
    "nothing": lambda _: None,
    "an empty folder": Path.mkdir,
    "an empty file": Path.touch,
    "a large file": lambda path: _sparse(path),
    "a large archive by name": lambda path: _sparse(path),
    "a link to a file of others": lambda path: path.symlink_to(_elsewhere(path) / "file.txt"),
}
ARGUMENT_COMMANDS = {
    "compare": ("compare", "TARGET"),
    "against": ("compare", "RUN", "--against", "TARGET"),
    "status": ("status", "TARGET"),
    "explain": ("explain", "TARGET"),
    "report": ("report", "TARGET"),
    "export": ("export", "TARGET", "--out", "OUT"),
    "verify": ("verify", "TARGET"),
    "evaluate": ("evaluate", "TARGET", "--evaluation", "knn", "--data", "DATA", "--device", "cpu"),
}


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


# Places in a run that are replaced.
INSIDE = (
    "figures",
    "models",
    "cells",
    "baselines",
    "models/*",
    "cells/*",
    "cells/*/*",
    "models/*/epochs",
    "models/*/frozen-*",
    "now",
    "set-aside",
    "tensorboard",
    ".lock",
)
INSTEAD: dict[str, Make] = {
    "a link to others' folder": lambda path: path.symlink_to(_elsewhere(path)),
    "a link to others' file": lambda path: path.symlink_to(_elsewhere(path) / "file.txt"),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a file": lambda path: path.write_bytes(SECRET),
    "a named pipe": os.mkfifo,
    "others' files in it": lambda path: _foreign(path),
}
INSIDE_COMMANDS = {
    "report": ("report", "TARGET"),
    "export": ("export", "TARGET", "--out", "OUT", "--weights"),
    "status": ("status", "TARGET"),
    "verify": ("verify", "TARGET"),
    "resume": (),
    "repair": ("repair",),
}


def _foreign(path: Path) -> None:
    """Put files of others, in subfolders and links, into a folder of the run."""
    if path.name == ".lock":
        path.write_bytes(SECRET)
        return
    (path / "thesis").mkdir(parents=True)
    for name in ("thesis/chapter.tex", "mine.txt", ".mine.7.part", "1.json.bak", "a.json"):
        (path / name).write_bytes(SECRET)
    (path / "link").symlink_to(_elsewhere(path))
    (path / "7.json").mkdir()
    os.mkfifo(path / "8.json")


@dataclass(frozen=True)
class Member:
    """A member of an archive; `kind` is a tar type, or a mode of a ZIP by the same name."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""


def _summed(files: dict[str, bytes], top: str = "run") -> list[Member]:
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return [Member(f"{top}/{name}", content) for name, content in (files | {SUMS: sums.encode()}).items()]


def hostile_members(good: dict[str, bytes]) -> dict[str, list[Member]]:
    """Return the members of hostile archives, made of the files of a good one."""
    whole = _summed(good)
    found = {
        f"a member {name[:40]!r}": [*whole, Member(name, SECRET)]
        for name in (
            "/etc/evil", "../evil", "run/../../evil", "run/./evil", "run//evil", "run/a\nb", "run\\evil", "C:/evil",
            "run/" + "a" * 300, "/".join(["run", *"a" * 3000]), "run/\x1b[31m", "run/\u202egpj.exe",
            "run/a\0b", "..", ".",
        )
    }  # fmt: skip
    kinds = {
        "a symbolic link": tarfile.SYMTYPE, "a hard link": tarfile.LNKTYPE, "a device": tarfile.CHRTYPE,
        "a block device": tarfile.BLKTYPE, "a named pipe": tarfile.FIFOTYPE,
    }  # fmt: skip
    for name, kind in kinds.items():
        found[name] = [Member("run/figures/a.svg", b"/etc/passwd", kind, "/etc/passwd"), *whole]
    found["a link to a folder, and a file in it"] = [Member("run/x", b"/tmp", tarfile.SYMTYPE, "/tmp"),
                                                     Member("run/x/evil", SECRET), *whole]  # fmt: skip
    found["a member twice"] = [*whole, whole[0]]
    found["a file for a folder"] = [*whole, Member("run/run.json/a", SECRET)]
    found["a folder for a file"] = [Member("run/run.json/a", SECRET), *whole]
    found["200,000 members"] = [*whole, *(Member(f"run/a{number}") for number in range(200_000))]
    found["no sums"] = whole[:-1]
    found["sums of another run"] = [*whole[:-1], Member(f"run/{SUMS}", b"0" * 64 + b"  run.json\n")]
    found["sums that are binary"] = [*whole[:-1], Member(f"run/{SUMS}", bytes(range(256)) * 9)]
    found["empty sums"] = [*whole[:-1], Member(f"run/{SUMS}")]
    found["a file without its sum"] = [*whole, Member("run/more.csv", SECRET)]
    found["an altered file"] = [Member(whole[0].name, whole[0].content + b" "), *whole[1:]]
    found["a missing file"] = whole[1:]
    found["two folders"] = [*whole, Member("other/run.json", b"{}")]
    found["no folder"] = [Member(name, content) for name, content in good.items()]
    found["nothing"] = []
    found["a large file"] = [*whole, Member("run/large", bytes(200_000_000))]
    found["a record of others"] = _summed(good | {"run.json": b'{"study": {}}'})
    found["a record that is a list"] = _summed(good | {"run.json": b"[]"})
    found["a manifest of others"] = _summed(good | {"manifest.jsonl": b"{}\n"})
    found["a manifest of deep lists"] = _summed(good | {"manifest.jsonl": b"[" * 100_000})
    found["altered results with a fitting sum"] = _summed(
        good | {"results.csv": good["results.csv"].replace(b"1", b"2")}
    )
    outside = b'{"name": "../../elsewhere/file.txt", "length": 1, "sha256": "0", "adopted": true}\n'
    found["a manifest that names a path outside"] = _summed(good | {"manifest.jsonl": good["manifest.jsonl"] + outside})
    return found


def packed(suffix: str, members: list[Member]) -> bytes:
    """Return an archive with these members, which the kit would never make."""
    buffer = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                info = zipfile.ZipInfo(member.name)
                kind = stat.S_IFREG if member.kind == tarfile.REGTYPE else stat.S_IFLNK
                info.external_attr = (kind | 0o644) << 16
                archive.writestr(info, member.content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            header = tarfile.TarInfo(member.name)
            header.type, header.linkname = member.kind, member.link
            header.size = len(member.content) if header.isreg() else 0
            tar.addfile(header, io.BytesIO(member.content))
    return buffer.getvalue()


def raw_archives() -> dict[str, bytes]:
    """Return the contents of files that only look like archives, and of headers that claim too much."""
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    pax = tarfile.TarInfo("run/run.json")
    pax.pax_headers = {"comment": "a" * 50_000_000}
    sparse = tarfile.TarInfo("run/run.json")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**50)}
    size = tarfile.TarInfo("run/run.json")
    size.pax_headers = {"size": "-1"}
    headers = {"a long name": long.tobuf(tarfile.GNU_FORMAT) + bytes(40_000_000)}
    headers |= {
        name: info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)
        for name, info in {"a pax bomb": pax, "a sparse pax header": sparse, "a negative pax size": size}.items()
    }
    return {name: gzip.compress(content, 1) for name, content in headers.items()} | {
        "empty": b"",
        "a gzip of nothing": gzip.compress(b""),
        "a gzip bomb": gzip.compress(gzip.compress(bytes(300_000_000), 1), 1),
        "the first bytes of a ZIP": b"PK\x03\x04",
        "the first bytes of a gzip": b"\x1f\x8b",
        "a ZIP without members": b"PK\x05\x06" + bytes(18),
        "a page": b"<html>",
    }


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
        manifest._read.cache_clear()
        survey._fold_seconds.cache_clear()
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
