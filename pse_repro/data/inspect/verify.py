"""Verification that a folder holds STL-10: five files by size and MD5, labels, equal images, folds (switch 11).

Every file is checked, even if others are bad, and the verdict covers them all. The JSON follows
schemas/data-verify.schema.json.
"""

import hashlib
import os
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pse_repro.data.duplicates import Digest, count_duplicates, digest
from pse_repro.data.folds import folds
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_IMAGES, OFFICIAL_MD5, SPLITS, Dataset, open_dataset
from pse_repro.errors import NotFitError
from pse_repro.files import open_regular
from pse_repro.progress.listener import Stage
from pse_repro.progress.stages import Progress

OFFICIAL_PER_CLASS = {"train": 500, "test": 800}
RELEASED_FIRST = (1012, 1006, 10, 104, 1030)  # each fold's first validation image in train_X: the released logs
RELEASED_SIZES = ((4_000, 1_000),) * 5  # training and validation images of each fold
STATES = ("official", "other", "truncated", "missing", "unreadable")
FETCH = "pse-repro data fetch"
_READ = 38 * IMAGE_BYTES  # bytes hashed at once, about a megabyte: whole images


@dataclass(frozen=True)
class FileCheck:
    """Result for one of the five files.

    `bytes` and `md5` are those found, None if the file cannot be read. `problem` is empty for an official file. `state`
    is one of STATES. "truncated" means fewer bytes than the official file and one of: not a whole number of images,
    fewer images than labels (or labels than images), official files beside it. "other" is any other content.
    """

    name: str
    state: str
    bytes: int | None
    md5: str | None
    problem: str

    @property
    def expected_bytes(self) -> int:
        return OFFICIAL_IMAGES[_split(self.name)] * _unit(self.name)


@dataclass(frozen=True)
class LabelCheck:
    """The labels of train or test: `counts` of 1..10, the number `outside` that range, and the `problem` or ""."""

    split: str
    counts: tuple[int, ...]
    outside: int
    problem: str


@dataclass(frozen=True)
class FoldCheck:
    """The folds of the official train_y: each fold's `first` validation image and `sizes` (training, validation)."""

    first: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]

    @property
    def released(self) -> bool:
        return (self.first, self.sizes) == (RELEASED_FIRST, RELEASED_SIZES)


@dataclass(frozen=True)
class Verification:
    """Result for `folder`; `labels` covers readable files, `folds` is None unless train_y is the official file.

    `consistent` means whole images and equally many labels, all in 1..10, so that the kit can use them, STL-10 or not.
    Then `images` counts those of each split, and `duplicates` the equal ones among them (data/duplicates.py).
    """

    folder: Path
    files: tuple[FileCheck, ...]
    labels: tuple[LabelCheck, ...]
    folds: FoldCheck | None
    consistent: bool
    images: dict[str, int] | None
    duplicates: dict[str, int] | None

    @property
    def official(self) -> bool:
        """True if all five files are STL-10's."""
        return all(file.state == "official" for file in self.files)

    @property
    def exit_status(self) -> int:
        """0 for the official files; 3 for others, or if the official labels do not give the released folds."""
        return 0 if self.official and self.folds is not None and self.folds.released else 3

    @property
    def problems(self) -> list[str]:
        """One line per problem: what was found, what was expected, what to do."""
        parts: tuple[FileCheck | LabelCheck, ...] = (*self.files, *self.labels)
        lines = [part.problem for part in parts if part.problem]
        if self.folds is not None and not self.folds.released:
            lines.append(
                f"folds of train_y.bin: found first validation images {_list(self.folds.first)}, expected "
                f"{_list(RELEASED_FIRST)} as in the released logs: scikit-learn {version('scikit-learn')} splits "
                "differently, install another version"
            )
        return lines

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.exit_status == 0:
            return "STL-10: all five files are the official ones, and the folds are the released ones"
        if self.official:
            return "STL-10's official files, but the folds are not the released ones"
        if self.consistent:
            return f"consistent, but not STL-10: usable, never compared with the published numbers; {FETCH} gets STL-10"
        bad = [file.name for file in self.files if file.state != "official"]
        return f"not STL-10, and not usable as it is: {len(bad)} of 5 files are not official; run {FETCH}"


def verify(directory: Path, progress: Progress) -> Verification:
    """Check the five files in `directory`/stl10_binary or in `directory` itself, reading each once, in blocks.

    Bad, missing and unreadable files raise no error; the result describes them.
    """
    folder = _folder(directory)
    found = _read_all(folder, progress)
    states = {name: _state(name, found) for name in OFFICIAL_MD5}
    files = tuple(
        FileCheck(name, states[name], found[name].bytes, found[name].md5, _problem(name, states[name], found[name]))
        for name in OFFICIAL_MD5
    )
    labels = tuple(_check_labels(split, found) for split in OFFICIAL_PER_CLASS if found[f"{split}_y.bin"].bytes)
    checked = _check_folds(folder / "train_y.bin") if states["train_y.bin"] == "official" else None
    digests = None
    if set(states.values()) == {"missing"}:
        if data := _opened(directory):  # an .npz file
            digests = {split: getattr(data, split).digests for split in SPLITS}
    elif all(_whole(name, found[name]) for name in found) and not any(check.problem for check in labels):
        digests = {split: found[f"{split}_X.bin"].digests for split in SPLITS}
    images = digests and {split: len(each) for split, each in digests.items()}
    duplicates = digests and count_duplicates(digests)
    return Verification(folder, files, labels, checked, digests is not None, images, duplicates)


