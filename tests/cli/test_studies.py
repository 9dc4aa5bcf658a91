"""The studies, a study of one's own, its plan, and the commands of one model."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Run
from tests.tiny import write_images

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
    for study in ("smoke", "full"):
        status, _, err = run(study, "--data", "other", "--device", "cpu", "--quiet")
        assert status == 3
        assert "no images in other" in err
        assert len(err.strip().splitlines()) == 1


def test_full_fetches_by_itself_and_says_what_to_do_when_it_cannot(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words in ((), ("--data", "empty"), ("--data", "absent")):
        status, _, err = run("full", "--device", "cpu", *words)
        assert status == 3
        assert "fetching STL-10 into it" in err
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
    assert "precision = 'fp32', and now it is 'bf16'" in err


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
    assert "study full: 54 models, 2.0 h here at least" in out
    plan = json.loads(run("plan", "full", "--format", "json")[1])
    jsonschema.validate(plan, json.loads((files("pse_repro") / "schemas" / "plan.schema.json").read_text()))
    lengths = {(row["encoder"], row["objective"], row["sigma"]): row["epochs"] for row in plan["cells"]}
    assert lengths["cnn", "mse", None] == 116  # switch 6, study page
    assert lengths["cnn", "pse", 6] == 334
