"""The command line: each command parses, calls one function, prints, exits. Results go to standard output, the rest to
standard error. Exit status: 0 done; 1 done, and a number is outside its tolerance or a cell failed; 2 wrong usage or
configuration; 3 the data or the machine is not fit; 130 interrupted.
"""

from pse_repro.cli.app import app
from pse_repro.cli.main import main

__all__ = ["app", "main"]
