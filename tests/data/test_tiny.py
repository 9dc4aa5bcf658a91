"""The small file of a few images opens as a data set; other files give a one-line error."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from pse_repro.data import tiny
from pse_repro.data.stl10 import OFFICIAL_MD5, open_dataset
from pse_repro.data.tiny import write_tiny
from pse_repro.errors import NotFitError
from tests.support.server import binaries

FILES = binaries({"train": 3, "test": 3, "unlabeled": 3})


def arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    """Return the files' content as arrays."""
    plain = {name.removesuffix(".bin"): np.frombuffer(FILES[name], np.uint8) for name in OFFICIAL_MD5}
    shaped = {name: array.reshape(-1, 3, 96, 96) if name.endswith("X") else array for name, array in plain.items()}
    return shaped | changed


def refused(path: Path) -> str:
    with pytest.raises(NotFitError) as caught:
        open_dataset(path)
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_it_is_the_data_set_that_the_files_are(tmp_path: Path) -> None:
    write_tiny(tmp_path / "few.npz", arrays())
    folder = tmp_path / "few" / "stl10_binary"
    folder.mkdir(parents=True)
    for name in OFFICIAL_MD5:
        (folder / name).write_bytes(FILES[name])
    small, large = open_dataset(tmp_path / "few.npz"), open_dataset(folder)
    assert small.name == large.name
    assert small.name.startswith("few-")
    assert small.md5 == large.md5 == {name: hashlib.md5(FILES[name]).hexdigest() for name in OFFICIAL_MD5}
    for split in ("train", "test", "unlabeled"):
        one, other = getattr(small, split), getattr(large, split)
        np.testing.assert_array_equal(one.stored_NCWH, other.stored_NCWH)
        assert one.stored_NCWH.flags.writeable  # as PyTorch wants it
        assert one.labels is None if split == "unlabeled" else (one.labels == other.labels).all()


def test_a_name_that_is_given_is_kept(tmp_path: Path) -> None:
    write_tiny(tmp_path / "few.npz", arrays())
    assert open_dataset(tmp_path / "few.npz", name="mine").name == "mine"


def test_the_same_arrays_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        write_tiny(tmp_path / name, arrays())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.npz").mkdir()
    assert "no images in" in refused(tmp_path / "x.npz")


X, Y = arrays()["test_X"], arrays()["test_y"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"test_X": X.astype(np.float32)}, "holds test_X as float32 (3, 3, 96, 96); expected uint8 (N, 3, 96, 96)"),
        ({"test_X": X[:, :, :32]}, "holds test_X as uint8 (3, 3, 32, 96); expected uint8 (N, 3, 96, 96)"),
        ({"test_X": X[0]}, "holds test_X as uint8 (3, 96, 96); expected"),
        ({"test_X": X[:0]}, "holds test_X as uint8 (0, 3, 96, 96); expected uint8 (N, 3, 96, 96), N at least 1"),
        ({"test_y": Y[:, None]}, "holds test_y as uint8 (3, 1); expected uint8 (N)"),
        ({"test_y": Y[0]}, "holds test_y as uint8 (); expected uint8 (N)"),
        ({"test_y": Y[:2]}, "holds 2 labels; expected 3, one for each image"),
        ({"test_y": Y * 0}, "holds labels 0..0; expected 1..10"),
        ({"train_y": Y * 0 + 11}, "train_y in"),
        ({"more": Y}, "holds more, test_X, test_y, train_X, train_y, unlabeled_X; expected train_X, train_y,"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changed: dict[str, np.ndarray], said: str) -> None:
    write_tiny(tmp_path / "few.npz", arrays(**changed))
    assert said in refused(tmp_path / "few.npz")


def test_missing_arrays_are_named(tmp_path: Path) -> None:
    write_tiny(tmp_path / "few.npz", {"train_X": X})
    assert "holds train_X; expected train_X, train_y, test_X, test_y, unlabeled_X" in refused(tmp_path / "few.npz")
    write_tiny(tmp_path / "none.npz", {})
    assert "holds nothing; expected" in refused(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"PK\x03\x04", b"<html>", b"\x93NUMPY\x01\x00"])
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "few.npz").write_bytes(content)
    assert "cannot be read (" in refused(tmp_path / "few.npz")


def test_one_array_or_no_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, X)
    assert "cannot be read (" in refused(tmp_path / "one.npz")
    assert "cannot be read (No such file or directory)" in refused(tmp_path / "absent.npz")


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "few.npz")
    assert "cannot be read (it is a named pipe; expected a regular file)" in refused(tmp_path / "few.npz")


def test_what_unpacks_to_far_more_than_a_few_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny, "MAX_BYTES", 1_000_000)
    np.savez_compressed(tmp_path / "few.npz", **arrays(test_X=np.zeros((40, 3, 96, 96), np.uint8)))
    assert "cannot be read (it unpacks to more than 1,000,000 bytes)" in refused(tmp_path / "few.npz")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", **arrays(test_y=np.array([print, 1], object)))
    assert "cannot be read (Object arrays cannot be loaded" in refused(tmp_path / "evil.npz")


@pytest.mark.parametrize("place", [30, 5_000, 200_000])
def test_damage_is_found(tmp_path: Path, place: int) -> None:
    write_tiny(tmp_path / "few.npz", arrays())
    content = bytearray((tmp_path / "few.npz").read_bytes())
    content[place] ^= 255
    (tmp_path / "few.npz").write_bytes(content)
    refused(tmp_path / "few.npz")
