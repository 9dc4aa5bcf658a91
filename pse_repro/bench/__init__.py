"""How fast the kit is, next to a straightforward implementation of the same work, in one run (`pse-repro bench`)."""

from pse_repro.bench.result import Result, load, save
from pse_repro.bench.run import Options, bench, render_file

__all__ = ["Options", "Result", "bench", "load", "render_file", "save"]
