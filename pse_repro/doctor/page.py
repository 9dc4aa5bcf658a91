"""A diagnosis as text for people, most important first, or as JSON (schemas/doctor.schema.json)."""

import io
import shutil
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pse_repro.doctor.check import Check, State
from pse_repro.doctor.diagnosis import Diagnosis, StudyVerdict
from pse_repro.doctor.facts import Facts
from pse_repro.errors import UsageError
from pse_repro.text import duration, to_json

FORMATS = ("table", "json")
STYLES: dict[State, str] = {"good": "green", "warning": "yellow", "bad": "red"}
NARROW, WIDE = 60, 100  # limits of the width in columns
BUSY = 0.5  # cores used by other programs, above which a warning is added to times measured on the CPU


def render(diagnosis: Diagnosis, format: str = "table") -> str:
    """Return the diagnosis as a table or as JSON. Raises UsageError for another format.

    The table is coloured only on a terminal, and not if NO_COLOR is set.
    """
    if format == "json":
        return to_json(_document(diagnosis))
    if format != "table":
        raise UsageError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    console = _console()
    console.print(_heading(diagnosis.facts))
    console.print(_studies(diagnosis))
    console.print(Text(_caveat(diagnosis), style="dim"))
    wrong = [check for check in diagnosis.checks if check.state != "good"]
    if wrong:
        console.print("\nWhat to do", style="bold")
        console.print(_remedies(sorted(wrong, key=lambda check: check.state != "bad")))
    console.print("\nPassed checks", style="bold")
    console.print(_good([check for check in diagnosis.checks if check.state == "good"]))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


def _console() -> Console:
    on_terminal = sys.stdout.isatty()
    width = min(max(shutil.get_terminal_size().columns, NARROW), WIDE) if on_terminal else 80
    return Console(
        file=io.StringIO(), width=width, force_terminal=on_terminal, highlight=False, markup=False, emoji=False
    )


def _heading(facts: Facts) -> Text:
    gpu = facts.torch.gpus[0].name if facts.torch.gpus else "no GPU"
    return Text(f"pse-repro {facts.kit} on {facts.cpu.name} ({facts.cpu.cores:g} cores), {gpu}\n", style="bold")


def _studies(diagnosis: Diagnosis) -> Table:
    table = _grid()
    for study in diagnosis.studies:
        style = STYLES["good" if study.can_run else "bad"]
        table.add_row(
            Text(study.name, style="bold"), Text("can run here" if study.can_run else "cannot run here", style=style),
            _details(study, diagnosis.facts),
        )  # fmt: skip
    return table


def _details(study: StudyVerdict, facts: Facts) -> str:
    time = "" if study.seconds is None else f"at least {duration(study.seconds)}"
    if study.can_run:
        return " ".join(part for part in (time, "plus the download of STL-10" if study.fetches else "") if part)
    only_the_gpu = facts.speed.device == "cpu" and set(study.blocked_by) <= {"GPU", "PyTorch", "NVIDIA driver"}
    with_cpu = f" (with --device cpu {time})" if only_the_gpu and time else ""
    return f"see {', '.join(study.blocked_by)}{with_cpu}"


def _caveat(diagnosis: Diagnosis) -> str:
    speed = diagnosis.facts.speed
    if speed.error:
        return f"The times could not be measured: {speed.error}"
    device = "GPU" if speed.device == "cuda" else "CPU"
    busy = " The CPU is busy; an idle one is faster." if diagnosis.facts.cpu.busy > BUSY and device == "CPU" else ""
    return (
        f"Times: one seed, as-released, {speed.precision} on the {device}, from five seconds of measurement, without "
        f"reading, saving, the baselines and the report.{busy}"
    )


def _remedies(checks: list[Check]) -> Table:
    table = _grid()
    for number, check in enumerate(checks):
        gap = "" if number == len(checks) - 1 else "\n"
        text = Text(f"{check.found}\n")
        text.append(f"needed: {check.needed}\n" if check.needed else "", style="dim")
        text.append("to do: ", style="bold").append(check.remedy + gap)
        table.add_row(Text(check.state, style=STYLES[check.state]), Text(check.name, style="bold"), text)
    return table


def _good(checks: list[Check]) -> Table:
    table = _grid()
    for check in checks:
        table.add_row(Text("good", style=STYLES["good"]), Text(check.name, style="bold"), check.found)
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for least in (7, 8):
        table.add_column(no_wrap=True, min_width=least)
    table.add_column(overflow="fold")
    return table


def _document(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "exit_status": diagnosis.exit_status,
        "studies": [
            {
                "name": study.name,
                "can_run": study.can_run,
                "blocked_by": list(study.blocked_by),
                "fetches_images": study.fetches,
                "seconds_at_least": study.seconds,
            }
            for study in diagnosis.studies
        ],
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "found": check.found,
                "needed": check.needed,
                "remedy": check.remedy,
                "blocks": list(check.blocks),
            }
            for check in diagnosis.checks
        ],
        "machine": _machine(diagnosis.facts),
    }


def _machine(facts: Facts) -> dict[str, Any]:
    """Return the facts as numbers, for programs."""
    return {
        "kit": facts.kit,
        "python": facts.python,
        "platform": facts.platform,
        "container": facts.container,
        "torch": {"version": facts.torch.version, "cuda": facts.torch.cuda},
        "driver": {"version": facts.nvidia.driver, "cuda": facts.nvidia.cuda},
        "gpus": [
            {
                "name": gpu.name,
                "capability": ".".join(map(str, gpu.capability)),
                "memory_bytes": gpu.total,
                "free_bytes": gpu.free,
            }
            for gpu in facts.torch.gpus
        ],
        "cpu": {
            "name": facts.cpu.name,
            "usable_cores": facts.cpu.cores,
            "busy_cores": round(facts.cpu.busy, 2),
            "threads": facts.cpu.threads,
            "bf16": facts.cpu.bf16,
        },
        "memory": {"total_bytes": facts.memory.total, "available_bytes": facts.memory.available},
        "images": {"path": str(facts.images.path), "kind": facts.images.kind, "counts": dict(facts.images.counts)},
        "folders": {
            name: {"path": str(folder.path), "writable": folder.writable, "free_bytes": folder.free}
            for name, folder in (("data", facts.data), ("runs", facts.runs), ("cache", facts.cache))
        },
        "speed": {"device": facts.speed.device, "precision": facts.speed.precision, "error": facts.speed.error},
    }
