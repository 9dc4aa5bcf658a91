"""The command line: each command parses its arguments, calls one function, prints the result and exits.

Results go to standard output, everything else to standard error. Exit status: 0 success; 1 finished, but the numbers
together are not reproduced or a cell failed; 2 wrong usage or configuration; 3 unsuitable data or machine; 130
interrupted.
"""

from pse_repro.cli.app import app
from pse_repro.cli.main import main

__all__ = ["app", "main"]
