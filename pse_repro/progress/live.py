"""Progress of processes and of a study as lines for a terminal: data in, rich renderables out, no clock."""

import io
import math
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pse_repro.progress.facts import StudyStatus
from pse_repro.progress.status_file import ProcessStatus, thinned
from pse_repro.progress.wording import loss_words
from pse_repro.text import duration, rate

BLOCKS = "▁▂▃▄▅▆▇█"
BAR = 20  # columns
SPARKLINE = 40  # columns at most


def sparkline(values: Sequence[float | None], width: int = SPARKLINE) -> str:
    """Draw values as blocks from the lowest to the highest, on a log scale if all are positive; None is a gap."""
    means = thinned(values, width)
    known = [value for value in means if value is not None]
    if not known:
        return " " * len(means)
    scale = math.log if min(known) > 0 else float
    low, high = scale(min(known)), scale(max(known))
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join(" " if value is None else BLOCKS[round((scale(value) - low) / step)] for value in means)


def line(*parts: str | tuple[str, str]) -> Text:
    """Make one line of strings or (string, style) pairs; its end is cut if it does not fit."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def name_line(name: str, end: str = "") -> RenderableType:
    """Make one line of a path-like name and an end; if it does not fit, the folder is cut first, then the end."""
    folder, slash, last = name.rpartition("/")
    if not folder:
        return line(name + end)
    grid = Table.grid()
    grid.add_column()
    grid.add_column(no_wrap=True)  # so rich shrinks the first column before this one
    grid.add_row(line(folder), line(slash + last + end))
    return grid


def bar_line(done: float, total: float, words: str, width: int = BAR) -> RenderableType:
    """Draw a bar and words on one line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    bar = ProgressBar(total, done, width, complete_style="cyan", finished_style="cyan")
    grid.add_row(bar, line(words))
    return grid


def process_lines(status: ProcessStatus, short: bool = False) -> list[RenderableType]:
    """Make lines for cell, phase and epoch; bar, rate and time left; losses. `short`: one line, no rate or losses."""
    share = f"{status.done / status.total:.0%}" if status.total else ""
    left = "" if status.seconds_left is None else f"at most {duration(status.seconds_left)} left"
    title = [part for part in (status.phase, _epoch(status)) if part]
    if short:
        return [_titled(status.cell, [*title, *filter(None, (share, left))])]
    lines = [_titled(status.cell, title)]
    if status.total:
        speed = rate(status.per_second, status.unit) if status.done else ""
        words = "  ".join(part for part in (share, speed, left) if part)
        lines.append(Padding.indent(bar_line(status.done, status.total, words), 2))
    if status.losses:
        lines.append(line("  ", (sparkline(status.losses), "green"), " ", loss_words(status.loss, status.losses[-1])))
    elif status.note:
        lines.append(line(f"  {status.note}"))
    return lines


def _epoch(status: ProcessStatus) -> str:
    """Format the number of the epoch in progress, counted from 1."""
    if status.epochs_done is None:
        return ""
    if status.epochs is None:
        return f"epoch {status.epochs_done + 1}"
    return f"epoch {min(status.epochs_done + 1, status.epochs)} of {status.epochs}"


def _titled(cell: str, words: list[str]) -> RenderableType:
    """Make the line "CELL: WORDS"; if cut, it keeps the end of the cell's name, which is the model."""
    rest = ", ".join(words)
    if not cell:
        return line(rest)
    return name_line(cell, f": {rest}" if rest else "")


def view(study: StudyStatus | None, statuses: Sequence[ProcessStatus], height: int) -> Group:
    """Stack the study's bar and a block per process, of one line each if `height` lines have no room for more."""
    head = [] if study is None else [bar_line(study.done, max(study.cells, 1), str(study))]
    room = height - len(head) - 1  # the cursor's line
    blocks = [process_lines(status) for status in statuses]
    if sum(map(len, blocks)) > room:
        blocks = [process_lines(status, short=True) for status in statuses]
    if len(blocks) > room:
        blocks = [*blocks[: max(room - 1, 0)], [line(f"and {len(blocks) - max(room - 1, 0)} more")]]
    return Group(*head, *(each for block in blocks for each in block))


def as_text(renderable: RenderableType, width: int) -> str:
    """Render as plain lines of at most `width` columns."""
    console = Console(
        file=io.StringIO(), width=width, height=1000, color_system=None, force_terminal=False, legacy_windows=False
    )
    with console.capture() as capture:
        console.print(Group(renderable))  # a bare Text would wrap
    return "\n".join(each.rstrip() for each in capture.get().splitlines())
