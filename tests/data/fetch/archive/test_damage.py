"""Damaged archives, and files that are not archives, give a one-line error and write nothing."""

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.errors import NotFitError
from tests.support.server import packed
from tests.support.unpacking import FILES, GOOD, SMALL, first, outcome, refused, sign


def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    places = [0, 1, 2, 9, 10, 11, 500, *random.Random(0).sample(range(len(GOOD) - 100), 20)]
    for number, place in enumerate(places):
        folder = tmp_path / str(number) / "x"
        folder.parent.mkdir()
        assert "is not STL-10's archive, or is damaged" in refused(GOOD[:place], folder)


def test_garbage_after_the_end_is_damage(tmp_path: Path) -> None:
    assert "Not a gzipped file (b'ga')" in refused(GOOD + b"garbage" * 1000, tmp_path / "x")
    (tmp_path / "y").mkdir()
    assert outcome(GOOD + bytes(1000), tmp_path / "y" / "x") == ""  # zeros are padding


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Log in</title>" * 50, "Not a gzipped file (b'<!')): it looks like a web page"),
        (b"  <html>", "Not a gzipped file"),
        (b"", "expected a .tar.gz with stl10_binary/train_X.bin, train_y.bin"),
        (b"PK\x03\x04" * 200, "Not a gzipped file (b'PK')"),
        (gzip.decompress(GOOD), "Not a gzipped file"),
        (gzip.compress(b"x" * 5000, mtime=0), "damaged (invalid header)"),
        (gzip.compress(b"", mtime=0), "expected a .tar.gz"),
        (packed(), "holds no train_X.bin, train_y.bin, test_X.bin, test_y.bin, unlabeled_X.bin"),
    ],
)
def test_what_is_no_such_archive_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(content, tmp_path / "x")
    with pytest.raises(NotFitError):
        first(content)


@given(st.data())
def test_damage_inside_never_does_more_than_a_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    plain = bytearray(gzip.decompress(SMALL))
    headers = [place for place in range(0, len(plain), 512) if plain[place + 257 : place + 262] == b"ustar"]
    for _ in range(data.draw(st.integers(1, 4))):
        header = data.draw(st.sampled_from(headers))
        plain[header + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
        sign(plain, header)  # a valid checksum for the damaged header
    place = tmp_path_factory.mktemp("x")
    assert "\n" not in outcome(gzip.compress(bytes(plain), 0), place / "x")
    assert [path.name for path in place.iterdir()] == ["x"]
    assert {path.name for path in (place / "x").iterdir()} <= set(FILES)


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_damage_to_the_gzip_never_does_more_than_a_line(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    content = bytearray(SMALL)
    for place, difference in damage:
        content[place % (2000 if place % 2 else len(SMALL))] ^= difference  # half of it in the beginning
    assert "\n" not in outcome(bytes(content), tmp_path_factory.mktemp("x") / "x")
