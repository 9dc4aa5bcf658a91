"""The choice of a run's images."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pse_repro.data.choose import find_data
from pse_repro.data.fetch import get
from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from tests.support.server import archive, md5
from tests.support.tiny import write_images


@pytest.fixture(autouse=True)
def _small_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the embedded sample, which takes seconds to draw."""
    monkeypatch.setattr("pse_repro.data.choose.embedded_sample", lambda: write_images(tmp_path / "sample"))


def test_the_embedded_sample_serves_where_nothing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert find_data(None, True, Progress()).name == "embedded-sample"
    assert "no --data given" in capsys.readouterr().err


@pytest.mark.parametrize("names", [(), (".stl10_binary.lock",)])
def test_no_drawn_images_stand_in_for_a_folder_that_was_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "d s").mkdir()
    for name in names:  # of a fetch that found nothing
        (tmp_path / "d s" / name).touch()
    with pytest.raises(NotFitError) as caught:
        find_data(tmp_path / "d s", True, Progress(quiet=True))
    command = f"pse-repro data fetch --data '{tmp_path}/d s'"
    assert str(caught.value) == f"{tmp_path}/d s is empty: {command}, or leave out --data for images drawn by the kit"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["stl10_binary.tar.gz.part", "stl10_binary.tar.gz.part.json", ".stl10_binary.lock"], ""),
        (["stl10_binary.tar.gz"], "holds stl10_binary.tar.gz, not unpacked"),
        (["photos"], "no images in"),
    ],
)
def test_the_default_folder_may_be_empty_but_not_of_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], said: str
) -> None:
    monkeypatch.setenv("PSE_REPRO_DATA_HOME", str(tmp_path / "mounted"))
    (tmp_path / "mounted").mkdir()
    for name in names:
        (tmp_path / "mounted" / name).touch()
    if said:
        with pytest.raises(NotFitError, match=said):
            find_data(None, True, Progress(quiet=True))
    else:
        assert find_data(None, True, Progress(quiet=True)).name == "embedded-sample"


def test_a_default_folder_that_may_not_be_looked_into_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("pse_repro.data.choose.find_binaries", forbidden)
        assert find_data(None, True, Progress(quiet=True)).name == "embedded-sample"
        with pytest.raises(PermissionError):
            find_data(Path("named"), True, Progress(quiet=True))


def test_a_sample_in_a_temporary_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / f"pse-repro-{os.getuid()}"
    monkeypatch.setattr("pse_repro.data.choose.embedded_sample", lambda: write_images(cache / "sample"))
    find_data(None, True, Progress(quiet=True))
    assert f"warning: {cache}/sample is temporary: no home folder can be written to; set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["stl10_binary.tar.gz"], "d s holds stl10_binary.tar.gz, not unpacked: {command} --from '{archive}'"),
        (["stl10_binary.tar.gz", "notes.txt"], "not unpacked: {command} --from '{archive}'"),
        (["stl10_binary.tar.gz.part", "stl10_binary.tar.gz.part.json", ".stl10_binary.lock"],
         ".part, an incomplete download: {command}"),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_unpacked_is_no_empty_folder(tmp_path: Path, names: list[str], said: str) -> None:
    place = tmp_path / "d s"
    place.mkdir()
    for name in names:
        (place / name).touch()
    with pytest.raises(NotFitError) as caught:
        find_data(place, True, Progress(quiet=True))
    command = f"pse-repro data fetch --data '{place}'"
    assert str(caught.value).endswith(said.format(command=command, archive=place / "stl10_binary.tar.gz"))


@pytest.mark.parametrize("name", ["stl10_binary.tar.gz.1", "stl10_binary.tar.gz.part.json", "notes.txt"])
def test_a_folder_of_anything_else_is_no_empty_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()  # the first is wget's name for a second download
    with pytest.raises(NotFitError, match="no images in"):
        find_data(tmp_path, True, Progress(quiet=True))


def test_the_archive_is_unpacked_for_a_study_that_needs_real_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({"train": 30, "test": 20, "unlabeled": 40})
    (tmp_path / "stl10_binary.tar.gz").write_bytes(content)
    monkeypatch.setattr(get, "STL10", replace(get.STL10, md5=md5(content), size=len(content), files_md5={}))
    assert len(find_data(tmp_path, False, Progress(quiet=True)).unlabeled) == 40


def test_a_folder_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(NotFitError, match=r"no images in .*absent"):
        find_data(tmp_path / "absent", True, Progress(quiet=True))


def test_images_of_one_s_own_are_taken_by_their_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_data(write_images(tmp_path / "own"), True, Progress()).name.startswith("own-")
    assert "not comparable with the paper" in capsys.readouterr().err


def test_a_fetch_into_what_goes_with_a_container_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pse_repro.data.choose.lost_warning", lambda place: f"warning: {place.name} is lost")
    with pytest.raises(NotFitError):
        find_data(tmp_path / "data", False, Progress())
    said = capsys.readouterr().err
    assert said.index("warning: data is lost") < said.index("downloading STL-10 there")
