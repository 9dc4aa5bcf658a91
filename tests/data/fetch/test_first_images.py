"""The first images of each split from the archive's stream, as one small file."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.data.fetch import get
from pse_repro.data.fetch.archive import Archive
from pse_repro.data.stl10 import open_dataset
from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from tests.support.getting import FILES, GOOD, MD5, OTHER, QUIET
from tests.support.server import Answer, Server, binaries


def test_the_first_images_are_one_small_file(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress() as progress:
        path = get.fetch_tiny(2, tmp_path / "new" / "few.npz", progress)
    assert f"read 0.2 of {len(GOOD) / 1e6:.1f} MB of the archive" in capsys.readouterr().err
    small = open_dataset(path)
    for split in ("train", "test", "unlabeled"):
        images = getattr(small, split)
        assert len(images) == 2
        assert FILES[f"{split}_X.bin"].startswith(images.stored_NCWH.tobytes())
        assert images.labels is None or FILES[f"{split}_y.bin"].startswith(images.labels.tobytes())
    content = path.read_bytes()
    again = get.fetch_tiny(2, tmp_path / "again.npz", QUIET).read_bytes()
    assert content == again


def test_a_small_file_that_is_there_is_not_got_again(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "few.npz"
    get.fetch_tiny(1, target, QUIET)
    with Progress() as progress:
        assert get.fetch_tiny(1, target, progress) == target
    assert f"{target} already holds the first" in capsys.readouterr().err
    assert len(server.seen) == 1
    get.fetch_tiny(2, target, QUIET)
    assert len(open_dataset(target).test) == 2


def test_a_file_of_another_kind_is_not_replaced(official: Archive, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", weights=np.ones(3))
    with pytest.raises(NotFitError, match=r"mine.npz exists, but is not a file of images .*give another --to"):
        get.fetch_tiny(1, tmp_path / "mine.npz", QUIET)
    with pytest.raises(NotFitError, match=r"expected a name that ends in \.npz"):
        get.fetch_tiny(1, tmp_path / "few.bin", QUIET)


@pytest.mark.parametrize("count", [0, -1, 10_001, 10**9])
def test_no_images_are_refused(official: Archive, server: Server, tmp_path: Path, count: int) -> None:
    with pytest.raises(NotFitError, match=f"{count} images of each split requested; expected 1 to 10,000"):
        get.fetch_tiny(count, tmp_path / "few.npz", QUIET)
    assert not server.seen


def test_more_images_than_there_are_are_refused(official: Archive, tmp_path: Path) -> None:
    with pytest.raises(NotFitError, match=r"holds . images; expected at least 4: request fewer"):
        get.fetch_tiny(4, tmp_path / "few.npz", QUIET)
    assert not (tmp_path / "few.npz").exists()


def test_official_labels_are_proven_and_those_of_a_source_are_not(
    official: Archive, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Archive(official.where, MD5, len(GOOD), {"test_y.bin": "0" * 32})
    monkeypatch.setattr(get, "STL10", other)
    with pytest.raises(NotFitError, match=r"test_y\.bin in .* has MD5 .*; expected 000"):
        get.fetch_tiny(1, tmp_path / "few.npz", QUIET)
    get.fetch_tiny(1, tmp_path / "few.npz", QUIET, source=official.where)


def test_the_small_file_comes_from_a_local_archive_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.tgz").write_bytes(OTHER)
    path = get.fetch_tiny(2, tmp_path / "few.npz", QUIET, source=str(tmp_path / "mine.tgz"))
    assert binaries(seed=1)["test_X.bin"].startswith(open_dataset(path).test.stored_NCWH.tobytes())
    with pytest.raises(NotFitError, match="nowhere is not a file"):
        get.fetch_tiny(1, tmp_path / "other.npz", QUIET, source=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("usual", [Answer(cut=20_000), Answer(cut=20_000, reset=True)])
def test_the_stream_of_images_survives_broken_connections(server: Server, tmp_path: Path, usual: Answer) -> None:
    url = server.serve(GOOD, usual=usual)
    path = get.fetch_tiny(2, tmp_path / "few.npz", QUIET, source=url)
    assert FILES["unlabeled_X.bin"].startswith(open_dataset(path).unlabeled.stored_NCWH.tobytes())
    starts = [start or 0 for start in server.starts]
    assert len(starts) > 8
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(
    ("content", "answer", "said"),
    [
        (GOOD, Answer(html=True), "answered with a web page, not an archive"),
        (b"<html>log in</html>", Answer(), "it looks like a web page; expected a .tar.gz"),
        (GOOD[:90_000], Answer(), "is not STL-10's archive, or is damaged"),
        (b"", Answer(), "is not STL-10's archive, or is damaged"),
    ],
)
def test_what_is_no_archive_is_refused(
    server: Server, tmp_path: Path, content: bytes, answer: Answer, said: str
) -> None:
    url = server.serve(content, usual=answer)
    with pytest.raises(NotFitError) as caught:
        get.fetch_tiny(1, tmp_path / "few.npz", QUIET, source=url)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
