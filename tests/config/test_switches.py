"""The descriptions of the switches agree with the protocols and the README."""

import dataclasses
from pathlib import Path

import pytest

from pse_repro.config.protocol import Switches, load_protocol
from pse_repro.config.switches import Switch, all_switches


def test_they_are_the_fourteen_in_order() -> None:
    assert [switch.key for switch in all_switches()] == [item.name for item in dataclasses.fields(Switches)]
    assert [switch.number for switch in all_switches()] == list(range(1, 15))


@pytest.mark.parametrize("switch", all_switches(), ids=lambda switch: switch.key)
def test_values_are_the_protocols_and_can_be_turned(switch: Switch) -> None:
    released, described = (load_protocol(name).switches for name in ("as-released", "as-described"))
    assert (switch.released, switch.described) == (getattr(released, switch.key), getattr(described, switch.key))
    assert (switch.otherwise is None) == (switch.released != switch.described)
    for value in (switch.released, switch.described):
        assert switch.turned(value) != value


@pytest.mark.parametrize("switch", all_switches(), ids=lambda switch: switch.key)
def test_the_readme_lists_it(switch: Switch) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"| {switch.number} {switch.title} |" in readme
