"""STL-10's binary layout is read upright and identified; broken files give a one-line error."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pse_repro.config.study import Subset
from pse_repro.data import stl10
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5, Split, find_binaries, open_dataset, stored_bytes
from pse_repro.errors import NotFitError

COUNTS = {"train": 20, "test": 7, "unlabeled": 5}


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Return images of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)


def write_split(folder: Path, split: str, images_NCHW: np.ndarray, labels: np.ndarray | None) -> None:
    """Write one split column by column, channel by channel, image by image."""
    columns_first = [image[channel, :, column] for image in images_NCHW for channel in range(3) for column in range(96)]
    (folder / f"{split}_X.bin").write_bytes(b"".join(column.tobytes() for column in columns_first))
    if labels is not None:
        (folder / f"{split}_y.bin").write_bytes(labels.astype(np.uint8).tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a small data set of noise."""
    binaries = tmp_path / "some" / "stl10_binary"
    binaries.mkdir(parents=True)
    for split, count in COUNTS.items():
        labels = None if split == "unlabeled" else np.arange(count) % 10 + 1
        write_split(binaries, split, noise(count), labels)
    return binaries


def refused(directory: Path) -> str:
    """Return the one-line error for a data set."""
    with pytest.raises(NotFitError) as caught:
        open_dataset(directory)
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_file_is_read_channel_by_channel_and_column_by_column(folder: Path) -> None:
    stored = (folder / "train_X.bin").read_bytes()
    images = Images(open_dataset(folder).train, torch.device("cpu"))[torch.arange(2)]
    for n, channel, row, column in [(0, 0, 1, 0), (0, 0, 0, 1), (0, 2, 5, 90), (1, 1, 95, 3)]:
        value = stored[((n * 3 + channel) * 96 + column) * 96 + row]
        assert float(images[n, channel, row, column]) == pytest.approx(value / 255)


def test_what_is_written_is_read_back(folder: Path) -> None:
    dataset = open_dataset(folder)
    for split, count in COUNTS.items():
        read = getattr(dataset, split)
        assert len(read) == count
        np.testing.assert_array_equal(read.stored_NCWH.transpose(0, 1, 3, 2), noise(count))
    assert dataset.train.labels is not None
    assert dataset.train.labels.tolist() == [*range(1, 11), *range(1, 11)]
    assert dataset.unlabeled.labels is None


def test_stored_bytes_are_the_files(folder: Path) -> None:
    assert stored_bytes(noise(20)) == (folder / "train_X.bin").read_bytes()


def test_writing_to_what_was_read_leaves_the_file_alone(folder: Path) -> None:
    dataset = open_dataset(folder)
    dataset.train.stored_NCWH[0] = 0
    np.testing.assert_array_equal(open_dataset(folder).train.stored_NCWH[0].transpose(0, 2, 1), noise(1)[0])


def test_the_folder_above_and_the_folder_itself_both_do(folder: Path) -> None:
    assert find_binaries(folder) == find_binaries(folder.parent) == folder
    assert find_binaries(folder.parent.parent) is None
    assert open_dataset(folder).md5 == open_dataset(folder.parent).md5


def test_other_files_are_named_by_folder_and_fingerprint(folder: Path) -> None:
    name = open_dataset(folder).name
    assert name == open_dataset(folder.parent).name
    assert name.startswith("some-")
    assert len(name) == len("some-") + 8
    write_split(folder, "test", noise(7, seed=1), np.ones(7))
    assert open_dataset(folder).name.startswith("some-")
    assert open_dataset(folder).name != name
    assert open_dataset(folder, name="embedded-sample").name == "embedded-sample"


def test_each_files_md5_is_kept(folder: Path) -> None:
    md5 = open_dataset(folder).md5
    assert md5 == {file: hashlib.md5((folder / file).read_bytes()).hexdigest() for file in OFFICIAL_MD5}


def test_the_official_files_are_recognised_and_none_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    official = open_dataset(folder).md5
    monkeypatch.setattr(stl10, "OFFICIAL_MD5", official)
    assert open_dataset(folder).name == "stl10"
    assert open_dataset(folder, name="mine").name == "stl10"
    for file in official:
        monkeypatch.setattr(stl10, "OFFICIAL_MD5", official | {file: "0" * 32})
        assert open_dataset(folder).name.startswith("some-")


def test_the_official_sums_are_the_published_ones() -> None:
    # The archive's files as PyTorch's and TensorFlow's readers list them too.
    assert OFFICIAL_MD5 == {
        "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
        "train_y.bin": "5a34089d4802c674881badbb80307741",
        "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
        "unlabeled_X.bin": "5242ba1fed5e4be9e1e742405eb56ca4",
    }


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("absent")


