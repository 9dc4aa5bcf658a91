"""Every statistic against a slow, obvious implementation; the JSON against its schema."""

import json
import os
import tracemalloc
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pse_repro.config.study import Subset
from pse_repro.data import stl10
from pse_repro.data.classes import class_names, mapped_folder, names_of
from pse_repro.data.duplicates import PAIRS
from pse_repro.data.folds import folds
from pse_repro.data.inspect.info import info, statistics
from pse_repro.data.inspect.render import render_info
from pse_repro.data.stl10 import CLASS_NAMES, Dataset, Split, open_dataset
from pse_repro.errors import UsageError
from pse_repro.progress.stages import Progress
from tests.support import tiny

SCHEMA = json.loads((files("pse_repro") / "schemas" / "data-info.schema.json").read_text())

# Few values and few images, so that grey images and duplicates happen.
images = st.integers(0, 255).flatmap(
    lambda most: hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 5), st.just(3), st.integers(3, 5), st.integers(3, 5)),
        elements=st.integers(0, most),
    )
)

NUMBERED = tuple(f"class {label}" for label in range(1, 11))


def slow_laplacian(images_NCWH: np.ndarray) -> float:
    """Compute it pixel by pixel, in floating point."""
    found = []
    for image in images_NCWH.astype(float) / 255:
        grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        for x in range(1, grey.shape[0] - 1):
            for y in range(1, grey.shape[1] - 1):
                neighbours = grey[x - 1, y] + grey[x + 1, y] + grey[x, y - 1] + grey[x, y + 1]
                found.append(abs(4 * grey[x, y] - neighbours))
    return sum(found) / len(found)


def slow_duplicates(one: np.ndarray, other: np.ndarray | None = None) -> int:
    """Count images equal to an earlier one, or to any of another split."""
    if other is None:
        return sum(any((one[i] == one[j]).all() for j in range(i)) for i in range(len(one)))
    return sum(any((image == second).all() for second in other) for image in one)


def data_of(*, unlabeled: np.ndarray, train: np.ndarray, test: np.ndarray) -> Dataset:
    first, second = (Split(stored, (np.arange(len(stored)) % 10 + 1).astype(np.uint8)) for stored in (train, test))
    return Dataset("own-12345678", Split(unlabeled, None), first, second, md5={})


