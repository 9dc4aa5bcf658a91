"""How a run is going, as lines of text for a terminal: data in, text out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from pse_repro.progress.now import Now
from pse_repro.text import duration, rate

BLOCKS = "▁▂▃▄▅▆▇█"
BAR = 20  # columns
SPARKLINE = 40  # columns at most


@dataclass(frozen=True)
class Outlook:
    """Of a whole study: its cells, and how long it still takes (`seconds`: None while unknown, then `at_least`)."""

    cells: int
    done: int
    failed: int
    seconds: float | None
    at_least: float

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.cells} cells done{failed}, {self.left}"

    @property
    def left(self) -> str:
        if self.seconds is not None:
            return f"about {duration(self.seconds)} left"
        return "time left unknown" + (f", at least {duration(self.at_least)}" if self.at_least else "")


def thinned(values: Sequence[float | None], count: int) -> list[float | None]:
    """At most `count` values, each the mean of its share; None (and for None) what is not finite."""
    count = min(count, len(values))
    shares = [values[index * len(values) // count : (index + 1) * len(values) // count] for index in range(count)]
    return [_mean([value for value in share if value is not None and math.isfinite(value)]) for share in shares]


def _mean(values: list[float]) -> float | None:
    return sum(value / len(values) for value in values) if values else None


def sparkline(values: Sequence[float | None], width: int = SPARKLINE) -> str:
    """Values as blocks from the lowest to the highest, by their logarithms where all are positive; None as a gap."""
    means = thinned(values, width)
    known = [value for value in means if value is not None]
    if not known:
        return " " * len(means)
    scale = math.log if min(known) > 0 else float
    low, high = scale(min(known)), scale(max(known))
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join(" " if value is None else BLOCKS[round((scale(value) - low) / step)] for value in means)


def bar(share: float, width: int = BAR) -> str:
    filled = round(width * min(max(share, 0.0), 1.0))
    return "━" * filled + "─" * (width - filled)


def now_lines(now: Now, width: int, short: bool = False) -> list[str]:
    """Cell, phase and epoch; how far and how fast; the loss so far. `short`: in one line, without rate and loss."""
    share = f"{now.done / now.total:.0%}" if now.total else ""
    left = "" if now.seconds_left is None else f"at most {duration(now.seconds_left)} left"
    what = [part for part in (now.phase, _epoch(now)) if part]
    if short:
        return [_titled(now.cell, [*what, *filter(None, (share, left))], width)]
    lines = [_titled(now.cell, what, width)]
    if now.total:
        speed = rate(now.per_second, now.unit) if now.done else ""
        lines.append("  " + "  ".join(part for part in (bar(now.done / now.total), share, speed, left) if part))
    if now.losses:
        last = now.losses[-1]
        lines.append(f"  {sparkline(now.losses)} {now.loss} {'not finite' if last is None else f'{last:.4g}'}")
    elif now.note:
        lines.append(f"  {now.note}")
    return [cut(line, width) for line in lines]


def _epoch(now: Now) -> str:
    """The epoch that is being done, from 1."""
    if now.epochs_done is None:
        return ""
    if now.epochs is None:
        return f"epoch {now.epochs_done + 1}"
    return f"epoch {min(now.epochs_done + 1, now.epochs)} of {now.epochs}"


def _titled(title: str, words: list[str], width: int) -> str:
    """TITLE: WORDS in `width` columns; of a long title the end is kept, which names the model."""
    rest = ", ".join(words)
    if not title:
        return cut(rest, width)
    room = width - len(rest) - 2 * bool(rest)
    if len(title) > room > 1:
        title = "…" + title[1 - room :]
    return cut(f"{title}: {rest}" if rest else title, width)


def cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def view(outlook: Outlook | None, nows: Sequence[Now], width: int, height: int) -> Text:
    """A block for each process, of a line each where `height` has no room for more; the whole study above them."""
    head = [] if outlook is None else [_study(outlook, width)]
    room = height - len(head) - 1  # the cursor's line
    blocks = [now_lines(now, width) for now in nows]
    if sum(map(len, blocks)) > room:
        blocks = [now_lines(now, width, short=True) for now in nows]
    if len(blocks) > room:
        blocks = [*blocks[: max(room - 1, 0)], [f"and {len(blocks) - max(room - 1, 0)} more"]]
    text = Text("\n".join([*head, *(line for block in blocks for line in block)]), no_wrap=True, overflow="ellipsis")
    text.highlight_regex(r"━+", "cyan")
    text.highlight_regex(rf"[{BLOCKS}]+", "green")
    return text


def _study(outlook: Outlook, width: int) -> str:
    return cut(f"{bar(outlook.done / max(outlook.cells, 1))} {outlook}", width)
