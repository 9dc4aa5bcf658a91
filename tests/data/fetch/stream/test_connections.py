"""With any number of broken, stalled or refused connections, the stream gives the file or an error."""

import random

import pytest

from pse_repro.data.fetch import stream
from pse_repro.data.fetch.stream import ResumingStream
from pse_repro.errors import NotFitError
from tests.support.reading import CONTENT, KNOWN, read, refused
from tests.support.server import Answer, Server


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
    assert len(server.seen) > 2 * stream.ATTEMPTS


def test_attempts_without_progress_end(server: Server) -> None:
    url = server.serve(CONTENT, Answer(cut=9_000), usual=Answer(cut=0))
    line = refused(url)
    assert len(server.seen) == stream.ATTEMPTS
    assert "sent nothing in 7 attempts after 0.0 of 0.1 MB (it ended early)" in line
    assert "check the connection, then run the same command again" in line


def test_the_waits_double_up_to_the_longest(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(stream, "BACKOFF_SECONDS", 1.0)
    monkeypatch.setattr(stream, "MAX_BACKOFF_SECONDS", 10.0)
    monkeypatch.setattr(stream.time, "sleep", waits.append)
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
    monkeypatch.setattr(stream, "READ_SECONDS", 0.2)
    said: list[str] = []
    assert read(server.serve(CONTENT, Answer(stall=0), Answer(stall=50_000)), said=said) == CONTENT
    assert all("(no answer in time)" in line for line in said)
    assert len(server.seen) == 3


def test_a_slow_one_is_not(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "READ_SECONDS", 0.4)
    assert read(server.serve(CONTENT[:40_000], Answer(pause=0.15))) == CONTENT[:40_000]
    assert len(server.seen) == 1
