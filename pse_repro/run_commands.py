"""What the commands on stored runs do: export, status."""

import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pse_repro import commands
from pse_repro.errors import UsageError
from pse_repro.report.contents import Run, command
from pse_repro.study.export import write_archive
from pse_repro.study.status import Status, read_status, render_status
from pse_repro.study.store import newest_run

REFRESH_SECONDS = 5.0  # reading a run of 64 cells takes 0.1 s of a processor


def export(run_directory: Path | None, out: Path | None, weights: bool) -> Path:
    """Write a run's archive to `out` (a folder: as RUN.tar.gz in it; None: beside the run); returns its path."""
    directory = (run_directory or newest_run(commands.RUNS)).resolve()
    run = Run.read(directory)
    target = out or directory.parent
    if target.is_dir():
        target = target / f"{directory.name}.tar.gz"
    comparisons = {
        f"comparison.{suffix}": commands.compare(directory, None, format, strict=False, junit=None)[0] + "\n"
        for suffix, format in (("json", "json"), ("md", "markdown"))
    }
    return write_archive(directory, target, comparisons | {"README.txt": _readme(run, weights)}, weights)


def status(run_directory: Path | None, format: str) -> str:
    """What a run is doing, as text."""
    return render_status(read_status(run_directory or newest_run(commands.RUNS)), format)


def watch(run_directory: Path | None, format: str) -> None:
    """Show a run's status again and again until no process runs it; Ctrl-C ends the showing alone."""
    if format != "table":
        raise UsageError(f"--watch is for people and --format {format} for programs; leave one of them out")
    directory = run_directory or newest_run(commands.RUNS)
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        for found in _until_it_ends(directory):
            text = Text(render_status(found, format), no_wrap=True, overflow="ellipsis")
            live.update(text, refresh=True)


def _until_it_ends(directory: Path) -> Iterator[Status]:
    try:
        while (found := read_status(directory)).state == "running":
            yield found
            time.sleep(REFRESH_SECONDS)
        yield found
    except KeyboardInterrupt:
        return


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
