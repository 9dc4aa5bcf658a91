"""Protocols: how models are trained and evaluated, from TOML, as frozen dataclasses; errors name the key.

A protocol has fourteen switches, on which the slides and the released code differ or the slides are silent, and the
settings common to both.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from pse_repro.config.limits import Count, Folds, Positive, Share
from pse_repro.config.switches import all_switches
from pse_repro.config.toml import build, builtin, check_name, read_toml, refuse_unknown
from pse_repro.errors import UsageError


@dataclass(frozen=True)
class Switches:
    """The fourteen switches, in their order; `protocols/as-released.toml` explains each."""

    kernel_mass: Literal["one", "third"]
    kernel_support: Literal["four-sigma", "one-sigma"]
    borders: Literal["zeros", "reflect", "replicate", "circular"]
    pretrain_augmentation: Literal["none", "small"]
    gradient_clipping: bool
    pretrain_length: Literal["per-model", "equal"]
    finetuning: Literal["statistics-only", "whole-encoder"]
    frozen_normalisation: Literal["per-image", "running"]
    classifier: Literal["two-hidden", "one-hidden", "one-hidden-relu"]
    downstream_augmentation: Literal["high", "higher", "none"]
    fold_order: Literal["as-text", "as-stored"]
    test_score: Literal["batch-means", "accuracy"]
    ensemble_printing: Literal["cut", "rounded"]
    pretrain_batch: Literal["per-model", "equal"]


@dataclass(frozen=True)
class Settings:
    """Settings common to slides and code: Adam with PyTorch's defaults except for the rate; lengths in epochs."""

    learning_rate: Positive
    batch_size: Count
    validation_fraction: Share
    pretrain_max_epochs: Count
    pretrain_clip_norm: Positive
    folds: Folds
    downstream_max_epochs: Count
    downstream_clip_norm: Positive
    stopping_patience: Count
    plateau_factor: Share
    plateau_patience: Count


@dataclass(frozen=True)
class Protocol:
    """How models are trained and evaluated; every number made under a protocol carries its `name`."""

    name: str
    switches: Switches
    settings: Settings


def load_protocol(name_or_path: str, overrides: dict[str, Any] | None = None) -> Protocol:
    """Load a built-in protocol by its name, or a protocol from a TOML file, with `overrides` for its settings.

    `NAME+7` is NAME with switch 7 turned, `NAME+7+8` is NAME with two switches turned.

    Raises:
        UsageError: the protocol, a switch's number or an override is not valid, or the name is a built-in one.
    """
    base, numbers = _switches_of(name_or_path)
    where, table = read_toml(base, "protocols", "protocol")
    for number in numbers:
        _turn(table, number, f"protocol {name_or_path}")
    if overrides:
        refuse_unknown(overrides, Settings, f"{where}, overrides")
        table["settings"] = table.get("settings", {}) | overrides
    protocol = build_protocol(table, where)
    if protocol.name in builtin("protocols") and protocol.name != name_or_path:
        raise UsageError(f"{where}: name is {protocol.name!r}, the name of a built-in protocol; give it another name")
    return protocol


def _switches_of(name_or_path: str) -> tuple[str, list[str]]:
    """Split NAME+7+8 or PATH.toml+7+8 into the name or path, which may contain a +, and the numbers."""
    found = re.fullmatch(r"(.+\.toml|[^+]*)((?:\+[^+]*)*)", name_or_path, re.DOTALL)
    base, numbers = (found[1], found[2].split("+")[1:]) if found else (name_or_path, [])
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"protocol {name_or_path}: a switch is turned twice; expected each number once")
    return base, numbers


def _turn(table: dict[str, Any], number: str, where: str) -> None:
    """Turn one switch in a protocol's table, and append its number to the name."""
    known = {str(switch.number): switch for switch in all_switches()}
    if number not in known:
        raise UsageError(f"{where}: switch is {number!r}; expected a number from 1 to {len(known)}")
    switch, switches = known[number], table.get("switches", {})
    if switch.key in switches:  # a missing switch is reported when the protocol is built
        table["switches"] = switches | {switch.key: switch.turned(switches[switch.key])}
    table["name"] = f"{table.get('name', '')}+{number}"


def build_protocol(table: dict[str, Any], where: str) -> Protocol:
    """Build and check a protocol from a table of its keys; UsageError, which begins with `where`, if it is invalid."""
    protocol = build(Protocol, table, where)
    check_name(protocol.name, where)
    return protocol
