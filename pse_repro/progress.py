"""How far a run is: rich's bars on a terminal, plain lines elsewhere; both on standard error."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

LINE_SECONDS = 10.0  # between two plain lines of one stage


def rate(per_second: float, unit: str) -> str:
    """For people: 1,234 images/s, 12.3 MB/s."""
    return f"{per_second / 1e6:,.1f} MB/s" if unit == "bytes" else f"{per_second:,.0f} {unit}/s"


class Rate(ProgressColumn):
    """Images, or megabytes, a second."""

    def render(self, task: Task) -> Text:
        return Text(rate(task.speed, task.fields["unit"]) if task.speed else "")


def _one_line(text: str, least: int = 1) -> TextColumn:
    """A column that is cut, not wrapped, but never under `least` characters."""
    return TextColumn(text, table_column=Column(no_wrap=True, overflow="ellipsis", min_width=least))


class Stage:
    """One stretch of work, counted in images or bytes (`total` at most); `note` says how it goes."""

    def __init__(self, progress: "Progress", name: str, total: int, unit: str) -> None:
        self._progress, self.name, self.total, self.unit = progress, name, total, unit
        self._done, self._note = 0, ""
        self._started = self._last_line = time.monotonic()
        self._bar = progress.bars.add_task(name, total=total, note="", unit=unit) if progress.bars else None

    def advance(self, count: int) -> None:
        self._done += count
        if self._progress.bars and self._bar is not None:
            self._progress.bars.advance(self._bar, count)
        elif time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            self._progress.say(self._line())

    def note(self, text: str) -> None:
        self._note = text
        if self._progress.bars and self._bar is not None:
            self._progress.bars.update(self._bar, note=text)

    def _line(self) -> str:
        speed = self._done / max(time.monotonic() - self._started, 1e-9)
        left = (self.total - self._done) / speed
        share = f"{self._done / self.total:.0%}, {rate(speed, self.unit)}, at most {duration(left)} left"
        return f"{self.name}: {share}{self._noted()}"

    def _noted(self) -> str:
        return f"; {self._note}" if self._note else ""

    def drop(self) -> None:
        """End without a word: it came to nothing, and an error says so."""
        if self._progress.bars and self._bar is not None:
            self._progress.bars.remove_task(self._bar)

    def close(self) -> None:
        self.drop()
        seconds = time.monotonic() - self._started
        speed = rate(self._done / max(seconds, 1e-9), self.unit)
        self._progress.say(f"{self.name}: done in {duration(seconds)}, {speed}{self._noted()}")


class Progress:
    """Messages and stages of a run; a context manager. `lines` asks for plain lines on a terminal, too."""

    def __init__(self, quiet: bool = False, lines: bool = False) -> None:
        self.quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        bar = [BarColumn(20)] if self._console.width >= 120 else []  # a narrow terminal has room for the words alone
        columns = [
            *(_one_line("{task.description}"), *bar, _one_line("{task.percentage:.0f}%", 4)),
            *(
                Rate(Column(no_wrap=True, min_width=12)),
                TimeRemainingColumn(compact=True, table_column=Column(min_width=5)),
            ),
            _one_line("{task.fields[note]}"),
        ]
        on_terminal = self._console.is_terminal and not quiet and not lines
        self.bars = RichProgress(*columns, console=self._console, transient=True) if on_terminal else None

    def __enter__(self) -> Self:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars:
            self.bars.stop()

    def say(self, text: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    @contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator[Stage]:
        stage = Stage(self, name, total, unit)
        try:
            yield stage
        except BaseException:
            stage.drop()
            raise
        stage.close()


def duration(seconds: float) -> str:
    """For people: 45 s, 12 min, 3.5 h, 12 days."""
    for unit, length, most, digits in (("s", 1, 100, 0), ("min", 60, 100, 0), ("h", 3600, 72, 1)):
        if seconds < most * length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds / 86400:,.0f} days"
