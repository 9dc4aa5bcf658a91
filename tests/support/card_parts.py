"""Parts of a card that end in every way; each runs in a process of its own."""

import os
import subprocess
import sys
import time

from pse_repro.bench.card.task import OmittedError, Task
from pse_repro.errors import NotFitError

CHILD = "child.pid"  # written once the part that overruns has a child and a figure


def is_fine(task: Task) -> None:
    task.note("rate", 2.5, "images/s")
    print(f"{task.part} on {task.device}, images {task.data}")


def fails(task: Task) -> None:
    task.note("before", 1)
    raise NotFitError("the loss is wrong")


def crashes(task: Task) -> None:
    os._exit(9)


def is_omitted(task: Task) -> None:
    raise OmittedError("there are no tests here")


def overruns(task: Task) -> None:
    task.note("before", 1)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (task.out / "new.pid").write_text(str(child.pid))
    (task.out / "new.pid").rename(task.out / CHILD)
    time.sleep(600)
