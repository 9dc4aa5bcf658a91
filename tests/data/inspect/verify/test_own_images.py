"""Other images than STL-10's are usable if they are consistent, and never mistaken for STL-10."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.data.inspect.render import render_verification
from pse_repro.data.stl10 import IMAGE_BYTES
from tests.support.checking import NAMES, checked, cut_between, states
from tests.support.planted import COPIES, write_planted


def test_own_images_are_consistent_but_not_stl10(folder: Path) -> None:
    found = checked(folder)
    assert set(states(found).values()) == {"other"}
    assert (found.official, found.consistent, found.exit_status) == (False, True, 3)
    assert found.verdict.startswith("consistent, but not STL-10: usable, never compared with the published numbers")
    assert found.folds is None
    table = render_verification(found)
    assert "is not STL-10's" not in table  # the verdict covers it
    assert "classes 1..10 of test: 4, 4, 4, 4, 4, 4, 4, 4, 4, 4; STL-10 has 800 each" in table
    assert len(found.problems) == 5  # programs get all


def test_whole_images_fewer_than_stl10s_beside_its_other_files_are_usable_and_look_truncated(official: Path) -> None:
    cut_between(official / "unlabeled_X.bin")
    found = checked(official)
    assert found.consistent
    assert "unlabeled_X.bin is truncated: found 1,382,400 bytes" in render_verification(found)


@pytest.mark.parametrize(
    ("name", "content", "truncated", "problem"),
    [
        ("train_y.bin", bytes([*range(10)] * 5), None, "train_y.bin: found 5 labels outside 1..10, expected none"),
        ("test_y.bin", bytes([11, 255] * 20), None, "test_y.bin: found 40 labels outside 1..10, expected none"),
        (
            "test_y.bin",
            bytes([1] * 39),
            "test_y.bin",
            "found 39 labels for 40 whole images in test_X.bin, expected one",
        ),
        (
            "test_y.bin",
            bytes([1] * 41),
            "test_X.bin",
            "found 41 labels for 40 whole images in test_X.bin, expected one",
        ),
        ("test_X.bin", bytes(39 * IMAGE_BYTES), "test_X.bin", "found 40 labels for 39 whole images in test_X.bin"),
    ],
    ids=["0 in train", "11 and 255", "fewer labels", "more labels", "fewer images"],
)
def test_labels_that_do_not_fit_are_not_usable(
    name: str, content: bytes, truncated: str | None, problem: str, folder: Path
) -> None:
    (folder / name).write_bytes(content)
    found = checked(folder)
    assert not found.consistent
    assert states(found) == {name: "truncated" if name == truncated else "other" for name in NAMES}
    assert any(problem in line for line in found.problems)
    assert problem in " ".join(render_verification(found).split())


def test_images_with_a_piece_too_much_are_not_usable(folder: Path) -> None:
    path = folder / "unlabeled_X.bin"
    path.write_bytes(path.read_bytes() + b"\0")
    assert not checked(folder).consistent


def test_the_kits_small_file_is_usable(folder: Path, tmp_path: Path) -> None:
    arrays = {name.removesuffix(".bin"): np.fromfile(folder / name, np.uint8) for name in NAMES}
    images = {name: array.reshape(-1, 3, 96, 96) if "_X" in name else array for name, array in arrays.items()}
    np.savez(tmp_path / "few.npz", **images)  # type: ignore[arg-type]
    found = checked(tmp_path / "few.npz")
    assert found.folder == tmp_path / "few.npz"
    assert (found.official, found.consistent, found.exit_status) == (False, True, 3)
    assert found.duplicates == checked(folder).duplicates is not None
    assert "missing:" not in render_verification(found)


def test_planted_copies_are_counted(tmp_path: Path) -> None:
    found = checked(write_planted(tmp_path))
    assert found.duplicates is not None
    assert COPIES.items() <= found.duplicates.items()
    copies = (
        "copies: of the 65 unlabelled images 3 equal 2 of the 40 test images (5.0 %), 1 equals 1 of the 50 labelled"
    )
    assert copies in " ".join(render_verification(found).split())


def test_copies_are_counted_only_among_usable_images(folder: Path) -> None:
    (folder / "train_X.bin").unlink()
    assert checked(folder).duplicates is None


def test_real_images_that_are_not_all_of_stl10_are_usable(real_images: Path) -> None:
    found = checked(real_images / "stl10-fragments")
    assert set(states(found).values()) == {"other"}
    assert found.consistent
    assert found.exit_status == 3
