"""What this machine can and cannot do: facts, judged line by line, and what follows for each study."""

from dataclasses import dataclass
from pathlib import Path

from pse_repro.doctor.check import Check
from pse_repro.doctor.checks import CHECKS
from pse_repro.doctor.facts import Facts, read_facts
from pse_repro.doctor.gpu_checks import gpu_checks
from pse_repro.doctor.needs import REAL_IMAGES, STUDIES


@dataclass(frozen=True)
class StudyVerdict:
    """Whether a study can run here as `pse-repro NAME`, and if not, the checks that keep it from that.

    `seconds` at least, on the device that was measured (where that is a CPU and the study wants a GPU: with --device
    cpu); None where it could not be measured. `fetches`: images have to be fetched first.
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
        """3 where `full` cannot run here, else 0."""
        return 0 if next(study.can_run for study in self.studies if study.name == "full") else 3


def examine(data: Path | None, out: Path | None, precision: str = "fp32") -> Diagnosis:
    """Look at this machine, with the images in `data` and runs in `out` (None: where they are by default).

    Takes about ten seconds; writes nothing, and asks nothing of the network.
    """
    return judge(read_facts(data, out, precision))


def judge(facts: Facts) -> Diagnosis:
    """The checks, those on the GPU first, and the verdicts: a function of the facts."""
    judged = (check(facts) for check in CHECKS)
    checks = (*gpu_checks(facts), *(check for check in judged if check is not None))
    return Diagnosis(facts, checks, tuple(_verdict(study, facts, checks) for study in STUDIES))


def _verdict(study: str, facts: Facts, checks: tuple[Check, ...]) -> StudyVerdict:
    blocked_by = tuple(check.name for check in checks if study in check.blocks)
    fetches = study in REAL_IMAGES and facts.images.kind == "none"
    return StudyVerdict(study, not blocked_by, blocked_by, fetches, facts.speed.seconds.get(study))
