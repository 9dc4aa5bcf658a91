"""Class names of a data set or of a folder of images."""

from pathlib import Path

import numpy as np

from pse_repro.data.stl10 import CLASS_NAMES, Dataset, Split, find_binaries, open_split
from pse_repro.files import read_regular

_MAX_BYTES = 1 << 16  # of class_names.txt


def mapped_folder(split: Split) -> Path | None:
    """Return the folder of the memory-mapped file; None if the images are not memory-mapped."""
    file = split.stored_NCWH.filename if isinstance(split.stored_NCWH, np.memmap) else None
    return None if file is None else Path(file).parent


def class_names(split: Split) -> tuple[str, ...]:
    """Return the ten lines of class_names.txt beside the split's file; "class 1" .. "class 10" without such a file."""
    folder = mapped_folder(split)
    try:
        content = read_regular(folder / "class_names.txt", _MAX_BYTES) if folder else b""
    except OSError:
        content = b""
    lines = content.decode("utf-8-sig", "replace").splitlines()  # with or without a byte order mark
    names = tuple(line.strip() for line in lines if line.strip())
    return names if len(names) == 10 else tuple(f"class {label}" for label in range(1, 11))


def names_of(data: Dataset) -> tuple[str, ...]:
    """Return the ten class names: STL-10's for its files and the sample, else those of `class_names`."""
    if data.name in ("stl10", "embedded-sample"):
        return CLASS_NAMES
    folder = None if data.place is None else find_binaries(data.place)  # a subset of a split is no longer memory-mapped
    return class_names(data.test if folder is None else open_split(folder, "test"))
