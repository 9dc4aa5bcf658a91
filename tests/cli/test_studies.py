"""smoke, quick, full and run: what they refuse, say and pass on."""

import re
import sys
from pathlib import Path

import pytest

from pse_repro.commands.study import RunOptions
from pse_repro.errors import NotFitError
from tests.cli.conftest import Run
from tests.support.tiny import write_images


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
    monkeypatch.setattr("pse_repro.study.estimate.MEASURE_SECONDS", 0.1)
    status, _, err = run("full")
    assert status == 3
    assert re.search(r"this CPU would take at least [\d.]+ (min|h|days)", err)
    assert "--device cpu" in err


@pytest.mark.parametrize(
    "command", [("plan", "smoke"), ("full", "--quiet"), ("pretrain", "--encoder", "cnn", "--objective", "mse")]
)
@pytest.mark.parametrize(("lacks", "precision"), [(True, "bf16"), (False, "bf16"), (True, "fp32")])
def test_bf16_is_no_silent_choice_where_it_is_slow(
    run: Run, command: tuple[str, ...], lacks: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise NotFitError("said first")

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("pse_repro.machine.device.lacks_bf16", lambda: lacks)
    for after in ("commands.plan._plan", "commands.study.estimate_seconds", "commands.study.find_data"):
        monkeypatch.setattr(f"pse_repro.{after}", stop)
    status, _, said = run(*command, "--precision", precision)
    assert (status, "said first" in said) == (3, True)
    assert said.count("warning: this CPU has no instructions for bf16") == (lacks and precision == "bf16")
    assert said.count("bf16") == said.count("instructions for bf16")


def test_cuda_without_a_gpu_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, _, err = run("smoke", "--device", "cuda")
    assert status == 3
    assert "sees no GPU" in err


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


@pytest.mark.parametrize("command", [("smoke",), ("pretrain", "--encoder", "cnn", "--objective", "mse"), ("evaluate",)])
def test_tensorboard_that_is_not_installed_is_one_line_and_status_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    status, _, err = run(*command, "--log-to", "tensorboard")
    assert (status, err.count("\n")) == (2, 1)
    assert "pip install 'pse-repro[tensorboard]'" in err
    assert not Path("runs").exists()


def test_one_look_is_no_early_stop(run: Run) -> None:
    status, _, err = run("full", "--until-decided", "--seeds", "5", "--device", "cpu")
    assert status == 2
    assert "no earlier look at which to stop; give more, such as 12" in err


def test_a_study_without_a_whole_claim_has_no_early_stop(run: Run) -> None:
    status, _, err = run("run", "pair", "--until-decided", "--seeds", "12", "--device", "cpu")
    assert status == 2
    assert "study pair tests no claim in all its parts" in err
