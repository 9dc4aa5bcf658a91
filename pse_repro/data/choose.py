"""The images of a run: --data, the fetched STL-10, or the embedded sample."""

import shlex
from pathlib import Path

from pse_repro.data.fetch.archive import FOLDER
from pse_repro.data.fetch.get import KEPT, PART
from pse_repro.data.fetch.get import fetch as fetch_archive
from pse_repro.data.sample.embedded import embedded_sample
from pse_repro.data.stl10 import Dataset, find_binaries, open_dataset
from pse_repro.errors import NotFitError
from pse_repro.files import data_home
from pse_repro.machine.volumes import lost_warning
from pse_repro.progress.stages import Progress


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
