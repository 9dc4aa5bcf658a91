"""Looks at a run after several numbers of seeds, and when it may stop."""

from pathlib import Path

import pytest

from pse_repro.claims import is_decided, judge, planned_looks, render_claims
from pse_repro.study.record import Run
from pse_repro.study.store import write_json
from tests.support.judged import RESNET, judged


def test_looks_share_the_error_rate(tmp_path: Path) -> None:
    found = judged(tmp_path, points=4.0)
    record = Run.open(tmp_path)
    write_json(record.run_files.requested, {"seeds": 3, "looks": [3, 5]})
    looked_twice = {result.claim.number: result for result in judge(Run.open(tmp_path))}
    once, twice = (results[1].parts[0].measured.difference for results in (found, looked_twice))
    assert (once.confidence, twice.confidence) == (0.95, 0.975)
    assert twice.high - twice.low > once.high - once.low


@pytest.mark.parametrize(("seeds", "looks"), [(3, (3,)), (5, (5,)), (8, (5, 8)), (30, (5, 8, 12, 20, 30))])
def test_a_run_that_may_stop_early_is_judged_at_planned_looks(seeds: int, looks: tuple[int, ...]) -> None:
    assert planned_looks(seeds) == looks


def test_a_run_is_decided_once_every_claim_that_it_can_decide_is(tmp_path: Path) -> None:
    for points, jitter, verdict in ((8, 0.001, "holds"), (1, 0.02, "undecided"), (-8, 0.001, "fails")):
        folder = tmp_path / verdict
        found = judged(folder, models=RESNET, points=points, by_seed=(0.0, jitter, -jitter))
        assert found[2].verdict.verdict == verdict
        assert is_decided(list(found.values())) == (verdict != "undecided")
    assert not is_decided([])
    pair = judged(tmp_path / "pair", points=8.0)
    assert not is_decided(list(pair.values()))  # no claim has all its parts


def test_an_unfinished_run_says_that_its_verdicts_are_interim(tmp_path: Path) -> None:
    judged(tmp_path, points=4.0)
    write_json(Run.open(tmp_path).run_files.requested, {"seeds": 8})
    results = judge(Run.open(tmp_path))
    assert all("interim: 3 of 8 requested seeds are complete" in result.notes for result in results)
    assert "Interim: 3 of 8 requested seeds are complete: finish the run" in " ".join(render_claims(results).split())
    write_json(Run.open(tmp_path).run_files.requested, {"seeds": 3})
    assert "nterim" not in render_claims(judge(Run.open(tmp_path)), details=True)
