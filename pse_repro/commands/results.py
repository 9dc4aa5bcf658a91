"""What the commands do: find the images, choose the machine, run, compare, report."""

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
from pse_repro.compare.vocabulary import known_rows
from pse_repro.errors import UsageError
from pse_repro.expected import load_expected
from pse_repro.progress.stages import Progress
from pse_repro.report.page import write_report
from pse_repro.study.address import RunFiles, archive_contents
from pse_repro.study.archive import is_archive, open_run_or_archive, write_archive
from pse_repro.study.record import Run
from pse_repro.study.store import newest_run
from pse_repro.tables import read_table


def compare(target: Path | None, against: str | None, format: str, strict: bool, junit: Path | None) -> tuple[str, int]:
    """Compare a run or a table with expected values, or a run with another; return text and exit status."""
    target = target or newest_run()
    if against and is_run(Path(against)):
        if junit:
            raise UsageError("--junit is of expected values; leave it out where two runs are compared")
        return _compare_runs(target, Path(against), format)
    if target.is_dir() or is_archive(target):
        with open_run_or_archive(target) as run:
            comparison, claims = comparison_of(run, against), judge(run)
    else:
        comparison, claims = _comparison_of_table(target, against), []
    if junit:
        write_junit(comparison, junit, claims, strict)
    if not is_run(target):
        _refuse_useless(comparison, target)
    for unknown in comparison.unknown if format == "csv" else ():  # CSV has no place for notes
        Progress().warn(f"{target}, rows ignored: {unknown.rows}; {unknown}")
    return render(comparison, format, claims), exit_status(comparison, claims, strict)


def _compare_runs(first: Path, second: Path, format: str) -> tuple[str, int]:
    with open_run_or_archive(first) as ours, open_run_or_archive(second) as theirs:
        runs = replace(compare_runs(ours, theirs), first=str(first), second=str(second))
    return render_runs(runs, format), runs.exit_status


def explain(target: Path | None, format: str) -> str:
    """Describe the fourteen switches or, given a run, the effect of those that it turned."""
    if target is None:
        return render_switches(format)
    with open_run_or_archive(target) as run:
        return render_effects(switch_effects(run), f"{run.data['name']}, {run.study.scale}", format)


def report(directory: Path | None) -> Path:
    """Write a run's report again; return the page's path."""
    directory = directory or newest_run()
    if is_archive(directory):
        raise UsageError(f"{directory} is an archive with its report inside; unpack it, or to write it anew, too")
    run = Run.open(directory)
    return write_report(run, comparison_of(run), judge(run))


def is_run(path: Path) -> bool:
    return RunFiles(path).record.is_file() or is_archive(path)


def exit_status(comparison: Comparison, claims: list[ClaimResult], strict: bool) -> int:
    """The exit status of a comparison; a claim that fails is reported, and changes it only if `strict`."""
    failed = strict and any(claim.verdict.verdict == "fails" for claim in claims)
    return max(comparison.exit_status(strict), int(failed))


def comparison_of(run: Run, against: str | None = None) -> Comparison:
    """A run's results next to a table of expected values (None: the one that its study names)."""
    expected = load_expected(against or run.study.expected)
    return compare_tables(run.require_results(), expected, scope=run.scope, print_rules=run.ensemble_printing)


def _comparison_of_table(path: Path, against: str | None) -> Comparison:
    table, expected = read_table(path), load_expected(against or "paper")
    if table.empty:
        raise UsageError(f"{path} has no rows below its header; expected one value a row")
    rows, unknown = known_rows(table, expected)
    return replace(compare_tables(rows, expected), unknown=unknown, ignored=len(table) - len(rows))


def _refuse_useless(comparison: Comparison, table: Path) -> None:
    """UsageError where no row of a table could be compared."""
    if not comparison.rows["seeds"].any():
        why = "; ".join(map(str, comparison.unknown[:1])) or "give another table with --against"
        others = ", ".join(f"{unknown.column} {unknown.word[:40]!r}" for unknown in comparison.unknown[1:])
        more = f"; nor known: {others}" if others else ""
        raise UsageError(f"{table}: none of its rows is of a number in {comparison.expected.name}; {why}{more}")


def export(run_directory: Path | None, out: Path | None, weights: bool) -> Path:
    """Write a run's archive to `out` (a folder: as RUN.tar.gz in it; None: beside the run); return its path."""
    directory = (run_directory or newest_run()).resolve()
    run = Run.open(directory)
    comparison, claims = comparison_of(run), judge(run)
    target = out or directory.parent
    if target.is_dir():
        target = target / f"{directory.name}.tar.gz"
    comparisons = {
        f"comparison.{suffix}": render(comparison, format, claims) + "\n"
        for suffix, format in (("json", "json"), ("md", "markdown"))
    }
    return write_archive(directory, target, comparisons | {"README.txt": _readme(run, weights)}, weights)


def _readme(run: Run, weights: bool) -> str:
    name = run.directory.name
    listing = "\n".join(f"  {path:<30}{what}" for path, what in archive_contents(weights))
    return f"""{name}: results of the study {run.study.name} ({run.study.scale}), by pse-repro

Images: {run.data["name"]}. Device: {run.device}, {run.precision}. Seeds: {run.seeds}.

{listing}

Compare it with what was published, or with another run, on any machine; no need to unpack it:

  pse-repro compare ARCHIVE
  pse-repro compare ARCHIVE --against RUN

Make it again, with the versions in provenance.json (DIR: the folder of the images; a study that does not come with the
kit is written in run.json):

  {run.command()}
  pse-repro export
"""
