"""The study that a process runs: where its processes report, and an estimate of the whole now and then."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pse_repro.errors import KitError
from pse_repro.progress.facts import StudyStatus

STUDY_SECONDS = 15.0  # between two estimates for the study: one of 64 cells takes 0.1 s of a processor


class StudyWatch:
    """A study whose processes report in `folder`; `estimate`, which may take a moment, gives its status if known."""

    def __init__(self, folder: Path, estimate: Callable[[], StudyStatus] | None) -> None:
        self.folder = folder
        self._estimate = estimate
        self._last: StudyStatus | None = None
        self._asked = -math.inf

    def status(self, refresh: bool = False) -> StudyStatus | None:
        """Return the study's status, at most some seconds old; None if it is unknown."""
        if self._estimate and (refresh or time.monotonic() - self._asked > STUDY_SECONDS):
            self._asked = time.monotonic()
            with suppress(KitError, OSError):  # a file of the run is damaged: whoever needs it says so
                self._last = self._estimate()
        return self._last
