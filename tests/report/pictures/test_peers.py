"""PSE among its peers: the contents of table and figure, and the runs that have them."""

from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pandas as pd
import pytest

from pse_repro.config.study import Budget, Model, Study
from pse_repro.report.pictures.peers import columns, peers_figure, peers_tables, section
from pse_repro.study import store
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.tables import write_table
from tests.support.finished_run import forget
from tests.support.panels import assert_not_blank, drawn
from tests.support.stored_run import report, store_run, study

JUDGED = ("linear", "knn", "low-label-1", "cluster")
MODELS = (Model("cnn", "mse"), Model("cnn", "simclr"), Model("cnn", "pse", 3.0), Model("cnn", "random"))
# linear, knn, low-label-1 (percent); accuracy, nmi, two domains of the clusters (shares): a value a seed
REACHED = {
    "mse": ([40.0, 42.0], [30.0, 31.0], [20.0, 22.0], [0.20, 0.22], [0.10, 0.12], [0.60, 0.64]),
    "simclr": ([50.0, 56.0], [20.0, 20.0], [21.0, 25.0], [0.30, 0.40], [0.25, 0.35], [0.80, 0.90]),
    "pse": ([41.0, 45.0], [33.0, 35.0], [24.0, 24.0], [0.25, 0.25], [0.15, 0.15], [0.70, 0.70]),
    "random": ([25.0, 25.5], [26.0, 27.0], [], [], [], []),
}
PLACES = [(evaluation, column.metric) for evaluation, column in columns() if evaluation in JUDGED]


def judged(**changes: object) -> Study:
    return study(models=MODELS, evaluations=JUDGED, folds=1, **changes)


def rows_of(cell: Cell) -> list[dict[str, object]]:
    """Return the results of a model and seed from REACHED, with a fold that no table shows."""
    rows = []
    for (evaluation, metric), values in zip(PLACES, REACHED[cell.model.objective], strict=True):
        for value in values[cell.seed : cell.seed + 1]:
            folds = {"": value} if evaluation == "cluster" else {"ensemble": value, "1": value - 9}
            rows += [
                cell.key | {"evaluation": evaluation, "fold": fold, "metric": metric, "value": number}
                for fold, number in folds.items()
            ]
    return rows


def stored(directory: Path, of: Study, seeds: int = 1, baselines: dict[str, float] | None = None) -> Run:
    """Store a finished run with the results of REACHED; `baselines` are the ensembles of linear probes of pixels."""
    rows = [row for cell in store_run(directory, of, seeds) for row in rows_of(cell)]
    for protocol in of.protocols:
        for encoder, value in (baselines or {}).items():
            key = {"protocol": protocol, "encoder": encoder, "objective": "none", "sigma": "", "seed": 0}
            rows.append(key | {"evaluation": "linear", "fold": "ensemble", "metric": "top1", "value": value})
    conditions = {"study": of.name, "data": "stl10", "device": "cpu", "precision": "fp32", "scale": of.scale}
    write_table(pd.DataFrame(rows).assign(**conditions), directory / "results.csv", store.write_bytes)
    return Run.open(directory)


def test_the_best_model_stands_first_and_seeds_become_means_and_deviations(tmp_path: Path) -> None:
    (table,) = peers_tables(stored(tmp_path, judged(), seeds=2))
    assert table.title == "Peers, as-released"
    headings = ("linear %", "kNN %", "1 % of labels: %", "clusters %", "NMI %", "animals or vehicles %")
    assert table.header == ("model", "seeds", *headings, "pre-training")  # no columns of what was not judged
    assert [row[0] for row in table.rows] == ["CNN-SIMCLR", "CNN-PSE-3", "CNN-MSE", "CNN-RANDOM"]
    assert {len(row) for row in table.rows} == {len(table.header)} == {len(table.align)}
    for row, objective in zip(table.rows, ("simclr", "pse", "mse"), strict=False):
        reached = [
            [100 * value for value in values] if evaluation == "cluster" else values
            for (evaluation, _), values in zip(PLACES, REACHED[objective], strict=True)
        ]
        expected = [f"{mean(values):.1f} ± {stdev(values):.1f}" for values in reached]
        assert row[1:] == ["2", *expected, "2 min"]
    assert table.rows[-1][2:] == ["25.2 ± 0.4", "26.5 ± 0.7", "-", "-", "-", "-", "-"]


