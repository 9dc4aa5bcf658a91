"""A cell's work in parts: completed parts by their files, and the time left."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.config.protocol import load_protocol
from pse_repro.errors import NotFitError
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, expand
from pse_repro.study.records import Failure
from pse_repro.study.survey import Part, cell_parts, modified, survey_cells, time_left
from tests.support.finished_run import write_state
from tests.support.stored_run import store_cell, study, trained

DATA: dict[str, object] = {"name": "stl10", "md5": {}}
A_STUDY = study(protocols=("as-released", "as-described"))
CELL, _, DESCRIBED, _ = expand(replace(A_STUDY, epochs=8), [load_protocol(name) for name in A_STUDY.protocols], 1)


def write_fold(directory: Path, cell: Cell, evaluation: str, number: int, seconds: float) -> Path:
    path = CellFiles(directory, cell).fold(evaluation, number)
    store.write_npz(path, seconds=np.array(seconds), probabilities=np.zeros((3, 10)))
    return path


def counts(parts: list[Part]) -> list[tuple[str, int, int, float]]:
    return [(part.phase, part.done, part.total, part.seconds) for part in parts]


def test_of_a_cell_that_has_not_begun_nothing_is_done(tmp_path: Path) -> None:
    folds = [(name, 0, 1, 0.0) for name in ("finetune", "finetune", "frozen", "frozen")]
    assert counts(cell_parts(tmp_path, CELL)) == [("pretrain", 0, 8, 0.0), *folds]
    assert {part.written for part in cell_parts(tmp_path, CELL)} == {0.0}


def test_a_state_says_its_epochs_by_its_header_alone(tmp_path: Path) -> None:
    path = write_state(tmp_path, CELL, [2.0, 3.0, 4.0])
    path.write_bytes(path.read_bytes()[:-36])  # its tensors are gone
    assert counts(cell_parts(tmp_path, CELL))[0] == ("pretrain", 3, 8, 9.0)
    assert cell_parts(tmp_path, CELL)[0].written == path.stat().st_mtime


def test_a_pre_training_that_is_done_and_its_folds(tmp_path: Path) -> None:
    write_state(tmp_path, CELL, [2.0])  # not yet removed
    path = CellFiles(tmp_path, CELL).pretraining
    store.write_json(path, trained(80.0))
    write_fold(tmp_path, CELL, "finetune", 2, 7.5)
    found = cell_parts(tmp_path, CELL)
    assert counts(found)[:3] == [("pretrain", 8, 8, 80.0), ("finetune", 0, 1, 0.0), ("finetune", 1, 1, 7.5)]
    assert [part.complete for part in found] == [True, False, True, False, False]


def test_an_evaluation_without_folds_is_done_with_its_one_file(tmp_path: Path) -> None:
    cell = replace(CELL, evaluations=("cluster",))
    assert counts(cell_parts(tmp_path, cell))[1:] == [("cluster", 0, 1, 0.0)]
    store.write_json(CellFiles(tmp_path, cell).measures("cluster"), {"metrics": {}, "seconds": 4.0})
    assert counts(cell_parts(tmp_path, cell))[1:] == [("cluster", 1, 1, 4.0)]


def test_folds_that_say_no_seconds_are_done_all_the_same(tmp_path: Path) -> None:
    store_cell(tmp_path, CELL, 0, DATA, 8)
    for path in tmp_path.rglob("fold-*.npz"):
        store.write_npz(path, probabilities=store.read_npz(path)["probabilities"])
    assert [(part.complete, part.seconds) for part in cell_parts(tmp_path, CELL)[1:]] == [(True, 0.0)] * 4


def test_a_fold_that_is_made_again_is_read_again(tmp_path: Path) -> None:
    path = write_fold(tmp_path, CELL, "frozen", 1, 3.0)
    assert cell_parts(tmp_path, CELL)[3].seconds == 3.0
    path.unlink()
    assert cell_parts(tmp_path, CELL)[3].done == 0
    write_fold(tmp_path, CELL, "frozen", 1, 4.0)
    assert cell_parts(tmp_path, CELL)[3].seconds == 4.0


def test_what_vanishes_between_two_looks_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.study.survey.modified", lambda path: 5.0)  # all was there a moment ago
    assert [part.seconds for part in cell_parts(tmp_path, CELL)] == [0.0] * 5
    assert store.find_record(tmp_path / "gone.json", Failure) is None
    monkeypatch.undo()
    assert modified(tmp_path / "gone.json") == 0.0


@pytest.mark.parametrize(
    "content", [b"", b"\x05", b"\xff" * 64, b"\x02" + bytes(7) + b"{}", b"\x02" + bytes(7) + b"[]"]
)
def test_a_damaged_state_or_fold_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    for path in (write_state(tmp_path, CELL, []), write_fold(tmp_path, CELL, "frozen", 1, 3.0)):
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(NotFitError, match=path.name) as caught:
            cell_parts(tmp_path, CELL)
        assert "\n" not in str(caught.value)
        path.write_bytes(whole)


def test_kinds_tell_apart_what_costs_differently() -> None:
    released, described = ([part.kind for part in cell_parts(Path("nowhere"), cell)] for cell in (CELL, DESCRIBED))
    frozen = ["frozen cnn"] * 2
    assert released == ["pretrain cnn", *["finetune cnn statistics-only"] * 2, *frozen]
    assert described == ["pretrain cnn", *["finetune cnn whole-encoder"] * 2, *frozen]


def test_a_survey_counts_only_the_evaluations_that_are_to_be_done(tmp_path: Path) -> None:
    store.write_json(
        CellFiles(tmp_path, CELL).pretraining,
        trained(80.0),
    )
    store.write_json(CellFiles(tmp_path, CELL).provenance, {})
    for evaluations, done in (((), 1), (("frozen",), 0), (None, 0)):
        found = survey_cells(tmp_path, [CELL, DESCRIBED], None, evaluations)
        assert (found.status.cells, found.status.done, found.status.failed) == (2, done, 0)
    store.write_json(CellFiles(tmp_path, DESCRIBED).failed, {"error": "diverged"})
    found = survey_cells(tmp_path, [CELL, DESCRIBED], None, ())
    assert (found.failed, found.to_go) == ({DESCRIBED.name: "diverged"}, [])
    assert (found.status.left.seconds, found.status.failed) == (0.0, 1)


def part(name: str, kind: str, total: int, done: int, seconds: float, written: float = 0.0) -> Part:
    return Part(Path(name), "pretrain", kind, total, done, seconds, written)


def test_what_is_left_costs_what_its_kind_did() -> None:
    done, begun, fold = part("a", "p", 10, 10, 50.0), part("b", "p", 10, 5, 40.0), part("c", "f", 1, 0, 0.0)
    left = time_left([done, begun, fold], [begun, fold], None)
    assert (left.seconds, left.unknown) == (None, ("f",))
    assert left.at_least == pytest.approx(5 * 90 / 15)
    known = time_left([done, begun, fold, part("d", "f", 1, 1, 7.0)], [begun, fold, fold], None)
    assert known.seconds == known.at_least == pytest.approx(30 + 7)  # a part that cells share counts once


def test_two_parts_side_by_side_take_half_as_long() -> None:
    """Two processes since 100: each has recorded 50 s in 50 s. Earlier work does not count for the pace."""
    parts = [
        part("a", "p", 10, 10, 50.0, 150.0),
        part("b", "p", 10, 10, 50.0, 150.0),
        part("c", "p", 10, 10, 999.0, 90.0),
    ]
    rest = [part("d", "p", 10, 0, 0.0)]
    alone = time_left(parts + rest, rest, None).seconds
    assert alone is not None
    assert time_left(parts + rest, rest, 100.0).seconds == pytest.approx(alone / 2)
    assert time_left(parts + rest, rest, 200.0).seconds == alone  # nothing is recorded since


def test_a_state_that_was_continued_counts_for_the_pace_no_more_than_this_go() -> None:
    rest = part("a", "p", 10, 5, 1000.0, 110.0)  # 10 s in this session, 990 in an earlier one
    assert time_left([rest], [rest], 100.0).seconds == pytest.approx(1000.0)


PARTS = st.lists(
    st.builds(
        part,
        name=st.sampled_from("abcdefgh"),
        kind=st.sampled_from("pqr"),
        total=st.just(4),
        done=st.integers(0, 4),
        seconds=st.floats(0, 1e6),
    ),
    unique_by=lambda each: each.path,
)


@given(PARTS, PARTS)
def test_time_left_against_one_part_after_another(others: list[Part], wanted: list[Part]) -> None:
    others = [each for each in others if each.path not in {other.path for other in wanted}]
    everything, known, unknown = [*others, *wanted], 0.0, set()
    for each in wanted:
        like = [other for other in everything if other.kind == each.kind and other.seconds > 0 and other.done]
        if each.done < each.total and like:
            cost = sum(other.seconds for other in like) / sum(other.done for other in like)
            known += (each.total - each.done) * cost
        elif each.done < each.total:
            unknown.add(each.kind)
    left = time_left(everything, wanted, None)
    assert left.at_least == pytest.approx(known)
    assert set(left.unknown) == unknown
    assert (left.seconds is None) == bool(unknown)
