"""Responses other than the file, and redirects, are recognised."""

import gzip
import socket

import pytest

from pse_repro.text import amount_of
from tests.support.reading import CONTENT, read, refused
from tests.support.server import Answer, Server


def test_a_login_page_is_recognised(server: Server) -> None:
    line = refused(server.serve(CONTENT, Answer(html=True)))
    assert "answered with a web page, not an archive" in line
    assert "log in" in line


def test_an_archive_of_another_size_is_not_read(server: Server) -> None:
    line = refused(server.serve(CONTENT), size=2_640_397_119)
    assert "offers 150,000 bytes; expected an archive of 2,640,397,119" in line


@pytest.mark.parametrize("longer", [1, 50_000])
def test_a_length_that_says_too_much_is_found_out(server: Server, longer: int) -> None:
    assert read(server.serve(CONTENT, Answer(longer=longer))) == CONTENT
    assert server.starts == [None, len(CONTENT)]  # the second response is 416 with the real size


@pytest.mark.parametrize("answer", [Answer(length=False), Answer(length=False, ranges=False, etag=None)])
def test_without_a_length_the_end_is_the_end(server: Server, answer: Answer) -> None:
    assert read(server.serve(CONTENT, usual=answer)) == CONTENT
    assert len(server.seen) == 1


def test_a_known_size_makes_up_for_no_length(server: Server) -> None:
    assert read(server.serve(CONTENT, Answer(length=False, cut=70_000)), size=len(CONTENT)) == CONTENT


def test_an_empty_file_is_empty(server: Server) -> None:
    assert read(server.serve(b"")) == b""


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br"])
def test_content_is_never_decoded(server: Server, encoding: str) -> None:
    content = gzip.compress(CONTENT)
    url = server.serve(content, usual=Answer(headers=(("Content-Encoding", encoding),), cut=60_000))
    assert read(url) == content


def test_redirects_are_followed(server: Server) -> None:
    url = server.serve(CONTENT, Answer(status=302, headers=(("Location", "/elsewhere"),)), Answer(cut=50_000))
    assert read(url) == CONTENT
    assert [request.path for request in server.seen[:2]] == ["/stl10_binary.tar.gz", "/elsewhere"]


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://x", "http://[", "//"])
def test_redirects_lead_to_http_or_nowhere(server: Server, target: str) -> None:
    line = refused(server.serve(CONTENT, usual=Answer(status=302, headers=(("Location", target),))))
    assert "cannot be opened" in line


def test_redirects_in_a_circle_end(server: Server) -> None:
    line = refused(server.serve(CONTENT, usual=Answer(status=302, headers=(("Location", "/again"),))))
    assert "cannot be opened: Exceeded 30 redirects" in line


@pytest.mark.parametrize("url", ["ftp://x/y", "file:///etc/passwd", "http://", "http://[::1", "nonsense", "://"])
def test_addresses_that_are_none_are_refused(url: str) -> None:
    assert "cannot be opened" in refused(url)


def test_a_password_is_not_shown(server: Server) -> None:
    url = server.serve(CONTENT, Answer(status=404)).replace("//", "//me:secret@")
    line = refused(url)
    assert "http://127.0.0.1" in line
    assert "secret" not in line


def test_nobody_there_is_said_in_a_line() -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        line = refused(f"http://127.0.0.1:{taken.getsockname()[1]}/x")
    assert "(Connection refused)" in line


def test_the_environments_proxy_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve(CONTENT, Answer(cut=50_000))
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert read("http://stl10.invalid/archive.tar.gz") == CONTENT
    assert [request.path for request in server.seen] == ["http://stl10.invalid/archive.tar.gz"] * 2


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (1_234_567_890, 2_640_397_119, "1.2 of 2.6 GB"),
        (0, 3_000_000, "0.0 of 3.0 MB"),
        (3_140_000_000, None, "3.1 GB"),
        (2_000, None, "0.0 MB"),
    ],
)
def test_amounts_are_for_people(done: int, total: int | None, text: str) -> None:
    assert amount_of(done, total) == text
