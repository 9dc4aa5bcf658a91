"""Studies from TOML, checked against the encoders, objectives and evaluations that exist."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pse_repro.config.protocol import Protocol, load_protocol
from pse_repro.config.study import Model, Study, Subset, Tried, Tuning, check_budget
from pse_repro.config.toml import build, check_name, hint_at, read_toml
from pse_repro.errors import UsageError
from pse_repro.evaluation.registry import EVALUATIONS, has_folds
from pse_repro.expected import names as expected_tables


def load_study(name_or_path: str) -> Study:
    """Load a built-in study by its name, or a study from a TOML file.

    Raises:
        UsageError: the study or one of its protocols is not valid.
    """
    where, table = read_toml(name_or_path, "studies", "study")
    study = build_study(table, where)
    study_protocols(study)
    return study


def evaluations_of(study: Study, more: Iterable[str]) -> tuple[str, ...]:
    """Return the study's evaluations and `more`, each once; UsageError for an unknown one."""
    wanted = dict.fromkeys((*study.evaluations, *more))
    for evaluation in wanted:
        _check_evaluation("evaluation", evaluation, study.epochs, "")
    return tuple(wanted)


def without_test(study: Study) -> Study:
    """Return the study without the copies of test images; UsageError if it decides that for each model."""
    changed = replace(study, unlabeled="without-test")
    _check_unlabeled(changed, f"study {study.name}")
    return changed


def study_protocols(study: Study) -> list[Protocol]:
    """Return the study's protocols, with its overrides.

    Raises:
        UsageError: two have the same name, or one does not allow the study's folds or epochs, or a model's sigma.
    """
    from pse_repro.objectives import OBJECTIVES  # here: PyTorch is imported only once a study is loaded

    protocols = [load_protocol(name, study.overrides) for name in study.protocols]
    names = [protocol.name for protocol in protocols]
    if study.tuning and len(names) > 1:
        raise UsageError(
            f"study {study.name}: tuning under protocols {', '.join(names)}; expected one: give --protocol"
        )
    if len(set(names)) < len(names):
        raise UsageError(f"study {study.name}: protocols are called {', '.join(names)}; expected names that differ")
    for protocol in protocols:
        folds = protocol.settings.folds
        if study.folds > folds:
            raise UsageError(f"study {study.name}: folds is {study.folds}; protocol {protocol.name} has {folds}")
        _check_epochs(study, protocol)
        for model in study.models:
            try:
                OBJECTIVES[model.objective].kind.check(model.sigma, protocol.switches)
            except ValueError as error:
                raise UsageError(
                    f"study {study.name}, model {model.name} under protocol {protocol.name}: {error}"
                ) from error
    return protocols


def _check_epochs(study: Study, protocol: Protocol) -> None:
    """Raise UsageError if a pre-training would be longer than the protocol's maximum."""
    longest = protocol.settings.pretrain_max_epochs
    lengths = [study.epochs, *(model.epochs for model in study.models if model.epochs)]
    if study.budget is None and max(lengths) > longest:
        raise UsageError(
            f"study {study.name}: epochs is {max(lengths)}; protocol {protocol.name} has pretrain_max_epochs "
            f"{longest}: give fewer, or raise it in a protocol of your own"
        )


def build_study(table: dict[str, Any], where: str) -> Study:
    """Build and check a study from a table of its keys; UsageError, which begins with `where`, if it is not valid."""
    study = build(Study, table, where)
    check_name(study.name, where)
    _check_models(study, where)
    if study.expected not in expected_tables():
        known = expected_tables()
        raise UsageError(f"{where}: expected is {study.expected!r}; expected one of {', '.join(known)}")
    for evaluation in study.evaluations:
        _check_evaluation("evaluations", evaluation, study.epochs, f"{where}: ")
    if study.budget:
        check_budget(study.budget, where)
    for key, values in (("protocols", study.protocols), ("evaluations", study.evaluations)):
        if not values or len(set(values)) < len(values):
            raise UsageError(f"{where}: {key} is {list(values)}; expected one or more, each once")
    _check_unlabeled(study, where)
    if study.scale == "full" and (study.subset != Subset() or study.overrides):
        raise UsageError(f'{where}: scale is full, but subset or overrides reduce it; expected scale = "reduced"')
    if study.tuning and not study.tuning.found:  # else it was checked, and has its tuned models by now
        _check_tuning(study, study.tuning, where)
    for model in study.models:
        _check_settings(model, study, f"{where}, model {model.name}")
    return study


