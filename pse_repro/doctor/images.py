"""Images in a folder, recognised by file sizes only; `pse-repro data verify` checks the contents."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pse_repro.data.fetch.get import KEPT, PART
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_IMAGES, OFFICIAL_MD5, find_binaries


@dataclass(frozen=True)
class Images:
    """Images in --data or in the data folder; `kind` is none, stl10, other, small (a .npz file) or damaged."""

    path: Path
    kind: str
    counts: Mapping[str, int] = field(default_factory=dict)  # images by split, if known
    problem: str = ""  # description of the damage
    archive_bytes: int = 0  # bytes of STL-10's archive downloaded so far


def read_images(path: Path) -> Images:
    """Return the images in `path`, judged by the sizes of the five files."""
    if path.suffix == ".npz" and path.is_file():
        return Images(path, "small")
    archive_bytes = max(_size(path / KEPT), _size(path / PART), 0)
    try:
        folder = find_binaries(path)
    except OSError as error:  # a folder without search permission
        return Images(path, "damaged", problem=f"{path} cannot be read: {error.strerror}")
    if folder is None:
        return Images(path, "none", archive_bytes=archive_bytes)
    counts = {split: _size(folder / f"{split}_X.bin") // IMAGE_BYTES for split in OFFICIAL_IMAGES}
    problem = next((text for name in OFFICIAL_MD5 if (text := _problem(folder, name, counts))), "")
    if problem:
        return Images(path, "damaged", problem=problem, archive_bytes=archive_bytes)
    return Images(path, "stl10" if counts == OFFICIAL_IMAGES else "other", counts)


def _problem(folder: Path, name: str, counts: Mapping[str, int]) -> str:
    size, split = _size(folder / name), name.partition("_")[0]
    if size < 0:
        return f"{name} is missing"
    if not os.access(folder / name, os.R_OK):
        return f"{name} cannot be read by this user"
    if name.endswith("_X.bin"):
        broken = size == 0 or size % IMAGE_BYTES
        return f"{name} holds {size:,} bytes, not a whole number of images: empty or truncated" if broken else ""
    return "" if size == counts[split] else f"{name} holds {size:,} labels for {counts[split]:,} images"


def _size(path: Path) -> int:
    """Return the file's size in bytes, or -1 if there is no such file."""
    try:
        return os.path.getsize(path)
    except OSError:
        return -1
