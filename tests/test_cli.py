"""The command line by Typer's runner: help, errors of usage, comparing, the commands of one model."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import typer

from pse_repro import cli, commands
from pse_repro.expected import load_expected
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


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error of `pse-repro WORDS`."""
    monkeypatch.setattr("sys.argv", ["pse-repro", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: call(monkeypatch, capsys, *words)


COMMANDS = ("smoke", "quick", "full", "run", "pretrain", "evaluate", "compare", "report", "bench")


def test_the_command_line_is_what_it_was(run) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = run("--help")
    assert status == 0
    listed = re.findall(r"^[│ ]+([a-z]+)  ", out, re.M)
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert all(name in COMMANDS for name in listed), listed


def test_without_arguments_the_help_is_shown_and_nothing_else(run) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run()
    assert (status, err) == (2, "")
    assert "Usage:" in out
    assert "smoke" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run, command: str) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"Example: pse-repro {command}" in re.sub(r"[│\s]+", " ", out)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_long_option_has_its_environment_variable(command: str) -> None:
    options = [p for p in typer.main.get_command(cli.app).commands[command].params if p.param_type_name == "option"]
    for option in options:
        name = option.opts[0].removeprefix("--")
        if name not in ("help", "install-completion", "show-completion"):
            assert option.envvar == f"PSE_REPRO_{name.upper().replace('-', '_')}"


def test_version(run) -> None:  # type: ignore[no-untyped-def]
    from pse_repro import __version__

    assert run("--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("smoke", "--seeds", "0"), "--seeds"),
        (("smoke", "--device", "tpu"), "tpu"),
        (("smok",), "smok"),
        (("compare", "--format", "pdf"), "pdf"),
        (("run", "nonsense"), "study is 'nonsense'; expected one of"),
        (("run", "ful"), "did you mean full?"),
        (("smoke", "--protocol", "as-relased"), "did you mean as-released?"),
        (("pretrain", "--encoder", "vgg", "--objective", "mse"), "encoder is 'vgg'; expected one of cnn, resnet"),
        (("pretrain", "--encoder", "cnn", "--objective", "pse"), "sigma is missing"),
        (("pretrain", "--encoder", "cnn", "--objective", "pse", "--sigma", "-1"), "sigma is -1"),
        (("pretrain", "--encoder", "cnn", "--objective", "pse", "--sigma", "nan"), "sigma is nan"),
        (("compare", "nowhere.csv"), "nowhere.csv does not exist"),
        (("compare",), "no run in runs"),
        (("report", "."), "not a run directory"),
        (("evaluate", "."), "not a run directory"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(run, words: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.startswith("pse-repro: ")
    assert len(err.strip().splitlines()) == 1


def test_data_or_machine_not_fit_is_one_line_and_status_3(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "empty").mkdir()
    for words, said in (
        (("smoke", "--data", "empty", "--device", "cpu", "--quiet"), "no images in empty"),
        (("full", "--device", "cpu", "--quiet"), "needs STL-10"),
    ):
        status, _, err = run(*words)
        assert status == 3
        assert said in err
        assert len(err.strip().splitlines()) == 1


def test_full_without_a_gpu_estimates_what_a_cpu_would_take(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("pse_repro.study.estimate.MEASURED_BATCH", 2)
    status, _, err = run("full")
    assert status == 3
    assert re.search(r"this CPU would take at least [\d.]+ (min|h|days)", err)
    assert "--device cpu" in err


def test_cuda_without_a_gpu_says_so(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, _, err = run("smoke", "--device", "cuda")
    assert status == 3
    assert "sees no GPU" in err


@pytest.mark.parametrize(
    "raised", [OSError(28, "No space left on device", "runs/x"), PermissionError(13, "Permission denied", "/x")]
)
def test_a_full_disk_and_a_missing_permission_are_status_3(
    run, monkeypatch: pytest.MonkeyPatch, raised: OSError
) -> None:  # type: ignore[no-untyped-def]
    def refuse(*_: object) -> None:
        raise raised

    monkeypatch.setattr(commands, "run", refuse)
    status, _, err = run("smoke")
    assert status == 3
    assert str(raised.strerror) in err
    assert str(raised.filename) in err


def test_interruption_is_status_130_and_says_that_work_is_kept(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run", interrupt)
    status, _, err = run("smoke")
    assert status == 130
    assert "kept" in err


def test_what_nobody_expected_has_no_traceback_without_debug(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(commands, "run", fail)
    status, _, err = run("smoke")
    assert status == 1
    assert "unexpected ZeroDivisionError: by zero (run again with --debug" in err
    monkeypatch.setattr("sys.argv", ["pse-repro", "--debug", "smoke"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_the_slides_own_numbers_are_all_within(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    load_expected("paper").frame.drop(columns=["source", "note"]).to_csv("slides.csv", index=False)
    status, out, _ = run("compare", "slides.csv", "--format", "json")
    assert status == 0
    assert json.loads(out)["summary"]["within"] == 147
    frame = pd.read_csv("slides.csv")
    frame.loc[frame.index[0], "value"] += 5
    frame.drop(index=frame.index[1]).to_csv("changed.csv", index=False)
    status, out, _ = run("compare", "changed.csv", "--format", "json")
    assert status == 1
    summary = json.loads(out)["summary"]
    assert (summary["within"], summary["outside"], summary["missing"]) == (145, 1, 1)
    assert run("compare", "slides.csv", "--strict")[0] == 0


@pytest.mark.usefixtures("tiny_models")
def test_a_study_on_other_images_runs_to_a_verdict_and_a_report(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
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
def test_a_study_runs_on_real_images(run, tmp_path: Path, real_images: Path, folder: str) -> None:  # type: ignore[no-untyped-def]
    subset = "[subset]\nunlabeled = 200\ntrain = 100\ntest = 100\n[overrides]"
    (tmp_path / "short.toml").write_text(SHORT_STUDY.replace("[overrides]", subset))
    status, out, err = run("run", "short.toml", "--data", real_images / folder, "--device", "cpu", "--format", "json")
    assert status == 0, err
    reasons = {row["reason"] for row in json.loads(out)["rows"]}
    assert len(reasons) == 1
    assert f"data is {folder}-" in reasons.pop()


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("rule", ["cut", "rounded"])
def test_switch_13_prints_ensembles_as_the_run_s_own_protocol_says(run, tmp_path: Path, rule: str) -> None:  # type: ignore[no-untyped-def]
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
def test_pretrain_then_evaluate_one_model(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_images(tmp_path / "photos", unlabeled=60)
    protocol = (tmp_path / "p.toml").write_text(_short_protocol()) and "p.toml"
    words = ("--encoder", "cnn", "--objective", "pse", "--sigma", "3", "--epochs", "1", "--protocol", protocol)
    status, out, err = run("pretrain", *words, "--data", "photos", "--device", "cpu", "--out", "one", "--quiet")
    assert (status, out) == (0, "one\n"), err
    assert not list((tmp_path / "one").glob("cells/*/*/frozen"))
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
