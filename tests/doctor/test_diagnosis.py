"""Verdicts on the studies, and one diagnosis of the machine that runs the tests."""

from pathlib import Path

import pytest

from pse_repro.doctor import examine
from pse_repro.doctor.diagnosis import Diagnosis, judge
from pse_repro.doctor.images import Images
from pse_repro.machine.nvidia import Nvidia
from pse_repro.study import estimate
from tests.support.invented_machines import machine, without_gpu


def can_run(diagnosis: Diagnosis) -> list[str]:
    return [study.name for study in diagnosis.studies if study.can_run]


def test_everything_runs_on_a_good_machine() -> None:
    diagnosis = judge(machine())
    assert can_run(diagnosis) == ["smoke", "quick", "full"]
    assert diagnosis.exit_status == 0
    assert [study.seconds for study in diagnosis.studies] == [20.0, 600.0, 90_000.0]
    assert not any(study.fetches for study in diagnosis.studies)


def test_quick_and_full_need_a_gpu() -> None:
    diagnosis = judge(without_gpu(nvidia=Nvidia()))
    assert can_run(diagnosis) == ["smoke"]
    assert [study.blocked_by for study in diagnosis.studies] == [(), ("GPU",), ("GPU",)]
    assert diagnosis.exit_status == 3


def test_images_that_can_be_fetched_stop_nothing() -> None:
    diagnosis = judge(machine(images=Images(Path("/data"), "none")))
    assert diagnosis.exit_status == 0
    assert [study.fetches for study in diagnosis.studies] == [False, True, True]


def test_images_that_cannot_be_fetched_stop_quick_and_full() -> None:
    diagnosis = judge(machine(images=Images(Path("/data"), "none"), data={"writable": False}))
    assert can_run(diagnosis) == ["smoke"]
    assert diagnosis.exit_status == 3


def test_a_closed_home_stops_smoke_alone() -> None:
    diagnosis = judge(machine(sample=False, cache={"writable": False}))
    assert can_run(diagnosis) == ["quick", "full"]
    assert diagnosis.exit_status == 0


def test_what_is_not_good_has_a_remedy_and_what_is_good_has_none() -> None:
    worst = machine(
        python="3.8.1", torch={"gpus": ()}, nvidia=Nvidia(on_bus=1), cpu={"threads": 99}, memory={"available": 0},
        images=Images(Path("/data"), "none"), sample=False, data={"free": 0}, runs={"free": 0}, cache={"free": 0},
    )  # fmt: skip
    for check in (*judge(worst).checks, *judge(machine()).checks):
        assert bool(check.remedy) == (check.state != "good"), check
        assert check.needed or check.state == "good", check
        assert check.found, check
        assert check.state == "bad" or not check.blocks, check
    assert can_run(judge(worst)) == []


def test_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "MEASURE_SECONDS", 0.0)
    monkeypatch.setattr(estimate, "MEASURED_BATCH", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    diagnosis = examine(tmp_path / "data", tmp_path / "runs")
    assert diagnosis.exit_status in (0, 3)
    assert [study.name for study in diagnosis.studies] == ["smoke", "quick", "full"]
    assert all(study.seconds and study.seconds > 1 for study in diagnosis.studies)
    assert diagnosis.facts.images.kind == "none"
    assert not list(tmp_path.iterdir())  # it writes nothing
