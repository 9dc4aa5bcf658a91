"""The report's figures, a module for each."""
