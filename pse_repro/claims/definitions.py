"""Claims as data (`expected/claims.toml`), the study's and its peers', expanded into the contrasts that are tested.

A claim is a conjunction: it holds when all its parts hold. Its statements are of five kinds:

    difference   a minus b, under each evaluation
    gain         the gain of a over b under the first evaluation minus that under the second
    ensemble     a model's ensemble minus the mean of its members
    equivalence  every two models, within a margin
    value        a metric of each model by itself

Each part is a contrast: terms that are added and terms that are subtracted, on the same test images and seeds.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

from pse_repro.config.toml import build
from pse_repro.expected import FOLDER
from pse_repro.tables import model_name

TOP1 = "top1"
PERCENTAGES = (TOP1, "validation_accuracy")  # the second of a pretext task
_LABELS = {"two_domains_accuracy": "two domains", "error_rank_correlation": "correlation"}


@dataclass(frozen=True)
class Term:
    """One model under one evaluation: its ensemble or, with `members`, the mean of its folds' classifiers."""

    model: str
    evaluation: str
    members: bool = False


@dataclass(frozen=True)
class Statement:
    """What is compared with what, and when the difference counts.

    A difference goes beyond `threshold` in the claimed direction, by `minimum` (>= 0) or more; or it lies within
    `margin` (equivalence). They are in percentage points for top1, else in the metric's unit; `why` is their reason.
    `published` are the published effects, in the order of the parts.
    """

    kind: Literal["difference", "gain", "ensemble", "equivalence", "value"]
    why: str
    evaluations: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()
    metric: str = TOP1
    direction: Literal["greater", "less"] = "greater"
    threshold: float = 0.0
    minimum: float = 0.0
    margin: float | None = None
    published: tuple[float, ...] = ()

    @property
    def label(self) -> str:
        """The metric in few words, for a table that is read in percentage points of top-1."""
        if self.metric == TOP1:
            return ""
        return _LABELS.get(self.metric, self.metric.removeprefix("validation_"))

    @property
    def unit(self) -> str:
        return "percentage points" if self.metric in PERCENTAGES else self.metric

    def contrasts(self) -> Iterator[tuple[str, tuple[Term, ...], tuple[Term, ...]]]:
        """Name, terms that are added, terms that are subtracted."""
        if self.kind == "gain":
            larger, smaller = self.evaluations
            for a, b in self.pairs:
                plus, minus = (Term(a, larger), Term(b, smaller)), (Term(b, larger), Term(a, smaller))
                yield f"{shown(a)} - {shown(b)}, {larger} - {smaller}", plus, minus
            return
        for evaluation in self.evaluations:
            if self.kind == "value":
                for model in self.models:
                    yield f"{shown(model)}, {self.metric}", (Term(model, evaluation),), ()
            elif self.kind == "ensemble":
                for model in self.models:
                    own = Term(model, evaluation)
                    members = Term(model, evaluation, members=True)
                    yield f"ensemble of {shown(model)}, {evaluation}", (own,), (members,)
            else:
                where = evaluation if self.metric == TOP1 else self.metric
                for a, b in self.pairs or combinations(self.models, 2):
                    yield f"{shown(a)} - {shown(b)}, {where}", (Term(a, evaluation),), (Term(b, evaluation),)


@dataclass(frozen=True)
class Part:
    """One contrast of a claim, with the published effect, if any."""

    name: str
    statement: Statement
    plus: tuple[Term, ...]
    minus: tuple[Term, ...]
    published: float | None


@dataclass(frozen=True)
class Claim:
    """`title` says it in a sentence, `short` in a table; `remark` is not tested.

    `group` is "study" for the study's own, "peers" for what others claim of the methods that PSE is compared with.
    """

    id: str
    number: int
    title: str
    short: str
    source: str
    statements: tuple[Statement, ...]
    remark: str = ""
    group: Literal["study", "peers"] = "study"

    def parts(self) -> list[Part]:
        found = []
        for statement in self.statements:
            for place, (name, plus, minus) in enumerate(statement.contrasts()):
                published = statement.published[place] if statement.published else None
                found.append(Part(name, statement, plus, minus, published))
        return found


@cache
def load_claims(group: Literal["study", "peers"] = "study") -> tuple[Claim, ...]:
    """The claims of that group which come with the kit, by their numbers."""
    table = tomllib.loads((FOLDER / "claims.toml").read_text(encoding="utf-8"))
    claims = [build(Claim, entry | {"id": name}, f"claims.toml, {name}") for name, entry in table.items()]
    return tuple(claim for claim in claims if claim.group == group)


def shown(model: str) -> str:
    """`cnn-pse-3` as the slides name it: CNN-PSE-3."""
    encoder, _, objective = model.partition("-")
    return model_name(encoder, objective, "")
