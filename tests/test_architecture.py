"""Imports go one way, as pyproject.toml's contracts say; reading a run imports nothing that trains."""

import subprocess
import sys
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]


def test_imports_go_one_way_without_circles() -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, "a contract is broken: see the captured output, or run lint-imports"


def test_reading_a_run_imports_nothing_that_trains() -> None:
    program = """
import sys, pse_repro.claims, pse_repro.compare.runs, pse_repro.study.archive, pse_repro.study.status
print(*(name for name in sys.modules if name.startswith(("pse_repro.run", "pse_repro.training"))))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == []
