"""The expected tables against their sources, and the manifest and tolerances against their own form."""

import math
from pathlib import Path

import pytest

from pse_repro import expected
from pse_repro.compare.join import printed_percent
from pse_repro.errors import UsageError
from pse_repro.expected import CELL, ExpectedTable, Tolerance, load_expected
from pse_repro.tables import CONDITIONS

# Typed in from the slides, row by row: ensemble top-1, top-2, top-4, then tests 1 to 5.
FINETUNE = """
cnn mse   : 48.96 68.90 87.55 | 45.37 1.4847  47.26 1.4630  46.02 1.4819  45.21 1.4973  46.47 1.4792
cnn pse 3 : 51.26 70.72 88.71 | 47.74 1.4428  49.12 1.4299  48.95 1.4087  48.12 1.4223  49.54 1.4306
cnn pse 4 : 51.43 70.88 88.82 | 49.20 1.4144  48.96 1.4187  48.14 1.4232  47.88 1.4385  49.48 1.4367
cnn pse 5 : 51.52 71.47 89.13 | 48.96 1.4264  48.31 1.4594  48.62 1.4124  48.52 1.4442  49.57 1.4466
cnn pse 6 : 50.73 71.15 88.76 | 48.31 1.4364  48.95 1.4166  48.56 1.4183  47.89 1.4114  48.65 1.4313
resnet mse   : 54.40 72.66 89.75 | 54.41 1.3184  53.13 1.3214  52.68 1.3193  53.63 1.3065  53.78 1.3001
resnet pse 3 : 56.45 74.53 91.20 | 54.24 1.2749  54.90 1.2658  55.11 1.2500  56.03 1.2450  55.16 1.2634
"""
FROZEN = """
cnn mse   : 28.15 44.90 68.30 | 27.78 27.63 27.47 27.16 26.85
cnn pse 3 : 34.05 52.73 76.67 | 33.32 32.56 32.42 31.78 33.22
cnn pse 4 : 34.52 52.67 76.28 | 33.57 33.54 33.73 32.61 32.16
cnn pse 5 : 34.16 52.88 76.68 | 33.05 32.44 33.35 32.87 33.05
cnn pse 6 : 33.30 51.62 75.51 | 31.72 32.56 32.60 31.80 31.80
resnet mse   : 37.07 54.70 77.57 | 36.10 33.67 35.18 36.24 35.49
resnet pse 3 : 39.38 57.47 79.48 | 36.45 36.07 39.47 36.58 37.14
"""


def typed(text: str, evaluation: str, metrics: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    values: dict[tuple[str, ...], float] = {}
    for line in text.strip().splitlines():
        model, numbers = line.split(":")
        encoder, objective, sigma = (*model.split(), "")[:3]
        ensemble, folds = (part.split() for part in numbers.split("|"))
        places = [("ensemble", metric) for metric in ("top1", "top2", "top4")]
        places += [(str(fold), metric) for fold in range(1, 6) for metric in metrics]
        for (fold, metric), value in zip(places, [*ensemble, *folds], strict=True):
            values[encoder, objective, sigma, evaluation, fold, metric] = float(value)
    return values


def values(table: ExpectedTable) -> dict[tuple[str, ...], float]:
    return {tuple(row[column] for column in expected.CELL): row["value"] for row in table.frame.to_dict("records")}


def test_every_number_of_the_slides() -> None:
    assert values(load_expected("slides")) == (
        typed(FINETUNE, "finetune", ("top1", "loss")) | typed(FROZEN, "frozen", ("top1",))
    )


@pytest.mark.parametrize(("name", "count"), [("slides", 147), ("released_logs", 144), ("initial", 32)])
def test_counts(name: str, count: int) -> None:
    assert len(values(load_expected(name))) == count


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("released_logs", ("cnn", "pse", "4", "finetune", "ensemble", "top1"), 51.4375),
        ("released_logs", ("cnn", "mse", "", "finetune", "2", "top1"), 47.28),
        ("released_logs", ("resnet", "pse", "3", "frozen", "3", "best_epoch"), 7),
        ("released_logs", ("cnn", "mse", "", "frozen", "3", "loss"), 2.0219),
        ("initial", ("cnn", "mse", "", "finetune", "ensemble", "top1"), 46.76),
        ("initial", ("resnet", "pse", "3", "finetune", "ensemble", "top4"), 88.67),
        ("initial", ("cnn", "pse", "3", "finetune", "2", "top1"), 46.09),
    ],
)
def test_spot_values(name: str, cell: tuple[str, ...], value: float) -> None:
    assert values(load_expected(name))[cell] == value


def test_slips_are_noted() -> None:
    frame = load_expected("slides").frame
    slips = frame[frame["note"].str.contains("slip|another run")]
    notes = {(row["sigma"], row["fold"], row["metric"]): row["note"] for row in slips.to_dict("records")}
    assert set(notes) == {("", "2", "top1"), ("4", "1", "top1"), ("", "4", "top1"), ("", "4", "loss")}
    assert "47.28" in notes["", "2", "top1"]
    assert "49.28" in notes["4", "1", "top1"]
    assert "another run" in notes["", "4", "top1"]