def described(data: Dataset) -> dict[str, Any]:
    """Return the result of `info`, after checking it against its schema and its table."""
    document = json.loads(render_info(info(data), "json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    table = render_info(document)
    assert all(len(line) <= 80 or line == document["source"] for line in table.splitlines())
    return document


def test_the_schema_is_one_and_closed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for part in (SCHEMA, SCHEMA["$defs"]["split"], SCHEMA["properties"]["duplicates"]):
        assert part["additionalProperties"] is False
        assert set(part["required"]) == set(part["properties"])


@given(stored=images, block=st.integers(1, 6))
@settings(max_examples=60)
def test_statistics_are_the_slow_ones(stored: np.ndarray, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stl10, "_BLOCK", block)
        found = statistics(Split(stored, None))
    channels = stored.transpose(1, 0, 2, 3).reshape(3, -1).astype(float)
    np.testing.assert_allclose(found.mean, channels.mean(1), rtol=1e-12)
    np.testing.assert_allclose(found.standard_deviation, channels.std(1), rtol=1e-12, atol=1e-12)
    for channel, row in zip(channels, found.histogram, strict=True):
        assert {value: int((channel == value).sum()) for value in range(256)} == dict(enumerate(row.tolist()))
    assert found.laplacian == pytest.approx(slow_laplacian(stored), rel=1e-12, abs=1e-15)
    assert found.grey == sum((image[0] == image[1]).all() and (image[1] == image[2]).all() for image in stored)
    assert len(set(found.digests)) == len(stored) - slow_duplicates(stored)


@given(unlabeled=images, train=images, test=images)
@settings(max_examples=30)
def test_a_description_is_the_slow_one(unlabeled: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    if not unlabeled.shape[1:] == train.shape[1:] == test.shape[1:]:
        train, test = unlabeled[:2], unlabeled[-1:]  # some across splits, too
    splits = {"unlabeled": unlabeled, "train": train, "test": test}
    document = described(data_of(**splits))
    for name, stored in splits.items():
        found = document["splits"][name]
        assert (found["images"], found["bytes"]) == (len(stored), stored.size)
        assert found["min_255"] == stored.min((0, 2, 3)).tolist()
        assert found["max_255"] == stored.max((0, 2, 3)).tolist()
        assert found["mean"] == pytest.approx((stored / 255).mean((0, 2, 3)).tolist())
        assert found["standard_deviation"] == pytest.approx((stored / 255).std((0, 2, 3)).tolist(), abs=1e-12)
        assert found["grey_share"] == statistics(Split(stored, None)).grey / len(stored)
        assert found["mean_absolute_laplacian"] == pytest.approx(slow_laplacian(stored), abs=1e-15)
        assert document["duplicates"][f"within_{name}"] == slow_duplicates(stored)
    for one, other in PAIRS:
        assert document["duplicates"][f"{one}_in_{other}"] == slow_duplicates(splits[one], splits[other])


@pytest.mark.parametrize(("bright", "expected"), [((255, 255, 255), 4), ((0, 255, 0), 4 * 0.587), ((51, 51, 51), 0.8)])
def test_the_laplacian_of_one_bright_pixel(bright: tuple[int, int, int], expected: float) -> None:
    image = np.zeros((1, 3, 3, 3), np.uint8)
    image[0, :, 1, 1] = bright
    assert statistics(Split(image, None)).laplacian == pytest.approx(expected, rel=1e-12)


def test_the_laplacian_is_nothing_on_slopes_and_most_on_a_chequerboard() -> None:
    slope = np.add.outer(np.arange(96), np.arange(96)).astype(np.uint8)
    board = np.indices((96, 96)).sum(0) % 2 * 255
    for plane, expected in ((slope, 0.0), (board, 4.0)):
        image = np.broadcast_to(plane.astype(np.uint8), (2, 3, 96, 96))
        assert statistics(Split(image, None)).laplacian == pytest.approx(expected, abs=1e-15)


def test_deviations_of_nearly_equal_values_are_exact() -> None:
    stored = np.full((40, 3, 96, 96), 254, np.uint8)
    stored[0, 0, 0, 0] = 255
    count = 40 * 96 * 96
    found = statistics(Split(stored, None))
    assert found.standard_deviation == pytest.approx([(1 / count * (1 - 1 / count)) ** 0.5, 0, 0], rel=1e-12)


def test_files_are_described_as_memory_is(tmp_path: Path) -> None:
    data = open_dataset(tiny.write_images(tmp_path / "some"))
    found = described(data)
    same = described(tiny.dataset())
    assert found["source"] == str(tmp_path / "some" / "stl10_binary") == str(mapped_folder(data.test))
    assert same["source"] is None
    for name in ("unlabeled", "train", "test"):
        of_file, of_memory = found["splits"][name], same["splits"][name]
        assert of_file["md5_images"] == data.md5[f"{name}_X.bin"]
        assert of_file["md5_labels"] == data.md5.get(f"{name}_y.bin")
        assert of_memory["md5_images"] is None
        assert {key: of_file[key] for key in of_file if "md5" not in key} == {
            key: of_memory[key] for key in of_memory if "md5" not in key
        }
    assert (found["duplicates"], found["folds"]) == (same["duplicates"], same["folds"])
    assert info(data, Progress(quiet=True), tmp_path)["source"] == str(tmp_path)


def test_parts_of_a_memory_map_are_the_parts_asked_for(tmp_path: Path) -> None:
    train = open_dataset(tiny.write_images(tmp_path)).train
    for part in (train.stored_NCWH[7:], train.stored_NCWH[::-1], train.evenly(9).stored_NCWH):
        of_map, of_memory = (statistics(Split(stored, None)) for stored in (part, np.array(part)))
        assert of_map.digests == of_memory.digests
        np.testing.assert_array_equal(of_map.histogram, of_memory.histogram)


def test_classes_and_folds_are_counted() -> None:
    data = tiny.dataset()
    document = described(data)
    assert document["splits"]["train"]["class_counts"] == [5] * 10
    assert document["splits"]["test"]["class_counts"] == [4] * 10
    assert document["splits"]["unlabeled"]["class_counts"] is None
    labels = data.train.labels
    assert labels is not None
    for fold, (training, validation) in zip(document["folds"], folds(labels), strict=True):
        assert (fold["training_images"], fold["validation_images"]) == (len(training), len(validation)) == (40, 10)
        assert fold["first_validation_index"] == validation[0]
        assert fold["validation_class_counts"] == [int((labels[validation] == label).sum()) for label in range(1, 11)]
    assert described(tiny.dataset(train=4))["folds"] == []


def test_only_the_official_files_are_called_so() -> None:
    data = tiny.dataset()
    assert not described(data)["official"]
    official = Dataset("stl10", data.unlabeled, data.train, data.test, {})
    assert described(official)["official"]
    assert render_info(info(official)).startswith("stl10: the official files\n")


def test_class_names_are_the_folders_where_there_are_ten(tmp_path: Path) -> None:
    train = open_dataset(tiny.write_images(tmp_path)).train
    file = tmp_path / "stl10_binary" / "class_names.txt"
    own = tuple(f"kind {letter}" for letter in "abcdefghij")
    file.write_text("\n".join(own) + "\n\n")
    assert class_names(train) == class_names(Split(train.stored_NCWH[3:], None)) == own
    file.write_text("\r\n".join(own), encoding="utf-8-sig")  # as Windows' editor does
    assert class_names(train) == own
    file.write_text("one\ntwo\n")
    assert class_names(train) == NUMBERED
    file.write_bytes(b"\xff\n" * 10)
    assert len(class_names(train)) == 10
    file.unlink()
    assert class_names(train) == NUMBERED
    os.mkfifo(file)
    assert class_names(train) == NUMBERED
    file.unlink()
    file.symlink_to("absent")
    assert class_names(train) == NUMBERED
    file.unlink()
    file.mkdir()
    assert class_names(train) == NUMBERED
    assert class_names(train.evenly(5)) == NUMBERED  # in memory


@pytest.mark.parametrize("name", ["stl10", "embedded-sample", "photos-12345678"])
def test_stl10s_files_and_the_samples_have_its_names_whatever_lies_beside_them(tmp_path: Path, name: str) -> None:
    folder = tiny.write_images(tmp_path / "photos") / "stl10_binary"
    (folder / "class_names.txt").unlink()
    expected = NUMBERED if name.startswith("photos") else CLASS_NAMES
    assert names_of(open_dataset(folder, name)) == names_of(replace(tiny.dataset(), name=name)) == expected


@pytest.mark.parametrize("inside", ["stl10_binary", "."])
def test_a_folders_own_names_hold_for_a_part_of_it_too(tmp_path: Path, inside: str) -> None:
    tiny.write_images(tmp_path)
    own = tuple(f"kind {letter}" for letter in "abcdefghij")
    (tmp_path / "stl10_binary" / "class_names.txt").write_text("\n".join(own))
    data = open_dataset(tmp_path / inside)
    part = data.subset(Subset(unlabeled=20, train=20, test=20))
    assert mapped_folder(part.test) is None  # its images are a copy
    assert names_of(data) == names_of(part) == own


def test_long_names_and_duplicates_fit_the_table(tmp_path: Path) -> None:
    folder = tiny.write_images(tmp_path, train=5) / "stl10_binary"
    (folder / "class_names.txt").write_text("a very long name of a class\n" * 10)
    (folder / "test_X.bin").write_bytes((folder / "train_X.bin").read_bytes() * 2)
    (folder / "test_y.bin").write_bytes((folder / "train_y.bin").read_bytes() * 2)
    data = open_dataset(folder)
    described(data)
    text = render_info(info(data))
    assert "exact duplicates: 5 within test, 10 test in train\n" in text
    assert "a very long name..." in text


def test_memory_does_not_grow_with_the_images() -> None:
    images_NCWH = np.broadcast_to(np.arange(96, dtype=np.uint8), (1000, 3, 96, 96))  # 28 MB, never allocated
    tracemalloc.start()
    statistics(Split(images_NCWH, None))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25e6


def test_progress_counts_every_image(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress, progress.stage("info", 50) as stage:
        statistics(tiny.dataset().train, stage)
        assert stage.done == 50
    assert "info: done" in capsys.readouterr().err


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown format 'yaml'; expected one of table, json"):
        render_info({}, "yaml")


def test_real_images_are_described_as_numpy_does(real_images: Path) -> None:
    data = open_dataset(real_images / "stl10-fragments")
    document = described(data)
    for name, split in (("train", data.train), ("test", data.test)):
        pixels = np.asarray(split.stored_NCWH, float)
        found = document["splits"][name]
        assert found["mean_255"] == pytest.approx(pixels.mean((0, 2, 3)).tolist(), rel=1e-12)
        assert found["standard_deviation_255"] == pytest.approx(pixels.std((0, 2, 3)).tolist(), rel=1e-9)
        assert 0.03 < found["mean_absolute_laplacian"] < 0.3
    assert document["splits"]["test"]["mean_absolute_laplacian"] == pytest.approx(
        slow_laplacian(np.asarray(data.test.stored_NCWH)), rel=1e-9
    )
    assert document["class_names"][0] == "airplane"  # it has the file
