"""A study's cells, the directory that keeps them, and the runner that goes through them."""