def test_slides_and_logs_differ_only_by_cutting_and_the_two_slips() -> None:
    slides, logs = values(load_expected("slides")), values(load_expected("released_logs"))
    shared = slides.keys() & logs.keys()
    differing = {cell for cell in shared if not math.isclose(slides[cell], logs[cell], abs_tol=1e-9)}
    cut = {cell for cell in differing if cell[4] == "ensemble"}
    assert len(shared) == 89
    assert {(*cell[:3], cell[4]) for cell in differing - cut} == {("cnn", "mse", "", "2"), ("cnn", "pse", "4", "1")}
    assert all(0 < logs[cell] - slides[cell] < 0.01 for cell in cut)


def test_the_manifest_is_complete() -> None:
    assert {"slides", "paper", "released_logs", "initial"} <= set(expected.names())
    for name in expected.names():
        table = load_expected(name)
        assert all((table.title, table.author, table.date))
        assert table.url == "" or table.url.startswith("https://")
        assert set(table.conditions) <= {"protocol", *CONDITIONS}
        assert table.frame["source"].ne("").all()
        assert set(table.frame["protocol"]) == {table.conditions["protocol"]}
        assert table.frame["value"].map(math.isfinite).all()
    assert load_expected("paper").name == "slides"


def test_the_rival_of_pse_is_mse_and_that_of_mse_is_the_closest_pse() -> None:
    table = load_expected("slides")
    published = values(table)
    rivals = {tuple(row[name] for name in CELL): table.rival(row) for row in table.frame.to_dict("records")}
    for place, rival in rivals.items():
        others = [
            value
            for other, value in published.items()
            if other[0] == place[0] and other[1] != place[1] and other[3:] == place[3:]
        ]
        assert rival == min(others, key=lambda value: abs(value - published[place]))
    assert rivals["cnn", "mse", "", "finetune", "ensemble", "top1"] == 50.73
    assert rivals["cnn", "mse", "", "finetune", "2", "loss"] == 1.4594
    assert rivals["cnn", "pse", "5", "frozen", "ensemble", "top1"] == 28.15


def test_what_has_no_other_loss_has_no_rival() -> None:
    slides = load_expected("slides")
    frozen = slides.frame.query("evaluation == 'frozen' and fold == '1' and objective == 'pse'").iloc[0].to_dict()
    assert math.isfinite(slides.rival(frozen))
    assert math.isnan(slides.rival(frozen | {"metric": "loss"}))  # not on the slides
    objectives = load_expected("smoke-objectives")
    peers = [row for row in objectives.frame.to_dict("records") if row["objective"] not in ("mse", "pse")]
    assert peers
    assert all(math.isnan(objectives.rival(row)) for row in peers)


def test_unknown_tables_are_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match=r"'papers'.*slides.*paper"):
        load_expected("papers")


def test_a_table_may_have_its_own_metrics_conditions_and_tolerances(tmp_path: Path) -> None:
    (tmp_path / "tables.toml").write_text(
        '[golden]\nfile = "golden.csv"\ntitle = "Golden values"\nauthor = "us"\ndate = "2024-05-01"\nurl = ""\n'
        '[golden.conditions]\nprotocol = "as-released"\ndata = "embedded-sample"\ndevice = "cpu"\n'
    )
    (tmp_path / "tolerances.toml").write_text(
        '[default.cnn.finetune.top1]\nsd = 2\nrow_sd = 1\nreason = "r"\n'
        '[golden.any.pretrain.validation_mse]\nvalue = 1e-5\nreason = "float32 sums"\n'
    )
    (tmp_path / "golden.csv").write_text(
        "encoder,objective,sigma,evaluation,fold,metric,value\ncnn,pse,3,pretrain,,validation_mse,0.0123\n"
    )
    table = load_expected("golden", folder=tmp_path)
    [cell] = table.frame.to_dict("records")
    assert table.tolerance(cell) == Tolerance("float32 sums", value=1e-5)
    fold = cell | {"evaluation": "finetune", "fold": "1", "metric": "top1"}
    assert table.tolerance(fold) == Tolerance("r", sd=2, row_sd=1)
    assert table.conditions["device"] == "cpu"
    assert table.frame["source"].tolist() == [""]
    assert table.tolerance(cell | {"metric": "feature_mean"}) is None
    assert table.tolerance(fold | {"encoder": "resnet"}) is None


def test_what_was_cut_and_what_had_smaller_batches_is_noted() -> None:
    slides = load_expected("slides").frame
    logs = {
        tuple(row[key] for key in CELL): row["value"] for row in load_expected("released_logs").frame.to_dict("records")
    }
    for row in slides.to_dict("records"):
        exact = logs.get(tuple(row[key] for key in CELL))
        cut = row["fold"] == "ensemble" and exact is not None and printed_percent(exact, "rounded") > row["value"]
        assert ("(switch 13)" in row["note"]) == cut
        small = (row["encoder"], row["objective"], row["sigma"]) in (("cnn", "mse", ""), ("cnn", "pse", "3"))
        assert ("(switch 14)" in row["note"]) == small
