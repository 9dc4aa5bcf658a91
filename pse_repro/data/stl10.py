"""Reader of STL-10's binary layout by memory map, and of small .npz files with a few of its images.

Each `*_X.bin` is uint8, image by image, channel by channel, column-major inside a channel; each `*_y.bin` uint8, 1..10.
Source: A. Coates, H. Lee, A. Y. Ng, *An Analysis of Single-Layer Networks in Unsupervised Feature Learning*, 2011.
Shapes: N images, stored_NCWH as in the file (columns before rows), images_NCHW as everywhere else.
"""

import hashlib
import mmap
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pse_repro.config.study import Subset
from pse_repro.data.duplicates import Digest, count_duplicates, digest
from pse_repro.data.tiny import read_tiny
from pse_repro.errors import NotFitError, explain_os_error
from pse_repro.files import open_regular

CLASSES = 10
CLASS_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

SIDE = 96
IMAGE_BYTES = 3 * SIDE * SIDE
SPLITS = ("unlabeled", "train", "test")
_BLOCK = 64  # images per block: their integers fit a processor's cache
_MAX_LABELS = 10**7  # bytes: with as many labels, the images would have 276 GB
OFFICIAL_IMAGES = {"unlabeled": 100_000, "train": 5_000, "test": 8_000}
OFFICIAL_MD5 = {
    "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
    "train_y.bin": "5a34089d4802c674881badbb80307741",
    "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
    "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    "unlabeled_X.bin": "5242ba1fed5e4be9e1e742405eb56ca4",
}


@dataclass(frozen=True)
class Split:
    """Images as stored, (N, 3, 96, 96) uint8 with columns before rows, and their labels 1..10 (None if unlabelled).

    `indices` are their places in the file if they are only some of its images.
    """

    stored_NCWH: np.ndarray
    labels: np.ndarray | None
    on_devices: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)  # copies by device
    indices: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.stored_NCWH)

    @property
    def stored_labels(self) -> np.ndarray:
        """The labels 1..10; ValueError if the split is unlabelled."""
        if self.labels is None:
            raise ValueError(f"these {len(self):,} images have no labels; expected a labelled split")
        return self.labels

    @property
    def targets(self) -> np.ndarray:
        """The classes 0..9 in int64: the labels less one; ValueError if the split is unlabelled."""
        return self.stored_labels.astype(np.int64) - 1

    def evenly(self, count: int | None, among: np.ndarray | None = None) -> "Split":
        """Return at most `count` images, evenly spaced so that a file sorted by class stays balanced.

        They are chosen `among` those with the given indices, by default all.
        """
        if among is None and (count is None or count >= len(self)):
            return self
        among = np.arange(len(self)) if among is None else among
        count = len(among) if count is None else min(count, len(among))
        chosen = among[np.linspace(0, len(among) - 1, count).round().astype(np.int64)]
        labels, indices = None if self.labels is None else self.labels[chosen], self.in_file[chosen]
        return Split(self.stored_NCWH[chosen], labels, indices=indices)

    @property
    def in_file(self) -> np.ndarray:
        """The images' places (N,) in the file."""
        return np.arange(len(self)) if self.indices is None else self.indices

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the images in blocks; mapped ones are read from the file, or their pages would stay in memory."""
        stored_NCWH = self.stored_NCWH
        for start in range(0, len(stored_NCWH), _BLOCK):
            block = stored_NCWH[start : start + _BLOCK]
            if isinstance(stored_NCWH, np.memmap) and isinstance(stored_NCWH.base, mmap.mmap):  # a whole map, no slice
                offset = stored_NCWH.offset + start * block[0].nbytes
                yield np.fromfile(stored_NCWH.filename, np.uint8, block.size, offset=offset).reshape(block.shape)
            else:
                yield np.ascontiguousarray(block)

    @cached_property
    def digests(self) -> list[Digest]:
        """A digest of each image, the same for two images if their pixels are; OSError if they cannot be read."""
        return [digest(image) for block in self.blocks() for image in block]


@dataclass(frozen=True)
class Dataset:
    """The three splits, their source, and the MD5 of each file.

    `name` is "stl10" for the official files, "embedded-sample" for the kit's own, else the folder's name and a short
    fingerprint. Results carry it, and only "stl10" is compared with the published numbers. `place` is the folder or
    file from which another process can open the complete data set.
    """

    name: str
    unlabeled: Split
    train: Split
    test: Split
    md5: dict[str, str]
    place: Path | None = None
    whole: "Dataset | None" = field(default=None, repr=False)  # of which this is a subset

    @cached_property
    def copies_N(self) -> np.ndarray:
        """Which unlabelled images equal a test image, be it outside the subset: (N,) boolean."""
        test = set((self.whole or self).test.digests)
        return np.array([each in test for each in self.unlabeled.digests], bool)

    @cached_property
    def duplicates(self) -> dict[str, dict[str, int]]:
        """Numbers of equal images, and of the `images` compared: the unlabelled ones used, all others of the files."""
        whole = self.whole or self
        splits = {"unlabeled": self.unlabeled, "train": whole.train, "test": whole.test}
        counts = count_duplicates({name: split.digests for name, split in splits.items()})
        return {"images": {name: len(split) for name, split in splits.items()}, "counts": counts}

    @property
    def description(self) -> dict[str, Any]:
        """Name, MD5 sums and image counts, as recorded in the provenance."""
        return {"name": self.name, "md5": self.md5, "images": {name: len(getattr(self, name)) for name in SPLITS}}

    def subset(self, subset: Subset) -> "Dataset":
        """Return the data set with at most the given number of images per split, evenly spaced."""
        splits = {split: getattr(self, split).evenly(getattr(subset, split)) for split in SPLITS}
        return replace(self, **splits, whole=self.whole or self)


def find_binaries(directory: Path) -> Path | None:
    """Return the folder with the .bin files, `directory`/stl10_binary or `directory`; None if neither has any."""
    for folder in (directory / "stl10_binary", directory):
        if (folder / "train_X.bin").is_file():
            return folder
    return None


def open_dataset(path: Path, name: str | None = None, md5: dict[str, str] | None = None) -> Dataset:
    """Map the five files under a folder, or read an .npz file made by `fetch_tiny`, and identify them by MD5.

    `name` is used for files other than STL-10's. `md5` saves computing the MD5s again.

    Raises:
        NotFitError: files are missing, truncated, unreadable or empty, or labels are missing or outside 1..10.
    """
    if path.suffix == ".npz" and not path.is_dir():
        place, (splits, md5) = path.stem, _open_file(path)
    else:
        folder = find_binaries(path)
        if folder is None:
            raise NotFitError(
                f"no images in {path}: expected {', '.join(OFFICIAL_MD5)} in STL-10's binary layout, there or in its "
                "folder stl10_binary; give another folder with --data"
            )
        place = (folder.parent if folder.name == "stl10_binary" else folder).resolve().name
        place = os.fsencode(place).decode("utf-8", "replace")  # a name in another encoding
        splits, md5 = _open_folder(folder, md5)
    if md5 == OFFICIAL_MD5:
        name = "stl10"
    elif name is None:
        name = f"{place}-{_combined(md5)[:8]}"
    return Dataset(name, splits["unlabeled"], splits["train"], splits["test"], md5, path.resolve())


def stored_bytes(images_NCHW: np.ndarray) -> bytes:
    """Return uint8 images in the files' layout, column-major inside a channel."""
    return images_NCHW.transpose(0, 1, 3, 2).tobytes()


