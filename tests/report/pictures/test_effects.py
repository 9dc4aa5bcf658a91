"""Effects of the switches as a table and as a figure: the same numbers as `pse-repro explain`."""

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from pse_repro.compare.effects import Effect, switch_effects
from pse_repro.compare.explain import effect_rows
from pse_repro.report.pictures.effects import _panel, effects_figure, effects_table, effects_words
from pse_repro.study.record import Run
from tests.support.stored_run import store_run, study

PROTOCOLS = ("as-released", "as-described", "as-released+7")


@pytest.fixture(scope="module", params=[1, 3], ids=["one seed", "three seeds"])
def effects(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> list[Effect]:
    directory = tmp_path_factory.mktemp("run")
    store_run(directory, replace(study(), protocols=PROTOCOLS), request.param, data={"name": "photos", "md5": {}})
    return switch_effects(Run.open(directory))


def test_the_table_is_what_explain_prints(effects: list[Effect]) -> None:
    table = effects_table(effects)
    assert table is not None
    assert table.rows == effect_rows(effects)
    assert len(table.align) == len(table.header) == len(table.rows[0])
    assert [row[1] for row in table.rows[:3]] == ["-", "9 switches", "fine-tuning"]


def test_marks_stand_at_the_estimates_and_whiskers_at_the_intervals(effects: list[Effect]) -> None:
    axes = Figure().add_subplot()
    rows = [effect for effect in effects if effect.evaluation == "finetune"]
    _panel(axes, rows)
    drawn = [tuple(map(float, line.get_xdata())) for line in axes.lines if line.get_linestyle() == "-"]
    marks = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() in "os"]
    changes = [effect.mse_change.estimate for effect in rows if effect.mse_change]
    assert sorted(marks) == pytest.approx(sorted([effect.gap.estimate for effect in rows] + changes))
    for effect in rows:
        assert ((effect.gap.low, effect.gap.high) in drawn) == (effect.seeds > 1)
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["as-released", "as-described (9 switches)", "7. fine-tuning"]


def test_the_words_tell_every_row(effects: list[Effect]) -> None:
    words = effects_words(effects)
    assert words.count("PSE minus MSE") == len(effects) == 6
    assert words.count("MSE moved") == 4


def test_a_run_of_one_protocol_has_neither(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    effects = switch_effects(Run.open(tmp_path))
    assert effects
    assert effects_table(effects) is None
    assert effects_figure(effects) is None
