"""Tar streams: their plain files come out, and headers and members without end are refused after a megabyte or two."""

import io
import tarfile
from typing import Any

import pytest

from pse_repro.tar import MAX_HEADERS, tar_members


class Zeros(io.RawIOBase):
    """Bytes, then zeros without end; `position` counts those read."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content, self.position = content, 0

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size < 1 << 20
        found = self.content[self.position : self.position + size].ljust(size, b"\0")
        self.position += size
        return found


def header(name: str = "a", **fields: Any) -> bytes:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT)


def packed(format: int = tarfile.PAX_FORMAT, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_plain_files_come_out_in_order_read_or_not(format: int) -> None:
    files = {"empty": b"", "large": bytes(5 << 20), "small": b"12345", "b" * 90: b"6"}
    if format != tarfile.USTAR_FORMAT:
        files |= {"c" * 5_000: b"7"}
    stream = io.BytesIO(packed(format, **files))
    found = [(member.name, content.read() if content else None) for member, content in tar_members(stream, len(files))]
    assert dict(found) == files
    stream.seek(0)
    assert [member.name for member, _ in tar_members(stream, len(files))] == list(files)


@pytest.mark.parametrize("type", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_plain_file_has_no_content(type: bytes) -> None:
    stream = io.BytesIO(header(type=type, linkname="b") + bytes(1024))
    assert [(member.name, content) for member, content in tar_members(stream, 1)] == [("a", None)]


HUGE = 8_000_000_000
PAX_SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
SPARSE = header(type=tarfile.GNUTYPE_SPARSE)
EXTENDED = SPARSE[:148] + b"%06o\0 " % (sum(SPARSE[:148] + SPARSE[156:]) + 257) + SPARSE[156:482] + b"\1" + SPARSE[483:]
MORE = bytes(504) + b"\1" + bytes(7)


@pytest.mark.parametrize(
    "content",
    [
        header(type=tarfile.XHDTYPE, size=HUGE),
        header(type=tarfile.XGLTYPE, size=HUGE),
        header(type=tarfile.GNUTYPE_LONGNAME, size=HUGE),
        header(type=tarfile.GNUTYPE_LONGLINK, size=HUGE),
        (header(type=tarfile.GNUTYPE_LONGNAME, size=2) + b"a\0".ljust(512, b"\0")) * 5_000,
        (header(type=tarfile.XGLTYPE, size=9) + b"9 a=bcd\n\0".ljust(512, b"\0")) * 5_000,
        header(type=tarfile.XHDTYPE, size=len(PAX_SPARSE)) + PAX_SPARSE.ljust(512, b"\0") + header(size=HUGE)
        + b"1000000000\n" + b"0\n" * (3 << 20),
        EXTENDED + MORE * 10_000,
        packed(a=b"1", b=bytes(1 << 20))[: 1536 + (1 << 20)] + header(type=tarfile.XHDTYPE, size=HUGE),
    ],
    ids=["pax", "global", "long name", "long link", "long names", "globals", "sparse map", "sparse", "later"],
)  # fmt: skip
def test_headers_without_end_are_refused_soon(content: bytes) -> None:
    stream = Zeros(content)
    with pytest.raises(tarfile.TarError):
        for _ in tar_members(stream, 10):  # type: ignore[arg-type]
            pass
    assert stream.position < MAX_HEADERS + (3 << 20)


def test_so_many_members_are_refused() -> None:
    stream = io.BytesIO(packed(**{str(number): b"" for number in range(11)}))
    assert len(list(tar_members(stream, 11))) == 11
    stream.seek(0)
    with pytest.raises(tarfile.ReadError, match="it has more than 10 members"):
        list(tar_members(stream, 10))
