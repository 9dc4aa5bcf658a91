"""The study in progress: the folder of its status files, and an estimate of its status every STUDY_SECONDS."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pse_repro.errors import KitError
from pse_repro.progress.facts import StudyStatus

STUDY_SECONDS = 15.0  # between two estimates for the study: one of 64 cells takes 0.1 s of CPU time


class StudyWatch:
    """A study whose processes report in `folder`; `estimate` computes its status, which may take 0.1 s or more."""

    def __init__(self, folder: Path, estimate: Callable[[], StudyStatus] | None) -> None:
        self.folder = folder
        self._estimate = estimate
        self._last: StudyStatus | None = None
        self._estimated = -math.inf

    def status(self, refresh: bool = False) -> StudyStatus | None:
        """Return the study's status, at most STUDY_SECONDS old; None if it is unknown."""
        if self._estimate and (refresh or time.monotonic() - self._estimated > STUDY_SECONDS):
            self._estimated = time.monotonic()
            with suppress(KitError, OSError):  # a damaged file is reported when the run needs it
                self._last = self._estimate()
        return self._last
