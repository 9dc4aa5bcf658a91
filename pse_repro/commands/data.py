"""Image commands: fetch, verify, info."""

import os
from pathlib import Path

from pse_repro.data.choose import find_data
from pse_repro.data.fetch.get import fetch as fetch_archive
from pse_repro.data.fetch.get import fetch_tiny as fetch_first
from pse_repro.data.inspect.info import info as describe
from pse_repro.data.inspect.render import render_info, render_verification
from pse_repro.data.inspect.sheet import check_sheet, contact_sheet
from pse_repro.data.inspect.verify import verify as verify_files
from pse_repro.files import cache_home, data_home, temporary_warning
from pse_repro.progress.stages import Progress


def fetch(directory: Path | None, source: str | None, md5: str | None, keep_archive: bool, quiet: bool) -> Path:
    """Download and unpack STL-10, or the archive at `source` (URL or file); return the folder of its files."""
    with Progress(quiet) as progress:
        directory = directory or _with_warning(data_home(), progress)
        return fetch_archive(directory, progress, source=source, md5=md5, keep_archive=keep_archive)


def fetch_tiny(count: int, target: Path | None, source: str | None, quiet: bool) -> Path:
    """Fetch the first `count` images of each split into one file; return its path."""
    with Progress(quiet) as progress:
        name = f"stl10-tiny-{count}.npz"
        target = target or _with_warning(cache_home(lambda home: os.path.exists(home / name)) / name, progress)
        return fetch_first(count, target, progress, source=source)


def _with_warning(path: Path, progress: Progress) -> Path:
    """Return the path, after a warning if it is temporary."""
    if warning := temporary_warning(path):
        progress.warn(warning)
    return path


def verify(directory: Path | None, format: str, quiet: bool) -> tuple[str, int]:
    """Verify that a folder holds STL-10; return the verdict as text, and the exit status."""
    with Progress(quiet) as progress:
        verification = verify_files(directory or data_home(), progress)
    return render_verification(verification, format), verification.exit_status


def info(directory: Path | None, sheet: Path | None, split: str, format: str, quiet: bool) -> str:
    """Summarise the images as text; also write a contact sheet of `split` to `sheet`, if given."""
    if sheet:
        check_sheet(sheet)
    with Progress(quiet) as progress:
        data = find_data(directory, True, progress)
        if sheet:
            contact_sheet(getattr(data, split), sheet)
            progress.say(f"contact sheet of {split}: {sheet}")
        return render_info(describe(data, progress), format)
