"""A study's cells and the scope of its comparison."""

from pse_repro.config.protocol import load_protocol
from pse_repro.study.cells import expand, scope
from pse_repro.study.load import load_study


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


def test_scope_holds_the_folds_that_are_run() -> None:
    found = scope(expand(load_study("quick"), [load_protocol("as-released")], seeds=2))
    assert len(found) == 3 * (1 + 2 * 3)  # two models and an untrained one; two folds and an ensemble each
    assert set(found["fold"]) == {"", "1", "2", "ensemble"}
