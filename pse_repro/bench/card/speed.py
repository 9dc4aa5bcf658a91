"""Part "speed": the bench's groups `pretrain` and `loss`, in files of the bench's own form."""

from pathlib import Path

from pse_repro.bench.card.task import Task
from pse_repro.bench.result import Result, load
from pse_repro.bench.rows import OURS
from pse_repro.bench.run import Options, bench
from pse_repro.files import write_bytes

GROUPS = ("pretrain", "loss")  # in order of worth: the first decides how long the study can be
ROUNDS = 3


def path_of(folder: Path, group: str) -> Path:
    """Return the path of a group's result."""
    return folder / f"bench-{group}.json"


def measure_speed(task: Task) -> None:
    """Measure each group; its result is stored before the next one begins."""
    for group in GROUPS:
        precisions = ("fp32",) if task.quick and task.device == "cpu" else ("fp32", "bf16")
        options = Options((group,), task.device, precisions, task.data, ROUNDS, task.quick)
        write_bytes(path_of(task.out, group), bench(options, "json", None).encode() + b"\n")
        result = load(path_of(task.out, group))
        for row in result.rows:
            if row.form == OURS:
                task.note(f"{row.row}, {row.precision}", row.per_second, f"{row.unit}/s")
        for ratio in result.ratios:
            task.note(f"{ratio.name}, {ratio.precision}", ratio.value.median, "times its time")


def image_seconds(folder: Path, precision: str) -> dict[str, float]:
    """Return the measured seconds per image of a pre-training step, by encoder; without encoders not measured."""
    path = path_of(folder, "pretrain")
    rows = _rows(load(path)) if path.exists() else {}
    return {encoder: seconds for (encoder, of), seconds in rows.items() if of == precision}


def _rows(result: Result) -> dict[tuple[str, str], float]:
    return {
        (row.row.partition(",")[0].lower(), row.precision): row.seconds.median / row.count
        for row in result.rows
        if row.form == OURS
    }
