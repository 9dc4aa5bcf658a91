"""Errors shown to users: one clear line (what was found, what was expected, what to do) and an exit status."""

import errno
import os
from collections.abc import Iterable


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


_AGAIN = "then run the same command again"
# errno(3): what to do about each error of the operating system; a system may lack some of the names.
_REMEDIES: Iterable[tuple[str, str]] = (
    ("ENOSPC EDQUOT", f"free some space or name another disk, {_AGAIN}"),
    ("EFBIG", "this disk, or ulimit -f, allows no file of that size: name another disk or raise the limit"),
    ("EACCES EPERM", "get permission for it, or name another path"),
    ("EROFS", "the disk is read-only: name a path on another one"),
    ("EEXIST ENOTDIR", "a file is where a folder is needed: name another path"),
    ("EISDIR", "a folder is where a file is needed: name another path"),
    ("ENOENT", "it is missing, or was removed or renamed meanwhile: check the path"),
    ("ENAMETOOLONG", "give it a shorter name"),
    ("EILSEQ EINVAL", "this disk cannot store such a name: name another path"),
    ("ELOOP", "links lead round in a circle: name the folder itself"),
    ("EMFILE ENFILE", f"close other programs or raise the limit of open files (ulimit -n), {_AGAIN}"),
    ("ENOMEM", f"close other programs or raise the limit of memory, {_AGAIN}"),
    ("EIO ESTALE ENXIO ENODEV EHOSTDOWN ENOTCONN ETIMEDOUT", f"check the disk or the network's share, {_AGAIN}"),
)


def explain_os_error(error: OSError, path: str | os.PathLike[str] = "") -> str:
    """Describe an error of the operating system in one line: the file (else `path`), the reason, what to do."""
    where = os.fspath(error.filename or path) if isinstance(error.filename or path, str | os.PathLike) else ""
    remedy = next((text for names, text in _REMEDIES if errno.errorcode.get(error.errno or 0) in names.split()), "")
    parts = f"{where}: " * bool(where), str(error.strerror or error), f"; {remedy}" * bool(remedy)
    return "".join(parts)
