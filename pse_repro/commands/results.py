"""Result commands: compare, explain, report, export."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pse_repro.claims import ClaimResult, judge
from pse_repro.compare.effects import switch_effects
from pse_repro.compare.explain import render_effects, render_switches
from pse_repro.compare.join import Comparison
from pse_repro.compare.join import compare as compare_tables
from pse_repro.compare.junit import write_junit
from pse_repro.compare.render import render
from pse_repro.compare.runs import compare_runs, render_runs
from pse_repro.compare.vocabulary import hints, known_rows
from pse_repro.errors import UsageError
from pse_repro.expected import load_expected, names
from pse_repro.progress.stages import Progress
from pse_repro.report.page import write_report
from pse_repro.study.address import RunFiles, archive_contents
from pse_repro.study.archive import check_archive, is_archive, open_run_or_archive, write_archive
from pse_repro.study.manifest import is_recorded
from pse_repro.study.prepare import newest_run
from pse_repro.study.record import Run
from pse_repro.study.verify import digest
from pse_repro.tables import read_table


def compare(
    target: Path | None, against: str | None, format: str, strict: bool, junit: Path | None, details: bool = False
) -> tuple[str, int]:
    """Compare a run or a table with expected values, or a run with another; return text and exit status."""
    target = target or newest_run()
    if against and is_run(Path(against)):
        if junit:
            raise UsageError("--junit needs expected values; leave it out to compare two runs")
        if not is_run(target):
            raise UsageError(f"{target} is not a run, as {against} is; only two runs can be compared with each other")
        return _compare_runs(target, Path(against), format)
    if against and against not in names() and os.path.exists(against):
        raise UsageError(
            f"--against {against} is not a run, nor one of {', '.join(names())}; two tables cannot be compared with "
            "each other"
        )
    if target.is_dir() or is_archive(target):
        with _opened(target) as run:
            comparison, claims = comparison_of(run, against), judge(run)
    else:
        comparison, claims = _comparison_of_table(target, against), []
    if junit:
        write_junit(comparison, junit, claims, strict)
    if not is_run(target):
        _refuse_useless(comparison, target)
    for unknown in comparison.unknown if format == "csv" else ():  # CSV has no place for notes
        Progress().warn(f"{target}, rows ignored: {unknown.rows}; {unknown}")
    return render(comparison, format, claims, details), exit_status(comparison, claims, strict)


def _compare_runs(first: Path, second: Path, format: str) -> tuple[str, int]:
    with _opened(first) as ours, _opened(second) as theirs:
        runs = replace(compare_runs(ours, theirs), first=str(first), second=str(second))
    return render_runs(runs, format), runs.exit_status


def explain(target: Path | None, format: str) -> str:
    """Describe the fourteen switches or, given a run, the effects of those that its protocols turn."""
    if target is None:
        return render_switches(format)
    with _opened(target) as run:
        return render_effects(switch_effects(run), f"{run.images_name}, {run.study.scale}", format)


def report(directory: Path | None) -> Path:
    """Rewrite a run's report; return the page's path."""
    directory = directory or newest_run()
    if is_archive(directory):
        raise UsageError(f"{directory} is an archive, which contains its report; unpack it to read or rewrite that")
    with _opened(directory) as run:
        return write_report(run, comparison_of(run), judge(run))


@contextmanager
def _opened(path: Path) -> Iterator[Run]:
    """Open a run or an archive to read it, with a warning if it was made before runs recorded their files."""
    with open_run_or_archive(path) as run:
        if not is_recorded(run.directory):
            Progress().warn(f"{path} was made before runs recorded their files; what was altered in it goes unnoticed")
        yield run


def is_run(path: Path) -> bool:
    """Return True for a run directory or an archive."""
    return RunFiles(path).record.is_file() or is_archive(path)


def exit_status(comparison: Comparison, claims: list[ClaimResult], strict: bool) -> int:
    """Return the exit status of a comparison; failed claims are reported but change it only if `strict`."""
    failed = strict and any(claim.verdict.verdict == "fails" for claim in claims)
    return max(comparison.exit_status(strict), int(failed))


def comparison_of(run: Run, against: str | None = None) -> Comparison:
    """Compare a run's results with the table of expected values `against` (None: the one that its study names)."""
    expected = load_expected(against or run.study.expected)
    return compare_tables(run.require_results(), expected, scope=run.scope, print_rules=run.ensemble_printing)


def _comparison_of_table(path: Path, against: str | None) -> Comparison:
    table, expected = read_table(path), load_expected(against or "paper")
    if table.empty:
        raise UsageError(f"{path} has no rows below its header; expected one value per row")
    for hint in hints(table):
        Progress().warn(f"{path}: {hint}")
    rows, unknown = known_rows(table, expected)
    return replace(compare_tables(rows, expected), unknown=unknown, ignored=len(table) - len(rows))


def _refuse_useless(comparison: Comparison, table: Path) -> None:
    """Raise UsageError if no row of the table could be compared."""
    if not comparison.rows["seeds"].any():
        why = "; ".join(map(str, comparison.unknown[:1])) or "give another table with --against"
        others = ", ".join(f"{unknown.column} {unknown.word[:40]!r}" for unknown in comparison.unknown[1:])
        more = f"; also unknown: {others}" if others else ""
        raise UsageError(f"{table}: none of its rows matches a number in {comparison.expected.name}; {why}{more}")


def export(run_directory: Path | None, out: Path | None, weights: bool) -> Path:
    """Write a run's archive to `out` and return its path. If `out` is a folder (None: the run's parent), RUN.tar.gz."""
    directory = Path(os.path.realpath(run_directory or newest_run()))  # also of a link to itself
    with _opened(directory) as run:
        target = out or directory.parent
        if target.is_dir():
            target = target / f"{directory.name}.tar.gz"
        check_archive(target)
        comparison, claims = comparison_of(run), judge(run)
        comparisons = {
            f"comparison.{suffix}": render(comparison, format, claims) + "\n"
            for suffix, format in (("json", "json"), ("md", "markdown"))
        }
        return write_archive(directory, target, comparisons | {"README.txt": _readme(run, weights)}, weights)


def _readme(run: Run, weights: bool) -> str:
    name = run.directory.name
    listing = "\n".join(f"  {path:<30}{what}" for path, what in archive_contents(weights))
    return f"""{name}: results of the study {run.study.name} ({run.study.scale}), made by pse-repro

Images: {run.images_name}. Device: {run.device}, {run.precision}. Seeds: {run.seeds}.
Digest: {digest(run.directory)} (pse-repro verify ARCHIVE prints it, too).

{listing}

Compare it with the published numbers or with another run, on any machine, without unpacking it:

  pse-repro compare ARCHIVE
  pse-repro compare ARCHIVE --against RUN

Reproduce it with the versions in provenance.json (DIR: the folder of the images; a study that does not come with the
kit is stored in run.json):

  {run.command()}
  pse-repro export
"""
