"""A stream that starts in the middle gives the rest of the same file, or an error."""

import pytest

from pse_repro.data.fetch.stream import ChangedError
from tests.support.reading import CONTENT, KNOWN, UNKNOWN, read
from tests.support.server import Answer, Server


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
    with pytest.raises(ChangedError, match=f"has no bytes after {position:,}"):
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
    assert any("sends the whole file again: skipping 0.1 of 0.1 MB" in line for line in said)


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
