"""The first images of each split, reading no more of the stream than necessary."""

import io
import random

import numpy as np
import pytest

from pse_repro.data.fetch.archive import first_images
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5
from pse_repro.errors import NotFitError
from tests.support.server import entries, md5, packed
from tests.support.unpacking import FILES, GOOD, first


def test_the_first_images_are_the_files_beginnings() -> None:
    for count in (1, 2):
        arrays = first(GOOD, count)
        assert list(arrays) == [name.removesuffix(".bin") for name in OFFICIAL_MD5]
        for name, array in arrays.items():
            assert array.dtype == np.uint8
            assert array.shape == ((count, 3, 96, 96) if name.endswith("X") else (count,))
            assert FILES[f"{name}.bin"].startswith(array.tobytes())


def test_no_more_than_the_first_images_is_read() -> None:
    files = {**FILES, "unlabeled_X.bin": random.Random(0).randbytes(40 * IMAGE_BYTES)}
    last = {name: files[name] for name in sorted(files, key=lambda name: name == "unlabeled_X.bin")}
    content = io.BytesIO(packed(*entries(last)))
    first_images(content, 1, {}, "the archive")  # type: ignore[arg-type]
    assert content.tell() < len(content.getvalue()) - 20 * IMAGE_BYTES


@pytest.mark.parametrize("count", [3, 4, 5000])
def test_more_images_than_there_are_is_refused_with_how_many_there_are(count: int) -> None:
    with pytest.raises(
        NotFitError, match=rf"in the archive holds \d images; expected at least {count:,}: request fewer"
    ):
        first(GOOD, count)


def test_the_files_of_labels_are_proven() -> None:
    right = {name: md5(FILES[name]) for name in OFFICIAL_MD5}
    first(GOOD, 1, right)
    first(GOOD, 1, right | {"test_X.bin": "0" * 32})  # not read whole
    with pytest.raises(NotFitError, match=f"test_y.bin in the archive has MD5 {right['test_y.bin']}; expected 000"):
        first(GOOD, 1, right | {"test_y.bin": "0" * 32})


@pytest.mark.parametrize("labels", [b"", bytes([1]), bytes([0, 1]), bytes([11, 11])])
def test_labels_that_do_not_fit_are_refused(labels: bytes) -> None:
    with pytest.raises(NotFitError, match=r"test_y.bin in the archive holds (\d labels; expected 2|labels \d+..\d+;)"):
        first(packed(*entries(FILES | {"test_y.bin": labels})))
