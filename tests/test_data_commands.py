"""Which images a run takes."""

from pathlib import Path

import pytest

from pse_repro.data_commands import find_data
from pse_repro.errors import NotFitError
from pse_repro.progress import Progress
from tests.tiny import write_images


@pytest.fixture(autouse=True)
def _small_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the embedded sample, which takes seconds to draw."""
    monkeypatch.setattr("pse_repro.data_commands.embedded_sample", lambda: write_images(tmp_path / "sample"))


def test_the_embedded_sample_serves_where_nothing_is_named_or_the_folder_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for directory, why in ((None, "no --data given"), (tmp_path / "empty", "empty is empty")):
        assert find_data(directory, True, Progress()).name == "embedded-sample"
        assert why in capsys.readouterr().err


def test_a_folder_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(NotFitError, match=r"no images in .*absent"):
        find_data(tmp_path / "absent", True, Progress(quiet=True))


def test_images_of_one_s_own_are_taken_by_their_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_data(write_images(tmp_path / "own"), True, Progress()).name.startswith("own-")
    assert "not comparable with the paper" in capsys.readouterr().err


def test_a_fetch_into_what_goes_with_a_container_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pse_repro.data_commands.lost_warning", lambda place: f"warning: {place.name} is lost")
    with pytest.raises(NotFitError):
        find_data(tmp_path / "data", False, Progress())
    said = capsys.readouterr().err
    assert said.index("warning: data is lost") < said.index("fetching STL-10 into it")
