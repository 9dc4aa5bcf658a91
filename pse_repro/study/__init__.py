"""A study's cells, the run directory that stores them, and its readers."""
