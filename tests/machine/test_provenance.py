"""Energy from Linux's package counters, which wrap around; read from a temporary folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.machine.energy import EnergyMeter, GpuEnergyMeter, energy_joules

RANGE = 262_143_328_850  # microjoules, as of a desktop's processor


def package(folder: Path, name: str, microjoules: int) -> Path:
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return path


def test_packages_are_added_and_what_lies_inside_them_is_not(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 3_000_000)
    package(tmp_path, "intel-rapl:1", 4_500_000)
    package(tmp_path, "intel-rapl:0:0", 2_000_000)  # the cores of package 0
    package(tmp_path, "intel-rapl-mmio:0", 1_000_000)  # the same package, read in another way
    assert energy_joules(tmp_path) == 7.5


def test_a_machine_that_does_not_tell_gives_none(tmp_path: Path) -> None:
    assert energy_joules(tmp_path / "absent") is None
    assert EnergyMeter(tmp_path / "absent").joules() is None
    package(tmp_path, "intel-rapl:0", 1)
    (package(tmp_path, "intel-rapl:1", 1) / "energy_uj").write_text("denied")
    assert energy_joules(tmp_path) is None  # half of the packages would be a wrong number


def test_the_meter_counts_on_where_a_counter_begins_anew(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", RANGE - 2_000_000)
    meter = EnergyMeter(tmp_path)
    package(tmp_path, "intel-rapl:0", 3_000_000)
    assert meter.joules() == pytest.approx(5.0)
    package(tmp_path, "intel-rapl:0", 10_000_000)
    assert meter.joules() == pytest.approx(12.0)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.joules() is None
    package(tmp_path, "intel-rapl:0", 11_000_000)
    assert meter.joules() is None  # the energy used in between is unknown


@given(st.lists(st.integers(0, RANGE // 2), min_size=1, max_size=6), st.integers(0, RANGE - 1))
def test_the_meter_is_a_counter_that_never_begins_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], start: int
) -> None:
    folder, true = tmp_path_factory.mktemp("powercap"), start
    package(folder, "intel-rapl:0", start)
    meter = EnergyMeter(folder)
    for step in steps:
        true += step
        package(folder, "intel-rapl:0", true % RANGE)
        assert meter.joules() == pytest.approx((true - start) / 1e6, abs=1e-3)


@pytest.mark.parametrize(("told", "expected"), [([100.0, 130.0], 30.0), ([100.0, None], None), ([None, 130.0], None)])
def test_a_gpus_meter_counts_from_its_creation(
    told: list[float | None], expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter(told)
    monkeypatch.setattr("pse_repro.machine.energy.gpu_energy_joules", lambda _: next(readings))
    assert GpuEnergyMeter("12-ab").joules() == expected
    assert GpuEnergyMeter("").joules() is None  # a CPU: nothing is read
