"""The built-in studies, a user's own study, its plan, and the commands on one model."""

import json
import re
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.commands.study import RunOptions
from pse_repro.study.load import load_study
from pse_repro.tables import read_table
from tests.cli.conftest import Run
from tests.support.stored_run import store_run, study
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


def test_a_folder_of_other_things_is_one_line_and_status_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.pdf").touch()
    for name in ("smoke", "full"):
        status, _, err = run(name, "--data", "other", "--device", "cpu", "--quiet")
        assert status == 3
        assert "no images in other" in err
        assert len(err.strip().splitlines()) == 1


def test_full_fetches_by_itself_and_says_what_to_do_when_it_cannot(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words in ((), ("--data", "empty"), ("--data", "absent")):
        status, _, err = run("full", "--device", "cpu", *words)
        assert status == 3
        assert "downloading STL-10 there" in err
        last = err.strip().splitlines()[-1]
        assert last.startswith("pse-repro: ")
        assert "127.0.0.1" in last
        assert "pse-repro data fetch --from" in last


def test_full_without_a_gpu_estimates_what_a_cpu_would_take(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("pse_repro.study.estimate.MEASURED_BATCH", 2)
    status, _, err = run("full")
    assert status == 3
    assert re.search(r"this CPU would take at least [\d.]+ (min|h|days)", err)
    assert "--device cpu" in err


def test_cuda_without_a_gpu_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, _, err = run("smoke", "--device", "cuda")
    assert status == 3
    assert "sees no GPU" in err


@pytest.mark.usefixtures("tiny_models")
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


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("folder", ["stl10-fragments", "imagenet96"])
def test_a_study_runs_on_real_images(run: Run, tmp_path: Path, real_images: Path, folder: str) -> None:
    subset = "[subset]\nunlabeled = 200\ntrain = 100\ntest = 100\n[overrides]"
    (tmp_path / "short.toml").write_text(SHORT_STUDY.replace("[overrides]", subset))
    status, out, err = run("run", "short.toml", "--data", real_images / folder, "--device", "cpu", "--format", "json")
    assert status == 0, err
    reasons = {row["reason"] for row in json.loads(out)["rows"]}
    assert len(reasons) == 1
    assert f"data is {folder}-" in reasons.pop()


@pytest.mark.usefixtures("tiny_models")
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


@pytest.mark.usefixtures("tiny_models")
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


@pytest.mark.usefixtures("tiny_models")
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


@pytest.mark.usefixtures("tiny_models")
def test_a_run_is_judged_on_the_images_that_it_was_made_on(run: Run, tmp_path: Path) -> None:
    for name in ("photos", "others"):
        write_images(tmp_path / name, test=40 if name == "photos" else 30)
    (tmp_path / "p.toml").write_text(_short_protocol())
    words = ("--encoder", "cnn", "--objective", "mse", "--epochs", "1", "--protocol", "p.toml")
    assert run("pretrain", *words, "--data", "photos", "--device", "cpu", "--out", "one", "--quiet")[0] == 0
    status, out, err = run("evaluate", "one", "--evaluation", "knn", "--quiet")  # without --data
    assert (status, "knn" in out) == (0, True), err
    status, out, err = run("evaluate", "one", "--evaluation", "knm", "--quiet")
    known = "finetune, frozen, linear, knn, low-label-1, low-label-10, low-label-100, cluster"
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


def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, RunOptions]]:
    """Record what would have been run, without running it."""
    asked: list[tuple[str, RunOptions]] = []

    def take(study: str, options: RunOptions, *_: object) -> tuple[str, int]:
        asked.append((study, options))
        return "done", 0

    monkeypatch.setattr("pse_repro.commands.study.run", take)
    return asked


def test_smoke_takes_the_objectives_where_they_are_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = started(monkeypatch)
    assert run("smoke", "--objectives", "--device", "cpu", "--jobs", "2")[:2] == (0, "done\n")
    assert run("smoke")[0] == 0
    monkeypatch.setenv("PSE_REPRO_OBJECTIVES", "1")
    assert run("smoke")[0] == 0
    assert [study for study, _ in asked] == ["smoke-objectives", "smoke", "smoke-objectives"]
    assert (asked[0][1].device, asked[0][1].jobs) == ("cpu", 2)


def test_a_run_passes_its_budget_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = started(monkeypatch)
    assert run("run", "smoke", "--budget", "20 images")[0] == 0
    assert run("run", "smoke")[0] == 0
    assert [options.budget for _, options in asked] == ["20 images", None]


