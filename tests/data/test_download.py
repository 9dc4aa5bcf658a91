"""A stream of a URL's bytes is the server's file, byte for byte, whatever its connections do, or it says why not."""

import gzip
import random
import socket
from collections.abc import Iterator

import pytest

from pse_repro.data import download
from pse_repro.data.download import ChangedError, Identity, ResumingStream, amount
from pse_repro.errors import NotFitError
from tests.data.server import Answer, Server, serving

CONTENT = random.Random(0).randbytes(150_000)
KNOWN, UNKNOWN = Identity(len(CONTENT), '"one"'), Identity()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs for a local server; no proxy of the machine's."""
    monkeypatch.setattr(download, "READ_SECONDS", 2.0)
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.0)
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def read(
    url: str, position: int = 0, begun: Identity = UNKNOWN, size: int | None = None, said: list[str] | None = None
) -> bytes:
    """All bytes from `position` on."""
    said = [] if said is None else said
    with ResumingStream(url, said.append, position=position, begun=begun, size=size) as stream:
        return stream.read()


def refused(url: str, position: int = 0, begun: Identity = UNKNOWN, size: int | None = None) -> str:
    """The one line with which reading ends."""
    with pytest.raises(NotFitError) as caught:
        read(url, position, begun, size)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_server_is_asked_once_for_all(server: Server) -> None:
    assert read(server.serve(CONTENT)) == CONTENT
    assert server.starts == [None]
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_size_and_position_are_known_before_and_after(server: Server) -> None:
    with ResumingStream(server.serve(CONTENT), print) as stream:
        assert stream.size is None
        stream.connect()
        assert (stream.size, stream.position, stream.identity) == (len(CONTENT), 0, KNOWN)
        assert stream.read(0) == b""
        assert stream.read(10) == CONTENT[:10]
        assert stream.position == 10


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_broken_anywhere_is_continued_there(server: Server, reset: bool) -> None:
    places = [0, 1, 16_383, 16_384, 16_385, len(CONTENT) - 1, *random.Random(1).sample(range(len(CONTENT)), 30)]
    for place in places:
        url = server.serve(CONTENT, Answer(cut=place, reset=reset))
        assert read(url, size=len(CONTENT)) == CONTENT
        first, second = server.starts
        assert first is None
        assert (second or 0) <= place if reset else (second or 0) == place
        if second:
            assert server.seen[1].headers["If-Range"] == '"one"'


def test_progress_resets_the_count_of_attempts(server: Server) -> None:
    url = server.serve(CONTENT, usual=Answer(cut=9_000))  # 17 connections
    assert read(url) == CONTENT
    assert len(server.seen) > 2 * download.ATTEMPTS


def test_attempts_without_progress_end(server: Server) -> None:
    url = server.serve(CONTENT, Answer(cut=9_000), usual=Answer(cut=0))
    line = refused(url)
    assert len(server.seen) == download.ATTEMPTS
    assert "gave nothing in 7 attempts after 0.0 of 0.1 MB (it ended early)" in line
    assert "check the connection, then run the same command again" in line


def test_the_waits_double_up_to_the_longest(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 1.0)
    monkeypatch.setattr(download, "LONGEST_BACKOFF_SECONDS", 10.0)
    monkeypatch.setattr(download.time, "sleep", waits.append)
    refused(server.serve(CONTENT, usual=Answer(status=503)))
    assert waits == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_an_overloaded_server_is_asked_again(server: Server, status: int) -> None:
    said: list[str] = []
    assert read(server.serve(CONTENT, Answer(status=status), Answer(status=status)), said=said) == CONTENT
    assert len(said) == 2
    assert f"stopped at the start ({status} " in said[0]
    assert "trying again in 0 s" in said[0]


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410])
def test_a_refusal_ends_at_once(server: Server, status: int) -> None:
    line = refused(server.serve(CONTENT, Answer(status=status)))
    assert len(server.seen) == 1
    assert f"stl10_binary.tar.gz answered {status} " in line
    assert "check the address (--from)" in line


def test_after_a_refusal_nothing_is_read(server: Server) -> None:
    url = server.serve(CONTENT, Answer(cut=9_000), Answer(html=True), Answer(status=404))
    with ResumingStream(url, print) as stream:
        assert stream.read(9_000) == CONTENT[:9_000]
        for _ in range(2):  # neither the login page nor the page of a 404
            with pytest.raises(NotFitError):
                stream.read(9_000)
        assert stream.read() == CONTENT[9_000:]