def test_a_pretext_task_is_shown_with_its_chance_level_if_it_is_known(tmp_path: Path) -> None:
    run = stored(tmp_path, judged(), seeds=2)
    for cell in run.cells:
        known = {"simclr": {"chance": 100 / 63}, "pse": {}}.get(cell.model.objective)
        if known is not None:
            metrics = {"validation_accuracy": 12.0 + cell.seed}
            note = {"metrics": metrics, "length": {"epochs": 5, "batch_size": 32}, "seconds": 60.0, **known}
            store.write_json(run.files(cell).pretraining, note)
    (table,) = peers_tables(run)
    assert table.header[-2:] == ("pretext task %", "pre-training")
    shown = {row[0]: row[-2] for row in table.rows}
    assert (shown["CNN-SIMCLR"], shown["CNN-PSE-3"]) == ("12.5 ± 0.7 (chance 1.59)", "12.5 ± 0.7")
    assert (shown["CNN-MSE"], shown["CNN-RANDOM"]) == ("-", "-")


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    (table,) = peers_tables(stored(tmp_path, judged()))
    assert table.rows[0] == ["CNN-SIMCLR", "1", "50.0", "20.0", "21.0", "30.0", "25.0", "80.0", "2 min"]


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(images=2_000_000), "2,000,000 images"),
        (Budget(steps=1_234_567), "1,234,567 steps"),
        (Budget(seconds=600.0), "600 seconds"),
        (None, "5 epochs"),
    ],
)
def test_the_budget_is_said_in_words(tmp_path: Path, budget: Budget | None, words: str) -> None:
    run = stored(tmp_path, judged(budget=budget))
    (table,), (made,) = peers_tables(run), section(run)
    assert f"pre-trained with {words};" in table.notes[0]
    assert f"; {words};" in made.pictures[0].caption


def test_each_protocol_has_a_table_and_a_picture_with_its_baselines(tmp_path: Path) -> None:
    of = judged(protocols=("as-released", "as-described"))
    run = stored(tmp_path, of, seeds=2, baselines={"pixels": 33.25, "pca": 35.75})
    assert [table.title for table in peers_tables(run)] == ["Peers, as-released", "Peers, as-described"]
    (made,) = section(run)
    assert made.title == "PSE among its peers"
    assert [picture.name for picture in made.pictures] == ["peers-as-released.svg", "peers-as-described.svg"]
    picture = made.pictures[1]
    assert picture.caption.startswith("The best model comes first")
    assert "n = 2 seeds; 5 epochs; protocol as-described; data: stl10." in picture.caption
    order = "CNN-SIMCLR 53.00, CNN-PSE-3 43.00, CNN-MSE 41.00, CNN-RANDOM 25.25"
    assert picture.alt == f"linear % of every model: {order}. raw pixels 33.25. 256 components 35.75."


def test_a_figure_shows_means_seeds_intervals_and_levels() -> None:
    models = {"CNN-PSE-3": [41.0, 45.0], "CNN-RANDOM": [25.0]}
    _, figure = drawn(lambda: peers_figure(models, {"CNN-PSE-3"}, {"raw pixels": 33.2}, "linear %"))
    assert_not_blank(figure)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == list(models)
    assert axes.yaxis_inverted()  # the best is on top
    interval, seeds, centre, single, only, level = axes.lines
    low, high = np.asarray(interval.get_xdata())
    assert (low + high) / 2 == pytest.approx(43)
    assert low < 41 < 45 < high  # of two seeds, an interval of t is wider than what they span
    assert list(seeds.get_xdata()) == [41.0, 45.0]
    assert [float(np.ravel(line.get_xdata())[0]) for line in (centre, single, only)] == [43.0, 25.0, 25.0]
    assert [line.get_marker() for line in (centre, only)] == ["s", "o"]
    assert list(level.get_xdata()) == [33.2, 33.2]
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "raw pixels 33.2"


def test_a_figure_of_thirty_models_without_baselines_is_whole() -> None:
    models = {f"CNN-JIGSAW-{number}": [float(number)] for number in range(30)}
    _, figure = drawn(lambda: peers_figure(models, set(), {}, "kNN %"))
    assert_not_blank(figure)
    assert len(figure.axes[0].lines) == 2 * len(models)
    assert figure.axes[0].get_legend() is None


def test_what_was_not_judged_linearly_is_ranked_by_what_it_has(tmp_path: Path) -> None:
    run = stored(tmp_path, judged())
    write_table(run.results[run.results["evaluation"] == "knn"], run.run_files.results, store.write_bytes)
    run = Run.open(tmp_path)
    (table,), (made,) = peers_tables(run), section(run)
    assert table.header == ("model", "seeds", "kNN %", "pre-training")
    assert [row[0] for row in table.rows] == ["CNN-PSE-3", "CNN-MSE", "CNN-RANDOM", "CNN-SIMCLR"]
    assert made.pictures[0].alt.startswith("kNN % of every model: CNN-PSE-3 33.00, ")


def test_the_studys_own_evaluations_have_neither_table_nor_section(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    run = Run.open(tmp_path)
    assert peers_tables(run) == section(run) == []


def test_nothing_judged_yet_is_no_table_and_no_section(tmp_path: Path) -> None:
    run = stored(tmp_path, judged())
    forget(run.run_files.results)
    run = Run.open(tmp_path)
    assert peers_tables(run) == section(run) == []


def test_the_page_has_both(tmp_path: Path) -> None:
    stored(tmp_path, judged())
    page = report(tmp_path)
    assert page.table("model", "seeds", "linear %")[0][0] == "CNN-SIMCLR"
    alts = [image["alt"] or "" for image in page.attributes("img")]
    assert sum(alt.startswith("linear % of every model: CNN-SIMCLR 50.00, ") for alt in alts) == 1
