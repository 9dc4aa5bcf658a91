"""pretrain and evaluate."""

import json
import re
from pathlib import Path

import pytest

from pse_repro.tables import read_table
from tests.cli.conftest import Run
from tests.support.short_study import _short_protocol
from tests.support.stored_run import store_run, study
from tests.support.tiny import write_images


@pytest.mark.usefixtures("tiny_models", "no_pictures")
def test_pretrain_then_evaluate_one_model(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", unlabeled=60)
    protocol = (tmp_path / "p.toml").write_text(_short_protocol()) and "p.toml"
    words = ("--encoder", "cnn", "--objective", "pse", "--sigma", "3", "--epochs", "1", "--protocol", protocol)
    status, out, err = run("pretrain", *words, "--data", "photos", "--device", "cpu", "--out", "one", "--quiet")
    assert (status, out) == (0, "one\n"), err
    assert not list((tmp_path / "one").glob("models/*/frozen-*"))
    status, out, err = run("evaluate", "one", "--evaluation", "frozen", "--data", "photos", "--quiet")
    assert status == 0, err
    assert "frozen" in out
    assert "finetune" not in out
    assert run("report", "one")[:2] == (0, "one/report.html\n")


def test_an_unknown_evaluation_is_refused_before_images_are_looked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_run(tmp_path / "one", study())
    monkeypatch.setattr("pse_repro.commands.study.find_data", None)
    status, _, err = run("evaluate", "one", "--evaluation", "froze")
    assert (status, err.count("\n")) == (2, 1)
    assert "evaluation is 'froze'; expected one of finetune, frozen" in err


@pytest.mark.usefixtures("tiny_models", "no_pictures")
def test_a_run_is_judged_in_ways_that_it_did_not_know(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    (tmp_path / "p.toml").write_text(_short_protocol())
    words = ("--encoder", "cnn", "--objective", "rotation", "--epochs", "1", "--protocol", "p.toml")
    status, out, err = run("pretrain", *words, "--data", "photos", "--device", "cpu", "--out", "one", "--quiet")
    assert (status, out) == (0, "one\n"), err
    more = ("--evaluation", "linear", "--evaluation", "cluster")
    status, out, err = run("evaluate", "one", *more, "--data", "photos", "--quiet")
    assert status == 0, err
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.strip().splitlines()]
    evaluation, accuracy, top1 = map(found[0].index, ("evaluation", "accuracy", "top1"))
    by_name = {row[evaluation]: row for row in found[2:]}
    assert set(by_name) == {"linear", "cluster"}
    assert 0 <= float(by_name["linear"][top1]) <= 100
    assert 0.1 <= float(by_name["cluster"][accuracy]) <= 1
    assert by_name["linear"][accuracy] == by_name["cluster"][top1] == ""
    assert evaluations(Path("one")) == ["finetune", "frozen", "linear", "cluster"]
    assert run("report", "one")[0] == 0


@pytest.mark.usefixtures("tiny_models", "no_pictures")
def test_a_run_is_judged_on_the_images_that_it_was_made_on(run: Run, tmp_path: Path) -> None:
    for name in ("photos", "others"):
        write_images(tmp_path / name, test=40 if name == "photos" else 30)
    (tmp_path / "p.toml").write_text(_short_protocol())
    words = ("--encoder", "cnn", "--objective", "mse", "--epochs", "1", "--protocol", "p.toml")
    assert run("pretrain", *words, "--data", "photos", "--device", "cpu", "--out", "one", "--quiet")[0] == 0
    status, out, err = run("evaluate", "one", "--evaluation", "knn", "--quiet")  # without --data
    assert (status, "knn" in out) == (0, True), err
    status, out, err = run("evaluate", "one", "--evaluation", "knm", "--quiet")
    known = "finetune, frozen, linear, knn, low-label-1, low-label-10, low-label-100, cluster, zero-shot"
    assert (status, out) == (2, "")
    assert f"evaluation is 'knm'; expected one of {known} (did you mean knn?)" in err
    status, out, err = run("evaluate", "one", "--evaluation", "frozen", "--data", "others", "--quiet")
    assert (status, out) == (2, "")
    said = r"one was made on photos-\w{8}, and the images of \S+/others are different: give --data the folder that"
    assert re.search(said, err)
    assert "--fresh" not in err
    (tmp_path / "photos").rename(tmp_path / "moved")
    status, _, err = run("evaluate", "one", "--evaluation", "frozen", "--quiet")
    assert (status, "give --data the folder that it was made on" in err) == (2, True)
    status, out, err = run("evaluate", "one", "--evaluation", "frozen", "--data", "moved", "--quiet")
    assert (status, "frozen" in out) == (0, True), err
    assert set(read_table("one/results.csv")["data"]) == {json.loads(Path("one/run.json").read_text())["data"]["name"]}


def evaluations(directory: Path) -> list[str]:
    return list(json.loads((directory / "run.json").read_text())["study"]["evaluations"])
