"""A local HTTP server with typical faults of downloads, and small archives in STL-10's layout for it to serve."""

import gzip
import hashlib
import io
import os
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

COUNTS = {"train": 3, "test": 2, "unlabeled": 4}


def binaries(counts: Mapping[str, int] = COUNTS, seed: int = 0) -> dict[str, bytes]:
    """Return the files of a small data set of noise by name, in no particular order."""
    generator = np.random.default_rng(seed)
    files = {"fold_indices.txt": b"0 1 2\n", "class_names.txt": b"airplane\n"}
    for split, count in counts.items():
        if split != "unlabeled":
            files[f"{split}_y.bin"] = generator.integers(1, 11, count, dtype=np.uint8).tobytes()
        files[f"{split}_X.bin"] = generator.bytes(count * 3 * 96 * 96)
    return files


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of an archive: a plain file, unless the fields change that."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def packed(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a .tar.gz of these members."""
    buffer = io.BytesIO()
    # No timestamp: parallel test processes name tests by these bytes and must agree on the names.
    with gzip.GzipFile("", "wb", 1, buffer, mtime=0) as plain, tarfile.open(fileobj=plain, mode="w") as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def entries(files: Mapping[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Return the members of an archive like the official one: its folder, then the files."""
    folder = entry("stl10_binary", type=tarfile.DIRTYPE)
    return [folder, *(entry(f"stl10_binary/{name}", content) for name, content in files.items())]


def archive(counts: Mapping[str, int] = COUNTS, seed: int = 0) -> bytes:
    return packed(*entries(binaries(counts, seed)))


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass(frozen=True)
class Answer:
    """Answer to one request; the defaults are those of a correct server."""

    status: int | None = None  # sent instead of the content
    headers: tuple[tuple[str, str], ...] = ()  # additional headers
    html: bool = False  # send a login page with status 200
    ranges: bool = True  # support Range
    etag: str | None = '"one"'
    last_modified: str | None = None
    cut: int | None = None  # close the connection after this many bytes of the body
    reset: bool = False  # close it by RST instead of FIN
    stall: int | None = None  # send nothing more after this many bytes of the body
    longer: int = 0  # add this many bytes to Content-Length (negative: subtract)
    length: bool = True  # send Content-Length
    shift: int = 0  # start a range this many bytes too late, with a matching Content-Range
    total: int | None = None  # size in Content-Range
    flip: int | None = None  # position of a corrupted byte in the body
    pause: float = 0.0  # seconds between blocks of 8 KiB


@dataclass(frozen=True)
class Request:
    """A request received by the server; `start` is the first byte of its Range."""

    path: str
    start: int | None
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Handler that answers according to the server's plan."""

    server: "Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else None
        with self.server.guard:
            self.server.seen.append(Request(self.path, start, dict(self.headers)))
            answer = self.server.plan.pop(0) if self.server.plan else self.server.usual
        self.close_connection = True
        if answer.status is not None:
            self._head(answer.status, {"Content-Length": "0", **dict(answer.headers)})
        elif answer.html:
            page = b"<!DOCTYPE html><title>Please log in</title>"
            self._head(200, {"Content-Type": "text/html", "Content-Length": str(len(page)), **dict(answer.headers)})
            self.wfile.write(page)
        else:
            self._content(answer, start)

    def _content(self, answer: Answer, start: int | None) -> None:
        content, headers = self.server.content, dict(answer.headers)
        headers |= {"ETag": answer.etag} if answer.etag else {}
        headers |= {"Last-Modified": answer.last_modified} if answer.last_modified else {}
        condition = self.headers.get("If-Range")
        if not answer.ranges or (condition and condition not in (answer.etag, answer.last_modified)):
            start = None
        total = len(content) if answer.total is None else answer.total
        if start is not None and start >= len(content):
            self._head(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
            return
        first = 0 if start is None else min(start + answer.shift, len(content))
        if start is not None:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{total}"
        body = bytearray(content[first:])
        if answer.length:
            headers["Content-Length"] = str(max(len(body) + answer.longer, 0))
        if answer.flip is not None and answer.flip < len(body):
            body[answer.flip] ^= 255
        self._head(200 if start is None else 206, headers)
        self._send(bytes(body), answer)

    def _send(self, body: bytes, answer: Answer) -> None:
        end = min(n for n in (len(body), answer.cut, answer.stall) if n is not None)
        for place in range(0, end, 8192):
            self.wfile.write(body[place : min(place + 8192, end)])
            if answer.pause:
                self.server.closing.wait(answer.pause)
        if answer.stall is not None:
            self.server.closing.wait(5)
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())  # immediately, even if others hold the socket

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing; tests read `seen` instead."""


class Server(ThreadingHTTPServer):
    """Server of `content` at any path; each request gets the next answer of `plan`, then `usual`."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.closing, self.guard = threading.Event(), threading.Lock()
        self.serve(content)

    def serve(self, content: bytes, *plan: Answer, usual: Answer = Answer()) -> str:
        """Reset the server to this content and plan, and return the URL."""
        with self.guard:
            self.content, self.plan, self.usual = content, list(plan), usual
            self.seen: list[Request] = []
        return f"{self.address}/stl10_binary.tar.gz"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def starts(self) -> list[int | None]:
        """First byte of each request's range."""
        return [request.start for request in self.seen]

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect: the tests provoke it."""


@contextmanager
def serving(content: bytes = b"") -> Iterator[Server]:
    with Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
