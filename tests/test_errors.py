"""Errors of the operating system as one line: the path, the reason, and a remedy that fits it."""

import errno
import os

import pytest

from pse_repro.errors import explain_os_error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ENOSPC", "free some space or name another disk"),
        ("EDQUOT", "free some space or name another disk"),
        ("EFBIG", "ulimit -f"),
        ("EACCES", "get permission for it"),
        ("EPERM", "get permission for it"),
        ("EROFS", "the disk is read-only"),
        ("EEXIST", "a file is where a folder is needed"),
        ("ENOTDIR", "a file is where a folder is needed"),
        ("EISDIR", "a folder is where a file is needed"),
        ("ENOENT", "removed or renamed meanwhile"),
        ("ENAMETOOLONG", "a shorter name"),
        ("EMFILE", "ulimit -n"),
        ("ENFILE", "ulimit -n"),
        ("EIO", "check the disk or the network's share"),
        ("ESTALE", "check the disk or the network's share"),
    ],
)
def test_each_error_has_its_remedy(code: str, said: str) -> None:
    number = getattr(errno, code)
    line = explain_os_error(OSError(number, os.strerror(number), "/some/path"))
    assert line.startswith(f"/some/path: {os.strerror(number)}; ")
    assert said in line
    assert "kept" not in line
    assert "\n" not in line


def test_what_is_unknown_is_said_as_it_is() -> None:
    assert explain_os_error(OSError("strange")) == "strange"
    assert explain_os_error(OSError(errno.ENOSPC, "full"), "/a").startswith("/a: full; free")
    assert explain_os_error(OSError(errno.EBADF, "bad", 7)) == "bad"  # a descriptor is no name
