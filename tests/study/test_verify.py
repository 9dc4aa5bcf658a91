"""A whole run compared with its manifests and its own predictions, and what is set aside to be made again."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pse_repro.config.study import Model, Study
from pse_repro.errors import NotFitError
from pse_repro.run.runner import run_study
from pse_repro.study import store
from pse_repro.study.address import RunFiles
from pse_repro.study.faults import find_faults, set_aside
from pse_repro.study.record import Run
from pse_repro.study.verify import digest, open_intact, verify
from pse_repro.tables import read_table, write_table
from tests.support.tiny import context, make_tiny, protocol

pytestmark = pytest.mark.usefixtures("tiny_models")

STUDY = Study("tiny", "reduced", "paper", 1, (Model("cnn", "mse"),), folds=2)
STUDY = replace(STUDY, evaluations=("frozen", "cluster"), baselines=("pixels",))


def trained(directory: Path, repair: bool = False) -> None:
    chosen = replace(context(directory), repair=repair)
    assert run_study(STUDY, [protocol(downstream_max_epochs=1)], 1, chosen) == {}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patched:
        make_tiny(patched)
        trained(directory)
    return directory


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "run")


def one(run: Path, pattern: str) -> Path:
    return sorted(run.glob(pattern))[0]


def test_a_run_is_as_computed(run: Path) -> None:
    found = verify(run)
    assert (found.as_computed, found.faults, found.differing, found.pending) == (True, [], [], 0)
    assert found.values == len(Run.open(run).results) > 20
    assert found.files > 10


def test_the_digest_names_the_evidence_and_not_what_is_written_from_it(run: Path) -> None:
    before = digest(run)
    store.write_bytes(run / "report.html", b"another page")
    assert digest(run) == before
    store.write_bytes(run / "results.csv", b"another table")
    assert digest(run) != before


FILES = {
    "models/*/frozen-*/fold-1.npz": "fold-1.npz",
    "models/*/checkpoint.safetensors": "checkpoint.safetensors",
    "models/*/pretrain.json": "pretrain.json",
    "models/*/curves.csv": "curves.csv",
    "models/*/portrait.npz": "portrait.npz",
    "models/*/cluster-*/measures.json": "measures.json",
    "models/*/cluster-*/embedding.npz": "embedding.npz",
    "models/*/manifest.jsonl": "manifest.jsonl",
    "cells/*/*/provenance.json": "provenance.json",
    "baselines/*/fold-2.npz": "fold-2.npz",
    "results.csv": "results.csv",
    "asked.json": "asked.json",
    "run.json": "run.json",
}


@pytest.mark.parametrize("how", ["altered", "deleted"])
@pytest.mark.parametrize("pattern", FILES)
def test_what_differs_is_named_refused_and_made_again(run: Path, whole: Path, pattern: str, how: str) -> None:
    path = one(run, pattern)
    if how == "deleted":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    name = path.relative_to(run).as_posix()
    if (pattern, how) == ("run.json", "deleted"):
        assert [str(fault) for fault in find_faults(run)] == ["run.json: deleted"]
    else:
        assert f"{name}: {how}" in map(str, verify(run).faults)
        with pytest.raises(NotFitError, match=path.name):
            trained(run)
    trained(run, repair=True)
    assert verify(run).as_computed
    assert (run / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    if how == "altered":
        assert list(run.glob(f"set-aside/*/{name}"))


def test_nothing_more_than_what_differs_is_made_again(run: Path) -> None:
    first, second = (one(run, f"models/*/frozen-*/fold-{number}.npz") for number in (1, 2))
    times = {path: path.stat().st_mtime_ns for path in (first, second, one(run, "models/*/checkpoint.safetensors"))}
    first.write_bytes(b"x")
    trained(run, repair=True)
    assert [path.name for path, time in times.items() if path.stat().st_mtime_ns != time] == ["fold-1.npz"]


def test_other_weights_after_a_repair_are_evaluated_anew(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = store.write_tensors
    monkeypatch.setattr(
        store,
        "write_tensors",
        lambda path, tensors, note=None: write(path, {k: v + 1 for k, v in tensors.items()}, note),
    )
    fold = one(run, "models/*/frozen-*/fold-1.npz")
    one(run, "models/*/checkpoint.safetensors").write_bytes(b"x")
    trained(run, repair=True)
    assert verify(run).as_computed
    assert list(run.glob(f"set-aside/*/{fold.relative_to(run).as_posix()}"))


def test_results_that_do_not_follow_from_the_predictions_are_named(run: Path) -> None:
    table = read_table(run / "results.csv")
    table.loc[table["metric"] == "top1", "value"] += 1  # written by the kit, so its manifest agrees
    write_table(table, run / "results.csv", store.write_bytes)
    found = verify(run)
    assert not found.as_computed
    assert len(found.differing) == (table["metric"] == "top1").sum()
    assert all("in results.csv" in line and "by its predictions" in line for line in found.differing)


def test_values_that_are_not_in_the_results_yet_are_no_fault(run: Path) -> None:
    table = read_table(run / "results.csv")
    write_table(table[table["evaluation"] != "frozen"], run / "results.csv", store.write_bytes)
    found = verify(run)
    assert found.as_computed
    assert found.pending == (table["evaluation"] == "frozen").sum()


def test_a_whole_cell_that_was_removed_is_noticed(run: Path) -> None:
    shutil.rmtree(run / "models")
    shutil.rmtree(run / "cells")
    with pytest.raises(NotFitError, match=r"manifest.jsonl: deleted"):
        open_intact(run)


def test_a_run_from_before_there_were_manifests_is_read_and_adopted_when_resumed(run: Path) -> None:
    for path in run.rglob("manifest.jsonl"):
        path.unlink()
    assert open_intact(run).results is not None
    with pytest.raises(NotFitError, match="made before runs recorded their files"):
        verify(run)
    trained(run)
    found = verify(run)
    assert found.as_computed
    assert 0 < found.adopted < found.files


def test_a_run_that_is_resumed_with_nothing_to_do_keeps_its_digest(run: Path) -> None:
    before = digest(run)
    trained(run)
    assert digest(run) == before


def test_a_run_without_results_yet_has_values_to_come(run: Path) -> None:
    store.remove(run / "results.csv")
    found = verify(run)
    assert (found.as_computed, found.values) == (True, 0)
    assert found.pending > 20


def test_a_folder_that_a_running_process_makes_meanwhile_is_no_fault(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = one(run, "models/*/frozen-*")
    listed = RunFiles.own_files

    def made_after_listing(files: RunFiles) -> list[Path]:
        folder.rename(run / "meanwhile")
        found = listed(files)
        (run / "meanwhile").rename(folder)
        return found

    monkeypatch.setattr(RunFiles, "own_files", made_after_listing)
    assert find_faults(run) == []


def test_a_deleted_record_is_named(run: Path) -> None:
    (run / "run.json").unlink()
    with pytest.raises(NotFitError, match=r"run.json was deleted, or is no regular file"):
        open_intact(run)


def test_a_manifest_that_lists_another_record_begins_anew_on_repair(run: Path) -> None:
    """A bit of the record's SHA-256 has flipped in it."""
    manifest, results = run / "manifest.jsonl", (run / "results.csv").read_bytes()
    first, *lines = manifest.read_text().splitlines(keepends=True)
    line = next(number for number, text in enumerate(lines) if '"run.json", "length"' in text)
    lines[line] = lines[line].replace('"sha256": "', '"sha256": "!')[:-4] + '"}\n'
    manifest.write_text("".join([first, *lines]))
    with pytest.raises(NotFitError, match=r"run.json is not the file that was written"):
        trained(run)
    trained(run, repair=True)
    assert verify(run).as_computed
    assert (run / "results.csv").read_bytes() == results


def test_a_manifest_of_a_terabyte_is_made_again_on_repair(run: Path) -> None:
    os.truncate(one(run, "models/*/manifest.jsonl"), 2**40)  # a hole
    trained(run, repair=True)
    assert verify(run).as_computed


def test_files_of_others_in_a_run_are_left_alone(run: Path) -> None:
    kept = [run / "notes.txt", one(run, "models/*") / "notes.txt", run / "cells" / "mine.npz"]
    for path in kept:
        path.write_text("mine")
    assert verify(run).as_computed
    set_aside(run, [])
    trained(run, repair=True)
    assert all(path.read_text() == "mine" for path in kept)


def test_a_fold_that_the_run_did_not_write_is_named(run: Path) -> None:
    fold = one(run, "models/*/frozen-*/fold-1.npz")
    np.savez(fold.with_name("fold-7.npz"), probabilities=np.eye(3))
    assert [fault.what for fault in verify(run).faults] == ["not written by this run"]
