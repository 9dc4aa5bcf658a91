"""A study: its models, their evaluations and the pre-training budget."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from pse_repro.config.limits import Count, Positive
from pse_repro.config.protocol import Protocol
from pse_repro.config.toml import build
from pse_repro.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """How much pre-training every model gets, whatever its objective and encoder: one of the three.

    `steps` of the optimiser; `images` drawn, counted once however often a step looks at them; `seconds` of training.
    """

    steps: Count | None = None
    images: Count | None = None
    seconds: Positive | None = None


def check_budget(budget: Budget, where: str) -> None:
    """Raise UsageError, which begins with `where`, unless exactly one of the three is there."""
    if sum(amount is not None for amount in vars(budget).values()) != 1:
        raise UsageError(f"{where}: budget is {vars(budget)}; expected one of steps, images and seconds")


def parse_budget(text: str) -> Budget:
    """ "20000 images", "500 steps" or "600 s" as a Budget; UsageError for anything else."""
    match = re.fullmatch(r"\s*(\d[\d_]*(?:\.\d*)?)\s*(images|steps|s|seconds)\s*", text)
    if not match:
        raise UsageError(f"budget is {text!r}; expected a number with images, steps or s, as in '20000 images'")
    amount, unit = float(match[1].replace("_", "")), {"s": "seconds"}.get(match[2], match[2])
    if unit != "seconds" and not amount.is_integer():
        raise UsageError(f"budget is {text!r}; expected a whole number of {unit}")
    return build(Budget, {unit: amount if unit == "seconds" else int(amount)}, "budget")


@dataclass(frozen=True)
class Model:
    """One row of a study: an encoder and the objective it is pre-trained with (`sigma` in pixels, for pse)."""

    encoder: str
    objective: str
    sigma: float | None = None
    epochs: Count | None = None
    batch_size: Count | None = None

    @property
    def name(self) -> str:
        return "-".join([self.encoder, self.objective] + ([] if self.sigma is None else [f"{self.sigma:g}"]))


@dataclass(frozen=True)
class Length:
    """How long a model is pre-trained (switch 6), and its batch size (switch 14).

    An epoch is one pass over the training images, or, under a budget, as many `steps` or `seconds` of training.
    """

    epochs: int
    batch_size: int
    steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Recipe:
    """All that one pre-training depends on besides the images; its random numbers derive from `name`."""

    name: str
    model: Model
    protocol: Protocol
    length: Length
    seed: int


@dataclass(frozen=True)
class Subset:
    """At most so many images of each split, evenly spaced over the file; None takes all."""

    unlabeled: Count | None = None
    train: Count | None = None
    test: Count | None = None


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
    epochs: Count
    models: tuple[Model, ...]
    protocols: tuple[str, ...] = ("as-released",)
    evaluations: tuple[str, ...] = ("finetune", "frozen")
    baselines: tuple[Literal["pixels", "pca", "random"], ...] = ()
    folds: Count = 5
    gpu: bool = False  # meant for a GPU: on a CPU only where --device cpu asks for it
    embedded: bool = True  # may take the embedded sample where no other images are given
    subset: Subset = field(default_factory=Subset)
    budget: Budget | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
