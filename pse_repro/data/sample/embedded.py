"""Embedded sample: the default data, drawn locally in STL-10's image size and file layout, without a download.

It has ten classes of drawn shapes named after STL-10's, and an unlabelled split that also holds other shapes. It
replaces STL-10 in tests and first runs; its accuracies are not comparable with STL-10's.

Image i of a split depends only on (seed, split, i), not on the number drawn. Images on one machine agree bit for bit;
across CPUs and NumPy versions a value may occasionally be rounded differently (by one grey level).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from pse_repro.data.sample.scenes import UNIFORMS, paint
from pse_repro.data.sample.shapes import CLASSES, OTHERS
from pse_repro.data.stl10 import CLASS_NAMES, IMAGE_BYTES, SIDE, stored_bytes
from pse_repro.files import cache_home, leftovers, write_bytes

SAMPLE_VERSION = 1  # part of the cache folder's name: increase it whenever a pixel changes
SAMPLE_COUNTS: Mapping[str, int] = {"train": 1000, "test": 800, "unlabeled": 3000}
_SPLITS = ("train", "test", "unlabeled")
_SHAPES = (*CLASSES.values(), *OTHERS.values())
_BATCH = 256  # images whose random numbers are in memory at once
_ORDER, _PIXELS = 0, 1  # the two uses of random numbers, with separate seeds

Bytes = npt.NDArray[np.uint8]


def _generator(seed: int, split: str, use: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _SPLITS.index(split), use, index])))


def _numbers(split: str, index: int, seed: int) -> tuple[int, npt.NDArray[np.float64], np.random.Generator]:
    """Return an image's shape number, its uniform random numbers (K,), and the generator of the normal ones.

    In labelled splits every block of ten holds each class once, in random order.
    """
    generator, classes = _generator(seed, split, _PIXELS, index), len(CLASSES)
    if split == "unlabeled":
        shape = generator.integers(len(_SHAPES))
    else:
        shape = _generator(seed, split, _ORDER, index // classes).random(classes).argsort()[index % classes]
    return int(shape), generator.random(UNIFORMS), generator


def draw_numbers(
    split: str, indices: Sequence[int], *, seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return what decides the images at these indices, without painting them.

    That is the shapes' numbers (N,), 0..15, the classes first, and the uniform random numbers (N, K) of `paint`.

    Raises:
        ValueError: as for `draw_images`.
    """
    _check(split, indices, seed)
    drawn = [_numbers(split, index, seed)[:2] for index in indices]
    shapes_N = np.array([shape for shape, _ in drawn], np.int64)
    return shapes_N, np.array([uniforms_K for _, uniforms_K in drawn]).reshape(-1, UNIFORMS)


def draw_images(split: str, indices: Sequence[int], *, seed: int = 0) -> tuple[Bytes, Bytes]:
    """Draw the images at these indices of "train", "test" or "unlabeled".

    Returns images (N, 3, 96, 96), 0..255, and labels (N,): 1..10, balanced in train and test; in the unlabelled
    split 0 for a shape of none of the ten classes.

    Raises:
        ValueError: unknown split, negative index or negative seed.
    """
    _check(split, indices, seed)
    count = len(indices)
    images_NCHW, shapes = np.empty((count, 3, SIDE, SIDE), np.uint8), np.empty(count, np.int64)
    for start in range(0, count, _BATCH):
        stop = min(start + _BATCH, count)
        uniforms_NK = np.empty((stop - start, UNIFORMS))
        normals_NFHW = np.empty((stop - start, 2, SIDE, SIDE), np.float32)
        for place, index in enumerate(indices[start:stop]):
            shapes[start + place], uniforms_NK[place], generator = _numbers(split, index, seed)
            normals_NFHW[place] = generator.standard_normal(normals_NFHW.shape[1:], dtype=np.float32)
        for shape in np.unique(shapes[start:stop]):
            places = np.flatnonzero(shapes[start:stop] == shape)
            images_NCHW[start + places] = paint(_SHAPES[shape], uniforms_NK[places], normals_NFHW[places])
    labels = np.where(shapes < len(CLASSES), shapes + 1, 0).astype(np.uint8)
    return images_NCHW, labels


def _check(split: str, indices: Sequence[int], seed: int) -> None:
    if split not in _SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(_SPLITS)}")
    if min(indices, default=0) < 0 or seed < 0:
        raise ValueError(f"an index is {min(indices, default=0)} and seed is {seed}, expected neither to be negative")


def draw_split(split: str, count: int, *, seed: int = 0) -> tuple[Bytes, Bytes]:
    """Draw the first `count` images of a split as `draw_images` does; ValueError also for a negative count."""
    if count < 0:
        raise ValueError(f"count is {count}, expected 0 or more")
    return draw_images(split, range(count), seed=seed)


def write_sample(directory: Path, *, counts: Mapping[str, int] = SAMPLE_COUNTS, seed: int = 0) -> Path:
    """Write the sample to `directory`/stl10_binary in STL-10's layout (column-major channels); return `directory`.

    Each file is written by atomic rename.

    Raises:
        OSError: a file cannot be written.
        ValueError: unknown split.
    """
    folder = directory / "stl10_binary"
    for split, count in counts.items():
        images_NCHW, labels = draw_split(split, count, seed=seed)
        write_bytes(folder / f"{split}_X.bin", stored_bytes(images_NCHW))
        if split != "unlabeled":
            write_bytes(folder / f"{split}_y.bin", labels.tobytes())
    write_bytes(folder / "class_names.txt", _class_names_text())
    return directory


def _class_names_text() -> bytes:
    return "".join(f"{name}\n" for name in CLASS_NAMES).encode()


def _expected_sizes() -> dict[str, int]:
    """Return the size in bytes of every file of the default sample, by name."""
    sizes = {f"{split}_X.bin": count * IMAGE_BYTES for split, count in SAMPLE_COUNTS.items()}
    sizes |= {f"{split}_y.bin": count for split, count in SAMPLE_COUNTS.items() if split != "unlabeled"}
    return sizes | {"class_names.txt": len(_class_names_text())}


def _complete(directory: Path) -> bool:
    files = {directory / "stl10_binary" / name: size for name, size in _expected_sizes().items()}
    return all(os.path.isfile(file) and os.path.getsize(file) == size for file, size in files.items())


def sample_home() -> Path:
    """Return the default sample's folder, complete or not."""
    name = f"sample-v{SAMPLE_VERSION}"
    return cache_home(lambda home: _complete(home / name)) / name


def embedded_sample(cache: Path | None = None) -> Path:
    """Return the default sample's folder; draw the sample if absent or incomplete (a few seconds, 133 MB).

    It is in `cache`, else in `cache_home`. A lock file beside it makes other processes wait.

    Raises:
        OSError: the cache cannot be written.
    """
    directory = sample_home() if cache is None else cache / f"sample-v{SAMPLE_VERSION}"
    if _complete(directory):  # without the lock: a complete sample on a read-only disk is fine
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.parent / f"{directory.name}.lock"):
        if not _complete(directory):
            if (folder := directory / "stl10_binary").is_dir():
                for leftover in leftovers(folder):
                    leftover.unlink()
            write_sample(directory, counts=SAMPLE_COUNTS)
    return directory
