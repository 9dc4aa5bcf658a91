"""Provenance on the page: data, time and energy as the cells recorded them, and the commands."""

from pathlib import Path

import pytest

from pse_repro.data.duplicates import PAIRS, PUBLISHED, copies_sentence
from pse_repro.report.provenance import commands, facts, files
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.load import without_test
from pse_repro.study.record import Run
from tests.support.stored_run import report, store_run, study

MD5 = {"train_X.bin": "918c2871b30a85fa023e0c44e0bee87f"}


def test_facts_tell_the_data_by_its_md5_and_every_seed(tmp_path: Path) -> None:
    store_run(tmp_path, study(), seeds=2, data={"name": "stl10", "md5": MD5})
    found = dict(facts(Run.open(tmp_path)))
    assert found["MD5 of the data"] == "train_X.bin 918c2871b30a85fa023e0c44e0bee87f"
    assert found["Seeds"] == "0, 1"
    assert found["Images"] == "20 test"
    assert found["Energy"] == "not reported by the driver"
    assert found["Git commit"] == "not recorded (no checkout)"


def test_time_that_cells_share_is_counted_once(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study(protocols=("as-released", "as-released+7")))
    for cell in cells:  # the switch of fine-tuning leaves the pre-training as it is
        path = CellFiles(tmp_path, cell).provenance
        store.write_json(path, store.read_json(path) | {"seconds": {"pretrain": 60.0}})
    assert len(cells) == 4
    assert dict(facts(Run.open(tmp_path)))["Computing time"] == "2 min"


def test_energy_is_the_sum_of_what_was_told(tmp_path: Path) -> None:
    for cell, joules in zip(store_run(tmp_path, study()), (1.8e6, None), strict=True):
        path = CellFiles(tmp_path, cell).provenance
        store.write_json(path, store.read_json(path) | {"energy_joules": joules, "gpu_energy_joules": 3.6e6})
    shown = dict(facts(Run.open(tmp_path)))
    assert shown["Energy"].startswith("0.5 kWh (1.8e+06 J) used by the processor packages while 1 of 2 cells ran")
    assert shown["Energy of GPUs"].startswith("2 kWh (7.2e+06 J) used by the GPUs while 2 of 2 cells ran")


def test_settings_are_told_where_they_were_recorded(tmp_path: Path) -> None:
    first, second = store_run(tmp_path, study())
    path = CellFiles(tmp_path, first).provenance
    store.write_json(path, store.read_json(path) | {"settings": {"tf32_convolutions": True, "cudnn_benchmark": False}})
    path = CellFiles(tmp_path, second).provenance
    store.write_json(path, {key: value for key, value in store.read_json(path).items() if key != "settings"})
    told = dict(facts(Run.open(tmp_path)))["Settings of PyTorch"]
    assert told == "tf32 convolutions on, cudnn benchmark off"


def test_a_run_of_nothing_has_facts_and_no_files(tmp_path: Path) -> None:
    store.write_json(tmp_path / "run.json", _record(tmp_path / "other"))
    run = Run.open(tmp_path)
    assert dict(facts(run))["Computing time"] == "-"
    assert files(run) == []


def _record(directory: Path) -> object:
    store_run(directory, study())
    return store.read_json(directory / "run.json")


@pytest.mark.parametrize(("data", "first"), [("stl10", "pse-repro data fetch --data DIR"), ("photos", "pse-repro run")])
def test_commands_begin_with_the_data_that_can_be_fetched(tmp_path: Path, data: str, first: str) -> None:
    store_run(tmp_path, study(), data={"name": data, "md5": {}})
    found = commands(Run.open(tmp_path))
    assert found[0].startswith(first)
    assert found[-1] == "pse-repro report"


def test_links_are_quoted_and_grouped(tmp_path: Path) -> None:
    store_run(tmp_path, study(protocols=("as-released+7",)))
    first = files(Run.open(tmp_path))[0]
    assert first.title == "CNN-MSE"
    assert first.groups[0][0].path == "cells/as-released%2B7/cnn-mse-seed0/provenance.json"
    assert [link.text for link in first.groups[2]] == ["Frozen features, fold 1", "Frozen features, fold 2"]


@pytest.mark.usefixtures("no_pictures", "few_draws")
def test_copies_of_test_images_are_told_as_the_run_counted_them(tmp_path: Path) -> None:
    first, second = store_run(tmp_path, study(), data={"name": "stl10", "md5": MD5})
    told = dict(facts(Run.open(tmp_path)))  # made before they were counted
    assert told["Copies of test images"] == f"not counted in this run; {PUBLISHED}"
    assert f"({100 * 7463 / 8000:.1f} %), by a public list (github.com/Shu1L0n9/SemiOccam" in PUBLISHED
    assert told["Unlabelled images used"] == "all"
    names = [f"within_{split}" for split in ("unlabeled", "train", "test")]
    names += [f"{one}_in_{other}" for one, other in PAIRS]
    counts = dict.fromkeys(names, 0) | {"unlabeled_in_test": 3, "test_in_unlabeled": 2}
    counted = {"images": {"unlabeled": 60, "train": 50, "test": 40}, "counts": counts}
    for cell, unlabeled in ((first, "all"), (second, "without-test")):
        path = CellFiles(tmp_path, cell).provenance
        note = store.read_json(path)
        store.write_json(path, note | {"data": note["data"] | {"unlabeled": unlabeled, "duplicates": counted}})
    told = dict(facts(Run.open(tmp_path)))
    assert told["Copies of test images"] == copies_sentence(counts, {"unlabeled": 60, "train": 50, "test": 40})
    assert told["Unlabelled images used"] == "all; without those that equal a test image"
    page = report(tmp_path)
    assert "Copies of test images among the unlabelled ones: of the 60 unlabelled images 3 equal 2" in page.text


def test_other_images_that_were_not_counted_have_no_count(tmp_path: Path) -> None:
    store_run(tmp_path, without_test(study()), data={"name": "photos", "md5": MD5})
    run = Run.open(tmp_path)
    assert dict(facts(run))["Copies of test images"] == "not counted"
    assert dict(facts(run))["Data"] == "photos-without-test (not STL-10)"
    assert commands(run)[0].endswith("--data DIR --without-test")
