"""Claims as data (`expected/claims.toml`), of the study, its peers and PSE's relatives: the contrasts that test them.

A claim is a conjunction: it holds if all its parts were tested and hold. There are five kinds of statement:

    difference   a minus b, under each evaluation
    gain         the gain of a over b under the first evaluation minus the same gain under the second
    ensemble     a model's ensemble minus the mean of its members
    equivalence  each pair of models, within a margin
    value        a metric of each model by itself

Each part is a contrast: a sum of terms minus another sum of terms, on the same test images and seeds.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

from pse_repro.config.toml import build
from pse_repro.expected import FOLDER
from pse_repro.stats import Direction
from pse_repro.tables import model_name

Group = Literal["study", "peers", "relatives"]
TOP1 = "top1"
PERCENT_METRICS = (TOP1, "validation_accuracy")  # metrics in percent; validation_accuracy is that of a pretext task
_LABELS = {"two_domains_accuracy": "two domains", "error_rank_correlation": "correlation"}


@dataclass(frozen=True)
class Term:
    """One model under one evaluation: its ensemble or, with `members`, the mean over the classifiers of its folds."""

    model: str
    evaluation: str
    members: bool = False


@dataclass(frozen=True)
class Statement:
    """A family of contrasts, and the effect size from which each of them counts.

    A difference holds if it exceeds `threshold` in the claimed direction by at least `minimum` (>= 0), or with "either"
    in one of the two; an equivalence holds if the difference lies within `margin`. Units: percentage points for top1
    and validation_accuracy, else the metric's own; `why` justifies the chosen values. `sd` is the standard deviation of
    a part over seeds where it does not follow from that of the ensembles; only claims/power.py uses it.
    `published` lists the published effects in the order of the parts.
    """

    kind: Literal["difference", "gain", "ensemble", "equivalence", "value"]
    why: str
    evaluations: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()
    metric: str = TOP1
    direction: Direction = "greater"
    threshold: float = 0.0
    minimum: float = 0.0
    margin: float | None = None
    sd: float = 0.0
    published: tuple[float, ...] = ()

    @property
    def label(self) -> str:
        """Short name of the metric; empty for top-1, the default of the tables."""
        if self.metric == TOP1:
            return ""
        return _LABELS.get(self.metric, self.metric.removeprefix("validation_"))

    @property
    def unit(self) -> str:
        """Unit of the statement's differences, minimum and margin."""
        return "percentage points" if self.metric in PERCENT_METRICS else self.metric

    def contrasts(self) -> Iterator[tuple[str, tuple[Term, ...], tuple[Term, ...]]]:
        """Yield the name, the added terms and the subtracted terms of each contrast."""
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
    """One contrast of a claim; `published` is the published effect, or None."""

    name: str
    statement: Statement
    plus: tuple[Term, ...]
    minus: tuple[Term, ...]
    published: float | None

    @property
    def terms(self) -> tuple[Term, ...]:
        """All terms, the added ones first."""
        return (*self.plus, *self.minus)


@dataclass(frozen=True)
class Claim:
    """A published claim: `title` is the full sentence, `short` its name in tables; `remark` is not tested.

    `group` is "study" for the study's own claims, "peers" for published claims about the methods PSE is compared with,
    "relatives" for what this kit asks about PSE and the losses that it is related to.
    """

    id: str
    number: int
    title: str
    short: str
    source: str
    statements: tuple[Statement, ...]
    remark: str = ""
    group: Group = "study"

    def parts(self) -> list[Part]:
        """Return every contrast of every statement, in the order of the file."""
        found = []
        for statement in self.statements:
            for place, (name, plus, minus) in enumerate(statement.contrasts()):
                published = statement.published[place] if statement.published else None
                found.append(Part(name, statement, plus, minus, published))
        return found

    def models(self) -> list[str]:
        """Return the models that the claim compares, named as in `cnn-pse-3`."""
        return list(dict.fromkeys(term.model for part in self.parts() for term in part.terms))


@cache
def load_claims(group: Group = "study") -> tuple[Claim, ...]:
    """Load the kit's claims of one group, in the order of their numbers."""
    table = tomllib.loads((FOLDER / "claims.toml").read_text(encoding="utf-8"))
    claims = [build(Claim, entry | {"id": name}, f"claims.toml, {name}") for name, entry in table.items()]
    return tuple(claim for claim in claims if claim.group == group)


def shown(model: str) -> str:
    """Format a model's name as on the slides: `cnn-pse-3` becomes CNN-PSE-3."""
    encoder, _, objective = model.partition("-")
    return model_name(encoder, objective, "")