def open_split(folder: Path, split: str) -> Split:
    """Open one split by memory map.

    Raises:
        NotFitError: as for `open_dataset`.
        OSError: a file cannot be read.
    """
    path = folder / f"{split}_X.bin"
    size = os.path.getsize(path)
    if size == 0 or size % IMAGE_BYTES:
        raise NotFitError(
            f"{path} holds {size:,} bytes; expected a multiple of {IMAGE_BYTES:,} (one image), at least one: "
            "it is empty or truncated, download it again"
        )
    # copy-on-write: PyTorch needs writable memory, and the file must not change
    stored_NCWH = np.memmap(path, np.uint8, "c", shape=(size // IMAGE_BYTES, 3, SIDE, SIDE))
    if split == "unlabeled":
        return Split(stored_NCWH, None)
    labels_path = folder / f"{split}_y.bin"
    with open_regular(labels_path) as file:
        labels = np.frombuffer(file.read(_MAX_LABELS), np.uint8)
    return labelled(stored_NCWH, labels.copy(), str(labels_path))


def labelled(stored_NCWH: np.ndarray, labels: np.ndarray, where: str) -> Split:
    """Return images with their labels; raise NotFitError, naming `where`, unless each has one in 1..10."""
    if len(labels) != len(stored_NCWH):
        raise NotFitError(f"{where} holds {len(labels):,} labels; expected {len(stored_NCWH):,}, one for each image")
    if labels.min() < 1 or labels.max() > 10:
        raise NotFitError(f"{where} holds labels {labels.min()}..{labels.max()}; expected 1..10")
    return Split(stored_NCWH, labels)


def _open_folder(folder: Path, md5: dict[str, str] | None) -> tuple[dict[str, Split], dict[str, str]]:
    """Open the splits; return them and each file's MD5, computed unless given."""
    try:
        splits = {split: open_split(folder, split) for split in SPLITS}
        if md5 is not None:
            return splits, md5
        with ThreadPoolExecutor() as pool:
            md5 = dict(zip(OFFICIAL_MD5, pool.map(lambda file: _md5(folder / file), OFFICIAL_MD5), strict=True))
    except OSError as error:
        raise NotFitError(explain_os_error(error, folder)) from error
    return splits, md5


def _open_file(path: Path) -> tuple[dict[str, Split], dict[str, str]]:
    """Read the splits; return them and the MD5 of each array in STL-10's file layout."""
    shapes = {file.removesuffix(".bin"): (3, SIDE, SIDE) if "_X" in file else () for file in OFFICIAL_MD5}
    arrays = read_tiny(path, shapes)
    splits = {"unlabeled": Split(arrays["unlabeled_X"], None)}
    for split in ("train", "test"):
        splits[split] = labelled(arrays[f"{split}_X"], arrays[f"{split}_y"], f"{split}_y in {path}")
    return splits, {f"{name}.bin": _digest(arrays[name].tobytes()) for name in shapes}


def _md5(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _combined(md5: dict[str, str]) -> str:
    return _digest("".join(md5[file] for file in sorted(md5)).encode())


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
