"""A study's cells and the scope of its comparison."""

from dataclasses import replace

import pytest

from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Budget, Length, Model
from pse_repro.errors import UsageError
from pse_repro.study.cells import expand, label, length_of, scope
from pse_repro.study.load import load_study, without_test
from pse_repro.tables import model_id
from tests.support.tiny import cell, protocol


def test_full_is_the_seven_rows_and_covers_the_slides() -> None:
    study = load_study("full")
    cells = expand(study, [load_protocol("as-released")], seeds=1)
    assert [cell.model.name for cell in cells[:7]] == [
        *("cnn-mse", "cnn-pse-3", "cnn-pse-4", "cnn-pse-5", "cnn-pse-6", "resnet-mse", "resnet-pse-3")
    ]  # fmt: skip
    assert [cell.model.name for cell in cells[7:]] == ["cnn-random", "resnet-random"]
    assert [cell.model.epochs for cell in cells[:7]] == [116, 72, 172, 227, 334, 326, 218]
    assert [cell.model.batch_size for cell in cells[:7]] == [64, 64, None, None, None, None, None]
    assert {(cell.evaluations, cell.folds) for cell in cells} == {(("finetune", "frozen"), 5)}


def test_cells_are_seed_by_protocol_by_model_with_names_of_their_own() -> None:
    study = load_study("quick")
    protocols = [load_protocol("as-released"), load_protocol("as-described")]
    cells = expand(study, protocols, seeds=3)
    assert len(cells) == len({cell.name for cell in cells}) == 2 * 3 * 3
    assert [cell.seed for cell in cells[:6]] == [0] * 6
    assert cells[0].name == "as-released/cnn-mse-seed0"


def test_zero_shot_is_left_out_by_objectives_that_name_no_classes() -> None:
    models = tuple(Model("cnn", name) for name in ("mse", "image-text", "label-text", "supervised"))
    study = replace(load_study("quick"), models=models, evaluations=("knn", "zero-shot"))
    cells = expand(study, [protocol()], seeds=1)
    both, one = ("knn", "zero-shot"), ("knn",)
    assert [cell.evaluations for cell in cells] == [one, both, both, one, one]  # the last is untrained
    assert set(scope(cells)[lambda rows: rows["evaluation"] == "zero-shot"]["fold"]) == {""}


def test_scope_holds_the_folds_that_are_run() -> None:
    found = scope(expand(load_study("quick"), [load_protocol("as-released")], seeds=2))
    assert len(found) == 3 * (1 + 2 * 3)  # two models and an untrained one; two folds and an ensemble each
    assert set(found["fold"]) == {"", "1", "2", "ensemble"}


def test_length_and_batch_follow_switches_6_and_14() -> None:
    model = Model("cnn", "mse", epochs=116, batch_size=64)
    assert length_of(model, protocol(), 200) == Length(116, 64)
    assert length_of(model, protocol(switches={"pretrain_length": "equal"}), 200) == Length(200, 64)
    assert length_of(model, protocol(switches={"pretrain_batch": "equal"}, batch_size=128), 200) == Length(116, 128)
    assert length_of(Model("cnn", "mse"), protocol(), 5000) == Length(1000, 8)  # never beyond the protocol's limit


def test_the_learning_rate_is_the_models_own_else_the_protocols_also_under_a_budget() -> None:
    models = (Model("cnn", "mse", learning_rate=0.5), Model("cnn", "rotation"))
    for budget in (None, Budget(steps=60)):
        study = replace(load_study("quick"), models=models, baselines=(), budget=budget)
        found = [cell.recipe.learning_rate for cell in expand(study, [protocol(learning_rate=0.25)], seeds=1)]
        assert found == [0.5, 0.25]


