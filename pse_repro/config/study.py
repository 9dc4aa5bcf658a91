"""A study: its models, their evaluations and the pre-training budget."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from pse_repro.config.limits import MAX_MODELS, MAX_PROTOCOLS, Count, Positive
from pse_repro.config.protocol import Protocol
from pse_repro.config.toml import build
from pse_repro.errors import UsageError

# The unlabelled images of a pre-training: all, or those that equal no test image pixel by pixel.
Unlabeled = Literal["all", "without-test"]


def marked(name: str, unlabeled: Unlabeled | None) -> str:
    """Return a name as results have it: marked if copies of test images were left out."""
    return f"{name}-without-test" if unlabeled == "without-test" else name


@dataclass(frozen=True)
class Budget:
    """Amount of pre-training of every model, whatever its objective and encoder; exactly one of the three is set.

    `steps` of the optimiser; `images` drawn, each counted once per step, however often the step uses it; `seconds` of
    training.
    """

    steps: Count | None = None
    images: Count | None = None
    seconds: Positive | None = None


def check_budget(budget: Budget, where: str) -> None:
    """Raise UsageError, which begins with `where`, unless exactly one amount is set."""
    if sum(amount is not None for amount in vars(budget).values()) != 1:
        raise UsageError(f"{where}: budget is {vars(budget)}; expected exactly one of steps, images and seconds")


def parse_budget(text: str) -> Budget:
    """Parse a budget such as "20000 images", "500 steps" or "600 s"; UsageError for any other text."""
    match = re.fullmatch(r"\s*(\d[\d_]*(?:\.\d*)?)\s*(images|steps|s|seconds)\s*", text)
    if not match:
        raise UsageError(f"budget is {text!r}; expected a number with images, steps or s, as in '20000 images'")
    amount, unit = float(match[1].replace("_", "")), {"s": "seconds"}.get(match[2], match[2])
    if unit != "seconds" and not amount.is_integer():
        raise UsageError(f"budget is {text!r}; expected a whole number of {unit}")
    return build(Budget, {unit: amount if unit == "seconds" else int(amount)}, "budget")


@dataclass(frozen=True)
class Model:
    """A model of a study: an encoder and its pre-training objective (`sigma` in pixels, for pse).

    `learning_rate` is that of its pre-training instead of the protocol's, also under a budget. `unlabeled` leaves the
    copies of test images out of its pre-training; else the study decides.
    """

    encoder: str
    objective: str
    sigma: float | None = None
    epochs: Count | None = None
    batch_size: Count | None = None
    learning_rate: Positive | None = None
    unlabeled: Literal["without-test"] | None = None

    @property
    def variant(self) -> str:
        """The objective as results name it: marked if copies of test images are left out of this model alone."""
        return marked(self.objective, self.unlabeled)

    @property
    def name(self) -> str:
        return "-".join([self.encoder, self.variant] + ([] if self.sigma is None else [f"{self.sigma:g}"]))


@dataclass(frozen=True)
class Length:
    """Length of a model's pre-training (switch 6), and its batch size (switch 14).

    An epoch is one pass over the training images or, under a budget, `steps` steps or `seconds` seconds of training.
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
    unlabeled: Unlabeled = "all"

    @property
    def learning_rate(self) -> float:
        """Learning rate of the pre-training: the model's own, else the protocol's."""
        return self.model.learning_rate or self.protocol.settings.learning_rate


@dataclass(frozen=True)
class Subset:
    """Maximum number of images per split, evenly spaced over the file; None takes all."""

    unlabeled: Count | None = None
    train: Count | None = None
    test: Count | None = None


@dataclass(frozen=True)
class Study:
    """A study: its models, the length of their pre-training, and their evaluations.

    `scale` is "full" if the numbers may be compared with the published ones, else "reduced". `overrides` replaces
    settings of the protocol (never switches). `baselines` are evaluated like the models: logistic regression on pixels
    and on principal components, and each encoder untrained. A `budget` replaces switch 6 and the models' own lengths
    and batch sizes: pre-training then has `epochs` equal parts of the budget. `unlabeled` is for all of its models, or
    each of them has its own.
    """

    name: str
    scale: Literal["full", "reduced"]
    expected: str
    epochs: Count
    models: Annotated[tuple[Model, ...], Field(max_length=MAX_MODELS)]
    protocols: Annotated[tuple[str, ...], Field(max_length=MAX_PROTOCOLS)] = ("as-released",)
    evaluations: tuple[str, ...] = ("finetune", "frozen")
    baselines: tuple[Literal["pixels", "pca", "random"], ...] = ()
    folds: Count = 5
    gpu: bool = False  # meant for a GPU: on a CPU only if --device cpu requests it
    embedded: bool = True  # may use the embedded sample if no other images are given
    subset: Subset = field(default_factory=Subset)
    unlabeled: Unlabeled = "all"
    budget: Budget | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
