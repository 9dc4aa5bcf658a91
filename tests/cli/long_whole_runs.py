"""Whole runs through the command line, on tiny networks: verdict, report, resuming, the forms of computing."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Run
from tests.support.planted import write_planted
from tests.support.short_study import _short_protocol
from tests.support.tiny import write_images

SHORT_STUDY = """
name = "short"
scale = "reduced"
expected = "paper"
epochs = 1
folds = 2
[overrides]
batch_size = 8
downstream_max_epochs = 2
[[models]]
encoder = "cnn"
objective = "mse"
[[models]]
encoder = "cnn"
objective = "pse"
sigma = 3
"""


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_a_study_on_other_images_runs_to_a_verdict_and_a_report(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    (tmp_path / "short.toml").write_text(SHORT_STUDY)
    status, out, err = run("run", "short.toml", "--data", "photos", "--device", "cpu")
    assert status == 0  # not comparable numbers do not change it
    assert "not comparable" in out
    assert "not STL-10's official files" in err
    assert (tmp_path / "runs/short/report.html").is_file()
    assert (tmp_path / "runs/short/report.md").is_file()
    rows = json.loads(run("compare", "--format", "json")[1])["rows"]
    assert {row["verdict"] for row in rows} == {"not comparable"}
    assert "scale is reduced" in rows[0]["reason"] or "data is photos-" in rows[0]["reason"]
    assert run("run", "short.toml", "--data", "photos", "--device", "cpu", "--strict", "--quiet")[0] == 1
    status, _, err = run("run", "short.toml", "--data", "photos", "--device", "cpu", "--precision", "bf16", "--quiet")
    assert status == 2
    assert "precision = 'fp32', but now it is 'bf16'" in err


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws", "settings_put_back")
def test_two_deterministic_runs_are_equal_and_can_be_resumed_without_the_option(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "photos")
    words = ("pretrain", "--encoder", "cnn", "--objective", "pse", "--sigma", "3", "--epochs", "2", "--device", "cpu")
    words += ("--batch-size", "8", "--data", "photos", "--quiet")
    assert run(*words, "--out", "plain")[0] == 0
    assert run(*words, "--out", "first", "--deterministic")[0] == 0
    monkeypatch.setenv("PSE_REPRO_DETERMINISTIC", "1")
    assert run(*words, "--out", "second")[0] == 0
    notes = [json.loads(next((tmp_path / name).rglob("provenance.json")).read_text()) for name in ("first", "second")]
    assert [note["deterministic"] for note in notes] == [True, True]
    weights = [next((tmp_path / name).rglob("checkpoint.safetensors")).read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1] == next((tmp_path / "plain").rglob("checkpoint.safetensors")).read_bytes()
    assert (tmp_path / "first/run.json").read_text() == (tmp_path / "plain/run.json").read_text()
    assert run("evaluate", "first", "--evaluation", "knn", "--data", "photos", "--quiet")[0] == 0


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_a_run_with_joint_folds_is_the_same_run_and_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "photos")
    (tmp_path / "short.toml").write_text(SHORT_STUDY)
    words = ("run", "short.toml", "--data", "photos", "--device", "cpu", "--quiet", "--out")
    for folder, more in (("one-by-one", ()), ("jointly", ("--joint-folds",))):
        assert run(*words, folder, *more)[0] in (0, 1)
    assert (tmp_path / "jointly/run.json").read_text() == (tmp_path / "one-by-one/run.json").read_text()
    values = [pd.read_csv(tmp_path / folder / "results.csv")["value"] for folder in ("one-by-one", "jointly")]
    pd.testing.assert_series_equal(*values, rtol=1e-4)
    monkeypatch.setenv("PSE_REPRO_JOINT_FOLDS", "1")
    assert run("evaluate", "one-by-one", "--evaluation", "knn", "--data", "photos", "--quiet")[0] == 0
    for folder in ("one-by-one", "jointly"):
        notes = [json.loads(path.read_text())["joint_folds"] for path in (tmp_path / folder).rglob("provenance.json")]
        assert set(notes) == {True}


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
@pytest.mark.parametrize("folder", ["stl10-fragments", "imagenet96"])
def test_a_study_runs_on_real_images(run: Run, tmp_path: Path, real_images: Path, folder: str) -> None:
    subset = "[subset]\nunlabeled = 200\ntrain = 100\ntest = 100\n[overrides]"
    (tmp_path / "short.toml").write_text(SHORT_STUDY.replace("[overrides]", subset))
    status, out, err = run("run", "short.toml", "--data", real_images / folder, "--device", "cpu", "--format", "json")
    assert status == 0, err
    reasons = {row["reason"] for row in json.loads(out)["rows"]}
    assert len(reasons) == 1
    assert f"data is {folder}-" in reasons.pop()


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
@pytest.mark.parametrize("rule", ["cut", "rounded"])
def test_switch_13_prints_ensembles_as_the_run_s_own_protocol_says(run: Run, tmp_path: Path, rule: str) -> None:
    write_images(tmp_path / "photos", test=37)  # an odd number, so that scores have more than two decimals
    (tmp_path / "short.toml").write_text(SHORT_STUDY)
    (tmp_path / "p.toml").write_text(_short_protocol().replace('printing = "cut"', f'printing = "{rule}"'))
    words = ("--data", "photos", "--device", "cpu", "--protocol", "p.toml", "--quiet", "--format", "json")
    status, out, err = run("run", "short.toml", *words)
    assert status == 0, err
    measured = [row["measured"] for row in json.loads(out)["rows"] if row["fold"] == "ensemble"]
    exact = [100 * round(value * 37 / 100) / 37 for value in measured]
    cut, rounded = [int(100 * value) / 100 for value in exact], [round(value, 2) for value in exact]
    assert cut != rounded
    assert measured == pytest.approx(cut if rule == "cut" else rounded, abs=1e-9)


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_a_budget_is_what_every_model_is_trained_with(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    text = SHORT_STUDY.replace("folds = 2", 'folds = 1\nevaluations = ["knn"]')
    (tmp_path / "short.toml").write_text(text)
    words = ("--data", "photos", "--device", "cpu", "--budget", "20 images")
    status, _, err = run("run", "short.toml", *words, "--quiet", "--format", "json")
    assert status == 0, err
    directory = tmp_path / "runs" / "short"
    recorded = json.loads((directory / "run.json").read_text())["study"]
    assert recorded["budget"] == {"steps": None, "images": 20, "seconds": None}
    lengths = [json.loads(path.read_text())["length"] for path in directory.glob("models/*/pretrain.json")]
    assert lengths == [{"epochs": 1, "batch_size": 8, "steps": 2}] * 2  # two whole batches of eight


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_fresh_inside_a_run_begins_it_anew(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "photos")
    words = ("pretrain", "--encoder", "cnn", "--objective", "mse", "--batch-size", "8", "--data", images, "--quiet")
    assert run(*words, "--device", "cpu", "--epochs", "1", "--out", tmp_path / "one")[0] == 0
    monkeypatch.chdir(tmp_path / "one")
    assert run(*words, "--device", "cpu", "--epochs", "2", "--out", ".")[0] == 2
    assert run(*words, "--device", "cpu", "--epochs", "2", "--out", ".", "--fresh")[:2] == (0, ".\n")
    (aside,) = tmp_path.glob("one-before-*")
    assert json.loads((aside / "run.json").read_text())["study"]["epochs"] == 1


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_a_run_stops_at_the_first_look_at_which_its_claims_are_decided(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pse_repro.commands.study.planned_looks", lambda seeds: (1, 2, seeds))
    monkeypatch.setattr("pse_repro.commands.study.decidable_claims", lambda *_: [1])
    (tmp_path / "short.toml").write_text(SHORT_STUDY)
    (tmp_path / "p.toml").write_text(_short_protocol())
    words = ("run", "short.toml", "--data", str(write_images(tmp_path / "images")), "--protocol", "p.toml")
    words += ("--device", "cpu", "--seeds", "3", "--until-decided")
    asked: list[int] = []

    def is_decided(claims: list[object]) -> bool:
        asked.append(len(claims))
        return len(asked) == 2

    monkeypatch.setattr("pse_repro.commands.study.is_decided", is_decided)
    _, _, err = run(*words)
    assert "the claims are decided with 2 seeds" in err
    record = json.loads((tmp_path / "runs" / "short" / "asked.json").read_text())
    assert (record["seeds"], record["looks"]) == (2, [3])  # fewer than three seeds decide nothing and are no look
    results = (tmp_path / "runs" / "short" / "results.csv").read_text()
    monkeypatch.setattr("pse_repro.commands.study.is_decided", lambda claims: True)
    _, _, err = run(*words)
    assert "the claims are decided with 2 seeds" in err  # not with the one of an earlier look
    assert (tmp_path / "runs" / "short" / "results.csv").read_text() == results


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_copies_of_test_images_are_left_out_and_the_numbers_are_of_another_data_set(run: Run, tmp_path: Path) -> None:
    write_planted(tmp_path / "photos")
    text = SHORT_STUDY.replace("folds = 2", 'folds = 1\nevaluations = ["knn", "frozen"]')
    (tmp_path / "short.toml").write_text(text)
    words = ("run", "short.toml", "--data", "photos", "--device", "cpu")
    assert run(*words)[0] == 0
    status, _, err = run(*words, "--without-test")
    assert status == 2
    assert "study.unlabeled = 'all', but now it is 'without-test'" in err
    status, out, err = run(*words, "--without-test", "--out", "clean", "--format", "json")
    assert status == 0, err
    assert "without-test: 3 of the 65 unlabelled images equal a test image, and are left out" in err
    reasons = {row["reason"] for row in json.loads(out)["rows"]}
    assert len(reasons) == 1
    assert "data is photos-" in min(reasons)
    assert "-without-test, not stl10" in min(reasons)
    notes = [json.loads(path.read_text())["data"] for path in (tmp_path / "clean").rglob("provenance.json")]
    assert [(note["unlabeled"], note["images"]["unlabeled"]) for note in notes] == [("without-test", 62)] * 2
    assert {note["duplicates"]["counts"]["unlabeled_in_test"] for note in notes} == {3}
    assert "photos-" in (tmp_path / "clean/report.md").read_text()
    assert run("evaluate", "clean", "--evaluation", "linear", "--quiet")[0] == 0  # the same images
    status, out, _ = run("compare", "runs/short", "--against", "clean")
    assert status == 0
    assert "pre-trained on the unlabelled images all (first), without-test (second)" in out


@pytest.mark.usefixtures("tiny_models", "no_pictures", "few_draws")
def test_one_study_trains_a_model_both_ways(run: Run, tmp_path: Path) -> None:
    write_planted(tmp_path / "photos")
    own = 'objective = "mse"\nunlabeled = "without-test"'
    text = SHORT_STUDY.replace("folds = 2", 'folds = 1\nevaluations = ["knn"]')
    text = text.replace('objective = "pse"\nsigma = 3', own)
    (tmp_path / "short.toml").write_text(text)
    status, _, err = run("run", "short.toml", "--data", "photos", "--device", "cpu", "--quiet")
    assert status == 0, err
    table = pd.read_csv(tmp_path / "runs/short/results.csv")
    losses = table[table["metric"] == "validation_loss"].set_index("objective")["value"]
    assert losses["mse"] != losses["mse+without-test"]
    folders = sorted(path.name[:14] for path in (tmp_path / "runs/short/models").iterdir())
    assert folders == ["cnn-mse-seed0-"] * 2
    words = ("run", "short.toml", "--data", "photos", "--device", "cpu", "--without-test", "--out", "clean")
    assert run(*words)[0] == 2
