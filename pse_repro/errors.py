"""Errors shown to users: one clear line (what was found, what was expected, what to do) and an exit status."""


class KitError(Exception):
    """Base of all errors that the kit raises deliberately; shown without a traceback."""

    exit_status = 1


class UsageError(KitError):
    """Wrong usage or configuration: an unknown key, a foreign table, a run directory with other settings."""

    exit_status = 2


class NotFitError(KitError):
    """Unsuitable data or machine: a truncated file, no permission, a full disk, no GPU."""

    exit_status = 3


class CellError(KitError):
    """Failure of one cell (its loss is not finite, its frozen encoder changed); the other cells continue."""
