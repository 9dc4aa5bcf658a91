"""Part "tests": tests/cuda of the checkout that the kit runs from, a process for each file.

A GPU that refuses one operation is lost for the rest of its process.
"""

import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pse_repro
from pse_repro.bench.card.task import OmittedError, Task, run_within
from pse_repro.errors import NotFitError

FIRST = ("test_fused.py", "test_capture.py", "test_parts.py", "test_memory.py", "test_waits.py")  # in order of worth


def run_tests(task: Task, root: Path = Path(pse_repro.__file__).parents[1]) -> None:
    """Run the tests of a GPU in the checkout `root`, each skipped if there is none.

    Raises:
        OmittedError: the kit was installed without its tests, or pytest is missing.
        NotFitError: a test failed, or pytest could not run them.
    """
    folder, reports = root / "tests" / "cuda", task.out / "tests"
    if not folder.is_dir():
        raise OmittedError(f"{root} has no tests/cuda: the kit was installed without its tests")
    if find_spec("pytest") is None:
        raise OmittedError("pytest is not installed")
    words = ["-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", f"--rootdir={root}"]
    total: Counter[str] = Counter()
    bad = []
    for path in [folder] if task.quick else sorted(folder.glob("test_*.py"), key=_order):
        report = reports / f"{path.stem}.xml"
        command = [sys.executable, "-m", "pytest", *words, f"--junit-xml={report}", str(path)]
        status = run_within(command, task.seconds_left)
        counts = _counts(report)
        total.update(counts)
        task.note(path.stem, ", ".join(f"{count} {name}" for name, count in counts.items()) or f"status {status}")
        if status:
            bad.append(f"{path.name} (status {status})")
    for name, count in total.items():
        task.note(name, count)
    if bad:
        raise NotFitError(f"tests failed in {', '.join(bad)}")


def _order(path: Path) -> tuple[int, str]:
    return FIRST.index(path.name) if path.name in FIRST else len(FIRST), path.name


def _counts(report: Path) -> dict[str, int]:
    """Return the numbers of tests by outcome; empty if pytest wrote no report."""
    if not report.exists():
        return {}
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    outcomes = ("tests", "skipped", "failures", "errors")
    found = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in outcomes}
    passed = found.pop("tests") - sum(found.values())
    return {"passed": passed} | found
