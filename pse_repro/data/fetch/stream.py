"""A URL's bytes in order, across broken connections: a new one continues by HTTP Range where the last ended."""

import io
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import IncompleteRead, responses
from typing import Any

import requests
import urllib3

from pse_repro.errors import NotFitError
from pse_repro.text import amount_of

CONNECT_SECONDS = 20.0
READ_SECONDS = 60.0  # without a byte: the connection is given up
ATTEMPTS = 7  # failures in a row, without a byte between them
BACKOFF_SECONDS = 1.0  # before the second attempt; doubled each time, to LONGEST_BACKOFF_SECONDS
LONGEST_BACKOFF_SECONDS = 60.0
BLOCK = 1 << 14  # bytes read at once: what a reset connection may lose
PASSING = (408, 425, 429)  # besides 5xx: statuses of an overloaded server


class ChangedError(NotFitError):
    """The server has another file than the one that was begun."""


class _BrokenError(Exception):
    """This connection came to nothing; the next one may not."""


@dataclass(frozen=True)
class Identity:
    """What tells a server's files apart: size in bytes, and ETag (strong) or Last-Modified; None where it said none."""

    size: int | None = None
    validator: str | None = None

    def differs(self, other: "Identity") -> bool:
        """Whether these are two files for certain: what only one of them knows proves nothing."""
        pairs = [(self.size, other.size), (self.validator, other.validator)]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    def known_with(self, other: "Identity") -> "Identity":
        return Identity(self.size or other.size, self.validator or other.validator)