@pytest.mark.usefixtures("tiny_models")
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


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("20 pictures", "budget is '20 pictures'; expected a number with images, steps or s"),
        ("0 steps", "budget: steps is 0; expected a finite number above 0"),
        ("7 images", "the budget is 0 steps of 8 images; expected at least one for each of the 5 epochs"),
    ],
)
def test_a_wrong_budget_is_one_line_and_status_2(run: Run, tmp_path: Path, budget: str, said: str) -> None:
    write_images(tmp_path / "photos")
    status, _, err = run("run", "smoke", "--budget", budget, "--data", "photos", "--device", "cpu", "--quiet")
    assert (status, err.count("\n")) == (2, 1)
    assert said in err
    assert not (tmp_path / "runs").exists()  # or the right one would be refused, too


@pytest.mark.parametrize("fresh", ["--fresh", "--resume"])
@pytest.mark.parametrize("out", [".", "", "../others", "notes.txt"])
def test_nothing_of_anybody_else_s_is_touched(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, fresh: str
) -> None:
    images, others = write_images(tmp_path / "photos"), tmp_path / "others"
    for name in ("notes.txt", ".big.iso.part", "films/.film.mkv.part"):
        (others / name).parent.mkdir(exist_ok=True)
        (others / name).write_text(name)
    before = sorted(others.rglob("*"))
    monkeypatch.chdir(others)
    status, _, err = run("smoke", "--data", images, "--device", "cpu", "--quiet", "--out", out, fresh)
    assert (status, err.count("\n")) == (2, 1)
    assert "--out" in err
    assert sorted(others.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["others", "photos"]


@pytest.mark.usefixtures("tiny_models")
def test_fresh_inside_a_run_begins_it_anew(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "photos")
    words = ("pretrain", "--encoder", "cnn", "--objective", "mse", "--batch-size", "8", "--data", images, "--quiet")
    assert run(*words, "--device", "cpu", "--epochs", "1", "--out", tmp_path / "one")[0] == 0
    monkeypatch.chdir(tmp_path / "one")
    assert run(*words, "--device", "cpu", "--epochs", "2", "--out", ".")[0] == 2
    assert run(*words, "--device", "cpu", "--epochs", "2", "--out", ".", "--fresh")[:2] == (0, ".\n")
    (aside,) = tmp_path.glob("one-before-*")
    assert json.loads((aside / "run.json").read_text())["study"]["epochs"] == 1


@pytest.mark.parametrize("command", [("smoke",), ("pretrain", "--encoder", "cnn", "--objective", "mse"), ("evaluate",)])
def test_tensorboard_that_is_not_installed_is_one_line_and_status_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    status, _, err = run(*command, "--log-to", "tensorboard")
    assert (status, err.count("\n")) == (2, 1)
    assert "pip install 'pse-repro[tensorboard]'" in err
    assert not Path("runs").exists()


def _short_protocol() -> str:
    from importlib.resources import files

    text = (files("pse_repro") / "protocols" / "as-released.toml").read_text()
    for long, short in (
        ('"as-released"', '"short"'),
        ("= 128", "= 8"),
        ("downstream_max_epochs = 1000", "downstream_max_epochs = 2"),
    ):
        text = text.replace(long, short)
    return text


def test_a_plan_lists_every_model_and_follows_its_schema(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.study.plan.estimate_seconds", lambda *_: 7200.0)
    status, out, _ = run("plan", "full", "--protocol", "as-released", "--protocol", "as-described", "--seeds", "3")
    assert status == 0
    assert len(re.findall("^as-", out, re.M)) == 54  # 7 models and 2 untrained encoders
    assert "study full: 54 models, at least 2.0 h here" in out
    plan = json.loads(run("plan", "full", "--format", "json")[1])
    jsonschema.validate(plan, json.loads((files("pse_repro") / "schemas" / "plan.schema.json").read_text()))
    lengths = {(row["encoder"], row["objective"], row["sigma"]): row["epochs"] for row in plan["cells"]}
    assert lengths["cnn", "mse", None] == 116  # switch 6, study page
    assert lengths["cnn", "pse", 6] == 334


def test_a_plan_of_the_objectives_lists_all_models(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.study.plan.estimate_seconds", lambda *_: 7200.0)
    plan = json.loads(run("plan", "objectives-small", "--format", "json")[1])
    jsonschema.validate(plan, json.loads((files("pse_repro") / "schemas" / "plan.schema.json").read_text()))
    study = load_study("objectives-small")
    assert [(row["encoder"], row["objective"], row["sigma"]) for row in plan["cells"]] == [
        (model.encoder, model.objective, model.sigma) for model in study.models
    ]
    assert {row["epochs"] for row in plan["cells"] if row["objective"] != "random"} == {study.epochs}
    assert {tuple(row["evaluations"]) for row in plan["cells"]} == {study.evaluations}
    _, table, _ = run("plan", "objectives-small")
    assert f"study objectives-small: {len(study.models)} models, at least 2.0 h here" in table