def test_a_stalled_connection_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    said: list[str] = []
    assert read(server.serve(CONTENT, Answer(stall=0), Answer(stall=50_000)), said=said) == CONTENT
    assert all("(no answer in time)" in line for line in said)
    assert len(server.seen) == 3


def test_a_slow_one_is_not(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.4)
    assert read(server.serve(CONTENT[:40_000], Answer(pause=0.15))) == CONTENT[:40_000]
    assert len(server.seen) == 1


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
    assert server.starts == [None, len(CONTENT)]  # to the second, the server says 416 and the real size


@pytest.mark.parametrize("answer", [Answer(length=False), Answer(length=False, ranges=False, etag=None)])
def test_without_a_length_the_end_is_the_end(server: Server, answer: Answer) -> None:
    assert read(server.serve(CONTENT, usual=answer)) == CONTENT
    assert len(server.seen) == 1


def test_a_known_size_makes_up_for_no_length(server: Server) -> None:
    assert read(server.serve(CONTENT, Answer(length=False, cut=70_000)), size=len(CONTENT)) == CONTENT


def test_an_empty_file_is_empty(server: Server) -> None:
    assert read(server.serve(b"")) == b""


@pytest.mark.parametrize("place", [1, 16_384, 149_999])
def test_it_begins_in_the_middle(server: Server, place: int) -> None:
    for begun in (KNOWN, UNKNOWN):
        assert read(server.serve(CONTENT), place, begun) == CONTENT[place:]
        assert server.starts == [place]
        assert server.seen[0].headers.get("If-Range") == begun.validator


def test_at_the_end_nobody_is_asked(server: Server) -> None:
    assert read(server.serve(CONTENT), len(CONTENT), KNOWN) == b""
    assert not server.seen


def test_at_the_end_without_knowing_it_416_says_so(server: Server) -> None:
    assert read(server.serve(CONTENT), len(CONTENT)) == b""
    assert server.starts == [len(CONTENT)]


@pytest.mark.parametrize("position", [150_001, 200_000])
def test_more_than_the_server_has_is_another_file(server: Server, position: int) -> None:
    with pytest.raises(ChangedError, match=f"does not go on after {position:,} bytes"):
        read(server.serve(CONTENT), position)


def test_a_server_without_ranges_sends_all_again_and_the_beginning_is_skipped(server: Server) -> None:
    said: list[str] = []
    url = server.serve(
        CONTENT,
        Answer(cut=100_000, ranges=False),
        Answer(cut=120_000, ranges=False),
        Answer(cut=60_000, ranges=False),
        Answer(ranges=False),
    )
    assert read(url, said=said) == CONTENT
    assert server.starts == [None, 100_000, 120_000, 120_000]
    assert any("knows no ranges and sends it all again: skipping 0.1 of 0.1 MB" in line for line in said)


def test_ranges_from_the_wrong_place_are_not_asked_for_again(server: Server) -> None:
    assert read(server.serve(CONTENT, Answer(cut=50_000), usual=Answer(shift=5))) == CONTENT
    assert server.starts == [None, 50_000, None]


@pytest.mark.parametrize(
    "later",
    [
        Answer(etag='"two"'),  # If-Range fails: 200 with the other file
        Answer(etag='"two"', ranges=False),
        Answer(etag='"two"', total=150_000, headers=(("Content-Range", "bytes 50000-149999/150000"),)),
        Answer(total=150_001),
        Answer(longer=7, ranges=False),
    ],
)
def test_another_file_is_never_joined_on(server: Server, later: Answer) -> None:
    with pytest.raises(ChangedError, match="changed on the server"):
        read(server.serve(CONTENT, Answer(cut=50_000), usual=later))
    assert len(server.seen) == 2


def test_a_weak_etag_proves_nothing_and_the_date_does(server: Server) -> None:
    dated = Answer(etag='W/"x"', last_modified="Wed, 21 Oct 2015 07:28:00 GMT")
    assert read(server.serve(CONTENT, Answer(**{**vars(dated), "cut": 50_000}), usual=dated)) == CONTENT
    assert server.seen[1].headers["If-Range"] == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert server.starts == [None, 50_000]


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
    assert amount(done, total) == text
