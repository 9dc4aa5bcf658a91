"""Images are recognised by the sizes of their files."""

import os
from pathlib import Path

import pytest

from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_IMAGES
from pse_repro.doctor.images import Images, read_images


def write(folder: Path, **counts: int) -> Path:
    """Write sparse files, so that STL-10's sizes take no disk space."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in counts.items():
        for name, size in ((f"{split}_X.bin", count * IMAGE_BYTES), (f"{split}_y.bin", count)):
            if name != "unlabeled_y.bin":
                (folder / name).touch()
                os.truncate(folder / name, size)
    return folder


def test_no_images_and_an_archive_that_was_begun(tmp_path: Path) -> None:
    assert read_images(tmp_path / "nowhere") == Images(tmp_path / "nowhere", "none")
    (tmp_path / "stl10_binary.tar.gz.part").write_bytes(bytes(1000))
    assert read_images(tmp_path) == Images(tmp_path, "none", archive_bytes=1000)


def test_stl10_and_others(tmp_path: Path) -> None:
    write(tmp_path / "stl10_binary", **OFFICIAL_IMAGES)
    assert read_images(tmp_path) == Images(tmp_path, "stl10", OFFICIAL_IMAGES)
    write(tmp_path / "few", unlabeled=7, train=6, test=5)
    assert read_images(tmp_path / "few").kind == "other"
    assert read_images(tmp_path / "few").counts == {"unlabeled": 7, "train": 6, "test": 5}
    (tmp_path / "tiny.npz").touch()
    assert read_images(tmp_path / "tiny.npz").kind == "small"


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, unlabeled=7, train=6, test=5)
    os.truncate(folder / "test_y.bin", 4)
    assert read_images(folder) == Images(folder, "damaged", problem="test_y.bin holds 4 labels for 5 images")
    os.truncate(folder / "train_X.bin", 6 * IMAGE_BYTES - 1)
    assert read_images(folder).problem == (
        "train_X.bin holds 165,887 bytes, not a whole number of images: empty or truncated"
    )  # fmt: skip
    write(folder, train=6, test=5)
    (folder / "unlabeled_X.bin").unlink()
    assert read_images(folder).problem == "unlabeled_X.bin is missing"


def test_files_that_this_user_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, unlabeled=7, train=6, test=5)
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "test_X.bin")  # tests may run as root
    assert read_images(folder).problem == "test_X.bin cannot be read by this user"
