"""Diagnosis of a machine: facts, checks on them, and which studies can run."""

from dataclasses import dataclass
from pathlib import Path

from pse_repro.doctor.check import Check
from pse_repro.doctor.checks import CHECKS
from pse_repro.doctor.facts import Facts, read_facts
from pse_repro.doctor.gpu_checks import gpu_checks
from pse_repro.doctor.needs import REAL_IMAGES, STUDIES


@dataclass(frozen=True)
class StudyVerdict:
    """Verdict on a study run as `pse-repro NAME`: it can run here, or the checks that prevent it.

    `seconds` is a lower bound on the measured device (that is with --device cpu if the study needs a GPU and there is
    none), or None if it could not be measured. `fetches` is True if images must be downloaded first.
    """

    name: str
    can_run: bool
    blocked_by: tuple[str, ...]
    fetches: bool
    seconds: float | None


@dataclass(frozen=True)
class Diagnosis:
    """The machine's facts, the checks on them, and the studies in order of their size."""

    facts: Facts
    checks: tuple[Check, ...]
    studies: tuple[StudyVerdict, ...]

    @property
    def exit_status(self) -> int:
        """3 if `full` cannot run here, else 0."""
        return 0 if next(study.can_run for study in self.studies if study.name == "full") else 3


def examine(data: Path | None, out: Path | None, precision: str = "fp32") -> Diagnosis:
    """Return the diagnosis of this machine, with images in `data` and runs in `out` (None: the default folders).

    Takes about ten seconds; writes nothing and does not use the network.
    """
    return judge(read_facts(data, out, precision))


def judge(facts: Facts) -> Diagnosis:
    """Return the checks, starting with those on the GPU, and the verdicts; a pure function of the facts."""
    judged = (check(facts) for check in CHECKS)
    checks = (*gpu_checks(facts), *(check for check in judged if check is not None))
    return Diagnosis(facts, checks, tuple(_verdict(study, facts, checks) for study in STUDIES))


def _verdict(study: str, facts: Facts, checks: tuple[Check, ...]) -> StudyVerdict:
    blocked_by = tuple(check.name for check in checks if study in check.blocks)
    fetches = study in REAL_IMAGES and facts.images.kind == "none"
    return StudyVerdict(study, not blocked_by, blocked_by, fetches, facts.speed.seconds.get(study))
