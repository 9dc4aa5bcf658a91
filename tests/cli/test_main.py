"""Every error is one line and an exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pse_repro import cli
from tests.cli.conftest import Run
from tests.support.tiny import write_images


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
    ("raised", "said"),
    [
        (OSError(28, "No space left on device", "runs/x"), "runs/x: No space left on device; free some space or name "),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied; get permission for it, or name "),
        (OSError(24, "Too many open files"), "Too many open files; close other programs or raise the limit of open"),
    ],
)
def test_an_error_of_the_system_is_status_3_and_has_its_own_remedy(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: OSError, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise raised

    monkeypatch.setattr("pse_repro.commands.study.run", refuse)
    status, _, err = run("smoke")
    assert (status, err.count("\n")) == (3, 1)
    assert err.startswith(f"pse-repro: {said}")
    assert "was done" not in err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("smoke", "--out", "file/x"), 2, "is not a folder"),
        (("compare", "ok.csv", "--junit", "folder"), 2, "--junit"),
        (("data", "info", "--sheet", "folder"), 2, "--sheet"),
        (("data", "info", "--sheet", ""), 2, "--sheet"),
        (("data", "fetch", "--tiny", "1", "--to", "folder"), 2, "--to"),
        (("demo", "--out", "folder"), 2, "--out"),
        (("demo", "--out", "file/x.png"), 3, "file: Not a directory; a file is where a folder is needed: name another"),
        (
            ("data", "fetch", "--data", "file", "--from", "archive.tgz"),
            3,
            "file: File exists; a file is where a folder",
        ),
        (("smoke", "quick"), 2, "'quick' is one argument too many; give options by their names, and commands one at a"),
    ],
)
def test_what_is_in_the_way_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    monkeypatch.setattr("pse_repro.data.choose.embedded_sample", lambda: write_images(tmp_path / "sample"))
    Path("file").touch()
    Path("archive.tgz").touch()
    Path("folder").mkdir()
    ended, out, err = run(*words)
    (line,) = [line for line in err.splitlines() if line.startswith("pse-repro: ")]
    assert (ended, out) == (status, "")
    assert said in line
    assert not list(Path("folder").iterdir())


def test_a_control_character_in_an_error_does_not_reach_the_terminal(run: Run) -> None:
    Path("a\x1b[31m.toml").write_text("name =")
    assert r"a\x1b[31m.toml is not TOML" in run("run", "a\x1b[31m.toml")[2]


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


SCRIPT = "import sys; sys.argv[0] = 'pse-repro'; from pse_repro.cli import main; main()"


@pytest.mark.parametrize("options", [["-c", SCRIPT], ["-OO", "-c", SCRIPT], ["-m", "pse_repro"]])
def test_however_python_is_called_the_help_is_there(options: list[str]) -> None:
    found = subprocess.run([sys.executable, *options, "run", "--help"], capture_output=True, text=True, check=True)
    assert "Run any study, compare its results and write its report." in found.stdout
    assert "Example: pse-repro run my-study.toml" in found.stdout


def test_a_reader_that_leaves_first_is_not_a_number_outside() -> None:
    read, write = os.pipe()
    os.close(read)
    found = subprocess.run([sys.executable, "-c", SCRIPT, "explain"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (found.returncode, found.stderr) == (141, "")


TWICE = """
import sys
from pse_repro.cli import main

paths, statuses = sys.argv[1:], []
for path in paths:
    sys.argv = ["pse-repro", "data", "info", "--data", path]
    try:
        main()
    except SystemExit as stop:
        statuses.append(stop.code)
print("statuses:", statuses)
"""


def test_a_name_that_the_output_cannot_show_ends_no_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    images = write_images(tmp_path / f"\N{PARROT}{os.fsdecode(bytes([0xE9]))}", 3, 3, 3)
    found = subprocess.run([sys.executable, "-c", TWICE, images, images / "no"], capture_output=True)
    assert found.stdout.splitlines()[-1] == b"statuses: [0, 3]", found.stderr
    assert b"Error" not in found.stderr
