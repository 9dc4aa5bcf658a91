"""Rows of the bench: printed, saved and reloaded results follow the schema."""

import csv
import io
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pse_repro.bench.groups import DEFAULT, GROUPS, chosen
from pse_repro.bench.render import render
from pse_repro.bench.result import Result, load, save
from pse_repro.bench.rows import Setting
from pse_repro.bench.run import Options, bench, render_file
from pse_repro.bench.sizes import CPU as CPU_SIZES
from pse_repro.bench.sizes import GPU as GPU_SIZES
from pse_repro.errors import NotFitError, UsageError
from tests.support.tiny import CPU, dataset


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads((files("pse_repro") / "schemas/bench.schema.json").read_text())


@pytest.fixture(scope="module")
def saved(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the saved result of a quick bench of two groups."""
    folder = tmp_path_factory.mktemp("results")
    options = Options(("augmentation", "heads"), "cpu", ("fp32", "bf16"), images, rounds=5, quick=True, quiet=True)
    bench(options, "table", folder)
    (path,) = folder.iterdir()
    return path


def test_groups_are_chosen_by_name_and_smoke_only_so() -> None:
    assert chosen(()) == DEFAULT
    assert "smoke" not in DEFAULT
    assert chosen(("smoke", "loss")) == ("loss", "smoke")
    with pytest.raises(UsageError, match=r"rows is 'los'; expected one of loss, .*\(did you mean loss\?\)"):
        chosen(("los",))


@pytest.mark.parametrize("sizes", [CPU_SIZES, GPU_SIZES], ids=["cpu", "gpu"])
def test_too_few_images_are_refused_in_one_line(sizes: Any) -> None:
    with pytest.raises(NotFitError, match=r"60 unlabelled images; expected at least [\d,]+: pass more"):
        GROUPS["pretrain"](Setting(dataset(60, 10, 10), (CPU,), sizes))


def test_a_row_has_each_precision_of_ours_and_one_straightforward_form(saved: Path) -> None:
    result = load(saved)
    step = [(row.form, row.precision) for row in result.rows if row.row.startswith("pre-training step")]
    assert step == [("ours", "fp32"), ("ours", "bf16")]
    heads = [(row.form, row.precision) for row in result.rows if row.group == "heads"]
    ours, jointly = ([(form, "fp32"), (form, "bf16")] for form in ("ours", "ours, folds jointly"))
    assert heads == [*ours, *jointly, ("straightforward", "fp32")]
    shares = [(ratio.name.partition(" /")[0], ratio.precision) for ratio in result.ratios if "step" in ratio.name]
    assert ("high augmentation", "bf16") in shares
    assert len(shares) == 2 * 4


def test_folds_one_by_one_are_compared_with_folds_trained_jointly_round_by_round(saved: Path) -> None:
    result = load(saved)
    rounds = {(row.form, row.precision): row.rounds[0] for row in result.rows if row.group == "heads"}
    found = {ratio.precision: ratio.value.median for ratio in result.ratios if ratio.group == "heads"}
    expected = {
        precision: rounds["ours", precision] / rounds["ours, folds jointly", precision]
        for precision in ("fp32", "bf16")
    }
    assert found == pytest.approx(expected)


def test_a_saved_result_comes_back_as_it_was(saved: Path, schema: Any, tmp_path: Path) -> None:
    text = saved.read_text()
    jsonschema.validate(json.loads(text), schema)
    result = load(saved)
    assert saved.name == f"{result.date}-{result.place.slug}.json"
    assert result.as_json() == text.strip()
    again = save(result, tmp_path), save(result, tmp_path)
    assert [path.stem for path in again] == [saved.stem, f"{saved.stem}-2"]
    assert load(again[1]) == result


def test_markdown_from_a_file_names_every_row_once_a_form(saved: Path) -> None:
    result = load(saved)
    text = render_file(saved, (), "markdown")
    lines = [line for line in text.splitlines() if line.startswith(("| heads", "| augmentation"))]
    assert len(lines) == len(result.rows)
    assert "Quick: tiny sizes" in text
    assert result.place.processor in text
    only_heads = render_file(saved, ("heads",), "markdown")
    assert "| heads" in only_heads
    assert "augmentation" not in only_heads


def test_csv_holds_the_rows(saved: Path) -> None:
    result = load(saved)
    rows = list(csv.DictReader(io.StringIO(render(result, "csv"))))
    assert len(rows) == len(result.rows)
    assert float(rows[0]["seconds_median"]) == result.rows[0].seconds.median


def test_a_slug_is_fit_for_a_file_s_name(saved: Path) -> None:
    place = replace(load(saved).place, name="AMD EPYC(TM) 9R14", cores=2.0)
    assert place.slug == "amd-epyc-tm-9r14-2-cores"


def with_key(result: Result, key: str, value: object) -> str:
    return json.dumps(json.loads(result.as_json()) | {key: value})


def test_other_files_are_refused_in_one_line(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    with pytest.raises(UsageError, match=r"other.json cannot be read: No such file"):
        load(other)
    other.write_text("not JSON")
    with pytest.raises(UsageError, match=r"other.json is not JSON; expected what `pse-repro bench --save` wrote"):
        load(other)
    other.write_text(with_key(load(saved), "speed", 1))
    with pytest.raises(UsageError, match=r"other.json: unknown key 'speed'"):
        load(other)
    with pytest.raises(UsageError, match=r"rows is 'loss'; the result holds augmentation, heads"):
        render_file(saved, ("loss",), "table")
    with pytest.raises(UsageError, match=r"format is 'html'; expected one of table, markdown, csv, json"):
        render_file(saved, (), "html")
