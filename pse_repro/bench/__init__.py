"""`pse-repro bench`: speed of the kit next to a straightforward implementation of the same work, in one run."""

from pse_repro.bench.result import Result, load, save
from pse_repro.bench.run import Options, bench, render_file

__all__ = ["Options", "Result", "bench", "load", "render_file", "save"]
