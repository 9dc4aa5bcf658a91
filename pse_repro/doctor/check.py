"""One line of the diagnosis."""

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Check:
    """Result of one check: what was found and what is needed.

    A check that is not good has a remedy. `blocks` names the studies that cannot run because of it.
    """

    name: str
    state: State
    found: str
    needed: str = ""
    remedy: str = ""
    blocks: tuple[str, ...] = ()
