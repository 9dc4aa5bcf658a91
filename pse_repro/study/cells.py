"""A study expanded into cells: one cell = protocol x encoder x objective x seed."""

from dataclasses import dataclass, replace

import pandas as pd

from pse_repro.config.limits import MAX_CELLS
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Budget, Length, Model, Recipe, Study, Unlabeled
from pse_repro.errors import UsageError
from pse_repro.evaluation.registry import PRETRAIN, epochs_of, has_folds, row_of
from pse_repro.objectives import OBJECTIVES
from pse_repro.tables import model_name, plain_cell


@dataclass(frozen=True)
class Cell:
    """One model to pre-train and evaluate; an independent job."""

    protocol: Protocol
    model: Model
    seed: int
    epochs: int  # the study's length, for models without their own (switch 6)
    evaluations: tuple[str, ...]
    folds: int
    budget: Budget | None = None
    unlabeled: Unlabeled = "all"

    @property
    def name(self) -> str:
        """Protocol, model and seed; also the cell's folder."""
        return f"{self.protocol.name}/{self.model.name}-seed{self.seed}"

    @property
    def pretraining_id(self) -> str:
        """Model and seed, from which the cell's random numbers derive: the same under every protocol.

        And with other settings or without the copies of test images, so that both ways are paired.
        """
        return f"{self.model.base_name}-seed{self.seed}"

    @property
    def length(self) -> Length:
        """Length of the pre-training, and its batch size."""
        return length_of(self.model, self.protocol, self.epochs, self.budget)

    @property
    def recipe(self) -> Recipe:
        """All that the pre-training depends on besides the images."""
        return Recipe(self.pretraining_id, self.model, self.protocol, self.length, self.seed, self.unlabeled)

    @property
    def key(self) -> dict[str, object]:
        """Values of the cell's key columns in the tables."""
        return {"protocol": self.protocol.name, **key(self.model), "seed": self.seed}


def length_of(model: Model, protocol: Protocol, study_epochs: int, budget: Budget | None = None) -> Length:
    """Return the length of a model's pre-training.

    A budget of steps is one of images: models with other batch sizes than the protocol's draw as many.

    Raises:
        UsageError: the budget is less than one step per epoch, or is one of seconds and the learning rate changes.
    """
    trains, batch_size = OBJECTIVES[model.objective].trains, protocol.settings.batch_size
    if budget is None:
        own_length = protocol.switches.pretrain_length == "per-model" and model.epochs is not None
        own_batch = protocol.switches.pretrain_batch == "per-model" and model.batch_size is not None
        epochs = model.epochs if own_length and model.epochs else study_epochs
        batch_size = model.batch_size if own_batch and model.batch_size else batch_size
        return Length(min(epochs, protocol.settings.pretrain_max_epochs) if trains else 1, batch_size)
    if not trains:
        return Length(1, batch_size)
    own_size = model.batch_size or batch_size
    if budget.seconds is not None:
        if model.changes_rate:
            raise UsageError(
                f"{model.name}: schedule and warmup need a number of steps, and the budget is one of seconds; give one "
                "of images or steps"
            )
        return Length(study_epochs, own_size, seconds=budget.seconds / study_epochs)
    images = budget.images or (budget.steps or 0) * batch_size
    batch_size, steps = own_size, images // own_size
    if steps < study_epochs:
        raise UsageError(
            f"the budget is {steps} steps of {batch_size} images; expected at least one for each of the "
            f"{study_epochs} epochs"
        )
    return Length(study_epochs, batch_size, steps=steps // study_epochs)


def expand(study: Study, protocols: list[Protocol], seeds: int) -> list[Cell]:
    """Return the study's cells, seed by seed, so that the first complete comparison comes early.

    Raises:
        UsageError: there are more than MAX_CELLS.
    """
    models = [*study.models, *_untrained(study)]
    if seeds * len(protocols) * len(models) > MAX_CELLS:
        raise UsageError(
            f"study {study.name} has {len(models):,} models under {len(protocols):,} protocols with {seeds:,} seeds; "
            f"expected {MAX_CELLS:,} or fewer in all: split it into several studies"
        )
    return [_cell(study, protocol, model, seed) for seed in range(seeds) for protocol in protocols for model in models]


def _cell(study: Study, protocol: Protocol, model: Model, seed: int) -> Cell:
    """Return a cell with the evaluations that it allows.

    Those after fewer epochs need a training that began like one of so many epochs, so a constant learning rate.
    """
    shared = study.epochs, study.evaluations, study.folds, study.budget
    cell = Cell(protocol, model, seed, *shared, model.unlabeled or study.unlabeled)
    names_classes = OBJECTIVES[model.objective].kind.names_classes
    shorter = 0 if model.changes_rate else cell.length.epochs  # no epochs are fewer than 0; -1 stands for the whole
    possible = (
        name
        for name in study.evaluations
        if (epochs_of(name) or -1) < shorter and (names_classes or not row_of(name).names_classes)
    )
    return replace(cell, evaluations=tuple(possible))


def _untrained(study: Study) -> list[Model]:
    """Return the untrained encoders that the baseline `random` adds to the study's models, if it is requested."""
    encoders = dict.fromkeys(model.encoder for model in study.models)
    models = [Model(encoder, "random") for encoder in encoders] if "random" in study.baselines else []
    return [model for model in models if model not in study.models]


def scope(cells: list[Cell]) -> pd.DataFrame:
    """Return the numbers that a run of these cells measures: encoder, objective, sigma, evaluation, fold."""
    rows = [
        {key: value for key, value in cell.key.items() if key in ("encoder", "objective", "sigma")}
        | {"evaluation": evaluation, "fold": fold}
        for cell in cells
        for evaluation in (PRETRAIN, *cell.evaluations)
        for fold in ([*map(str, range(1, cell.folds + 1)), "ensemble"] if has_folds(evaluation) else [""])
    ]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def key(model: Model) -> dict[str, str]:
    """Return the values of the model's key columns in the tables."""
    return {"encoder": model.encoder, "objective": model.labelled, "sigma": plain_cell("sigma", model.sigma)}


def label(model: Model) -> str:
    """Return the model's name as the slides print it."""
    return model_name(*key(model).values())
