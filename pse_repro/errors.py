"""Errors for people: one clear line each (what was found, what was expected, what to do) and an exit status."""


class KitError(Exception):
    """Base of every error the kit raises on purpose; its text is shown without a traceback."""

    exit_status = 1


class UsageError(KitError):
    """Wrong usage or configuration: an unknown key, a foreign table, a run directory of other settings."""

    exit_status = 2


class NotFitError(KitError):
    """The data or the machine is not fit: a truncated file, no permission, a full disk, no GPU."""

    exit_status = 3


class CellError(KitError):
    """One cell cannot go on (its loss is not finite, its frozen encoder changed); the other cells do."""
