"""Verification of a folder with STL-10: sizes, MD5s, classes, folds."""

import shutil
from pathlib import Path

import jsonschema
import pytest

from pse_repro.data.folds import folds
from pse_repro.data.inspect import verify as verify_module
from pse_repro.data.inspect.render import render_verification
from pse_repro.data.inspect.verify import STATES, FileCheck, verify
from pse_repro.data.stl10 import OFFICIAL_IMAGES
from pse_repro.errors import UsageError
from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.stages import Progress
from tests.support.checking import NAMES, SCHEMA, checked, states


def test_what_is_expected_is_stl10() -> None:
    sizes = {name: FileCheck(name, "missing", None, None, "").expected_bytes for name in NAMES}
    assert sizes == {
        "train_X.bin": 138_240_000,
        "train_y.bin": 5_000,
        "test_X.bin": 221_184_000,
        "test_y.bin": 8_000,
        "unlabeled_X.bin": 2_764_800_000,
    }
    for split, each in verify_module.OFFICIAL_PER_CLASS.items():
        assert OFFICIAL_IMAGES[split] == 10 * each


def test_the_schema_is_one_and_closed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["additionalProperties"] is False
    assert set(SCHEMA["properties"]["files"]["items"]["properties"]["state"]["enum"]) == set(STATES)


@pytest.mark.parametrize("above", [False, True])
def test_the_official_files_are_proved(official: Path, above: bool) -> None:
    found = checked(official.parent if above else official)
    assert found.folder == official
    assert found.official
    assert found.consistent
    assert found.exit_status == 0
    assert found.problems == []
    assert set(states(found).values()) == {"official"}
    assert [check.counts for check in found.labels] == [(5,) * 10, (4,) * 10]
    assert found.folds is not None
    assert found.folds.released
    table = render_verification(found)
    assert "classes 1..10 of train: 5 each, as expected" in table
    assert "folds: 40 + 10 images each, first validation images" in table
    assert found.verdict == "STL-10: all five files are the official ones, and the folds are the released ones"


def test_folds_of_another_scikit_learn_are_told_apart(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "folds", lambda labels: folds(labels, order="as-stored"))
    found = checked(official)
    assert found.official
    assert found.exit_status == 3
    assert found.verdict == "STL-10's official files, but the folds are not the released ones"
    (problem,) = found.problems
    assert problem.startswith("folds of train_y.bin: found first validation images ")
    assert "splits differently, install another version" in problem


def test_progress_counts_every_byte(folder: Path) -> None:
    stages: list[Stage] = []

    class Recorder(Listener):
        def began(self, stage: Stage) -> None:
            stages.append(stage)

    progress = Progress(quiet=True)
    progress.listeners.append(Recorder())
    verify(folder, progress)
    (stage,) = stages
    assert stage.total == stage.done == sum((folder / name).stat().st_size for name in NAMES)
    assert stage.unit == "bytes"


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format 'csv'; expected one of table, json"):
        render_verification(verify(tmp_path, Progress(quiet=True)), "csv")


def test_the_official_labels_give_the_released_folds(real_images: Path, tmp_path: Path) -> None:
    official = real_images / "stl10-fragments" / "stl10_binary" / "train_y_official.bin"
    if not official.is_file():
        pytest.skip(f"{official} is absent")
    shutil.copy(official, tmp_path / "train_y.bin")
    found = checked(tmp_path)
    assert states(found) == dict.fromkeys(NAMES, "missing") | {"train_y.bin": "official"}
    assert found.labels[0].counts == (500,) * 10
    assert found.folds is not None
    assert found.folds.first == (1012, 1006, 10, 104, 1030)
    assert found.folds.sizes == ((4000, 1000),) * 5
    assert found.folds.released
    assert "first validation images 1012, 1006, 10, 104, 1030, as in the released logs" in " ".join(
        render_verification(found).split()
    )
