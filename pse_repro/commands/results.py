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
from pse_repro.study.archive import is_archive, opened, write_archive
from pse_repro.study.record import Run, command, open_record, read_results
from pse_repro.study.store import newest_run
from pse_repro.tables import read_table


def compare(target: Path | None, against: str | None, format: str, strict: bool, junit: Path | None) -> tuple[str, int]:
    """Compare a run or a table with expected values, or a run with another; returns text and exit status."""
    target = target or newest_run()
    other = Path(against) if against and _is_run(Path(against)) else None
    if other and junit:
        raise UsageError("--junit is of expected values; leave it out where two runs are compared")
    with opened(target) as ours:
        if other:
            with opened(other) as theirs:
                runs = replace(compare_runs(ours, theirs), first=str(target), second=str(other))
            return render_runs(runs, format), runs.exit_status
        comparison, claims = _comparison(ours, against), _claims(ours)
    if junit:
        write_junit(comparison, junit, claims, strict)
    if not _is_run(target):
        _refuse_useless(comparison, target)
    for unknown in comparison.unknown if format == "csv" else ():  # which has no place for notes
        Progress().warn(f"{target}, rows ignored: {unknown.rows}; {unknown}")
    return render(comparison, format, claims), _exit_status(comparison, claims, strict)


def explain(run_directory: Path | None, format: str) -> str:
    """The fourteen switches in words or, given a run, what those that it turned did."""
    if run_directory is None:
        return render_switches(format)
    with opened(run_directory) as directory:
        record = open_record(directory)
        effects = switch_effects(directory, record)
    return render_effects(effects, f"{record.data['name']}, {record.study.scale}", format)


def report(run_directory: Path | None) -> Path:
    """Write a run's report again; returns the page's path."""
    directory = run_directory or newest_run()
    if is_archive(directory):
        raise UsageError(f"{directory} is an archive with its report inside; unpack it, or to write it anew, too")
    return write_report(directory, _comparison(directory, None), _claims(directory))


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or is_archive(path)


def _claims(target: Path) -> list[ClaimResult]:
    """The study's claims, tested on a run's predictions; a table has none."""
    return judge(target, open_record(target)) if target.is_dir() else []


def _exit_status(comparison: Comparison, claims: list[ClaimResult], strict: bool) -> int:
    """A claim that fails is reported, and changes the status only where it is to be strict."""
    failed = strict and any(claim.verdict.verdict == "fails" for claim in claims)
    return max(comparison.exit_status(strict), int(failed))


def _comparison(target: Path, against: str | None) -> Comparison:
    if target.is_dir():
        record = open_record(target)
        results = read_results(target)
        expected = load_expected(against or record.study.expected)
        print_rules = {protocol.name: protocol.switches.ensemble_printing for protocol in record.protocols}  # switch 13
        return compare_tables(results, expected, scope=record.scope, print_rules=print_rules)
    table, expected = read_table(target), load_expected(against or "paper")
    if table.empty:
        raise UsageError(f"{target} has no rows below its header; expected one value a row")
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
    """Write a run's archive to `out` (a folder: as RUN.tar.gz in it; None: beside the run); returns its path."""
    directory = (run_directory or newest_run()).resolve()
    run = Run.read(directory)
    target = out or directory.parent
    if target.is_dir():
        target = target / f"{directory.name}.tar.gz"
    comparisons = {
        f"comparison.{suffix}": compare(directory, None, format, strict=False, junit=None)[0] + "\n"
        for suffix, format in (("json", "json"), ("md", "markdown"))
    }
    return write_archive(directory, target, comparisons | {"README.txt": _readme(run, weights)}, weights)


def _readme(run: Run, weights: bool) -> str:
    record, name = run.record, run.directory.name
    files = [
        ("comparison.md, .json", "every number next to the expected one, and the claims"),
        ("results.csv", "every number: one a row, with its protocol, model, seed, evaluation and fold"),
        ("report.html, report.md", "the same for people, with figures/ (if a report was written)"),
        ("run.json", "the study, the protocols with their switches, the images' MD5s, how it was computed"),
        ("cells/", "of each model: versions, commit, machine, images, seconds (provenance.json)"),
        ("models/*/curves.csv", "losses by epoch of a pre-training; its summary is pretrain.json"),
        ("models/*/*/fold-K.npz", "a classifier's probabilities (N, 10) on the test images, and their labels"),
        ("models/*/cluster-*/*", "clusterings: their measures, the embedding, the curve over epochs"),
        ("models/*/portrait.npz", "latents of some test images, their embedding, the first layer's filters"),
        ("models/*/reconstructions.npz", "a few test images and what the autoencoder makes of them"),
        *([("models/*/*.safetensors", "the autoencoders' weights")] if weights else []),
        ("SHA256SUMS", "of every other file; check them with: sha256sum -c SHA256SUMS"),
    ]
    listing = "\n".join(f"  {path:<30}{what}" for path, what in files)
    return f"""{name}: results of the study {record.study.name} ({record.study.scale}), by pse-repro

Images: {record.data["name"]}. Device: {record.device}, {record.precision}. Seeds: {run.seeds}.

{listing}

Compare it with what was published, or with another run, on any machine; no need to unpack it:

  pse-repro compare ARCHIVE
  pse-repro compare ARCHIVE --against RUN

Make it again, with the versions in provenance.json (DIR: the folder of the images; a study that does not come with the
kit is written in run.json):

  {command(run)}
  pse-repro export
"""
