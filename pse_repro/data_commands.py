"""What the commands on images do, and which images a run takes."""

import shlex
from pathlib import Path

from pse_repro.data.archive import FOLDER
from pse_repro.data.fetch import KEPT, PART
from pse_repro.data.fetch import fetch as fetch_archive
from pse_repro.data.fetch import fetch_tiny as fetch_first
from pse_repro.data.info import info as describe
from pse_repro.data.render import render_info, render_verification
from pse_repro.data.sample import embedded_sample
from pse_repro.data.sheet import contact_sheet
from pse_repro.data.stl10 import Dataset, find_binaries, open_dataset
from pse_repro.data.verify import verify as verify_files
from pse_repro.doctor.volumes import lost_warning
from pse_repro.errors import NotFitError
from pse_repro.places import cache_home, data_home
from pse_repro.progress import Progress


def find_data(directory: Path | None, embedded: bool, progress: Progress) -> Dataset:
    """The images: those named, else the data folder's, else the embedded sample if `embedded` says that it will do.

    The sample also stands in for an empty folder, as a container's /data is where nothing is mounted; that is a
    warning. A study that needs real images fetches STL-10 into a folder that is absent or empty, or unpacks the
    archive there. NotFitError where that fails, and for a folder of other things.
    """
    place = directory or data_home()
    if embedded and not find_binaries(place):
        if directory is not None:
            _refuse_packed(directory)
        if directory is None or _is_empty(directory):
            say, why = (progress.say, "no --data given") if directory is None else (progress.warn, f"{place} is empty")
            say(f"images: the embedded sample, drawn by the kit ({why})")
            return open_dataset(embedded_sample(), name="embedded-sample")
    if not embedded and not find_binaries(place) and _nothing_but_a_fetch(place):
        if warning := lost_warning(place):
            progress.say(warning)
        progress.say(f"there are no images in {place}: fetching STL-10 into it (2.6 GB, 5.8 GB while unpacking)")
        try:
            fetch_archive(place, progress)
        except NotFitError as error:
            raise NotFitError(f"{error}; or get it elsewhere: pse-repro data fetch --from URL_OR_FILE") from error
    data = open_dataset(place)
    official = "" if data.name == "stl10" else ": not STL-10's official files, so not comparable with the paper"
    progress.say(f"images: {place}{official}")
    return data


def _refuse_packed(place: Path) -> None:
    """NotFitError for a folder of no images but their archive, or the part of it that an interrupted `fetch` left."""
    command = f"pse-repro data fetch --data {shlex.quote(str(place))}"
    if (place / KEPT).is_file():
        raise NotFitError(f"{place} holds {KEPT}, not unpacked: {command} --from {shlex.quote(str(place / KEPT))}")
    if (place / PART).is_file():
        raise NotFitError(f"{place} holds {PART}, which is not all of the archive: {command}")


def _is_empty(place: Path) -> bool:
    """Whether it is a folder that holds nothing, or hidden files alone that an interrupted `fetch` left."""
    return place.is_dir() and all(path.name.startswith(f".{FOLDER}") for path in place.iterdir())


def _nothing_but_a_fetch(place: Path) -> bool:
    """Whether a folder is absent, empty, or holds no more than what an interrupted `fetch` left."""
    own = (f".{FOLDER}", KEPT)
    return not place.exists() or (place.is_dir() and all(path.name.startswith(own) for path in place.iterdir()))


def fetch(directory: Path | None, source: str | None, md5: str | None, keep_archive: bool, quiet: bool) -> Path:
    """Get STL-10 or the archive named; returns the folder of its files."""
    with Progress(quiet) as progress:
        return fetch_archive(directory or data_home(), progress, source=source, md5=md5, keep_archive=keep_archive)


def fetch_tiny(count: int, target: Path | None, source: str | None, quiet: bool) -> Path:
    """Get the first `count` images of each split; returns the file."""
    with Progress(quiet) as progress:
        return fetch_first(count, target or cache_home() / f"stl10-tiny-{count}.npz", progress, source=source)


def verify(directory: Path | None, format: str, quiet: bool) -> tuple[str, int]:
    """Whether a folder holds STL-10; returns the verdict as text, and the exit status."""
    with Progress(quiet) as progress:
        verification = verify_files(directory or data_home(), progress)
    return render_verification(verification, format), verification.exit_status


def info(directory: Path | None, sheet: Path | None, split: str, format: str, quiet: bool) -> str:
    """What the images are, as text; also writes the contact sheet that is asked for."""
    with Progress(quiet) as progress:
        data = find_data(directory, True, progress)
        if sheet:
            contact_sheet(getattr(data, split), sheet)
            progress.say(f"contact sheet of {split}: {sheet}")
        return render_info(describe(data, progress), format)
