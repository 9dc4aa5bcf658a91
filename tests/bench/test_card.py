"""`bench --card`: parts that end in every way; all of them run in long_card.py."""

import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pse_repro.bench.card import run as driver
from pse_repro.bench.card.gpu_tests import run_tests
from pse_repro.bench.card.pair import EPOCHS, PROTOCOLS, SIZES, STUDY, _images_that_fit
from pse_repro.bench.card.result import NOTES, Card, Figure, Part, add_note, read_notes
from pse_repro.bench.card.run import LOG, Options, Planned, card
from pse_repro.bench.card.smoke import _beside
from pse_repro.bench.card.task import OmittedError, Task, run_within
from pse_repro.errors import NotFitError, UsageError
from pse_repro.evaluation.cost import Costs
from pse_repro.study.load import load_study
from tests.support.card_parts import CHILD
from tests.support.schemas import validated
from tests.support.tiny import CPU

ROOT = Path(__file__).parents[2]


def task(out: Path, seconds: float = 60.0, data: Path | None = None) -> Task:
    return Task("study", "", out, data, "cpu", True, seconds)


def options(out: Path, images: Path, minutes: float = 2.0) -> Options:
    return Options(out, images, "cpu", minutes, quick=True, quiet=True)


def test_parts_that_fail_crash_or_are_omitted_stop_none_after_them(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    works = {"smoke": "fails", "tests": "is_omitted", "speed": "crashes", "study": "is_fine"}
    parts = {name: Planned(f"tests.support.card_parts:{work}", 1.0) for name, work in works.items()}
    monkeypatch.setattr(driver, "PARTS", parts)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    found = card(Options(tmp_path / "out", images, "cpu", 10.0, quick=True))
    assert [(part.name, part.state, part.message) for part in found.parts] == [
        ("smoke", "failed", "the loss is wrong"),
        ("tests", "omitted", "there are no tests here"),
        ("speed", "failed", f"its process ended with status 9; see {LOG}"),
        ("study", "ok", ""),
    ]
    assert found.exit_status == 3
    assert found.parts[0].figures == (Figure("before", 1),)
    assert found.parts[3].figures == (Figure("rate", 2.5, "images/s"),)
    written = validated((tmp_path / "out/card.json").read_text(), "card")
    assert written["parts"] == json.loads(found.as_json())["parts"]
    said = f"study on cpu, images {images}"
    assert said in (tmp_path / "out" / LOG).read_text()
    assert said in capfd.readouterr().err  # as progress


def test_a_part_that_overruns_is_killed_with_its_children(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def monotonic() -> float:  # no time passes until the part has a child
        return 1e6 if (out / CHILD).exists() else 0.0

    clock = SimpleNamespace(monotonic=monotonic, sleep=time.sleep, strftime=time.strftime)
    monkeypatch.setattr(driver, "time", clock)
    names = ("smoke", "study")
    monkeypatch.setattr(driver, "PARTS", {name: Planned("tests.support.card_parts:overruns", 1.0) for name in names})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    found = card(options(out, images))
    child = int((out / CHILD).read_text())
    assert _is_gone(child)
    first, second = found.parts
    assert (first.state, first.message) == ("stopped", "killed at its limit of 118 s")
    assert first.figures == (Figure("before", 1),)
    assert (second.state, second.message) == ("not begun", "no time was left")
    assert found.exit_status == 3
    assert len(validated((out / "card.json").read_text(), "card")["parts"]) == 2


def _is_gone(process: int) -> bool:
    """Return whether a process has ended; a zombie that nobody waits for has."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_folder_with_contents_is_refused_and_left_alone(images: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not an empty folder; give another --out"):
        card(options(tmp_path, images))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_time_no_part_is_begun(images: Path, tmp_path: Path) -> None:
    found = card(options(tmp_path / "out", images, minutes=0.01))
    assert {part.state for part in found.parts} == {"not begun"}


def test_notes_are_read_up_to_where_a_kill_cut_them_off(tmp_path: Path) -> None:
    assert read_notes(tmp_path, "speed") == ((), "")
    add_note(tmp_path, "speed", name="rate", value=2.0, unit="images/s")
    add_note(tmp_path, "study", name="other", value=1, unit="")
    add_note(tmp_path, "speed", message="why")
    with (tmp_path / NOTES).open("a") as file:
        file.write('{"part": "speed", "na')
    assert read_notes(tmp_path, "speed") == ((Figure("rate", 2.0, "images/s"),), "why")


def test_a_card_keeps_its_form_with_what_is_not_finite(tmp_path: Path) -> None:
    figures = (Figure("loss", float("nan")), Figure("GPU", "NVIDIA H100", "132 multiprocessors"))
    made = Card("2026-11-28", "cuda", False, 8.0, "stl10").with_part(Part("smoke", "ok", 1.0, 2.0, "", figures))
    assert validated(made.as_json(), "card")["parts"][0]["figures"][0]["value"] is None
    assert "| NVIDIA H100 |" in made.as_markdown()
    assert made.exit_status == 0


@pytest.mark.parametrize(
    ("measured", "wrong"),
    [(0.1001, False), (0.099, False), (0.11, True), (float("inf"), True), (float("nan"), True)],
)
def test_a_loss_is_wrong_if_it_is_missing_or_far_from_the_cpu_s(tmp_path: Path, measured: float, wrong: bool) -> None:
    assert bool(_beside(task(tmp_path), "cnn-mse: loss", measured, 0.1)) == wrong


def test_tests_that_fail_fail_their_part_with_their_number(tmp_path: Path) -> None:
    (tmp_path / "tests/cuda").mkdir(parents=True)
    (tmp_path / "tests/cuda/test_one.py").write_text("def test_a(): pass\n\n\ndef test_b(): assert False\n")
    crash = "import os\n\n\ndef test_a(): os._exit(9)\n"  # as if the GPU were lost
    (tmp_path / "tests/cuda/test_fused.py").write_text(crash)
    expected = "tests failed in test_fused.py (status 9), test_one.py (status 1)"
    with pytest.raises(NotFitError, match=re.escape(expected)):
        run_tests(replace(task(tmp_path), quick=False), tmp_path)
    assert read_notes(tmp_path, "study")[0][:3] == (
        Figure("test_fused", "status 9"),
        Figure("test_one", "1 passed, 0 skipped, 1 failures, 0 errors"),
        Figure("passed", 1),
    )


def test_an_installation_without_tests_omits_them(tmp_path: Path) -> None:
    with pytest.raises(OmittedError, match="has no tests/cuda: the kit was installed without its tests"):
        run_tests(task(tmp_path), tmp_path)


def test_a_command_is_asked_to_stop_at_its_limit() -> None:
    with pytest.raises(NotFitError, match="stopped after 0 s, for lack of time"):
        run_within([sys.executable, "-c", "import time; time.sleep(600)"], 0.1)


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, 1280), (240.0, 48 * 1280), (440.0, 97 * 1280)])
def test_the_study_is_as_long_as_half_the_time_left_allows(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(epochs=EPOCHS, images=EPOCHS * 1000, sizes=SIZES, protocols=json.dumps(PROTOCOLS)))
    cost = Costs(train=0.4e-3, forward=0, encode=0, small=0, high=0, step=0, classify=0)
    monkeypatch.setattr(Task, "seconds_left", seconds)
    # Four pre-trainings at 0.4 ms an image: 2.048 s for each 1,280 images, in half of all but 40 s.
    assert _images_that_fit(task(tmp_path, data=images), load_study(str(path)), cost, CPU) == expected
    assert expected == 1280 or 4 * expected * 0.4e-3 <= 0.5 * (seconds - 40) + 0.001
