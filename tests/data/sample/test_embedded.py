import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pse_repro.data.sample import embedded
from pse_repro.data.sample.embedded import draw_split, embedded_sample, write_sample
from pse_repro.data.stl10 import CLASS_NAMES

Images = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float64]
Drawn = tuple[Images, Images]
SMALL = {"train": 13, "test": 7, "unlabeled": 5}


@pytest.fixture(scope="module")
def train() -> Drawn:
    return draw_split("train", 1000)


@pytest.fixture(scope="module")
def test() -> Drawn:
    return draw_split("test", 400)


def test_the_same_seed_draws_the_same_images(train: Drawn) -> None:
    images_NCHW, labels = draw_split("train", 60)
    np.testing.assert_array_equal(images_NCHW, train[0][:60])
    np.testing.assert_array_equal(labels, train[1][:60])


@pytest.mark.parametrize("split", ["train", "test", "unlabeled"])
def test_an_image_does_not_depend_on_how_many_are_drawn(split: str) -> None:
    many, many_labels = draw_split(split, 260)  # beyond one batch
    for count in (1, 17, 257):
        few, few_labels = draw_split(split, count)
        np.testing.assert_array_equal(few, many[:count])
        np.testing.assert_array_equal(few_labels, many_labels[:count])


def test_seeds_splits_and_images_differ() -> None:
    drawn = np.concatenate([draw_split(split, 20, seed=seed)[0] for split in ("train", "test") for seed in (0, 1)])
    assert len(np.unique(drawn.reshape(len(drawn), -1), axis=0)) == len(drawn)


def test_the_pixels_of_this_version_stay() -> None:
    """Golden values of 2026-11-22, rounded means of the first images; if a change moves them, raise SAMPLE_VERSION.

    Made again by: draw_split(split, 3)[0].mean((1, 2, 3)), draw_split(split, 3)[1].
    """
    golden = {
        "train": ([131.94, 86.63, 113.27], [4, 3, 2]),
        "test": ([75.46, 120.5, 145.57], [8, 5, 6]),
        "unlabeled": ([90.33, 95.61, 167.14], [0, 0, 0]),
    }
    assert embedded.SAMPLE_VERSION == 1
    for split, (means, expected_labels) in golden.items():
        images_NCHW, labels = draw_split(split, 3)
        np.testing.assert_allclose(images_NCHW.mean((1, 2, 3)), means, atol=0.02)
        assert labels.tolist() == expected_labels


def test_types_shapes_and_ranges(train: Drawn) -> None:
    images_NCHW, labels = train
    assert images_NCHW.shape == (1000, 3, 96, 96)
    assert images_NCHW.dtype == np.uint8
    assert labels.shape == (1000,)
    assert labels.dtype == np.uint8
    none, no_labels = draw_split("train", 0)
    assert none.shape == (0, 3, 96, 96)
    assert no_labels.shape == (0,)
    assert no_labels.dtype == np.uint8


def test_labelled_splits_are_balanced_and_shuffled(train: Drawn) -> None:
    labels = train[1]
    assert np.bincount(labels).tolist() == [0] + [100] * 10
    assert sorted(np.bincount(labels[:25], minlength=11)[1:]) == [2] * 5 + [3] * 5
    assert (labels[:10] != labels[10:20]).any()


def test_unlabelled_split_holds_other_shapes_too() -> None:
    labels = draw_split("unlabeled", 300)[1]
    assert set(labels.tolist()) == set(range(11))
    assert 0.2 < (labels == 0).mean() < 0.55  # 6 of 16 shapes


def test_pixels_are_those_of_photographs_in_the_mean(train: Drawn) -> None:
    """Photographs at 96 x 96: mean .40 to .48, std .26 to .30 by channel, correlation .77 (red, blue) to .92."""
    pixels = train[0].transpose(1, 0, 2, 3).reshape(3, -1)[:, ::11] / 255
    assert np.all((pixels.mean(1) > 0.35) & (pixels.mean(1) < 0.55))
    assert np.all((pixels.std(1) > 0.2) & (pixels.std(1) < 0.32))
    assert 0.7 < np.corrcoef(pixels[0], pixels[2])[0, 1] < 0.95
    assert np.mean((pixels == 0) | (pixels == 1)) < 0.1


def test_power_spectrum_falls_as_that_of_photographs(test: Drawn) -> None:
    """Power ~ 1 / frequency^2.9 between 3 and 38 cycles an image; photographs at 96 x 96 measure 2.5 to 2.8."""
    grey = test[0].mean(1) / 255
    window = np.outer(np.hanning(96), np.hanning(96))
    power = (np.abs(np.fft.fft2((grey - grey.mean((1, 2), keepdims=True)) * window)) ** 2).mean(0)
    frequency = np.fft.fftfreq(96) * 96
    ring = np.rint(np.hypot(frequency[:, None], frequency[None, :])).astype(int)
    rings = np.arange(3, 39)
    slope = np.polyfit(np.log(rings), np.log([power[ring == radius].mean() for radius in rings]), 1)[0]
    assert -3.2 < slope < -2.2


