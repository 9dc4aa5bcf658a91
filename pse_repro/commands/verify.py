"""The verify command: is a run, or its archive, as it was computed?"""

from dataclasses import asdict
from pathlib import Path

from pse_repro.study.archive import unpacked
from pse_repro.study.prepare import newest_run
from pse_repro.study.verify import Verification
from pse_repro.study.verify import verify as verify_run
from pse_repro.text import to_json

_SHOWN = 20  # differing values that are listed for people


def verify(target: Path | None, format: str) -> tuple[str, int]:
    """Verify a run or an archive; return text and exit status (3 if anything differs)."""
    target = target or newest_run()
    with unpacked(target) as directory:
        found = verify_run(directory)
    status = 0 if found.as_computed else 3
    if format == "json":
        return to_json({"run": str(target), "as_computed": found.as_computed} | asdict(found)), status
    return "\n".join(_lines(target, found)), status


def _lines(target: Path, found: Verification) -> list[str]:
    lines = [f"{fault.name}: {fault.what}" for fault in found.faults]
    lines += found.differing[:_SHOWN]
    if len(found.differing) > _SHOWN:
        lines.append(f"and {len(found.differing) - _SHOWN} more values")
    if found.as_computed:
        lines.append(
            f"{target}: as computed: {found.files} files as they were written, {found.values} values of results.csv as "
            "their predictions give them"
        )
    else:
        lines.append(
            f"{target}: not as computed (files that differ: {len(found.faults)}, values: {len(found.differing)}); "
            "to make them again, run the study again with --repair"
        )
    if found.adopted:
        lines.append(f"{found.adopted} files are older than the manifests; they were recorded when the run was resumed")
    if found.pending:
        lines.append(f"{found.pending} values are not in results.csv yet: resume the run")
    return [*lines, f"digest {found.digest}"] if found.digest else lines
