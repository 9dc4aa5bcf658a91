"""Interrupted and killed downloads are resumed if the partial file matches."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pse_repro.data.fetch import get
from pse_repro.data.fetch.archive import Archive
from pse_repro.progress.listener import Stage
from pse_repro.progress.stages import Progress
from tests.support.getting import FILES, GOOD, MD5, OTHER, PART, QUIET, begun, left, refused, written
from tests.support.server import Answer, Server, archive, binaries, md5


class Interrupted(Progress):
    """Interrupts (Ctrl-C) after a number of bytes of a stage."""

    def __init__(self, stage: str, after: int) -> None:
        super().__init__(quiet=True)
        self.name, self.after = stage, after

    def stage(self, phase, total, **facts):  # type: ignore[no-untyped-def]
        found = super().stage(phase, total, **facts)
        return _Cut(found, self) if phase.startswith(self.name) else found


class _Cut:
    def __init__(self, inner: object, progress: Interrupted) -> None:
        self.inner, self.progress = inner, progress

    def __enter__(self) -> "_Cut":
        self.stage: Stage = self.inner.__enter__()  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, count: int) -> None:
        self.progress.after -= count
        if self.progress.after < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [0, 1, 30_000, 100_000, len(GOOD) - 1])
def test_interrupted_it_continues(
    official: Archive, server: Server, tmp_path: Path, after: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        get.fetch(tmp_path, Interrupted("downloading", after))
    there = (tmp_path / PART).read_bytes()
    assert len(there) > after
    assert GOOD.startswith(there)
    with Progress() as progress:
        assert written(get.fetch(tmp_path, progress)) == FILES
    assert server.starts == [None, len(there)] if len(there) < len(GOOD) else [None]
    assert server.seen[-1].headers.get("If-Range") in ('"one"', None)
    assert ("resuming at 0." in capsys.readouterr().err) == (len(there) < len(GOOD))
    assert left(tmp_path) == ["stl10_binary"]


@pytest.mark.parametrize("after", [0, 100_000])
def test_interrupted_while_unpacking_it_unpacks_again(
    official: Archive, server: Server, tmp_path: Path, after: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        get.fetch(tmp_path, Interrupted("extracting", after))
    assert left(tmp_path) == [PART, f"{PART}.json"]
    assert written(get.fetch(tmp_path, QUIET)) == FILES
    assert len(server.seen) == 1


def test_leftovers_of_a_killed_process_are_cleared_away(official: Archive, tmp_path: Path) -> None:
    (tmp_path / ".stl10_binary.part" / "more").mkdir(parents=True)
    (tmp_path / ".stl10_binary.part" / "train_X.bin").write_bytes(b"half")
    assert written(get.fetch(tmp_path, QUIET)) == FILES
    assert left(tmp_path) == ["stl10_binary"]


@pytest.mark.parametrize(
    ("content", "note", "starts"),
    [
        (GOOD[:9], {}, [9]),  # without a note, the MD5 tells
        (GOOD[:9], {"size": "x", "validator": 3}, [9]),
        (b"wrong", {"md5": MD5}, [5, None]),
        (b"wrong", {"md5": md5(b"")}, [None]),
        (OTHER[:9], {"md5": md5(OTHER)}, [None]),
        (GOOD + b"x", {"md5": MD5}, [None]),
        (bytes(len(GOOD)), {"md5": MD5}, [None]),
        (GOOD, {"md5": MD5}, []),
        (GOOD[:9], {"md5": MD5, "size": len(GOOD), "validator": '"old"', "url": "URL"}, [9, None]),
        (GOOD[:9], {"md5": MD5, "size": len(GOOD), "validator": '"old"', "url": "another"}, [9]),
    ],
)
def test_what_was_begun_is_used_if_it_fits(
    official: Archive, server: Server, tmp_path: Path, content: bytes, note: dict[str, object], starts: list[int | None]
) -> None:
    begun(tmp_path, content, **{key: official.where if value == "URL" else value for key, value in note.items()})
    assert written(get.fetch(tmp_path, QUIET)) == FILES
    assert server.starts == starts


def test_why_it_starts_over_is_said(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.serve(GOOD, Answer(cut=20_000), Answer(cut=90_000, etag='"two"'), usual=Answer(etag='"two"'))
    with Progress() as progress:
        assert written(get.fetch(tmp_path, progress)) == FILES
    assert "stl10_binary.tar.gz changed on the server while it was read: starting over" in capsys.readouterr().err
    assert server.starts == [None, 20_000, None]
    shutil.rmtree(tmp_path / "stl10_binary")
    begun(tmp_path, bytes(len(GOOD)))
    with Progress() as progress:
        assert written(get.fetch(tmp_path, progress)) == FILES
    assert f"expected {len(GOOD):,} bytes with MD5 {MD5}: starting over" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["", "[]", "{", '"x"', "null"])
def test_a_damaged_note_does_no_harm(official: Archive, tmp_path: Path, note: str) -> None:
    begun(tmp_path, GOOD[:9])
    (tmp_path / f"{PART}.json").write_text(note)
    assert written(get.fetch(tmp_path, QUIET)) == FILES


PROGRAM = """
import sys
from pathlib import Path
from pse_repro.data.fetch.get import fetch
from pse_repro.progress.stages import Progress
fetch(Path(sys.argv[1]), Progress(quiet=True), source=sys.argv[2], md5=sys.argv[3])
"""


def test_killed_it_continues_and_meanwhile_nobody_else_may(server: Server, tmp_path: Path) -> None:
    content = archive({"train": 30, "test": 10, "unlabeled": 60})
    url = server.serve(content, Answer(pause=0.02))
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path, url, md5(content)])
    grown, deadline = tmp_path / PART, time.monotonic() + 60
    while not (grown.exists() and grown.stat().st_size > 200_000) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    line = refused(tmp_path, url, md5(content))
    assert line == f"another process is downloading images to {tmp_path}: wait for it to end"
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = grown.read_bytes()
    assert 200_000 < len(there) < len(content)
    assert content.startswith(there)
    assert written(get.fetch(tmp_path, QUIET, source=url, md5=md5(content))) == binaries(
        {"train": 30, "test": 10, "unlabeled": 60}
    )
    assert server.starts == [None, len(there)]
    assert left(tmp_path) == ["stl10_binary"]
