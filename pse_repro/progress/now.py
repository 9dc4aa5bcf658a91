"""What a process does at this moment, in a small file that others read: RUN/now/PID.json.

It appears whole, is written at most every second, and says nothing that a run needs: what cannot be written is left
out, what cannot be read is passed over.
"""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Now:
    """A stage of a cell: `done` of at most `total` images or bytes in `seconds`; `epochs_done` of `epochs`, if known.

    `losses` are those so far of the kind that `loss` names (folds together: their mean), thinned out; None for what is
    not finite. There are none where nothing is measured by epoch.
    """

    cell: str = ""
    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = "images"
    seconds: float = 0.0
    epochs_done: int | None = None
    epochs: int | None = None
    losses: tuple[float | None, ...] = ()
    note: str = ""
    loss: str = "loss"

    @property
    def per_second(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At most, as training may stop early; None before anything was measured."""
        return (self.total - self.done) / self.per_second if self.per_second else None


def now_folder(run_directory: Path) -> Path:
    return run_directory / "now"


@contextmanager
def kept_while_running(run_directory: Path) -> Iterator[None]:
    """For the process that holds the run: files of killed processes go before it begins, and all when it ends."""
    folder = now_folder(run_directory)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_now(folder: Path, now: Now) -> None:
    """Replace this process's file; not synchronised to the disk, as it is worth nothing after a crash."""
    path = _own(folder)
    temporary = path.with_suffix(".part")
    with suppress(OSError):  # a full disk or a vanished folder is for the run itself to find
        folder.mkdir(exist_ok=True)
        content = {"pid": os.getpid(), "machine": platform.node(), "now": asdict(now)}
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, path)


def remove_now(folder: Path) -> None:
    """Remove this process's file."""
    with suppress(OSError):
        _own(folder).unlink(missing_ok=True)


def read_nows(folder: Path, remove_stale: bool = False) -> list[Now]:
    """What the processes that live do, in the order of their cells' names; files of dead ones can be removed."""
    found = []
    for path in folder.glob("*.json"):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            now = Now(**(content["now"] | {"losses": tuple(content["now"]["losses"])}))
            alive = content["machine"] != platform.node() or _is_alive(int(content["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if alive:
            found.append(now)
        elif remove_stale:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return sorted(found, key=lambda now: now.cell)


def _own(folder: Path) -> Path:
    return folder / f"{os.getpid()}.json"


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there signal 0 is not a question but Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:  # another user's
        return True
    except (OSError, OverflowError):
        return False
    return True
