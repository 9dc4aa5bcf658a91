"""A study expanded into cells: one cell = protocol x encoder x objective x seed."""

from dataclasses import dataclass

import pandas as pd

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Budget, Model, Study
from pse_repro.evaluation.registry import WITHOUT_FOLDS
from pse_repro.tables import model_name, plain_cell
from pse_repro.training.pretrain import Length


@dataclass(frozen=True)
class Cell:
    """One model to pre-train and judge; an independent job."""

    protocol: Protocol
    model: Model
    seed: int
    epochs: int  # the study's length, for models without one of their own (switch 6)
    evaluations: tuple[str, ...]
    folds: int
    budget: Budget | None = None

    @property
    def name(self) -> str:
        """Also the cell's folder."""
        return f"{self.protocol.name}/{self.pretraining_id}"

    @property
    def pretraining_id(self) -> str:
        """Model and seed: what the cell's randomness is derived from, the same under every protocol."""
        return f"{self.model.name}-seed{self.seed}"

    @property
    def length(self) -> Length:
        """How long it is pre-trained."""
        return Length.of(self.model, self.protocol, self.epochs, self.budget)

    @property
    def key(self) -> dict[str, object]:
        """The cell's columns in the tables."""
        return {
            "protocol": self.protocol.name,
            "encoder": self.model.encoder,
            "objective": self.model.objective,
            "sigma": "" if self.model.sigma is None else f"{self.model.sigma:g}",
            "seed": self.seed,
        }


def expand(study: Study, protocols: list[Protocol], seeds: int) -> list[Cell]:
    """The study's cells, seed by seed, so that the first complete answer comes early."""
    return [
        Cell(protocol, model, seed, study.epochs, study.evaluations, study.folds, study.budget)
        for seed in range(seeds)
        for protocol in protocols
        for model in (*study.models, *_untrained(study))
    ]


def _untrained(study: Study) -> list[Model]:
    """Each encoder of the study as it was initialised, where the study wants that baseline."""
    encoders = dict.fromkeys(model.encoder for model in study.models)
    models = [Model(encoder, "random") for encoder in encoders] if "random" in study.baselines else []
    return [model for model in models if model not in study.models]


def scope(cells: list[Cell]) -> pd.DataFrame:
    """The (encoder, objective, sigma, evaluation, fold) that a run of these cells sets out to measure."""
    rows = [
        {key: value for key, value in cell.key.items() if key in ("encoder", "objective", "sigma")}
        | {"evaluation": evaluation, "fold": fold}
        for cell in cells
        for evaluation in ("pretrain", *cell.evaluations)
        for fold in ([""] if evaluation in WITHOUT_FOLDS else [*map(str, range(1, cell.folds + 1)), "ensemble"])
    ]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def key(model: Model) -> dict[str, str]:
    """The model's columns in the tables."""
    return {"encoder": model.encoder, "objective": model.objective, "sigma": plain_cell("sigma", model.sigma)}


def label(model: Model) -> str:
    return model_name(*key(model).values())
