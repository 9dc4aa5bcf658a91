"""`pse-repro bench` from the command line."""

import json
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Run
from tests.support.tiny import write_images


def test_bench_measures_saves_and_shows_what_it_saved(run: Run, tmp_path: Path) -> None:
    data = write_images(tmp_path / "images")
    quick = ("bench", "--quick", "--device", "cpu", "--data", data)
    status, out, err = run(*quick, "--rows", "heads", "--precision", "fp32", "--format", "json", "--save", "results")
    assert status == 0
    assert {row["precision"] for row in json.loads(out)["rows"]} == {"fp32"}
    (path,) = (tmp_path / "results").iterdir()
    assert f"saved: results/{path.name}" in err
    assert json.loads(path.read_text()) == json.loads(out)
    status, shown, _ = run("bench", "--from", path, "--format", "markdown")
    assert status == 0
    assert "| heads " in shown


def test_bench_refuses_what_it_cannot_do_in_one_line(run: Run) -> None:
    status, _, err = run("bench", "--rows", "pretraining")
    assert status == 2
    assert "rows is 'pretraining'; expected one of loss, pretrain" in err
    status, _, err = run("bench", "--from", "x.json", "--save", "results")
    assert status == 2
    assert "give one of them" in err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "--card needs a folder for its results: --out DIR"),
        (("--out", "card", "--rows", "loss"), 2, "leave out --rows, --save and --from"),
        (("--out", ".", "--device", "cpu"), 2, "is not an empty folder; give another --out"),
        (("--out", "card", "--device", "cpu", "--data", "nowhere"), 3, "nowhere"),
    ],
)
def test_a_card_refuses_what_it_cannot_do_in_one_line(
    run: Run, tmp_path: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    found, out, err = run("bench", "--card", *words)
    assert (found, out) == (status, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("format", "begins"), [("table", "machine: not begun after 0 s"), ("json", "{"), ("markdown", "# 20")]
)
def test_a_card_prints_its_parts_in_the_requested_form(run: Run, tmp_path: Path, format: str, begins: str) -> None:
    words = ("--device", "cpu", "--data", write_images(tmp_path / "images"), "--minutes", "0.1", "--format", format)
    status, out, _ = run("bench", "--card", "--out", "card", *words)
    assert status == 3  # no part was begun
    assert out.startswith(begins)
    assert (tmp_path / "card" / "card.json").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_card_without_a_gpu_is_refused_unless_a_cpu_is_requested(run: Run, tmp_path: Path, device: str) -> None:
    status, _, err = run("bench", "--card", "--out", "card", "--device", device)
    assert status == 3
    assert "sees no GPU" in err
    assert "give --device cpu" in err
    assert not (tmp_path / "card").exists()
