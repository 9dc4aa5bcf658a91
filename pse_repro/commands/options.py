"""Options shared by all commands that train. Nothing slow is imported here: the command line must start at once."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run, named as on the command line (cli/options.py)."""

    data: Path | None = None
    out: Path | None = None
    protocol: list[str] = field(default_factory=list)
    device: str = "auto"
    precision: str = "fp32"
    deterministic: bool = False
    joint_folds: bool = False
    cuda_graphs: bool = True

    @property
    def machine_options(self) -> tuple[bool, bool, bool]:
        """The last arguments of `choose_machine`: how the machine computes, not what."""
        return self.deterministic, self.joint_folds, self.cuda_graphs

    seeds: int = 1
    until_decided: bool = False
    jobs: int = 1
    fresh: bool = False
    repair: bool = False
    strict: bool = False
    quiet: bool = False
    format: str = "table"
    log_to: str | None = None
    budget: str | None = None
    without_test: bool = False