@dataclass(frozen=True)
class _Found:
    """Content of one file: bytes, MD5 and the digest of each image or the count of each label 0..255; or the error."""

    bytes: int | None = None
    md5: str | None = None
    labels: np.ndarray | None = None
    digests: list[Digest] = field(default_factory=list)
    error: str = ""
    missing: bool = False


def _folder(directory: Path) -> Path:
    """Return the folder chosen by `find_binaries`; without train_X.bin, the folder with any of the five files."""
    folders = (directory / "stl10_binary", directory)
    for names in (["train_X.bin"], list(OFFICIAL_MD5)):
        for folder in folders:
            if any(os.path.exists(folder / name) for name in names):
                return folder
    return directory if os.path.isfile(directory) else folders[0]


def _read_all(folder: Path, progress: Progress) -> dict[str, _Found]:
    sizes = {name: os.path.getsize(folder / name) for name in OFFICIAL_MD5 if os.path.isfile(folder / name)}
    found = {}
    with progress.stage("verify", sum(sizes.values()), unit="bytes") as stage:
        for name in OFFICIAL_MD5:
            try:
                found[name] = _read(folder / name, stage)
            except (FileNotFoundError, NotADirectoryError):
                found[name] = _Found(missing=True)
            except OSError as error:
                found[name] = _Found(error=error.strerror or str(error))
    return found


def _read(path: Path, stage: Stage) -> _Found:
    md5, size, digests = hashlib.md5(usedforsecurity=False), 0, []
    labels = np.zeros(256, np.int64) if path.name.endswith("_y.bin") else None
    with open_regular(path) as file:
        while block := file.read(_READ):
            md5.update(block)
            size += len(block)
            if labels is not None:  # counted per block, as the file may have any size
                labels += np.bincount(np.frombuffer(block, np.uint8), minlength=256)
            else:
                images = np.frombuffer(block, np.uint8, len(block) // IMAGE_BYTES * IMAGE_BYTES)
                digests += [digest(image) for image in images.reshape(-1, IMAGE_BYTES)]
            stage.advance(len(block))
    return _Found(size, md5.hexdigest(), labels, digests)


def _split(name: str) -> str:
    return name.partition("_")[0]


def _unit(name: str) -> int:
    """Return the bytes of one image, or of one label."""
    return IMAGE_BYTES if name.endswith("_X.bin") else 1


def _whole(name: str, found: _Found) -> bool:
    return bool(found.bytes) and (found.bytes or 0) % _unit(name) == 0


def _state(name: str, found: dict[str, _Found]) -> str:
    this = found[name]
    if this.bytes is None:
        return "missing" if this.missing else "unreadable"
    if this.md5 == OFFICIAL_MD5[name]:
        return "official"
    partner = f"{_split(name)}_{'y' if name.endswith('_X.bin') else 'X'}.bin"
    partner_bytes = found[partner].bytes if partner in found else None
    fewer = partner_bytes is not None and this.bytes // _unit(name) < partner_bytes // _unit(partner)
    beside_official = any(found[other].md5 == md5 for other, md5 in OFFICIAL_MD5.items())
    smaller = this.bytes < OFFICIAL_IMAGES[_split(name)] * _unit(name)
    return "truncated" if smaller and (not _whole(name, this) or fewer or beside_official) else "other"


def _problem(name: str, state: str, found: _Found) -> str:
    official = OFFICIAL_IMAGES[_split(name)]
    expected = f"{official * _unit(name):,} bytes ({official:,} {'images' if name.endswith('_X.bin') else 'labels'})"
    if state == "missing":
        return f"{name} is missing: expected {expected}; run {FETCH}"
    if state == "unreadable":
        return f"{name} cannot be read: {found.error}; expected {expected}; check its permissions, or run {FETCH}"
    if state == "truncated":
        return f"{name} is truncated: found {found.bytes:,} bytes, expected {expected}; download it again: run {FETCH}"
    if state == "other":
        found_text = f"found {found.bytes:,} bytes, MD5 {found.md5}"
        return f"{name} is not STL-10's: {found_text}, expected {expected}, MD5 {OFFICIAL_MD5[name]}; run {FETCH}"
    return ""


def _check_labels(split: str, found: dict[str, _Found]) -> LabelCheck:
    counts, size = found[f"{split}_y.bin"].labels, found[f"{split}_X.bin"].bytes
    assert counts is not None  # only called for readable files
    outside = int(counts[0] + counts[11:].sum())
    problem = ""
    if outside:
        problem = f"{split}_y.bin: found {outside:,} labels outside 1..10, expected none; run {FETCH}"
    elif size is not None and size // IMAGE_BYTES != counts.sum():
        images = f"{size // IMAGE_BYTES:,} whole images in {split}_X.bin"
        problem = f"{split}_y.bin: found {counts.sum():,} labels for {images}, expected one for each; run {FETCH}"
    return LabelCheck(split, tuple(counts[1:11].tolist()), outside, problem)


def _check_folds(path: Path) -> FoldCheck:
    parts = folds(np.fromfile(path, np.uint8))
    sizes = tuple((len(train), len(validation)) for train, validation in parts)
    return FoldCheck(tuple(int(validation[0]) for _, validation in parts), sizes)


def _opened(directory: Path) -> Dataset | None:
    try:
        return open_dataset(directory)
    except (NotFitError, OSError):
        return None


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
