"""Part "tests": tests/cuda of the checkout that the kit runs from."""

import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pse_repro
from pse_repro.bench.card.task import OmittedError, Task, run_within
from pse_repro.errors import NotFitError


def run_tests(task: Task, root: Path = Path(pse_repro.__file__).parents[1]) -> None:
    """Run the tests of a GPU in the checkout `root`, each skipped if there is none.

    Raises:
        OmittedError: the kit was installed without its tests, or pytest is missing.
        NotFitError: a test failed, or pytest could not run them.
    """
    folder, report = root / "tests" / "cuda", task.out / "tests.xml"
    if not folder.is_dir():
        raise OmittedError(f"{root} has no tests/cuda: the kit was installed without its tests")
    if find_spec("pytest") is None:
        raise OmittedError("pytest is not installed")
    words = ["-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", f"--rootdir={root}", f"--junit-xml={report}"]
    status = run_within([sys.executable, "-m", "pytest", *words, str(folder)], task.seconds_left)
    counts = _counts(report)
    for name, count in counts.items():
        task.note(name, count)
    if status:
        outcome = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no test was run"
        raise NotFitError(f"pytest ended with status {status}: {outcome}")


def _counts(report: Path) -> dict[str, int]:
    """Return the numbers of tests by outcome; empty if pytest wrote no report."""
    if not report.exists():
        return {}
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    outcomes = ("tests", "skipped", "failures", "errors")
    found = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in outcomes}
    passed = found.pop("tests") - sum(found.values())
    return {"passed": passed} | found
