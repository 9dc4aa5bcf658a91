"""Run pytest on the pretended GPU: `python -m tests.support.pretended_cuda [arguments of pytest]`."""

import sys

from tests.support.pretended_cuda.launch import run_pytest, why_not

reason = why_not()
sys.exit(reason or run_pytest(sys.argv[1:]).returncode)
