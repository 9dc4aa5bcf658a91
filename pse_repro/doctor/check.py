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


def amount(count: float) -> str:
    """Bytes for people, in decimal units as disks are sold: 2.8 GB, 133 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 999_500_000 else f"{count / 1e6:.0f} MB"
