"""Ways to damage one file or folder of a run: what a disk, an editor or an attacker may do to it.

Each takes the path and a generator of random numbers. It raises `NotApplicableError` if it changes nothing.
"""

import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Mutation = Callable[[Path, random.Random], None]
BITS = 6  # flipped per file, one a case


class NotApplicableError(Exception):
    """The mutation does not change this file, or this system cannot do it."""


def _content(change: Callable[[bytes, random.Random], bytes]) -> Mutation:
    """Return the mutation that replaces the contents by `change` of them."""

    def mutate(path: Path, draws: random.Random) -> None:
        before = path.read_bytes()
        after = change(before, draws)
        if after == before:
            raise NotApplicableError
        path.write_bytes(after)

    return mutate


def _flip(content: bytes, draws: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
    return bytes(changed)


def _digit(content: bytes, draws: random.Random) -> bytes:
    digits = [match.start() for match in re.finditer(rb"\d", content)]
    if not digits:
        return content
    at = draws.choice(digits)
    return content[:at] + str((int(content[at : at + 1]) + 1) % 10).encode() + content[at + 1 :]


def _lines(change: Callable[[list[bytes], int], list[bytes]]) -> Mutation:
    def of(content: bytes, draws: random.Random) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join(change(lines, draws.randrange(len(lines)))) if lines else content

    return _content(of)


def _whole(content: bytes) -> Mutation:
    return _content(lambda *_: content)


def _insert(piece: bytes) -> Mutation:
    return _content(lambda content, _: content[: len(content) // 2] + piece + content[len(content) // 2 :])


CONTENTS: dict[str, Mutation] = {
    "emptied": _whole(b""),
    "cut in half": _content(lambda content, _: content[: len(content) // 2]),
    "without its last byte": _content(lambda content, _: content[:-1]),
    **{f"bit flipped {number}": _content(_flip) for number in range(BITS)},
    "a digit changed": _content(_digit),
    "a line removed": _lines(lambda lines, at: lines[:at] + lines[at + 1 :]),
    "a line doubled": _lines(lambda lines, at: [*lines[: at + 1], *lines[at:]]),
    "lines exchanged": _lines(lambda lines, at: [*lines[:at], lines[-1], *lines[at + 1 : -1], lines[at]]),
    "first line removed": _lines(lambda lines, _: lines[1:]),
    "only the first line": _lines(lambda lines, _: lines[:1]),
    "doubled": _content(lambda content, _: content * 2),
    "garbage appended": _content(lambda content, draws: content + draws.randbytes(100)),
    "garbage in front": _content(lambda content, draws: draws.randbytes(10) + content),
    "garbage of the same length": _content(lambda content, draws: draws.randbytes(len(content))),
    "zeros of the same length": _content(lambda content, _: bytes(len(content))),
    "a line end appended": _content(lambda content, _: content + b"\n"),
    "Windows line ends": _content(lambda content, _: content.replace(b"\n", b"\r\n")),
    "null": _whole(b"null"),
    "an object": _whole(b"{}"),
    "a list": _whole(b"[]"),
    "a word": _whole(b'"word"'),
    "a number": _whole(b"3"),
    "NaN": _whole(b"NaN"),
    "1e999": _whole(b"1e999"),
    "an object of 1e999": _whole(b'{"study": 1e999, "metrics": 1e999, "name": 1e999}'),
    "deep lists": _whole(b"[" * 100_000 + b"]" * 100_000),
    "deep objects": _whole(b'{"study":' * 100_000 + b"1" + b"}" * 100_000),
    "a number of 5,000 digits": _whole(b"9" * 5000),
    "an object of 5,000 digits": _whole(b'{"study": ' + b"9" * 5000 + b"}"),
    "UTF-16": _content(lambda content, _: content.decode("latin-1").encode("utf-16")),
    "a byte order mark": _content(lambda content, _: b"\xef\xbb\xbf" + content),
    "NUL bytes inserted": _insert(bytes(8)),
    "no UTF-8 inserted": _insert(b"\xff\xfe\xc3"),
    "a lone surrogate": _whole(b'{"study": "\\ud800", "error": "\\ud800"}'),
}


def _deleted(path: Path, _: random.Random) -> None:
    path.unlink()


def _sparse(path: Path, _: random.Random) -> None:
    os.truncate(path, 2**40)


def _instead(make: Callable[[Path], object]) -> Mutation:
    """Return the mutation that puts what `make` makes at the path."""

    def mutate(path: Path, _: random.Random) -> None:
        path.unlink()
        try:
            make(path)
        except PermissionError as error:
            raise NotApplicableError from error

    return mutate


def _link_to_a_copy(path: Path, _: random.Random) -> None:
    copy = beside(path) / path.name
    shutil.move(path, copy)
    path.symlink_to(copy)


def _folder_of_it(path: Path, _: random.Random) -> None:
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    (path / path.name).write_bytes(content)


def beside(path: Path) -> Path:
    """Return a folder outside every run, for what a run may link to; it is deleted with the case."""
    case = next(folder.parent for folder in path.parents if folder.name == "run")
    folder = case / "elsewhere"
    folder.mkdir(exist_ok=True)
    return folder


PATHS: dict[str, Mutation] = {
    "deleted": _deleted,
    "1 TB": _sparse,
    "a link to a copy": _link_to_a_copy,
    "a dangling link": _instead(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "a link to /dev/zero": _instead(lambda path: path.symlink_to("/dev/zero")),
    "a link to a folder": _instead(lambda path: path.symlink_to(beside(path))),
    "a device": _instead(lambda path: os.mknod(path, 0o20666, os.makedev(1, 5))),
    "a named pipe": _instead(os.mkfifo),
    "an empty folder": _instead(Path.mkdir),
    "a folder with it": _folder_of_it,
}


def _arrays(change: Callable[[dict[str, Any]], object], compress: bool = True) -> Mutation:
    """Return the mutation that writes an NPZ file again with changed arrays."""

    def mutate(path: Path, _: random.Random) -> None:
        with np.load(path) as stored:
            arrays = dict(stored)
        try:
            change(arrays)
        except (KeyError, TypeError, ValueError) as error:  # no such array, or texts where numbers are changed
            raise NotApplicableError from error
        buffer = io.BytesIO()
        (np.savez_compressed if compress else np.savez)(buffer, **arrays)
        path.write_bytes(buffer.getvalue())

    return mutate


def _each(change: Callable[[np.ndarray], Any], *names: str) -> Mutation:
    """Return the mutation that changes the named arrays or, without names, all."""
    return _arrays(
        lambda arrays: arrays.update(
            {name: change(arrays[name]) for name in names or [name for name in arrays if name != "belongs_to"]}
        )
    )


ARRAYS: dict[str, Mutation] = {
    "uncompressed": _arrays(lambda _: None, compress=False),
    "float16": _each(lambda array: array.astype(np.float16)),
    "whole numbers": _each(lambda array: np.nan_to_num(array).astype(np.int64) if array.dtype.kind != "U" else array),
    "texts": _each(lambda array: array.astype(str)),
    "pickled objects": _each(lambda array: array.astype(object)),
    "transposed": _each(np.transpose),
    "another axis": _each(lambda array: array[None]),
    "empty arrays": _each(lambda array: array.reshape(-1)[:0]),
    "NaN in arrays": _each(lambda array: array * np.nan if array.dtype.kind == "f" else array),
    "no keys": _arrays(dict.clear),
    "another key": _arrays(lambda arrays: arrays.update(more=np.zeros(3))),
    "the first key missing": _arrays(lambda arrays: arrays.pop(next(iter(arrays)))),
    "no mark": _arrays(lambda arrays: arrays.pop("belongs_to")),
    "another mark": _arrays(lambda arrays: arrays.update(belongs_to=np.array("models/other/fold-1.npz"))),
    "rolled": _each(lambda array: np.roll(array, 1, 0), "probabilities"),
    "negative": _each(np.negative, "probabilities"),
    "huge": _each(lambda array: array * 1e30, "probabilities"),
    "labels rolled": _each(lambda array: np.roll(array, 1), "labels"),
    "labels of 0": _each(np.zeros_like, "labels"),
    "best_epoch of three": _each(lambda _: np.arange(3), "best_epoch"),
    "best_epoch of NaN": _each(lambda _: np.array(np.nan), "best_epoch"),
    "seconds of a word": _each(lambda _: np.array("long"), "seconds"),
}


def _values(change: Callable[[Any], Any]) -> Mutation:
    """Return the mutation that changes one value of a JSON object, at any depth."""

    def mutate(path: Path, draws: random.Random) -> None:
        found = json.loads(path.read_bytes())
        inside, key = draws.choice(list(_leaves(found)))
        inside[key] = change(inside[key])
        path.write_text(json.dumps(found, indent=1))

    return mutate


def _leaves(found: Any) -> Any:
    """Yield all places of a JSON tree: a container and a key or index of it."""
    for key in found if isinstance(found, dict) else range(len(found)):
        yield found, key
        if isinstance(found[key], (dict, list)):
            yield from _leaves(found[key])


OBJECTS: dict[str, Mutation] = {
    f"a value of {name}": _values(lambda _, value=value: value)  # type: ignore[misc]
    for name, value in {
        "null": None,
        "an object": {},
        "a list": [[]],
        "a word": "word",
        "-1": -1,
        "1e400": float("inf"),
        "NaN": float("nan"),
        "true": True,
    }.items()
}


def mutations_of(path: Path) -> dict[str, Mutation]:
    """Return the mutations for a file by its format."""
    more = {".npz": ARRAYS, ".json": OBJECTS}.get(path.suffix, {})
    return CONTENTS | PATHS | more


def exchanges(run: Path, path: Path) -> dict[str, Path]:
    """Return the files of the same kind that a file may be exchanged with, by where they lie."""
    number = re.sub(r"\d+", "*", path.name)
    others = [other for other in sorted(run.rglob(number)) if other != path and other.is_file()]
    found: dict[str, Path] = {}
    for other in others:
        if other.parent == path.parent:
            where = "its folder"
        elif other.parent.parent == path.parent.parent:
            where = "another folder there"
        else:
            where = "elsewhere"
        found.setdefault(where, other)
    return found


def exchanged(path: Path, other: Path) -> None:
    """Exchange two files or folders."""
    between = beside(path) / "between"
    shutil.move(path, between)
    shutil.move(other, path)
    shutil.move(between, other)
