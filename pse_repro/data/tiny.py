"""Small .npz files of a few images: uint8 arrays named like STL-10's files, never pickled."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pse_repro.errors import NotFitError
from pse_repro.files import open_regular, write_bytes

MAX_BYTES = 10**9  # of the arrays in a file


def write_tiny(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays to an .npz file. Equal arrays give equal bytes, as NumPy writes no dates."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def read_tiny(path: Path, items: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Read the arrays named in `items`, each uint8 with one or more items of the given shape.

    Raises:
        NotFitError: the file cannot be read, or has other names, types or shapes.
    """
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            if sum(member.file_size for member in file.zip.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes")
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # NumPy raises many kinds for a damaged file
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise NotFitError(
            f"{path} cannot be read ({reason}); expected an .npz file of images, download it again"
        ) from error
    if set(arrays) != set(items):
        raise NotFitError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; expected {', '.join(items)}: it is not a file of "
            "images"
        )
    for name, array in arrays.items():
        if array.dtype != np.uint8 or array.shape[1:] != items[name] or array.ndim == 0 or len(array) == 0:
            shape = ", ".join(("N", *map(str, items[name])))
            raise NotFitError(
                f"{path} holds {name} as {array.dtype} {array.shape}; expected uint8 ({shape}), N at least 1: "
                "it is not a file of images"
            )
    return arrays
