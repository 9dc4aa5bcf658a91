"""The report: the page contains the whole run, its numbers are those of the tables, and text is escaped."""

import base64
import io
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.image import imread

from pse_repro.claims import judge
from pse_repro.compare.render import render
from pse_repro.config.study import Model
from pse_repro.errors import UsageError
from pse_repro.report.page import write_report
from pse_repro.report.pictures.gallery import gallery
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.load import load_study
from pse_repro.study.record import Run
from pse_repro.study.status import read_status
from tests.support.finished_run import forget
from tests.support.stored_run import Page, comparison, report, store_run, study

pytestmark = pytest.mark.usefixtures("few_draws")
NASTY = '<script>alert("1")<b>'


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """Store a finished run with its report and pictures."""
    directory = tmp_path_factory.mktemp("runs") / "tiny"
    store_run(directory, study())
    return directory, report(directory)


def test_every_figure_is_in_its_file_on_both_pages_and_not_blank(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    pictures = [picture for section in gallery(Run.open(directory)) for picture in section.pictures]
    assert len(pictures) > 4
    assert {path.name for path in (directory / "figures").iterdir()} == {picture.name for picture in pictures}
    images = {image["src"]: image for image in page.attributes("img")}
    assert len(images) == len(pictures)
    markdown = (directory / "report.md").read_text(encoding="utf-8")
    for picture in pictures:
        content = (directory / "figures" / picture.name).read_bytes()
        kind = "svg+xml" if picture.name.endswith(".svg") else "png"
        image = images[f"data:image/{kind};base64,{base64.b64encode(content).decode()}"]
        assert image["alt"] == picture.alt
        assert picture.caption in page.text
        assert f"]({picture.path})" in markdown
        if kind == "png":
            assert imread(io.BytesIO(content), format="png")[..., :3].std() > 0.05
        else:
            assert len(list(ElementTree.fromstring(content).iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert all(image["alt"] and image["width"] for image in images.values())


def test_the_page_is_one_file_without_scripts_or_addresses_to_load(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    assert [path.name for path in directory.rglob("*.html")] == ["report.html"]
    assert not {"script", "link", "iframe", "object", "svg"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    loaded = [str(image["src"]) for image in page.attributes("img")]
    assert loaded
    assert all(source.startswith("data:image/") for source in loaded)
    assert "url(" not in (directory / "report.html").read_text(encoding="utf-8")


def test_links_are_relative_and_lead_to_the_cells_files(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    paths = [unquote(str(link["href"])) for link in page.attributes("a")]
    assert all((directory / path).is_file() and not Path(path).is_absolute() for path in paths)
    names = {Path(path).name for path in paths}
    assert names == {
        "provenance.json", "pretrain.json", "curves.csv", "reconstructions.npz", "fold-1.npz", "fold-2.npz"
    }  # fmt: skip
    markdown = (directory / "report.md").read_text(encoding="utf-8")
    assert all(f"]({link['href']})" in markdown for link in page.attributes("a"))


def test_headings_are_in_order_and_the_first_screen_is_first(finished: tuple[Path, Page]) -> None:
    levels = [int(tag[1]) for tag, _ in finished[1].tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    text, markdown = ((finished[0] / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    titles = re.findall("^## (.*)", markdown, re.MULTILINE)
    assert titles[:3] == ["The slides' tables", "The finding itself: PSE minus MSE", "Slides against released code"]
    assert [title for title in titles[:3] if f">{title}</h2>" not in unescape(text)] == []
    assert titles[-1] == "Provenance"
    assert markdown.splitlines()[2].startswith("**")


def test_what_scrolls_can_be_reached_and_seen_by_keyboard(finished: tuple[Path, Page]) -> None:
    text = (finished[0] / "report.html").read_text(encoding="utf-8")
    boxes = [attributes for _, attributes in finished[1].tags if attributes.get("class") == "scroll"]
    assert len(boxes) == len(finished[1].tables) + len(finished[1].attributes("img"))
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)
    assert re.search(r":focus-visible \{ outline: 3px", text)


def test_the_comparison_is_the_one_that_compare_prints(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    printed = render(comparison(directory), "markdown").split("\n\n")
    numbers, differences = (
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "| CNN" in line]
        for table in printed[:2]
    )
    found = page.table("model", "evaluation")
    assert [row[:8] for row in found] == [row[:8] for row in numbers]
    verdicts = [re.sub(r" \[.*", "", row[8]) for row in found]
    assert verdicts == [re.sub(r" \[.*", "", row[8]) for row in numbers]
    assert page.table("PSE minus MSE, points", "evaluation") == differences
    assert [row[:3] for row in differences] == [
        ["CNN-PSE-3 - CNN-MSE", "finetune", "+2.30"],
        ["CNN-PSE-3 - CNN-MSE", "frozen", "+5.90"],
    ]
    counts = comparison(directory).summary()
    assert f"{counts['within']} of the 147 published numbers are within tolerance" in page.text


def test_what_was_run_is_told(finished: tuple[Path, Page]) -> None:
    _, page = finished
    assert page.table("cell")[0] == ["CNN-MSE", "done", "5", "64", "0.0001", "2 min", "7 s", "1.00 GiB"]
    assert len(page.table("switch")) == 14
    command = "pse-repro run tiny.toml --protocol as-released --device cpu --precision fp32 --seeds 1 --data DIR"
    assert f"pse-repro data fetch --data DIR\n{command}\npse-repro compare" in page.text
    assert "not comparable" not in page.text


@pytest.mark.usefixtures("no_pictures")
def test_text_stays_text(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study(name=NASTY), data={"name": f"{NASTY} | x", "md5": {NASTY: NASTY}})
    store.write_json(CellFiles(tmp_path, cells[0]).failed, {"error": f"{NASTY} [a](javascript:b) `c`\n# d"})
    page = report(tmp_path)
    assert "script" not in {tag for tag, _ in page.tags}
    assert NASTY in page.text
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<" not in markdown
    assert "[a](" not in markdown.replace(r"\[a\](", "")
    assert "\n# d" not in markdown
    assert r" \| x (not STL-10) |" in markdown


@pytest.mark.usefixtures("no_pictures")
def test_every_verdict_has_its_colour(tmp_path: Path) -> None:
    store_run(tmp_path, study(), seeds=3)
    run, compared = Run.open(tmp_path), comparison(tmp_path)
    text = write_report(run, compared, judge(run)).read_text(encoding="utf-8")
    colours = {"within": "good", "outside": "bad"}
    colours |= {"reproduced": "good", "not reproduced": "bad", "undecided": "weak"}
    colours |= {"+ holds": "good", "- fails": "bad", "? undecided": "weak"}
    cells = re.findall(r'<td class="l ?(\w*)">([+?-] \w+|within|outside|(?:not )?reproduced|undecided)(.*?)</td>', text)
    found = {(word + rest.split(" [")[0].split(":")[0], colour) for colour, word, rest in cells}
    assert {word for word, _ in found} >= {"within", "outside", "not reproduced", "? undecided"}
    assert [(word, colour) for word, colour in found if colours[word] != colour] == []


@pytest.mark.usefixtures("no_pictures")
def test_other_images_and_a_smaller_scale_are_plainly_not_comparable(tmp_path: Path) -> None:
    store_run(tmp_path, study(scale="reduced"), data={"name": "embedded-sample", "md5": {}})
    page = report(tmp_path)
    assert "is comparable (the images are embedded-sample, not STL-10; the study is a reduced one)" in page.text
    assert page.table("model", "seeds")[0][3] == "48.96 (not comparable)"
    assert page.table("model", "evaluation")[0][-1] == "not comparable [1] [2]"
    assert "The finding itself" not in page.text
    assert "data is embedded-sample, not stl10; scale is reduced, not full" in page.text


def test_a_partly_finished_run_is_reported(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study(models=(*study().models, Model("resnet", "mse"), Model("resnet", "pse", 3.0))))
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    kept = results[results["objective"] + results["encoder"] == "msecnn"]
    store.write_bytes(tmp_path / "results.csv", kept.to_csv(index=False).encode())
    forget(CellFiles(tmp_path, cells[1]).fold("frozen", 2))
    for name in ("pretrain.json", "curves.csv", "reconstructions.npz"):
        forget(CellFiles(tmp_path, cells[2]).model / name)
    forget(CellFiles(tmp_path, cells[2]).provenance)
    forget(CellFiles(tmp_path, cells[2]).evaluation("finetune"))
    forget(CellFiles(tmp_path, cells[3]).model)
    forget(CellFiles(tmp_path, cells[3]).folder)
    store.write_json(CellFiles(tmp_path, cells[0]).failed, {"error": "loss is nan in epoch 3"})
    page = report(tmp_path)
    states = {row[0]: row[1] for row in page.table("cell")}
    assert states == {
        "CNN-MSE": "failed",
        "CNN-PSE-3": "pre-trained; frozen 1 of 2 folds",
        "ResNet-MSE": "pre-training not finished",
        "ResNet-PSE-3": "not started",
    }
    assert "loss is nan in epoch 3" in page.text
    scores = {row[0]: row[1:] for row in page.table("model", "seeds")}
    assert scores["CNN-PSE-3"] == ["0", "-", "51.26", "-", "-", "-", "-", "-", "-"]
    assert len(page.attributes("img")) > 4


@pytest.mark.usefixtures("no_pictures")
def test_a_finished_run_says_so_of_every_cell_with_clusterings_too(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study(evaluations=("frozen", "cluster")))
    assert {row[1] for row in report(tmp_path).table("cell")} == {"done"}
    assert read_status(tmp_path).state == "complete"
    forget(CellFiles(tmp_path, cells[0]).measures("cluster"))
    assert [row[1] for row in report(tmp_path).table("cell")] == ["pre-trained; no cluster", "done"]


@pytest.mark.usefixtures("no_pictures")
def test_settings_say_what_the_study_used_of_them(tmp_path: Path) -> None:
    store_run(tmp_path, study(epochs=2))
    settings = {row[0]: row[1] for row in report(tmp_path).table("setting")}
    assert settings["folds"] == "5 (the study: 2)"
    assert settings["pretrain_max_epochs"] == "1000 (the study: 2)"
    assert settings["batch_size"] == "128"
    store_run(tmp_path / "whole", study(folds=5, epochs=1000))
    settings = {row[0]: row[1] for row in report(tmp_path / "whole").table("setting")}
    assert (settings["folds"], settings["pretrain_max_epochs"]) == ("5", "1000")


def test_a_run_of_nothing_yet_is_reported(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    forget(tmp_path / "cells")
    forget(tmp_path / "models")
    forget(tmp_path / "results.csv")
    page = report(tmp_path)
    assert "No evaluation is finished yet." in page.text
    assert not page.attributes("img")
    with pytest.raises(UsageError, match="not a run directory"):
        write_report(Run.open(tmp_path / "other"), comparison(tmp_path))


@pytest.mark.usefixtures("no_pictures")
def test_two_protocols_stand_side_by_side_and_long_comparisons_are_folded(tmp_path: Path) -> None:
    models = load_study("full").models[::2]  # without the last, no pair of ResNets
    store_run(tmp_path, replace(study(), protocols=("as-released", "as-described"), models=models))
    page = report(tmp_path)
    switches = {row[0]: row[1:] for row in page.table("switch", "as-released", "as-described")}
    assert switches["7. finetuning"] == ["statistics-only", "whole-encoder", "differs"]
    assert switches["9. classifier"][2] in ("same", "differs")
    assert "details" in {tag for tag, _ in page.tags}
    assert {row[0] for row in page.table("protocol", "model")} == {"as-released", "as-described"}
    assert {row[0] for row in page.table("pair")} == {f"CNN-PSE-{sigma} over CNN-MSE" for sigma in (4, 6)}


def test_a_run_without_pse_is_reported_and_the_same_bytes_again(tmp_path: Path) -> None:
    store_run(tmp_path, study(models=(Model("cnn", "mse"),)))
    report(tmp_path)
    files = {path: path.read_bytes() for path in [*tmp_path.glob("report.*"), *tmp_path.glob("figures/*")]}
    report(tmp_path)
    assert {path: path.read_bytes() for path in files} == files
