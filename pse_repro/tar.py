"""Members of a tar stream from elsewhere, within limits of their number and of their headers."""

import tarfile
from collections.abc import Iterator
from typing import IO, Any

# The headers between two members, long names and pax records included: kilobytes in any honest archive. `tarfile` reads
# them into memory at the length that they claim.
MAX_HEADERS = 1 << 20  # bytes
_BLOCK = 1 << 18  # bytes


def tar_members(stream: IO[bytes], max_members: int) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield each member of an uncompressed tar, in order, with its content; None unless it is a plain file.

    A sparse file is none, as it can claim any size without bytes. Each content must be read before the next member.

    Raises:
        tarfile.TarError: the tar is damaged, or has more than `max_members` members or MAX_HEADERS bytes of headers
            for one of them.
    """
    try:
        yield from _members(_Bounded(stream), max_members)
    except RecursionError as error:
        raise tarfile.ReadError("a member has hundreds of headers") from error


def _members(bounded: "_Bounded", max_members: int) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    with tarfile.open(fileobj=bounded, mode="r|", bufsize=_BLOCK) as tar:  # type: ignore[call-overload]
        for count, member in enumerate(tar, 1):
            if count > max_members:
                raise tarfile.ReadError(f"it has more than {max_members:,} members")
            bounded.extend_to(tar.offset)
            yield member, tar.extractfile(member) if member.isreg() and not member.issparse() else None


class _Bounded:
    """A stream that is read up to MAX_HEADERS bytes beyond the end of the current member."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._position = stream, 0
        self.extend_to(0)

    def extend_to(self, end: int) -> None:
        """Allow to read on after `end`, the end of a member's content."""
        self._allowed = end + MAX_HEADERS + _BLOCK  # a block is read ahead

    def read(self, size: int) -> bytes:
        content: bytes = self._stream.read(size)
        self._position += len(content)
        if self._position > self._allowed:
            raise tarfile.ReadError(f"a member has more than {MAX_HEADERS:,} bytes of headers")
        return content
