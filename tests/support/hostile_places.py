"""What stands in a command's way: folders of others, arguments that are no runs, and what replaces folders of a run.

Each is made at a path in a `world`, next to the folder `elsewhere`, which belongs to others.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECRET = b"this belongs to somebody else"
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
