"""The parts of `bench --card` that compute in their own process, in their tiny form on a GPU."""

from pathlib import Path

from pse_repro.bench.card.machine import measure_machine
from pse_repro.bench.card.result import Figure, read_notes
from pse_repro.bench.card.smoke import run_smoke
from pse_repro.bench.card.speed import image_seconds, measure_speed, path_of
from pse_repro.bench.card.task import Task
from pse_repro.bench.result import load
from tests.support.tiny import write_images


def task(part: str, out: Path, data: Path | None = None) -> Task:
    return Task(part, "", out, data, "cuda", True, 600.0)


def figures(part: str, out: Path) -> dict[str, Figure]:
    found, message = read_notes(out, part)
    assert message == ""
    return {figure.name: figure for figure in found}


def test_the_machine_is_described_and_its_ceilings_are_measured(tmp_path: Path) -> None:
    measure_machine(task("machine", tmp_path))
    found = figures("machine", tmp_path)
    assert {"GPU", "GPU memory", "GPU memory free", "driver", "cuDNN"} <= set(found)
    for name in ("float32", "TF32", "bfloat16"):
        assert float(found[f"matrix product, {name}"].value) > 0
    assert float(found["launch of a kernel with next to nothing to do"].value) > 0


def test_the_rows_are_measured_in_both_precisions(tmp_path: Path) -> None:
    measure_speed(task("speed", tmp_path, write_images(tmp_path / "images")))
    assert load(path_of(tmp_path, "loss")).place.device == "cuda"
    for precision in ("fp32", "bf16"):
        assert set(image_seconds(tmp_path, precision)) == {"cnn", "resnet"}
    assert float(figures("speed", tmp_path)["PSE, sigma 3 / MSE, fp32"].value) > 0


def test_the_losses_are_noted_beside_those_of_a_cpu(tmp_path: Path) -> None:
    run_smoke(task("smoke", tmp_path))
    found = figures("smoke", tmp_path)
    assert {"cnn-mse: validation_loss", "cnn-pse-3: first_train_loss"} <= set(found)
