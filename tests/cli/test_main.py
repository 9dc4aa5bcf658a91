"""Every error is one line and an exit status."""

import subprocess
import sys

import pytest

from pse_repro import cli
from tests.cli.conftest import Run


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
def test_wrong_usage_is_one_line_and_status_2(run: Run, words: tuple[str, ...], said: str) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.startswith("pse-repro: ")
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "raised", [OSError(28, "No space left on device", "runs/x"), PermissionError(13, "Permission denied", "/x")]
)
def test_a_full_disk_and_a_missing_permission_are_status_3(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: OSError
) -> None:
    def refuse(*_: object) -> None:
        raise raised

    monkeypatch.setattr("pse_repro.commands.study.run", refuse)
    status, _, err = run("smoke")
    assert status == 3
    assert str(raised.strerror) in err
    assert str(raised.filename) in err


def test_interruption_is_status_130_and_says_that_work_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pse_repro.commands.study.run", interrupt)
    status, _, err = run("smoke")
    assert status == 130
    assert "kept" in err


def test_what_nobody_expected_has_no_traceback_without_debug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("pse_repro.commands.study.run", fail)
    status, _, err = run("smoke")
    assert status == 1
    assert "unexpected ZeroDivisionError: by zero (for a traceback: pse-repro --debug" in err
    monkeypatch.setattr("sys.argv", ["pse-repro", "--debug", "smoke"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_a_backend_for_figures_that_is_not_installed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks set a backend that the kit's environment may lack."""
    words = [sys.executable, "-c", "from pse_repro.cli import main; main()", "compare", "absent.csv"]
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    found = subprocess.run(words, capture_output=True, text=True)
    assert found.stderr.startswith("pse-repro: absent.csv does not exist")
    assert found.returncode == 2
