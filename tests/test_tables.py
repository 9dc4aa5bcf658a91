"""The long table: reading, defaults, errors and writing."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.errors import UsageError
from pse_repro.tables import CONDITIONS, KEY, as_table, plain_cell, read_table, write_table

HEADER = "encoder,objective,sigma,evaluation,fold,metric,value\n"
ROW = "cnn,mse,,finetune,ensemble,top1,48.96\n"


def save(folder: Path, content: str | bytes) -> Path:
    path = folder / "results.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_absent_columns_are_assumed_and_said(tmp_path: Path) -> None:
    table = read_table(save(tmp_path, HEADER + ROW))
    row = table.iloc[0]
    assert (row["protocol"], row["seed"], row["data"], row["scale"]) == ("as-released", "0", "stl10", "full")
    assert (row["study"], row["device"], row["precision"]) == ("", "", "")
    assert row["value"] == 48.96
    assert set(table.attrs["assumed"]) == {"protocol", "seed", *CONDITIONS}
    assert table.attrs["assumed"]["protocol"] == "as-released"
    assert table.attrs["assumed"]["device"] == ""


def test_stated_columns_are_kept_and_empty_cells_assumed(tmp_path: Path) -> None:
    text = "protocol,data," + HEADER + "as-described,," + ROW + "as-described,imagenet96," + ROW.replace("top1", "top2")
    table = read_table(save(tmp_path, text))
    assert table["protocol"].tolist() == ["as-described"] * 2
    assert table["data"].tolist() == ["stl10", "imagenet96"]
    assert table.attrs["assumed"]["data"] == "stl10"
    assert "protocol" not in table.attrs["assumed"]


def test_what_was_assumed_stays_known_until_it_is_stated(tmp_path: Path) -> None:
    table = read_table(save(tmp_path, HEADER + ROW))
    assert as_table(table.copy()).attrs["assumed"] == table.attrs["assumed"]
    stated = as_table(table.assign(data="imagenet96", device="cpu")).attrs["assumed"]
    assert set(table.attrs["assumed"]) - set(stated) == {"data", "device"}


def test_sigma_may_be_absent_without_a_loss_with_a_kernel(tmp_path: Path) -> None:
    header = HEADER.replace("sigma,", "")
    assert read_table(save(tmp_path, header + ROW.replace(",,", ","))).loc[0, "sigma"] == ""
    for loss in ("pse", "PSE", "blurred-mse"):
        with pytest.raises(UsageError, match=r"lacks the column.*sigma"):
            read_table(save(tmp_path, header + f"cnn,{loss},finetune,ensemble,top1,50\n"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), ("3.50", "3.5"), ("", ""), (None, ""), (float("nan"), ""), (pd.NA, ""), ("none", "")],
)
def test_numbers_are_written_one_way(value: object, text: str) -> None:
    assert plain_cell("sigma", value) == text


def test_words_are_kept() -> None:
    assert plain_cell("fold", "ensemble") == "ensemble"
    assert plain_cell("objective", "none") == "none"


@pytest.mark.parametrize("lines", ["\r\n", "\n\n", "\n   \n"])
def test_foreign_line_ends_blank_lines_and_a_mark_are_read(tmp_path: Path, lines: str) -> None:
    text = (HEADER + ROW).replace("\n", lines)
    assert len(read_table(save(tmp_path, b"\xef\xbb\xbf" + text.encode()))) == 1


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    assert read_table(save(tmp_path, HEADER)).empty


def test_non_finite_values_are_values(tmp_path: Path) -> None:
    text = HEADER + ROW.replace("48.96", "nan") + ROW.replace("48.96", "inf").replace("top1", "top2")
    assert read_table(save(tmp_path, text))["value"].map(repr).tolist() == ["nan", "inf"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        (b"PK\x03\x04\x00\x00", "is an Excel workbook"),
        (b"a,\x00b,c", "is a binary file"),
        (b"\xff\xfe\xfa", "is in UTF-16"),
        ("<!DOCTYPE html>\n<p>404", "looks like HTML"),
        ('{"rows": []}', "looks like JSON"),
        ("[1, 2]", "looks like JSON"),
        ("hello\n", "lacks the column.*encoder, objective, evaluation, fold, metric, value"),
        (",,,\n", "lacks the column"),
        ("a,,\n1,2,3\n", r"column '\(no name\)' twice"),
        (HEADER.replace("fold,", "") + "cnn,mse,,finetune,top1,48.96\n", r"lacks the column\(s\) fold "),
        (HEADER.replace("fold", "metric") + ROW, "column 'metric' twice"),
        (HEADER + ROW + ROW.replace("top1,48.96", "top2,many"), "line 3: value is 'many'"),
        (HEADER + "\n" + ROW.replace("48.96", ""), "line 3: value is nothing"),
        (HEADER + ROW.replace("48.96", "48.96%"), "line 2: value is '48.96%'; expected only the number: 48.96"),
        (HEADER + ROW.replace("48.96", "4_8"), "line 2: value is '4_8'"),
        (HEADER + ROW.replace("48.96", "48,96"), "line 2: found 8 fields, expected 7"),
        (HEADER + ROW.replace("mse,,", "pse,wide,"), "line 2: sigma is 'wide'"),
        (HEADER + ROW + ROW, "line 3: a second value for .*encoder=cnn.*fold=ensemble, metric=top1"),
        (HEADER + "cnn,pse,3,finetune,1,top1,1\ncnn,pse,3.0,finetune,1,top1,2\n", "a second value for .*sigma=3"),
    ],
)
def test_malformed_tables_give_one_clear_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_table(save(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert "results.csv" in str(caught.value)
    assert caught.value.exit_status == 2


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(tmp_path)


@pytest.mark.parametrize("fold", ["0", "-1", "1.5", "0.0", "inf"])
def test_folds_count_from_1(tmp_path: Path, fold: str) -> None:
    text = HEADER + ROW.replace("ensemble", "1") + ROW.replace("ensemble", fold)
    with pytest.raises(
        UsageError, match=rf"results.csv, line 3: fold is {plain_cell('fold', fold)}; folds count from 1"
    ):
        read_table(save(tmp_path, text))


def test_a_frame_in_memory_is_checked_too() -> None:
    good = {"encoder": "cnn", "objective": "mse", "sigma": None, "evaluation": "knn", "fold": "", "metric": "top1"}
    table = as_table(pd.DataFrame([{**good, "seed": 0, "value": 48}, {**good, "seed": 1, "value": 49}]))
    assert table["seed"].tolist() == ["0", "1"]
    pd.testing.assert_frame_equal(as_table(table), table)
    with pytest.raises(UsageError, match="row 2: value is 'x'"):
        as_table(pd.DataFrame([{**good, "seed": 0, "value": 48}, {**good, "seed": 1, "value": "x"}]))


def test_writing_keeps_what_was_stated_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.csv"
    write_table(read_table(save(tmp_path, HEADER + ROW))[list(HEADER.strip().split(","))], path)
    assert path.read_text() == "encoder,objective,sigma,evaluation,fold,metric,value\n" + ROW


def test_sigma_is_written_plainly(tmp_path: Path) -> None:
    cell = {"encoder": "cnn", "objective": "pse", "evaluation": "knn", "fold": 1, "metric": "top1", "value": 0.1 + 0.2}
    write_table(pd.DataFrame([{**cell, "sigma": 3.0}, {**cell, "sigma": 3.5}]), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        "cnn,pse,3,knn,1,top1,0.30000000000000004",
        "cnn,pse,3.5,knn,1,top1,0.30000000000000004",
    ]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, HEADER + ROW)

    def refuse(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        write_table(read_table(path), path)
    assert path.read_text() == HEADER + ROW
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.floats(), min_size=1, max_size=8))
def test_values_survive_writing_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("table") / "out.csv"
    frame = pd.DataFrame(dict.fromkeys(KEY, "x") | {"sigma": "", "fold": range(1, len(values) + 1), "value": values})
    write_table(frame, path)
    again = read_table(path)
    assert [value.hex() for value in again["value"]] == [abs(v).hex() if v != v else v.hex() for v in values]


@pytest.mark.parametrize(
    "text",
    [
        "sep=,\n" + HEADER + ROW,
        "# my results\n\n  # of May\n" + HEADER + ROW,
        (HEADER + ROW).replace(",", ";"),
        "sep=;\r\n" + (HEADER + ROW).replace(",", ";").replace("48.96", "48,96"),
        (HEADER + ROW).replace(",", "\t"),
        HEADER.title() + ROW,
        HEADER.upper().replace("\n", ",Mine\n") + ROW.replace("\n", ",x\n"),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str) -> None:
    table = read_table(save(tmp_path, text))
    assert table["value"].tolist() == [48.96]
    assert (table["encoder"][0], table["sigma"][0], table["fold"][0]) == ("cnn", "", "ensemble")


def test_lines_are_counted_from_the_first_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results.csv, line 5: value is 'many'"):
        read_table(save(tmp_path, "# mine\nsep=,\n" + HEADER + ROW + ROW.replace("top1,48.96", "top2,many")))


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_decimal_comma_needs_another_separator(tmp_path: Path, separator: str) -> None:
    text = (HEADER + ROW).replace(",", separator).replace("48.96", '"48,96"')
    if separator == ",":
        with pytest.raises(UsageError, match="line 2: value is '48,96'; expected a number"):
            read_table(save(tmp_path, text))
    else:
        assert read_table(save(tmp_path, text))["value"].tolist() == [48.96]
