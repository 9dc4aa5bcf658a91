"""Choice of a run's images: --data, the downloaded STL-10, or the embedded sample."""

import os
import shlex
from pathlib import Path

from pse_repro.data.fetch.archive import FOLDER
from pse_repro.data.fetch.get import KEPT, PART
from pse_repro.data.fetch.get import fetch as fetch_archive
from pse_repro.data.sample.embedded import embedded_sample
from pse_repro.data.stl10 import Dataset, find_binaries, open_dataset
from pse_repro.errors import NotFitError
from pse_repro.files import data_home, temporary_warning
from pse_repro.machine.volumes import lost_warning
from pse_repro.progress.stages import Progress


def find_data(directory: Path | None, embedded: bool, progress: Progress) -> Dataset:
    """Open the images in `directory` or, if None, in the data folder.

    Without images there, `embedded` allows the embedded sample instead of the data folder's, never instead of those of
    a `directory`. If it does not, STL-10 is downloaded into a folder that is absent or empty, or unpacked from the
    archive there.

    Raises:
        NotFitError: the download fails, or the folder holds no images.
    """
    place = directory or data_home()
    if embedded and not _has_images(place, directory is None):
        _refuse_packed(place, directory is not None)
        if directory is None and _nothing_but_a_fetch(place):
            progress.say("images: the embedded sample, drawn by the kit (no --data given)")
            sample = embedded_sample()
            if warning := temporary_warning(sample):
                progress.warn(warning)
            return open_dataset(sample, name="embedded-sample")
        if directory is not None and _is_empty(place):
            raise NotFitError(f"{place} is empty: {_fetch(place)}, or leave out --data for images drawn by the kit")
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


def _has_images(place: Path, default: bool) -> bool:
    """Return whether there are images; no permission to look is no error in the default folder."""
    try:
        return place.suffix == ".npz" or find_binaries(place) is not None
    except PermissionError:
        if default:
            return False
        raise


def _refuse_packed(place: Path, named: bool) -> None:
    """Raise NotFitError for the archive or, in a folder that was named, an interrupted download instead of images."""
    if os.path.isfile(place / KEPT):
        raise NotFitError(
            f"{place} holds {KEPT}, not unpacked: {_fetch(place)} --from {shlex.quote(str(place / KEPT))}"
        )
    if named and os.path.isfile(place / PART):
        raise NotFitError(f"{place} holds {PART}, an incomplete download: {_fetch(place)}")


def _fetch(place: Path) -> str:
    return f"pse-repro data fetch --data {shlex.quote(str(place))}"


def _is_empty(place: Path) -> bool:
    """Return whether the folder is empty but for hidden files of an interrupted `fetch`."""
    return os.path.isdir(place) and all(name.startswith(f".{FOLDER}") for name in os.listdir(place))


def _nothing_but_a_fetch(place: Path) -> bool:
    """Return whether the folder is absent, empty, or holds only the files of an interrupted `fetch`."""
    own = (f".{FOLDER}", KEPT)
    return not os.path.exists(place) or (os.path.isdir(place) and all(n.startswith(own) for n in os.listdir(place)))