class ResumingStream(io.RawIOBase):
    """The bytes of an http(s) URL from `position` on, which counts from 0 and moves as they are read.

    `begun` is what is known of the file whose first `position` bytes are there already; `size` is what the file must
    have. Reading raises NotFitError where the URL has no such file or the connection does not come back (ATTEMPTS),
    ChangedError where the server has another file by now. Proxies are taken from the environment.
    """

    def __init__(
        self,
        url: str,
        say: Callable[[str], None],
        *,
        position: int = 0,
        begun: Identity = Identity(),
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.url, self.position, self.identity = url, position, begun
        self.connections = 0
        self._say, self._expected = say, size
        self._session = requests.Session()
        self._response: requests.Response | None = None
        self._ranges, self._skip = True, 0
        self._failures = 0

    @property
    def size(self) -> int | None:
        """Bytes of the whole file; None while no server has said."""
        return self._expected or self.identity.size

    def connect(self) -> None:
        """Ask the server, so that `identity` and `size` are known before the first byte is read."""
        while self._response is None and not self._at_end():
            try:
                self._open()
            except (_BrokenError, requests.RequestException) as error:
                self._again(error)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while len(view) and not self._at_end():
            self.connect()
            try:
                block = self._receive(min(len(view), BLOCK))
            except (_BrokenError, urllib3.exceptions.HTTPError, OSError) as error:
                self._again(error)
                continue
            self.position += len(block)
            self._failures = 0
            view[: len(block)] = block
            return len(block)
        return 0

    def close(self) -> None:
        self._disconnect()
        self._session.close()
        super().close()

    def _at_end(self) -> bool:
        return self.size is not None and self.position >= self.size

    def _receive(self, most: int) -> bytes:
        """At least one byte, but none at the end of a file whose size nobody said."""
        if self._response is None:  # the server says that the file ends here
            return b""
        while self._skip:
            self._skip -= len(self._raw(min(self._skip, BLOCK)))
        if self.size is not None:
            most = min(most, self.size - self.position)
        block = self._raw(most)
        if not block:
            self.identity = replace(self.identity, size=self.position)
        return block

    def _raw(self, most: int) -> bytes:
        """Bytes as they were sent: a Content-Encoding is the archive's own, and stays."""
        assert self._response is not None
        block: bytes = self._response.raw.read(most, decode_content=False)
        if not block and (self.size is not None or self._skip):
            raise _BrokenError("it ended early")
        return block

    def _open(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self.position and self._ranges:
            headers["Range"] = f"bytes={self.position}-"
            if self.identity.validator:
                headers["If-Range"] = self.identity.validator
        self.connections += 1
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        try:
            response = self._session.get(self.url, headers=headers, stream=True, timeout=timeout)
        except (ValueError, requests.TooManyRedirects) as error:  # requests' errors of addresses are ValueErrors
            raise NotFitError(f"{shown(self.url)} cannot be opened: {error}; give another --from") from error
        try:
            if response.status_code == 416:
                self._end_at(_total(response))
            else:
                self._judge(response)
                self._response = response
        finally:
            if self._response is None:
                response.close()

    def _judge(self, response: requests.Response) -> None:
        """Note what an answer says, or refuse it: for now (_BrokenError), or for good (NotFitError)."""
        status, where = response.status_code, shown(response.url)
        if status >= 500 or status in PASSING:
            raise _BrokenError(_answer(status))
        if status not in (200, 206):
            raise NotFitError(f"{where} answered {_answer(status)}; expected an archive: check the address (--from)")
        if "html" in response.headers.get("Content-Type", "").lower():
            raise NotFitError(
                f"{where} answered with a web page, not an archive: if it is the network's login page, log in, "
                "then run the same command again; else give another --from"
            )
        start, found = _offered(response)
        if status == 206 and start != self.position:
            self._ranges = False
            raise _BrokenError("it sent other bytes than it was asked for")
        if self._expected is not None and found.size not in (None, self._expected):
            raise NotFitError(
                f"{where} offers {found.size:,} bytes; expected an archive of {self._expected:,}: give another --from"
            )
        if self.position and self.identity.differs(found):
            raise ChangedError(f"{where} changed on the server while it was read: run the same command again")
        self.identity = found.known_with(self.identity)
        self._skip = self.position - start
        if self._skip:
            self._say(
                f"the server knows no ranges and sends it all again: skipping {amount_of(self._skip, found.size)}"
            )

    def _end_at(self, size: int | None) -> None:
        """What "range not satisfiable" means: the file ends here, or it is another one."""
        if size != self.position:
            raise ChangedError(
                f"{shown(self.url)} does not go on after {self.position:,} bytes, and does not end there either: it "
                "changed on the server, run the same command again"
            )
        self._expected = size

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
        self._response = None

    def _again(self, error: Exception) -> None:
        """Wait for the next attempt; NotFitError after the last."""
        self._disconnect()
        self._failures += 1
        place = f"after {amount_of(self.position, self.size)}" if self.position else "at the start"
        reason = _reason(error)
        if self._failures >= ATTEMPTS:
            raise NotFitError(
                f"{shown(self.url)} gave nothing in {ATTEMPTS} attempts {place} ({reason}): check the connection, then "
                "run the same command again"
            ) from error
        wait = min(BACKOFF_SECONDS * 2 ** (self._failures - 1), LONGEST_BACKOFF_SECONDS)
        self._say(f"stopped {place} ({reason}): trying again in {wait:.0f} s")
        time.sleep(wait)


def shown(url: str) -> str:
    """A URL without its user name and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _answer(status: int) -> str:
    return f"{status} {responses.get(status, '')}".strip()


def _total(response: requests.Response) -> int | None:
    found = re.search(r"/\s*(\d+)$", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _offered(response: requests.Response) -> tuple[int, Identity]:
    """The first byte's place in the file, and the file's identity."""
    headers = response.headers
    if response.status_code == 206:
        span = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
        start, size = int(span[1]) if span else -1, _total(response)
    else:
        length = headers.get("Content-Length", "")
        start, size = 0, int(length) if length.isascii() and length.isdigit() else None
    etag = headers.get("ETag", "")
    return start, Identity(size, etag if etag.startswith('"') else headers.get("Last-Modified"))


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: requests' own text spans lines and names its objects."""
    if isinstance(error, _BrokenError):
        return str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    by = "the proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, IncompleteRead):
        return "it ended early"
    return by + (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
