"""`pse-repro bench`: speed of the kit next to a straightforward implementation of the same work, in one run."""
