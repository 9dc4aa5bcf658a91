"""Choice of a run's images: --data, the downloaded STL-10, or the embedded sample."""

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
    """Open the images in `directory`, else in the data folder, else the embedded sample if `embedded` allows it.

    With `embedded`, the sample also replaces an empty `directory`, such as a container's /data with nothing mounted;
    this is reported as a warning. Without it, STL-10 is downloaded into a folder that is absent or empty, or unpacked
    from the archive there.

    Raises:
        NotFitError: the download fails, or the folder holds other files.
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
        progress.say(f"no images in {place}: downloading STL-10 there (2.6 GB, 5.8 GB while unpacking)")
        try:
            fetch_archive(place, progress)
        except NotFitError as error:
            raise NotFitError(f"{error}; or use another source: pse-repro data fetch --from URL_OR_FILE") from error
    data = open_dataset(place)
    official = "" if data.name == "stl10" else ": not STL-10's official files, so not comparable with the paper"
    progress.say(f"images: {place}{official}")
    return data


def _refuse_packed(place: Path) -> None:
    """Raise NotFitError for a folder that holds the archive, or an interrupted download, instead of images."""
    command = f"pse-repro data fetch --data {shlex.quote(str(place))}"
    if (place / KEPT).is_file():
        raise NotFitError(f"{place} holds {KEPT}, not unpacked: {command} --from {shlex.quote(str(place / KEPT))}")
    if (place / PART).is_file():
        raise NotFitError(f"{place} holds {PART}, an incomplete download: {command}")


def _is_empty(place: Path) -> bool:
    """Return whether the folder is empty but for hidden files of an interrupted `fetch`."""
    return place.is_dir() and all(path.name.startswith(f".{FOLDER}") for path in place.iterdir())


def _nothing_but_a_fetch(place: Path) -> bool:
    """Return whether the folder is absent, empty, or holds only the files of an interrupted `fetch`."""
    own = (f".{FOLDER}", KEPT)
    return not place.exists() or (place.is_dir() and all(path.name.startswith(own) for path in place.iterdir()))
