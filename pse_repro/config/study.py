"""A study: its models, their evaluations and the pre-training budget."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import Field

from pse_repro.config.limits import MAX_MODELS, MAX_PROTOCOLS, MAX_TRIES, Count, NotNegative, Positive, Seeds, Share
from pse_repro.config.protocol import Protocol
from pse_repro.config.toml import build
from pse_repro.errors import UsageError

# The unlabelled images of a pre-training: all, or those that equal no test image pixel by pixel.
Unlabeled = Literal["all", "without-test"]


def data_name(name: str, unlabeled: Unlabeled) -> str:
    """Return the name of a run's images as results have it: of others if copies of test images were left out."""
    return f"{name}-without-test" if unlabeled == "without-test" else name


@dataclass(frozen=True)
class Budget:
    """Amount of pre-training of every model, whatever its objective and encoder; exactly one of the three is set.

    `steps` of the protocol's batch size, so of as many images with any; `images` drawn, each counted once per step,
    however often the step uses it; `seconds` of training.
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


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """How a model is pre-trained, as far as it differs from the protocol; None: as the protocol has it.

    Without any, that is Adam at a constant rate without weight decay, with the protocol's clip (switch 5) and batch.
    `schedule` and `warmup`, a share of the steps in which the rate rises from 0, multiply the learning rate.
    `weight_decay` is a penalty on all weights; adamw subtracts it from them instead. sgd has a momentum of 0.9. `clip`
    is the largest norm of the gradient, 0 for any.
    """

    learning_rate: Positive | None = None
    batch_size: Count | None = None
    optimizer: Literal["adam", "adamw", "sgd"] | None = None
    schedule: Literal["constant", "cosine"] | None = None
    warmup: Share | None = None
    weight_decay: NotNegative | None = None
    clip: NotNegative | None = None

    @property
    def given(self) -> dict[str, float | str]:
        """The settings that are not the protocol's."""
        found = {item.name: getattr(self, item.name) for item in fields(OptimizerSettings)}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def of_optimizer(self) -> dict[str, float | str]:
        """The settings that are not the protocol's, but learning rate and batch size, which every model has."""
        return {name: value for name, value in self.given.items() if name not in ("learning_rate", "batch_size")}

    @property
    def changes_rate(self) -> bool:
        """True if the learning rate changes from step to step."""
        return self.schedule == "cosine" or self.warmup is not None


def described(settings: Mapping[str, float | str]) -> str:
    """List settings in words, as in "clip 0, schedule cosine"."""
    shown = {name: value if isinstance(value, str) else f"{value:g}" for name, value in settings.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


@dataclass(frozen=True)
class Model(OptimizerSettings):
    """A model of a study: an encoder and its pre-training objective (`sigma` in pixels, for one with a kernel).

    A `label` tells it from others of the same encoder and objective. It is no part of what shapes the training: models
    that differ in their settings alone begin with the same weights and draw the same images. `unlabeled` leaves
    the copies of test images out of its pre-training; else the study decides.
    """

    encoder: str
    objective: str
    sigma: float | None = None
    epochs: Count | None = None
    unlabeled: Literal["without-test"] | None = None
    label: str = ""

    @property
    def labels(self) -> str:
        """What tells the model from others of its encoder and objective, as in "without-test+slow"; empty for none."""
        return "+".join(filter(None, (self.unlabeled, self.label)))

    @property
    def labelled(self) -> str:
        """Objective and labels, as in the tables' column."""
        return f"{self.objective}+{self.labels}" if self.labels else self.objective

    @property
    def name(self) -> str:
        return self._named(self.labelled)

    @property
    def base_name(self) -> str:
        """Name without the labels, from which random numbers derive."""
        return self._named(self.objective)

    def _named(self, objective: str) -> str:
        return "-".join([self.encoder, objective] + ([] if self.sigma is None else [f"{self.sigma:g}"]))


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

    @property
    def clip_norm(self) -> float | None:
        """Largest norm of the gradient: the model's own, else the protocol's (switch 5); None for any."""
        own, protocol = self.model.clip, self.protocol
        if own is None and protocol.switches.gradient_clipping:
            own = protocol.settings.pretrain_clip_norm
        return own or None


@dataclass(frozen=True)
class Subset:
    """Maximum number of images per split, evenly spaced over the file; None takes all.

    With `held_out`, a class-balanced share of the labelled images, chosen after that, is taken instead of test images.
    """

    unlabeled: Count | None = None
    train: Count | None = None
    test: Count | None = None
    held_out: Share | None = None


@dataclass(frozen=True)
class Tried:
    """A try of a search: the model, which of the tries from 1, its result and the seconds of its pre-training.

    `score` is the mean top-1 in percent on held-out labelled images; None if a pre-training failed.
    """

    model: str
    number: Count
    score: float | None
    seconds: NotNegative


@dataclass(frozen=True)
class Tuning:
    """Search for the settings of each model: the best of the same `tries` for all of them.

    A try is pre-trained like its model, and judged by the `evaluation` on `held_out`, a share of the labelled images
    that it is not trained on; no test image is looked at. `found` is the result, recorded in the run of the study.
    """

    tries: Annotated[tuple[OptimizerSettings, ...], Field(min_length=1, max_length=MAX_TRIES)]
    held_out: Share = 0.2
    evaluation: str = "linear"
    seeds: Seeds = 1
    found: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class Study:
    """A study: its models, the length of their pre-training, and their evaluations.

    `scale` is "full" if the numbers may be compared with the published ones, else "reduced". `overrides` replaces
    settings of the protocol (never switches). `baselines` are evaluated like the models: logistic regression on pixels
    and on principal components, and each encoder untrained. A `budget` replaces switch 6 and the models' own lengths:
    pre-training then has `epochs` equal parts of the budget, and a model's own batch size, if it has one, draws as many
    images. `unlabeled` is for all of its models, or each of them has its own. With `tuning`, every model is trained a
    second time, with the best settings of a search.
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
    tuning: Tuning | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
