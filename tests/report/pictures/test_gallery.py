"""The gallery: all sections with content, in order, within the size of a page, and no others."""

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pse_repro.report.pictures.gallery import gallery
from pse_repro.report.pictures.picture import Section, class_names
from pse_repro.run.model_summary import embed
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.load import load_study
from pse_repro.study.record import Run
from tests.support.finished_run import forget
from tests.support.stored_run import store_run, study

MEGABYTE = 1_000_000
IMAGES = 40
BEFORE = ["Accuracy by sigma", "Learning curves", "Reconstructions", "Spectrum of the residual"]
PORTRAITS = ["First-layer filters", "Latents of test images", "Nearest neighbours"]
AFTER = ["Which classes are confused"]


def store_summaries(stored: list[CellFiles]) -> None:
    """Write summaries in the form of `write_summary`."""
    random = np.random.default_rng(0)
    note = {"positions": np.arange(IMAGES), "labels": np.arange(IMAGES) % 10 + 1}
    embedding = embed(random.normal(size=(IMAGES, 4)), 0)
    for files in stored:
        latents, filters = random.normal(size=(IMAGES, 4)).astype(np.float16), random.normal(size=(32, 3, 3, 3))
        store.write_npz(files.summary, latents=latents, embedding=embedding, filters=filters, **note)
    images = random.integers(0, 256, (IMAGES, 3, 48, 48), dtype=np.uint8)
    store.write_npz(
        RunFiles(stored[0].run).test_sample, images=images, class_names=np.array([f"c{n}" for n in range(10)]), **note
    )


def titles(sections: list[Section]) -> list[str]:
    return [section.title for section in sections]


def size(sections: list[Section]) -> int:
    return sum(len(picture.source) for section in sections for picture in section.pictures)


def test_a_run_made_before_there_were_portraits_has_the_other_sections(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    assert titles(gallery(Run.open(tmp_path))) == BEFORE + AFTER


def test_the_seven_models_have_every_section_in_less_than_four_megabytes(tmp_path: Path) -> None:
    cells = store_run(tmp_path, replace(study(), models=load_study("full").models, folds=5), size=96)
    store_summaries([CellFiles(tmp_path, cell) for cell in cells])
    sections = gallery(Run.open(tmp_path))
    assert titles(sections) == BEFORE + PORTRAITS + AFTER
    assert size(sections) < 4 * MEGABYTE
    names = [picture.name for section in sections for picture in section.pictures]
    assert len(set(names)) == len(names)
    for picture in (picture for section in sections for picture in section.pictures):
        assert "n = " in picture.caption
        assert "stl10" in picture.caption
        assert picture.name.endswith(f".{picture.drawing.kind}")
        assert picture.path == f"figures/{picture.name}"
        kind, content = picture.source.split(";base64,")
        assert kind == ("data:image/svg+xml" if picture.drawing.kind == "svg" else "data:image/png")
        assert base64.b64decode(content) == picture.drawing.content
        assert picture.alt
        assert picture.drawing.width <= 900


@pytest.mark.parametrize("data", ["stl10", "photos"])
def test_classes_have_names_where_these_are_known(tmp_path: Path, data: str) -> None:
    cells = store_run(tmp_path, study(), data={"name": data, "md5": {}})
    run = Run.open(tmp_path)
    assert class_names(run)[0] == ("airplane" if data == "stl10" else "class 1")
    store_summaries([CellFiles(tmp_path, cells[0])])
    assert class_names(run)[0] == "c0"


def test_what_protocols_share_is_pictured_once_and_many_are_told(tmp_path: Path) -> None:
    names = ("as-released", *(f"as-released+{number}" for number in (1, 2, 3, 7, 8)))
    store_run(tmp_path, replace(study(), protocols=names))
    found = {section.title: section for section in gallery(Run.open(tmp_path))}
    assert "Effect of each switch" in found
    sheets = [picture.name for picture in found["Reconstructions"].pictures if "reconstructions" in picture.name]
    assert sheets == ["reconstructions-as-released.png", "reconstructions-as-released+1.png"]
    assert found["Reconstructions"].words == "Not pictured: 2 more protocols."


def test_a_run_of_nothing_has_no_pictures(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    for path in [*tmp_path.rglob("*.npz"), *tmp_path.rglob("curves.csv")]:
        forget(path)
    assert gallery(Run.open(tmp_path)) == []
