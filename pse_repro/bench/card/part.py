"""The process of one part: `python -m pse_repro.bench.card.part TASK`, with the task as JSON."""

import json
import sys
import traceback
from pathlib import Path
from pkgutil import resolve_name

from pse_repro.bench.card.result import add_note
from pse_repro.bench.card.task import OMITTED_STATUS, OmittedError, Task
from pse_repro.errors import KitError


def run_part(task: Task) -> int:
    """Run a part and note the reason if it does not end well; return the exit status of its process."""
    try:
        resolve_name(task.work)(task)
    except OmittedError as omitted:
        add_note(task.out, task.part, message=str(omitted))
        return OMITTED_STATUS
    except Exception as error:
        traceback.print_exc()
        text = str(error) if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
        add_note(task.out, task.part, message=text)
        return 3
    return 0


def main() -> None:
    given = json.loads(sys.argv[1])
    given |= {"out": Path(given["out"]), "data": given["data"] and Path(given["data"])}
    sys.exit(run_part(Task(**given)))


if __name__ == "__main__":
    main()