@pytest.mark.parametrize(
    ("budget", "length"),
    [
        (Budget(steps=60), Length(4, 8, steps=15)),
        (Budget(images=500), Length(4, 8, steps=15)),  # 62 steps of 8: 15 in each of the 4 epochs
        (Budget(seconds=10), Length(4, 8, seconds=2.5)),
    ],
)
def test_a_budget_is_the_same_for_every_model(budget: Budget, length: Length) -> None:
    for model in (Model("cnn", "pse", 3.0), Model("resnet", "mse", epochs=116)):
        assert length_of(model, protocol(), 4, budget) == length
    assert length_of(Model("cnn", "random"), protocol(), 4, budget) == Length(1, 8)


@pytest.mark.parametrize("budget", [Budget(steps=60), Budget(images=480), Budget(seconds=10)])
def test_a_model_with_a_batch_size_of_its_own_draws_as_many_images_of_a_budget(budget: Budget) -> None:
    for under in (protocol(), protocol(switches={"pretrain_batch": "equal"})):
        found = length_of(Model("cnn", "simclr", batch_size=40), under, 3, budget)
        assert found.batch_size == 40
        assert (found.steps, found.seconds) == ((None, 10 / 3) if budget.seconds else (4, None))


def test_a_rate_that_changes_with_the_steps_is_refused_where_their_number_is_unknown() -> None:
    for settings in ({"schedule": "cosine"}, {"warmup": 0.1}):
        with pytest.raises(UsageError, match="cnn-mse: schedule and warmup need a number of steps, and the budget is"):
            length_of(Model("cnn", "mse", **settings), protocol(), 4, Budget(seconds=9))  # type: ignore[arg-type]


def test_a_label_tells_models_apart_everywhere_but_in_their_random_numbers() -> None:
    plain, slow = (replace(cell("pse", 3.0), model=Model("cnn", "pse", 3.0, label=label)) for label in ("", "slow"))
    assert (plain.name, slow.name) == ("as-released/cnn-pse-3-seed0", "as-released/cnn-pse+slow-3-seed0")
    assert plain.pretraining_id == slow.pretraining_id == "cnn-pse-3-seed0"
    assert (plain.key["objective"], slow.key["objective"]) == ("pse", "pse+slow")
    assert (label(plain.model), label(slow.model)) == ("CNN-PSE-3", "CNN-PSE-3 (slow)")


def test_a_budget_of_less_than_a_step_an_epoch_is_refused() -> None:
    with pytest.raises(UsageError, match="the budget is 3 steps of 8 images; expected at least one for each of the 4"):
        length_of(Model("cnn", "pse", 3.0), protocol(), 4, Budget(images=31))


def test_so_many_cells_are_refused_before_they_are_listed() -> None:
    study = load_study("full")  # 9 models, with the untrained encoders
    assert len(expand(study, [protocol()], seeds=1_000)) == 9_000
    for protocols, seeds in ((2, 1_000), (1, 1_112), (1, 10**9)):
        with pytest.raises(UsageError, match=rf"has 9 models under {protocols} .* {seeds:,} seeds; expected 10,000 or"):
            expand(study, [protocol()] * protocols, seeds)


def test_a_model_with_and_without_copies_has_two_names_and_the_same_draws() -> None:
    study = load_study("leak")
    cells = [cell for cell in expand(study, [load_protocol("as-described")], seeds=1) if cell.model.sigma == 3]
    both, one = cells
    assert (both.name, one.name) == ("as-described/cnn-pse-3-seed0", "as-described/cnn-pse+without-test-3-seed0")
    assert both.recipe.name == one.recipe.name == "cnn-pse-3-seed0"
    assert (both.recipe.unlabeled, one.recipe.unlabeled) == ("all", "without-test")
    assert (both.key["objective"], one.key["objective"]) == ("pse", "pse+without-test")
    assert both.length == one.length
    assert [cell.model.name for cell in cells] == [model_id(cell.key) for cell in cells]


def test_a_study_without_copies_keeps_the_names_of_its_models() -> None:
    cells = expand(without_test(load_study("quick")), [load_protocol("as-released")], seeds=1)
    assert [cell.name for cell in cells] == [f"as-released/cnn-{name}-seed0" for name in ("mse", "pse-3", "random")]
    assert {cell.recipe.unlabeled for cell in cells} == {"without-test"}
