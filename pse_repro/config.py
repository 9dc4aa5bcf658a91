"""Protocols and studies: TOML in, frozen dataclasses out, errors that name the key.

A *protocol* says how models are trained and judged: fourteen switches, on which the slides and the released code differ
or are silent, and the settings common to both. A *study* says which models, evaluations, folds and lengths.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from pse_repro.budget import Budget, check_budget
from pse_repro.checked import build, hint_at, positive, refuse_unknown
from pse_repro.errors import UsageError
from pse_repro.expected import names as expected_tables
from pse_repro.switches import all_switches

Evaluation = Literal["finetune", "frozen", "linear", "knn", "low-label-1", "low-label-10", "low-label-100", "cluster"]


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
    """What slides and code have in common (Adam with PyTorch's defaults beside the rate; lengths in epochs)."""

    learning_rate: float
    batch_size: int
    validation_fraction: float
    pretrain_max_epochs: int
    pretrain_clip_norm: float
    folds: int
    downstream_max_epochs: int
    downstream_clip_norm: float
    stopping_patience: int
    plateau_factor: float
    plateau_patience: int


@dataclass(frozen=True)
class Protocol:
    """How models are trained and judged; `name` goes on every number made under it."""

    name: str
    switches: Switches
    settings: Settings


@dataclass(frozen=True)
class Model:
    """One row of a study: an encoder and the objective it is pre-trained with (`sigma` in pixels, for pse)."""

    encoder: str
    objective: str
    sigma: float | None = None
    epochs: int | None = None
    batch_size: int | None = None

    @property
    def name(self) -> str:
        return "-".join([self.encoder, self.objective] + ([] if self.sigma is None else [f"{self.sigma:g}"]))


@dataclass(frozen=True)
class Subset:
    """At most so many images of each split, evenly spaced over the file; None takes all."""

    unlabeled: int | None = None
    train: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Study:
    """Which models are trained, for how long, and how they are judged.

    `scale` is "full" where the numbers may be compared with the published ones, "reduced" elsewhere. `overrides`
    replaces settings of the protocol (never switches). `baselines` are judged beside the models: logistic regression
    on pixels and on principal components, and each encoder untrained. With a `budget`, switch 6 and the models' own
    lengths and batches do not count: pre-training is `epochs` equal parts of the budget.
    """

    name: str
    scale: Literal["full", "reduced"]
    expected: str
    epochs: int
    models: tuple[Model, ...]
    protocols: tuple[str, ...] = ("as-released",)
    evaluations: tuple[Evaluation, ...] = ("finetune", "frozen")
    baselines: tuple[Literal["pixels", "pca", "random"], ...] = ()
    folds: int = 5
    gpu: bool = False  # meant for a GPU: on a CPU only where --device cpu asks for it
    embedded: bool = True  # may take the embedded sample where no other images are given
    subset: Subset = field(default_factory=Subset)
    budget: Budget | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


def load_protocol(name_or_path: str, overrides: dict[str, Any] | None = None) -> Protocol:
    """A protocol that comes with the kit, by name, or one in a TOML file, with `overrides` for its settings.

    `NAME+7` is NAME with switch 7 turned, `NAME+7+8` with two.
    """
    base, *numbers = name_or_path.split("+")
    where, table = _read_toml(base, "protocols", "protocol")
    for number in numbers:
        _turn(table, number, f"protocol {name_or_path}")
    if overrides:
        refuse_unknown(overrides, Settings, f"{where}, overrides")
        table["settings"] = table.get("settings", {}) | overrides
    protocol = build_protocol(table, where)
    if protocol.name in builtin("protocols") and protocol.name != name_or_path:
        raise UsageError(f"{where}: name is {protocol.name!r}, which a protocol of the kit has; give it another name")
    return protocol


def load_study(name_or_path: str) -> Study:
    """A study that comes with the kit, by name, or one in a TOML file."""
    where, table = _read_toml(name_or_path, "studies", "study")
    study = build_study(table, where)
    study_protocols(study)
    return study


def evaluations_of(study: Study, more: Iterable[str]) -> tuple[Evaluation, ...]:
    """The study's evaluations and `more`, each once; UsageError for one that there is not."""
    wanted = dict.fromkeys((*study.evaluations, *more))
    for evaluation in wanted:
        if evaluation not in get_args(Evaluation):
            raise UsageError(f"evaluation is {evaluation!r}; expected one of {', '.join(get_args(Evaluation))}")
    return tuple(wanted)  # type: ignore[arg-type]


def study_protocols(study: Study) -> list[Protocol]:
    """The study's protocols, with its overrides.

    UsageError for two of one name, one with fewer folds than the study, or one that cannot have a model's sigma.
    """
    from pse_repro.objectives import OBJECTIVES  # here, so that PyTorch is imported only when a study is

    protocols = [load_protocol(name, study.overrides) for name in study.protocols]
    names = [protocol.name for protocol in protocols]
    if len(set(names)) < len(names):
        raise UsageError(f"study {study.name}: protocols are called {', '.join(names)}; expected names that differ")
    for protocol in protocols:
        folds = protocol.settings.folds
        if study.folds > folds:
            raise UsageError(f"study {study.name}: folds is {study.folds}; protocol {protocol.name} has {folds}")
        for model in study.models:
            try:
                OBJECTIVES[model.objective].kind.check(model.sigma, protocol.switches)
            except ValueError as error:
                raise UsageError(
                    f"study {study.name}, model {model.name} under protocol {protocol.name}: {error}"
                ) from error
    return protocols


def _turn(table: dict[str, Any], number: str, where: str) -> None:
    """Turn one switch of a protocol's table, and say so in its name."""
    known = {str(switch.number): switch for switch in all_switches()}
    if number not in known:
        raise UsageError(f"{where}: switch is {number!r}; expected a number from 1 to {len(known)}")
    switch, switches = known[number], table.get("switches", {})
    if switch.key in switches:  # what is missing is said when the protocol is built
        table["switches"] = switches | {switch.key: switch.turned(switches[switch.key])}
    table["name"] = f"{table.get('name', '')}+{number}"


def build_protocol(table: dict[str, Any], where: str) -> Protocol:
    """A checked protocol from a table of its keys; `where` begins every error."""
    protocol: Protocol = build(Protocol, table, where)
    _check_name(protocol.name, where)
    positive(protocol.settings, where)
    if not 0 < protocol.settings.validation_fraction < 1 or not 0 < protocol.settings.plateau_factor < 1:
        raise UsageError(f"{where}: validation_fraction and plateau_factor must lie between 0 and 1")
    if protocol.settings.folds < 2:
        raise UsageError(f"{where}: folds is {protocol.settings.folds}; expected 2 or more")
    return protocol


def build_study(table: dict[str, Any], where: str) -> Study:
    """A checked study from a table of its keys; `where` begins every error."""
    study: Study = build(Study, table, where)
    _check_name(study.name, where)
    _check_models(study, where)
    if study.expected not in expected_tables():
        known = expected_tables()
        raise UsageError(f"{where}: expected is {study.expected!r}; expected one of {', '.join(known)}")
    positive(study, where)
    positive(study.subset, f"{where}, subset")
    if study.budget:
        check_budget(study.budget, where)
    for key, values in (("protocols", study.protocols), ("evaluations", study.evaluations)):
        if not values or len(set(values)) < len(values):
            raise UsageError(f"{where}: {key} is {list(values)}; expected one or more, each once")
    if study.scale == "full" and (study.subset != Subset() or study.overrides):
        raise UsageError(f'{where}: scale is full, but subset or overrides reduce it; expected scale = "reduced"')
    return study


def builtin(kind: Literal["protocols", "studies"]) -> list[str]:
    """Names of the protocols or studies that come with the kit."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in (files("pse_repro") / kind).iterdir() if entry.is_file()
    )


def _check_name(name: str, where: str) -> None:
    """Names of studies and protocols become folders."""
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise UsageError(f"{where}: name is {name!r}; expected a word without slashes that does not begin with a dot")


def _check_models(study: Study, where: str) -> None:
    from pse_repro.models import ENCODERS  # here, so that PyTorch is imported only when a study is
    from pse_repro.objectives import OBJECTIVES

    names = [model.name for model in study.models]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"{where}: models are {names}; expected one or more [[models]], each once")
    for model in study.models:
        for key, value, known in (
            ("encoder", model.encoder, list(ENCODERS)),
            ("objective", model.objective, list(OBJECTIVES)),
        ):
            if value not in known:
                raise UsageError(
                    f"{where}: {key} is {value!r}; expected one of {', '.join(known)}{hint_at(value, known)}"
                )
        try:
            OBJECTIVES[model.objective].kind.check(model.sigma)
        except ValueError as error:
            raise UsageError(f"{where}, model {model.name}: {error}") from error
        positive(model, f"{where}, model {model.name}", but=("sigma",))


def _read_toml(name_or_path: str, kind: Literal["protocols", "studies"], noun: str) -> tuple[str, dict[str, Any]]:
    path = Path(name_or_path)
    known = builtin(kind)
    if name_or_path in known:
        path = Path(str(files("pse_repro") / kind / f"{name_or_path}.toml"))
    elif path.suffix != ".toml":
        hint = hint_at(name_or_path, known)
        raise UsageError(f"{noun} is {name_or_path!r}; expected one of {', '.join(known)}, or a .toml file{hint}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{noun} file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{noun} file {path} is not TOML: {error}") from error
    return f"{noun} {name_or_path}", table
