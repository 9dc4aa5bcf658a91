"""The commands data fetch, verify, info and sample for a new user: a local server, an empty home folder."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.data.stl10 import OFFICIAL_MD5
from tests.cli.conftest import Run
from tests.support.server import Answer, Server, archive, md5, serving
from tests.support.tiny import write_images

COUNTS = {"train": 30, "test": 20, "unlabeled": 40}
ARCHIVE = archive(COUNTS)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(ARCHIVE) as server:
        yield server


def schema(name: str) -> dict[str, object]:
    return dict(json.loads((files("pse_repro") / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")))


def test_fetch_continues_after_bad_luck_and_is_found_by_the_other_commands(run: Run, server: Server) -> None:
    url = server.serve(ARCHIVE, Answer(cut=100_000, reset=True), Answer(status=503), Answer(stall=None, cut=5))
    status, out, err = run("data", "fetch", "--from", url, "--md5", md5(ARCHIVE))
    assert status == 0, err
    folder = Path(out.strip())
    assert {path.name for path in folder.iterdir()} >= set(OFFICIAL_MD5)
    assert server.starts[0] is None
    assert server.starts[-1]
    requests = len(server.seen)
    assert run("data", "fetch", "--from", url, "--md5", md5(ARCHIVE))[0] == 0
    assert len(server.seen) == requests  # it was there already

    status, out, err = run("data", "info", "--format", "json", "--sheet", "sheet.png", "--split", "unlabeled")
    assert status == 0, err
    jsonschema.validate(json.loads(out), schema("data-info"))
    assert Path("sheet.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = run("data", "verify", "--format", "json")
    assert status == 3  # it is not STL-10
    jsonschema.validate(json.loads(out), schema("data-verify"))
    assert "not STL-10" in run("data", "verify")[1]


def test_fetch_ends_in_one_line_where_there_is_no_such_file(run: Run, server: Server) -> None:
    for answer in (Answer(status=404), Answer(html=True)):
        status, out, err = run("data", "fetch", "--from", server.serve(ARCHIVE, usual=answer), "--quiet")
        assert (status, out) == (3, "")
        assert len(err.strip().splitlines()) == 1


def test_a_tiny_file_is_what_smoke_and_info_take(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, err = run("data", "fetch", "--tiny", "20", "--to", "tiny.npz", "--from", server.serve(ARCHIVE))
    assert (status, out) == (0, "tiny.npz\n"), err
    assert "of the archive" in err
    info = json.loads(run("data", "info", "--data", "tiny.npz", "--format", "json")[1])
    jsonschema.validate(info, schema("data-info"))
    assert {split["images"] for split in info["splits"].values()} == {20}
    status, out, err = run("data", "fetch", "--tiny", "20", "--from", server.serve(ARCHIVE))
    assert status == 0, err
    assert out.strip().endswith("pse-repro/stl10-tiny-20.npz")  # in the cache


def test_info_without_data_is_of_the_embedded_sample(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_images(tmp_path / "drawn")
    monkeypatch.setattr("pse_repro.data.choose.embedded_sample", lambda: tmp_path / "drawn")
    status, out, err = run("data", "info")
    assert status == 0, err
    assert "embedded-sample" in out


def test_verify_without_images_says_how_to_get_them(run: Run) -> None:
    status, out, _ = run("data", "verify")
    assert status == 3
    assert "pse-repro data fetch" in out


def test_the_sample_is_written_in_the_layout_that_data_takes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.data.sample.embedded.write_sample", write_images)
    assert run("data", "sample", "drawn")[:2] == (0, "drawn\n")
    status, out, _ = run("data", "info", "--data", "drawn", "--format", "json")
    assert status == 0
    assert json.loads(out)["splits"]["train"]["images"] == 50
