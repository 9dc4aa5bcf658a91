"""A URL's bytes as one stream: after a broken connection, a new one resumes by HTTP Range."""

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
READ_SECONDS = 60.0  # without a byte, then the connection is closed
ATTEMPTS = 7  # consecutive failures without a byte in between
BACKOFF_SECONDS = 1.0  # before the second attempt; doubled each time, up to MAX_BACKOFF_SECONDS
MAX_BACKOFF_SECONDS = 60.0
BLOCK = 1 << 14  # bytes per read, which a reset connection may lose
TRANSIENT_STATUSES = (408, 425, 429)  # of an overloaded server, besides 5xx


class ChangedError(NotFitError):
    """The file on the server is not the one whose download was begun."""


class _BrokenError(Exception):
    """Transient failure; the request may be retried."""


@dataclass(frozen=True)
class Identity:
    """Identity of a file on a server: size in bytes, and strong ETag or Last-Modified; None if not sent."""

    size: int | None = None
    validator: str | None = None

    def differs(self, other: "Identity") -> bool:
        """Return whether the files differ for certain; values known for only one of them are ignored."""
        pairs = [(self.size, other.size), (self.validator, other.validator)]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    def merged_with(self, other: "Identity") -> "Identity":
        """Return this identity with missing values taken from `other`."""
        return Identity(self.size or other.size, self.validator or other.validator)


class ResumingStream(io.RawIOBase):
    """The bytes of an http(s) URL from `position` on, which counts from 0 and moves as they are read.

    `begun` identifies the file whose first `position` bytes were read before. `size` is the required size of the file
    in bytes, if known. Proxies are taken from the environment. Reading raises NotFitError if the URL has no such file
    or ATTEMPTS attempts fail, ChangedError if the file on the server has changed.
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
        """Size of the whole file in bytes; None if no server has sent it yet."""
        return self._expected or self.identity.size

    def connect(self) -> None:
        """Send the request, so that `identity` and `size` are known before the first byte is read."""
        while self._response is None and not self._at_end():
            try:
                self._open()
            except (_BrokenError, requests.RequestException) as error:
                self._wait_to_retry(error)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while len(view) and not self._at_end():
            self.connect()
            try:
                block = self._receive(min(len(view), BLOCK))
            except (_BrokenError, urllib3.exceptions.HTTPError, OSError) as error:
                self._wait_to_retry(error)
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

    def _receive(self, max_bytes: int) -> bytes:
        """Return at least one byte, or none at the end of a file of unknown size."""
        if self._response is None:  # "range not satisfiable": the file ends here
            return b""
        while self._skip:
            self._skip -= len(self._raw(min(self._skip, BLOCK)))
        if self.size is not None:
            max_bytes = min(max_bytes, self.size - self.position)
        block = self._raw(max_bytes)
        if not block:
            self.identity = replace(self.identity, size=self.position)
        return block

    def _raw(self, max_bytes: int) -> bytes:
        """Return bytes as sent: a Content-Encoding is the archive's own compression and must not be undone."""
        assert self._response is not None
        block: bytes = self._response.raw.read(max_bytes, decode_content=False)
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
            raise NotFitError(f"{public_url(self.url)} cannot be opened: {error}; give another --from") from error
        try:
            if response.status_code == 416:
                self._end_at(_total(response))
            else:
                self._accept(response)
                self._response = response
        finally:
            if self._response is None:
                response.close()

    def _accept(self, response: requests.Response) -> None:
        """Record the file's identity from a response, or reject it: _BrokenError to retry, NotFitError for good."""
        status, where = response.status_code, public_url(response.url)
        if status >= 500 or status in TRANSIENT_STATUSES:
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
            raise _BrokenError("it sent other bytes than requested")
        if self._expected is not None and found.size not in (None, self._expected):
            raise NotFitError(
                f"{where} offers {found.size:,} bytes; expected an archive of {self._expected:,}: give another --from"
            )
        if self.position and self.identity.differs(found):
            raise ChangedError(f"{where} changed on the server while it was read: run the same command again")
        self.identity = found.merged_with(self.identity)
        self._skip = self.position - start
        if self._skip:
            self._say(
                "the server does not support byte ranges and sends the whole file again: "
                f"skipping {amount_of(self._skip, found.size)}"
            )

    def _end_at(self, size: int | None) -> None:
        """Handle "range not satisfiable": the file ends here, or it has changed."""
        if size != self.position:
            raise ChangedError(
                f"{public_url(self.url)} has no bytes after {self.position:,}, but does not end there either: it "
                "changed on the server, run the same command again"
            )
        self._expected = size

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
        self._response = None

    def _wait_to_retry(self, error: Exception) -> None:
        """Wait for the next attempt; raise NotFitError after the last."""
        self._disconnect()
        self._failures += 1
        place = f"after {amount_of(self.position, self.size)}" if self.position else "at the start"
        reason = _reason(error)
        if self._failures >= ATTEMPTS:
            raise NotFitError(
                f"{public_url(self.url)} sent nothing in {ATTEMPTS} attempts {place} ({reason}): check the connection, "
                "then run the same command again"
            ) from error
        wait = min(BACKOFF_SECONDS * 2 ** (self._failures - 1), MAX_BACKOFF_SECONDS)
        self._say(f"stopped {place} ({reason}): trying again in {wait:.0f} s")
        time.sleep(wait)


def public_url(url: str) -> str:
    """Return the URL without user name and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _answer(status: int) -> str:
    return f"{status} {responses.get(status, '')}".strip()


def _total(response: requests.Response) -> int | None:
    found = re.search(r"/\s*(\d+)$", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _offered(response: requests.Response) -> tuple[int, Identity]:
    """Return the position of the response's first byte in the file, and the file's identity."""
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
    """Return the innermost cause in a few words; requests' own text has several lines and names its objects."""
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
