"""Execution of a study: cells are pre-trained and evaluated, in this process or in several."""
