"""Class names of a folder of images."""

from pathlib import Path

import numpy as np

from pse_repro.data.stl10 import CLASS_NAMES, Dataset, Split, find_binaries, open_split


def mapped_folder(split: Split) -> Path | None:
    """The folder of the file whose memory map holds the images; None for images from elsewhere."""
    file = split.stored_NCWH.filename if isinstance(split.stored_NCWH, np.memmap) else None
    return None if file is None else Path(file).parent


def class_names(split: Split) -> tuple[str, ...]:
    """The ten lines of class_names.txt beside the split's file; numbers where there is no such file."""
    folder = mapped_folder(split)
    try:
        text = (folder / "class_names.txt").read_text("utf-8", "replace") if folder else ""
    except OSError:
        text = ""
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    return names if len(names) == 10 else tuple(f"class {label}" for label in range(1, 11))


def names_of(data: Dataset) -> tuple[str, ...]:
    """The ten classes' names: STL-10's for its files and for the sample, else the folder's, or numbers."""
    if data.name in ("stl10", "embedded-sample"):
        return CLASS_NAMES
    folder = None if data.place is None else find_binaries(data.place)  # a part of a split is not mapped from there
    return class_names(data.test if folder is None else open_split(folder, "test"))