def _check_unlabeled(study: Study, where: str) -> None:
    own = [model.base_name for model in study.models if model.unlabeled]
    if own and study.unlabeled != "all":
        raise UsageError(
            f"{where}: unlabeled is {study.unlabeled} for all models, and again for {', '.join(own)}; expected it "
            "once: leave it out of [[models]], or of the study and the command"
        )


def _check_tuning(study: Study, tuning: Tuning, where: str) -> None:
    """Raise UsageError unless the search tries valid settings, and judges by an evaluation with folds.

    Its names, and those of the models that it will add, must be possible, too.
    """
    from pse_repro.study.tuning import search_of, tuned  # here: PyTorch is imported only once a study is loaded

    _check_evaluation("tuning: evaluation", tuning.evaluation, study.epochs, f"{where}: ")
    if not has_folds(tuning.evaluation):
        raise UsageError(
            f"{where}: tuning: evaluation is {tuning.evaluation!r}; expected one with folds, such as linear"
        )
    if len(set(tuning.tries)) < len(tuning.tries):
        raise UsageError(f"{where}: tuning: a try is listed twice; expected each once")
    if study.scale == "full":
        raise UsageError(f'{where}: scale is full, but tuning gives models other settings; expected scale = "reduced"')
    if any(settings.batch_size for settings in tuning.tries) and not study.budget:
        raise UsageError(f"{where}: tuning: a try has a batch_size, but the study no budget, which makes images equal")
    search = search_of(study, tuning)
    check_name(search.name, where)
    for model in search.models:
        _check_settings(model, study, f"{where}, tuning: {model.name}")
    _check_models(tuned(study, tuning, [Tried(model.name, 1, 0.0, 0.0) for model in study.models]), where)


def _check_settings(model: Model, study: Study, where: str) -> None:
    """Raise UsageError for settings of the optimizer that mean nothing together, or nothing in the study."""
    if model.label and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{,39}", model.label):
        raise UsageError(f"{where}: label is {model.label!r}; expected 1 to 40 of a to z, 0 to 9, dots and dashes")
    if model.optimizer == "adamw" and not model.weight_decay:
        raise UsageError(f"{where}: optimizer is 'adamw' without weight_decay; give one, or take adam: the same")
    own = [name for name in model.given if name != "batch_size"]
    if study.scale == "full" and own:
        raise UsageError(f'{where}: scale is full, but the model has its own {own[0]}; expected scale = "reduced"')


def _check_evaluation(key: str, evaluation: str, epochs: int, where: str) -> None:
    known = list(EVALUATIONS)
    kind, at, earlier = evaluation.partition("@")
    if kind not in known:
        raise UsageError(f"{where}{key} is {evaluation!r}; expected one of {', '.join(known)}{hint_at(kind, known)}")
    earlier_epochs = list(map(str, range(1, epochs)))
    if at and not (EVALUATIONS[kind].has_folds and earlier in earlier_epochs):
        with_folds = ", ".join(name for name, row in EVALUATIONS.items() if row.has_folds)
        raise UsageError(
            f"{where}{key} is {evaluation!r}; expected, before the @, one of {with_folds}, and after it an epoch of "
            f"pre-training before the last of {epochs}"
        )


def _check_models(study: Study, where: str) -> None:
    from pse_repro.models import ENCODERS  # here: PyTorch is imported only once a study is loaded
    from pse_repro.objectives import OBJECTIVES

    names = [model.name for model in study.models]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"{where}: models are {names}; expected one or more [[models]], each once, or with a label")
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
