"""The study's claims as data (`expected/claims.toml`), expanded into the contrasts that are tested.

A claim is a conjunction: it holds when all its parts hold. Its statements are of four kinds:

    difference    a minus b, under each evaluation
    gain          the gain of a over b under the first evaluation minus that under the second
    ensemble      a model's ensemble minus the mean of its members
    equivalence   every two models, within a margin

Each part is a contrast: terms that are added and terms that are subtracted, on the same test images and seeds.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from pse_repro.compare import model_name
from pse_repro.expected import FOLDER

TOP1 = "top1"


@dataclass(frozen=True)
class Term:
    """One model under one evaluation: its ensemble or, with `members`, the mean of its folds' classifiers."""

    model: str
    evaluation: str
    members: bool = False


@dataclass(frozen=True)
class Statement:
    """What is compared with what, and when the difference counts.

    `minimum` (>= 0, in the claimed direction) and `margin` (equivalence) are in percentage points for top1, else in the
    metric's unit; `why` is their reason. `published` are the study's own effects, in the order of the parts.
    """

    kind: Literal["difference", "gain", "ensemble", "equivalence"]
    evaluations: tuple[str, ...]
    why: str
    pairs: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()
    metric: str = TOP1
    direction: Literal["greater", "less"] = "greater"
    minimum: float = 0.0
    margin: float | None = None
    published: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        return "percentage points" if self.metric == TOP1 else self.metric

    def contrasts(self) -> Iterator[tuple[str, tuple[Term, ...], tuple[Term, ...]]]:
        """Name, terms that are added, terms that are subtracted."""
        if self.kind == "gain":
            larger, smaller = self.evaluations
            for a, b in self.pairs:
                plus, minus = (Term(a, larger), Term(b, smaller)), (Term(b, larger), Term(a, smaller))
                yield f"{shown(a)} - {shown(b)}, {larger} - {smaller}", plus, minus
            return
        for evaluation in self.evaluations:
            if self.kind == "ensemble":
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
    """One contrast of a claim, with the effect that the study published (None: it published none)."""

    name: str
    statement: Statement
    plus: tuple[Term, ...]
    minus: tuple[Term, ...]
    published: float | None


@dataclass(frozen=True)
class Claim:
    """A claim of the study; `title` says it in a sentence, `short` in a table; `remark` is not tested."""

    id: str
    number: int
    title: str
    short: str
    source: str
    statements: tuple[Statement, ...]
    remark: str = ""

    def parts(self) -> list[Part]:
        found = []
        for statement in self.statements:
            for place, (name, plus, minus) in enumerate(statement.contrasts()):
                published = statement.published[place] if statement.published else None
                found.append(Part(name, statement, plus, minus, published))
        return found


def load_claims() -> list[Claim]:
    """The claims that come with the kit, in the study's order."""
    table = tomllib.loads((FOLDER / "claims.toml").read_text(encoding="utf-8"))
    claims = []
    for name, entry in table.items():
        statements = [Statement(**{key: _frozen(value) for key, value in each.items()}) for each in entry["statements"]]
        claims.append(Claim(**entry | {"id": name, "statements": tuple(statements)}))
    return claims


def shown(model: str) -> str:
    """`cnn-pse-3` as the slides name it: CNN-PSE-3."""
    encoder, _, objective = model.partition("-")
    return model_name(encoder, objective, "")


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