def test_colour_does_not_give_the_class_away(train: Drawn, test: Drawn) -> None:
    def colours(images: Images) -> Features:
        pixels = images.reshape(len(images), 3, -1) / 255
        centre = images[:, :, 32:64, 32:64].reshape(len(images), 3, -1).mean(2) / 255
        return np.concatenate([pixels.mean(2), pixels.std(2), centre], axis=1)

    assert _ridge_accuracy(colours, train, test) < 0.2  # 0.13 on 2026-11-22; chance is 0.1, its error 0.015


def test_shape_gives_the_class_away(train: Drawn, test: Drawn) -> None:
    assert _ridge_accuracy(_edge_histograms, train, test) > 0.7  # 0.96 on 2026-11-22; chance is 0.1


def _edge_histograms(images: Images) -> Features:
    """Return edge strengths by 8 directions in 8 x 8 cells (N, 512), independent of colour and overall light."""
    grey = images.mean(1, dtype=np.float32)
    down, across = np.gradient(grey, axis=(1, 2))
    strength = np.sqrt(np.hypot(down, across))
    direction = np.floor((np.arctan2(down, across) / np.pi % 1) * 8).astype(int) % 8
    cells = [
        np.where(direction == turn, strength, 0).reshape(-1, 8, 12, 8, 12).mean((2, 4), dtype=np.float64)
        for turn in range(8)
    ]
    histograms: Features = np.stack(cells, axis=1).reshape(len(images), -1)
    unit: Features = histograms / np.linalg.norm(histograms, axis=1, keepdims=True)
    return unit


def _ridge_accuracy(features: Callable[[Images], Features], train: Drawn, test: Drawn) -> float:
    train_ND, test_ND = features(train[0]), features(test[0])
    mean, std = train_ND.mean(0), train_ND.std(0) + 1e-9
    train_ND, test_ND = (train_ND - mean) / std, (test_ND - mean) / std
    targets = np.eye(11)[train[1]]
    weights = np.linalg.solve(train_ND.T @ train_ND + 1000 * np.eye(train_ND.shape[1]), train_ND.T @ (targets - 0.1))
    return float(np.mean((test_ND @ weights)[:, 1:].argmax(1) + 1 == test[1]))


def test_files_have_the_layout_of_stl10(tmp_path: Path) -> None:
    assert write_sample(tmp_path, counts=SMALL, seed=3) == tmp_path
    folder = tmp_path / "stl10_binary"
    assert sorted(os.listdir(folder)) == [
        "class_names.txt", "test_X.bin", "test_y.bin", "train_X.bin", "train_y.bin", "unlabeled_X.bin",
    ]  # fmt: skip
    for split, count in SMALL.items():
        images_NCHW, labels = draw_split(split, count, seed=3)
        stored_NCWH = np.fromfile(folder / f"{split}_X.bin", np.uint8).reshape(count, 3, 96, 96)
        np.testing.assert_array_equal(stored_NCWH.transpose(0, 1, 3, 2), images_NCHW)
        if split != "unlabeled":
            np.testing.assert_array_equal(np.fromfile(folder / f"{split}_y.bin", np.uint8), labels)
    # Column-major: the second byte is one pixel further down, not to the right.
    assert (folder / "train_X.bin").read_bytes()[1] == draw_split("train", 1, seed=3)[0][0, 0, 1, 0]
    assert (folder / "class_names.txt").read_text().split() == list(CLASS_NAMES)


def test_a_failed_write_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_sample(tmp_path, counts=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_embedded_sample_is_made_once_and_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SAMPLE_COUNTS", SMALL)
    folder = embedded_sample(tmp_path)
    assert folder == tmp_path / "sample-v1"
    images = folder / "stl10_binary" / "train_X.bin"
    whole, made = images.read_bytes(), images.stat().st_mtime_ns
    assert len(whole) == 13 * 3 * 96 * 96
    assert embedded_sample(tmp_path) == folder
    assert images.stat().st_mtime_ns == made

    leftover = images.parent / ".train_X.bin.123.part"
    leftover.write_bytes(b"half")
    images.write_bytes(whole[:-1])
    embedded_sample(tmp_path)
    assert images.read_bytes() == whole
    assert not leftover.exists()

    (images.parent / "class_names.txt").unlink()
    embedded_sample(tmp_path)
    assert (images.parent / "class_names.txt").is_file()


def test_embedded_sample_finds_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SAMPLE_COUNTS", SMALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert embedded_sample() == tmp_path / "xdg" / "pse-repro" / "sample-v1"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert embedded_sample() == tmp_path / "home" / ".cache" / "pse-repro" / "sample-v1"


def test_an_unwritable_cache_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        embedded_sample(tmp_path / "cache")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("valid", 1, 0), "split is 'valid'"), (("train", -1, 0), "count is -1"), (("train", 1, -2), "seed is -2")],
)
def test_what_cannot_be_drawn_is_named(arguments: tuple[str, int, int], message: str) -> None:
    split, count, seed = arguments
    with pytest.raises(ValueError, match=message):
        draw_split(split, count, seed=seed)