def labels(*values: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(bytes(values))


@pytest.mark.parametrize(
    ("file", "harm", "expected"),
    [
        ("train_X.bin", cut, f"holds {20 * IMAGE_BYTES - 1:,} bytes; expected a multiple of 27,648"),
        ("test_X.bin", empty, "holds 0 bytes; expected a multiple of 27,648 (one image), at least one"),
        ("unlabeled_X.bin", cut, "it is empty or truncated, download it again"),
        ("unlabeled_X.bin", remove, "No such file or directory; it is missing"),
        ("train_y.bin", remove, "No such file or directory; it is missing"),
        ("test_X.bin", folder_instead, "test_X.bin"),
        ("train_y.bin", pipe_instead, "train_y.bin: it is a named pipe; expected a regular file"),
        ("train_y.bin", folder_instead, "train_y.bin: it is a folder; expected a regular file"),
        ("train_y.bin", dangle, "No such file"),
        ("unlabeled_X.bin", pipe_instead, "holds 0 bytes; expected a multiple"),
        ("unlabeled_X.bin", dangle, "No such file"),
        ("test_y.bin", cut, "holds 6 labels; expected 7, one for each image"),
        ("test_y.bin", empty, "holds 0 labels; expected 7"),
        ("test_y.bin", labels(1, 2, 3, 4, 5, 6, 7, 8), "holds 8 labels; expected 7"),
        ("test_y.bin", labels(0, 1, 2, 3, 4, 5, 6), "holds labels 0..6; expected 1..10"),
        ("test_y.bin", labels(1, 2, 3, 4, 5, 6, 11), "holds labels 1..11; expected 1..10"),
    ],
)
def test_a_broken_file_is_refused_by_name_in_one_line(
    file: str, harm: Callable[[Path], object], expected: str, folder: Path
) -> None:
    harm(folder / file)
    line = refused(folder)
    assert file in line
    assert expected in line


def test_a_folder_without_images_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    line = refused(tmp_path)
    assert f"no images in {tmp_path}" in line
    assert "expected train_X.bin, train_y.bin, test_X.bin, test_y.bin, unlabeled_X.bin in STL-10" in line
    assert "--data" in line


@pytest.mark.parametrize(("count", "kept"), [(None, 20), (20, 20), (99, 20), (10, 10), (7, 7), (1, 1)])
def test_evenly_takes_at_most_so_many_spread_over_the_file(count: int | None, kept: int) -> None:
    stored = np.zeros((20, 3, 96, 96), np.uint8)
    stored[:, 0, 0, 0] = np.arange(20)
    split = Split(stored, np.repeat(np.arange(1, 11), 2)).evenly(count)
    assert len(split) == kept
    assert split.labels is not None
    positions = split.stored_NCWH[:, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(split.labels, positions // 2 + 1)  # labels stay with their images
    assert len(set(np.diff(positions).tolist())) <= 2  # steps differ by rounding alone
    assert (np.diff(positions) > 0).all()
    if count is not None and 1 < count < 20:
        assert (positions[0], positions[-1]) == (0, 19)


def test_a_sorted_file_keeps_its_balance() -> None:
    split = Split(np.zeros((500, 1, 1, 1), np.uint8), np.repeat(np.arange(1, 11), 50)).evenly(100)
    assert split.labels is not None
    assert np.bincount(split.labels)[1:].tolist() == [10] * 10


def test_a_subset_keeps_the_name_and_the_sums(folder: Path) -> None:
    dataset = open_dataset(folder)
    small = dataset.subset(Subset(train=4, unlabeled=2))
    assert (len(small.train), len(small.test), len(small.unlabeled)) == (4, 7, 2)
    assert (small.name, small.md5) == (dataset.name, dataset.md5)


def test_real_images_come_out_upright(real_images: Path) -> None:
    dataset = open_dataset(real_images / "stl10-fragments")
    splits = [dataset.train, dataset.test, dataset.unlabeled]
    device = torch.device("cpu")
    images_NCHW = torch.cat([Images(split, device)[torch.arange(len(split))] for split in splits])
    # Photographs are brighter above than below, as the sky is; left and right hardly differ.
    above = (images_NCHW[:, :, :24] - images_NCHW[:, :, -24:]).mean((1, 2, 3))
    left = (images_NCHW[..., :24] - images_NCHW[..., -24:]).mean((1, 2, 3))
    errors = [float(difference.std()) / len(difference) ** 0.5 for difference in (above, left)]
    assert float(above.mean()) > 3 * errors[0]
    assert abs(float(left.mean())) < 2 * errors[1]
    assert float(above.mean()) > 5 * abs(float(left.mean()))
    # And bluer, which only holds if red comes before blue.
    blue_NHW = images_NCHW[:, 2] - images_NCHW[:, 0]
    assert float(blue_NHW[:, :24].mean() - blue_NHW[:, -24:].mean()) > 0.02


@pytest.mark.parametrize("name", ["stl10-fragments", "imagenet96"])
def test_real_images_are_as_smooth_along_rows_as_along_columns(name: str, real_images: Path) -> None:
    split = open_dataset(real_images / name).train.evenly(200)
    images_NCHW = Images(split, torch.device("cpu"))[torch.arange(len(split))]
    along_rows, along_columns = (float(images_NCHW.diff(dim=axis).abs().mean()) for axis in (3, 2))
    assert 0.8 < along_rows / along_columns < 1.25
    assert max(along_rows, along_columns) < 0.1  # noise, or channels read as pixels, would be three times that
    channels = images_NCHW.transpose(0, 1).flatten(1)
    assert float(torch.corrcoef(channels).min()) > 0.7


def test_real_fragments_have_the_official_labels_of_their_places(real_images: Path) -> None:
    folder = real_images / "stl10-fragments"
    official = folder / "stl10_binary" / "train_y_official.bin"
    assert hashlib.md5(official.read_bytes()).hexdigest() == OFFICIAL_MD5["train_y.bin"]
    dataset = open_dataset(folder)
    assert dataset.name.startswith("stl10-fragments-")
    assert dataset.train.labels is not None
    np.testing.assert_array_equal(dataset.train.labels, np.delete(np.fromfile(official, np.uint8)[:110], 35))


def test_targets_are_the_classes_from_0_and_an_unlabelled_split_has_none() -> None:
    images = np.zeros((3, 3, 96, 96), np.uint8)
    split = Split(images, np.array([1, 10, 3], np.uint8))
    assert split.stored_labels.tolist() == [1, 10, 3]
    assert split.targets.dtype == np.int64
    assert split.targets.tolist() == [0, 9, 2]
    for labels in ("stored_labels", "targets"):
        with pytest.raises(ValueError, match="these 3 images have no labels; expected a labelled split"):
            getattr(Split(images, None), labels)
