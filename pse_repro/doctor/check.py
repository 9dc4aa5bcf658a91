"""One line of the diagnosis, and the amounts in it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Check:
    """What was found and what is needed. What is not good has a remedy; `blocks` are the studies that it stops."""

    name: str
    state: State
    found: str
    needed: str = ""
    remedy: str = ""
    blocks: tuple[str, ...] = ()
