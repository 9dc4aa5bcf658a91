"""The report: everything of a run is on the page, its numbers are the tables' numbers, and text stays text."""

import base64
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from pse_repro.config import Model, load_study
from pse_repro.errors import UsageError
from pse_repro.render import render
from pse_repro.report.page import write_report
from pse_repro.study import store
from pse_repro.study.address import cell_folder, evaluation_folder, model_folder
from tests.report.stored import comparison, store_run, study

NASTY = '<script>alert("1")<b>'


class Page(HTMLParser):
    """Tags with their attributes, headings, and tables as rows of text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tags and self.tags[-1][0] in ("td", "th") and data.strip():
            self.tables[-1][-1][-1] += data

    def table(self, first: str, *others: str) -> list[list[str]]:
        """The rows of the first table whose header begins so."""
        return next(rows[1:] for rows in self.tables if rows[0][: 1 + len(others)] == [first, *others])

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]


def report(directory: Path) -> Page:
    path = write_report(directory, comparison(directory))
    assert path == directory / "report.html"
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    directory = tmp_path_factory.mktemp("runs") / "tiny"
    store_run(directory, study())
    return directory, report(directory)


def test_every_figure_is_in_its_file_on_both_pages_and_not_blank(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    cells = ("as-released-cnn-mse-seed0", "as-released-cnn-pse-3-seed0")
    names = ["scores", "pretraining-as-released", "classifiers-as-released", f"residuals-{cells[1]}"]
    names += [f"reconstructions-{cell}" for cell in cells]
    assert {path.name for path in (directory / "figures").iterdir()} == {f"{name}.png" for name in names}
    embedded = {base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,")) for image in page.images()}
    markdown = (directory / "report.md").read_text(encoding="utf-8")
    for name in names:
        content = (directory / "figures" / f"{name}.png").read_bytes()
        assert content in embedded
        assert imread(io.BytesIO(content), format="png")[..., :3].std() > 0.05
        assert f"](figures/{name}.png)" in markdown
    assert all(image["alt"] and image["width"] for image in page.images())


def test_the_page_is_one_file_without_scripts_or_addresses_to_load(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    assert [path.name for path in directory.rglob("*.html")] == ["report.html"]
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    loaded = [value for _, attributes in page.tags for key in ("src", "href") if (value := attributes.get(key))]
    assert loaded
    assert all(value.startswith("data:") for value in loaded)
    assert "url(" not in (directory / "report.html").read_text(encoding="utf-8")


def test_headings_are_in_order(finished: tuple[Path, Page]) -> None:
    levels = [int(tag[1]) for tag, _ in finished[1].tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_comparison_is_the_one_that_compare_prints(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    printed = [line for line in render(comparison(directory), "markdown").splitlines() if line.startswith("| CNN")]
    expected = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed]
    found = page.table("model", "evaluation")
    assert [row[:8] for row in found] == [row[:8] for row in expected]
    verdicts = [re.sub(r" \[.*", "", row[8]) for row in found]
    assert verdicts == [re.sub(r" \[.*", "", row[8]) for row in expected]
    counts = comparison(directory).summary()
    assert f"{counts['within']} within tolerance, {counts['outside']} outside" in page.text


def test_the_scores_are_those_of_the_results(finished: tuple[Path, Page]) -> None:
    directory, page = finished
    results = pd.read_csv(directory / "results.csv").query("evaluation == 'finetune'")
    rows = {row[0]: row[1:] for row in page.table("model", "seeds")}
    ensemble = results[(results["fold"] == "ensemble") & (results["metric"] == "top1")].set_index("objective")["value"]
    assert rows["CNN-PSE-3"][2] == "51.26"  # published
    assert float(rows["CNN-PSE-3"][1]) == pytest.approx(ensemble["pse"], abs=0.01)
    assert rows["CNN-PSE-3"][3] == f"{ensemble['pse'] - ensemble['mse']:+.2f}"
    folds = results[(results["fold"] != "ensemble") & (results["objective"] == "pse")].groupby("metric")["value"]
    assert rows["CNN-PSE-3"][6:] == [
        f"{folds.mean()['top1']:.2f}",
        f"{folds.min()['top1']:.2f} to {folds.max()['top1']:.2f}",
        f"{folds.mean()['loss']:.4f}",
    ]
    assert "| CNN-PSE-3 | " + " | ".join(rows["CNN-PSE-3"]) in (directory / "report.md").read_text(encoding="utf-8")


def test_what_was_run_is_told(finished: tuple[Path, Page]) -> None:
    _, page = finished
    assert page.table("cell")[0] == ["CNN-MSE", "done", "5", "64", "2 min", "7 s", "1.00 GiB"]
    assert len(page.table("switch")) == 14
    assert (
        "pse-repro run tiny.toml --protocol as-released --device cpu --precision fp32 --seeds 1 --data DIR" in page.text
    )
    assert "not comparable" not in page.text


def test_text_stays_text(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study(name=NASTY), data={"name": f"{NASTY} | x", "md5": {}})
    store.write_json(cell_folder(tmp_path, cells[0]) / "failed.json", {"error": f"{NASTY} [a](javascript:b) `c`\n# d"})
    page = report(tmp_path)
    assert "script" not in {tag for tag, _ in page.tags}
    assert NASTY in page.text
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<" not in markdown
    assert "[a](" not in markdown.replace(r"\[a\](", "")
    assert "\n# d" not in markdown
    assert r" \| x (not STL-10) |" in markdown


def test_other_images_and_a_smaller_scale_are_plainly_not_comparable(tmp_path: Path) -> None:
    store_run(tmp_path, study(scale="reduced"), data={"name": "embedded-sample", "md5": {}})
    page = report(tmp_path)
    assert "The images are embedded-sample, not STL-10: not comparable with the paper." in page.text
    assert "The study is reduced" in page.text
    assert page.table("model", "seeds")[0][3] == "48.96 (not comparable)"
    assert page.table("model", "evaluation")[0][8] == "not comparable [1] [2]"
    assert "data is embedded-sample, not stl10; scale is reduced, not full" in page.text


def test_a_partly_finished_run_is_reported(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study(models=(*study().models, Model("resnet", "mse"), Model("resnet", "pse", 3.0))))
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    results[results["objective"] + results["encoder"] == "msecnn"].to_csv(tmp_path / "results.csv", index=False)
    (evaluation_folder(tmp_path, cells[1], "frozen") / "fold-2.npz").unlink()
    for name in ("pretrain.json", "curves.csv", "reconstructions.npz"):
        (model_folder(tmp_path, cells[2]) / name).unlink()
    (cell_folder(tmp_path, cells[2]) / "provenance.json").unlink()
    shutil.rmtree(evaluation_folder(tmp_path, cells[2], "finetune"))
    shutil.rmtree(model_folder(tmp_path, cells[3]))
    shutil.rmtree(cell_folder(tmp_path, cells[3]))
    store.write_json(cell_folder(tmp_path, cells[0]) / "failed.json", {"error": "loss is nan in epoch 3"})
    page = report(tmp_path)
    states = {row[0]: row[1] for row in page.table("cell")}
    assert states == {
        "CNN-MSE": "failed",
        "CNN-PSE-3": "pre-trained; frozen 1 of 2 folds",
        "ResNet-MSE": "pre-training not finished",
        "ResNet-PSE-3": "not begun",
    }
    assert "loss is nan in epoch 3" in page.text
    scores = {row[0]: row[1:] for row in page.table("model", "seeds")}
    assert scores["CNN-PSE-3"] == ["0", "-", "51.26", "-", "-", "-", "-", "-", "-"]
    assert len(page.images()) == 6


def test_a_run_of_nothing_yet_is_reported(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    shutil.rmtree(tmp_path / "cells")
    shutil.rmtree(tmp_path / "models")
    (tmp_path / "results.csv").unlink()
    page = report(tmp_path)
    assert "No evaluation is finished yet." in page.text
    assert not page.images()
    with pytest.raises(UsageError, match="not a run directory"):
        write_report(tmp_path / "other", comparison(tmp_path))


def test_seeds_are_averaged_and_differences_taken_in_pairs(tmp_path: Path) -> None:
    store_run(tmp_path, study(), seeds=3)
    results = pd.read_csv(tmp_path / "results.csv", dtype={"seed": str})
    lacking = (results["objective"] == "pse") & (results["seed"] == "2")  # one seed of one model is not there yet
    results[~lacking].to_csv(tmp_path / "results.csv", index=False)
    page = report(tmp_path)
    rows = {row[0]: row[1:] for row in page.table("model", "seeds")}
    query = "evaluation == 'finetune' and fold == 'ensemble' and metric == 'top1'"
    top1 = results[~lacking].query(query).pivot_table(index="seed", columns="objective", values="value")
    gains = (top1["pse"] - top1["mse"]).dropna()
    assert [rows["CNN-MSE"][0], rows["CNN-PSE-3"][0]] == ["3", "2"]
    assert rows["CNN-MSE"][1].endswith(f" ± {top1['mse'].std():.2f}")
    assert rows["CNN-PSE-3"][3] == f"{gains.mean():+.2f} ± {gains.std():.2f}"
    assert len(page.table("cell")) == 6
    assert "Not shown: 4 more cells" in page.text


def test_two_protocols_stand_side_by_side_and_long_comparisons_are_folded(tmp_path: Path) -> None:
    models = load_study("full").models[::2]  # without the last, no pair of ResNets
    store_run(tmp_path, replace(study(), protocols=("as-released", "as-described"), models=models))
    page = report(tmp_path)
    switches = {row[0]: row[1:] for row in page.table("switch", "as-released", "as-described")}
    assert switches["7. finetuning"] == ["statistics-only", "whole-encoder", "differs"]
    assert switches["9. classifier"][2] in ("same", "differs")
    assert "details" in {tag for tag, _ in page.tags}
    assert {row[0] for row in page.table("protocol", "model")} == {"as-released", "as-described"}
    assert "classifiers-as-described.png" in {path.name for path in (tmp_path / "figures").iterdir()}


def test_many_protocols_are_told_by_what_they_turn(tmp_path: Path) -> None:
    turned = ("as-released", "as-described", "as-released+7", "as-released+8", "as-released+9")
    store_run(tmp_path, replace(study(), protocols=turned))
    page = report(tmp_path)
    switches = {row[0]: row[1:] for row in page.table("switch", "as-released")}
    assert switches["7. finetuning"] == ["statistics-only", "whole-encoder: as-described, as-released+7"]
    assert switches["10. downstream_augmentation"] == ["high", "same"]
    frozen = [row[1] for row in page.table("protocol", "turned") if row[2] == "frozen"]
    assert frozen == ["-", "9 switches", "fine-tuning", "frozen features", "classifier"]
    assert (tmp_path / "figures" / "switches.png").is_file()


def test_a_run_without_pse_has_no_sheets_of_slide_10_and_the_same_bytes_again(tmp_path: Path) -> None:
    store_run(tmp_path, study(models=(Model("cnn", "mse"),)))
    report(tmp_path)
    files = {path: path.read_bytes() for path in [*tmp_path.glob("report.*"), *tmp_path.glob("figures/*")]}
    assert not list(tmp_path.glob("figures/residuals-*"))
    report(tmp_path)
    assert {path: path.read_bytes() for path in files} == files


def test_baselines_stand_beside_the_models_and_say_how_many_they_beat(tmp_path: Path) -> None:
    store_run(tmp_path, study(baselines=("pixels",)))
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    top1 = results.query("evaluation == 'frozen' and fold == 'ensemble' and metric == 'top1'")["value"].astype(float)
    between = sorted(top1)[0] + 1e-6
    key = {"encoder": "pixels", "objective": "none", "sigma": "", "evaluation": "linear", "fold": "ensemble"}
    base = results.iloc[0].to_dict() | key
    rows = [base | {"metric": metric, "value": str(between)} for metric in ("top1", "top2", "top4")]
    pd.concat([results, pd.DataFrame(rows)]).to_csv(tmp_path / "results.csv", index=False)
    page = report(tmp_path)
    [row] = page.table("protocol", "baseline")
    assert row[:3] == ["as-released", "Pixels", f"{between:.2f}"]
    assert f"frozen: 1 of {len(top1)}" in row[5]
    assert "above every frozen CNN row of the slides (28.15 to 34." in page.text
