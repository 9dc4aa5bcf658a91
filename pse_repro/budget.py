"""How much pre-training every model of a study gets, where that is to be the same for all."""

import re
from dataclasses import dataclass

from pse_repro.checked import positive
from pse_repro.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """How much pre-training every model gets, whatever its objective and encoder: one of the three.

    `steps` of the optimiser; `images` drawn, counted once however often a step looks at them; `seconds` of training.
    """

    steps: int | None = None
    images: int | None = None
    seconds: float | None = None


def check_budget(budget: Budget, where: str) -> None:
    """UsageError, which begins with `where`, unless exactly one of the three is there and above 0."""
    positive(budget, f"{where}, budget")
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
    budget = Budget(**{unit: amount if unit == "seconds" else int(amount)})  # type: ignore[arg-type]
    positive(budget, "budget")
    return budget
