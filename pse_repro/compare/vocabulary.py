"""The words that the kit recognises in a long table. Rows with other words are reported and not compared."""

import re
from collections import Counter
from dataclasses import replace

import pandas as pd

from pse_repro.compare.join import Unknown
from pse_repro.config.toml import builtin, closest
from pse_repro.evaluation.baselines import BASELINES
from pse_repro.evaluation.registry import EVALUATIONS, PRETRAIN, kind_of
from pse_repro.evaluation.scores import METRICS
from pse_repro.expected import ExpectedTable
from pse_repro.models import ENCODERS
from pse_repro.objectives import OBJECTIVES
from pse_repro.tables import KEY, PERCENTAGES

_COLUMNS = ("protocol", "encoder", "objective", "evaluation", "fold", "metric")
_KNOWN = {
    "protocol": builtin("protocols"),
    "encoder": [*ENCODERS, *BASELINES],
    "objective": [*OBJECTIVES, "none"],
    "fold": ["ensemble", ""],
}
# The metrics of a run (the tests check this list against one); pre-training has validation_ANYTHING as well.
_PRETRAIN_METRICS = ["first_train_loss", "best_epoch", "feature_mean", "feature_std"]
_FOLD_METRICS = [*METRICS, "best_epoch"]
_ALSO_CALLED = {"acc": "top1", "accuracy": "top1"}


def known_rows(table: pd.DataFrame, expected: ExpectedTable) -> tuple[pd.DataFrame, tuple[Unknown, ...]]:
    """Return the rows whose words all occur in the kit or in `expected`, and the unrecognised words of the others."""
    own = {column: list(dict.fromkeys(expected.frame[column])) for column in _COLUMNS}
    rows: Counter[Unknown] = Counter()
    ignored: list[int] = []
    for words, group in table.groupby(list(_COLUMNS), sort=False):
        row = dict(zip(_COLUMNS, map(str, words), strict=True))
        unknown = [
            Unknown(column, word, tuple(own[column]), _meant(word, known))
            for column, word in row.items()
            if not _is_known(column, word, known := [*own[column], *_known(column, row["evaluation"])])
        ]
        rows.update(dict.fromkeys(unknown, len(group)))
        ignored.extend(group.index if unknown else [])
    return table.drop(index=ignored), tuple(replace(unknown, rows=count) for unknown, count in rows.items())


def hints(table: pd.DataFrame) -> list[str]:
    """Return what looks wrong in the values of a table, although each could be right."""
    found = []
    percent = table[table["metric"].isin(PERCENTAGES)]["value"].dropna()
    if len(percent) and percent.between(0, 1).all() and percent.any():
        found.append("its scores look like fractions; top1, top2 and top4 are in percent: multiply them by 100")
    seeds = table[table["value"].abs() > 0].groupby([column for column in KEY if column != "seed"])["value"]
    same = (seeds.count() > 1) & (seeds.nunique() == 1)
    if len(same) and same.all():
        found.append("each of its values is the same for all seeds, as if they were copies of one run")
    return found


def _known(column: str, evaluation: str) -> list[str]:
    if column == "evaluation":
        return [*EVALUATIONS, PRETRAIN]
    if column != "metric":
        return _KNOWN[column]
    if evaluation == PRETRAIN:
        return _PRETRAIN_METRICS
    row = EVALUATIONS.get(kind_of(evaluation))
    return [*row.metrics] if row and row.metrics else _FOLD_METRICS


def _is_known(column: str, word: str, known: list[str]) -> bool:
    # Of a model with labels, "mse+slow", or after fewer epochs, "linear@2".
    kind = {"objective": word.partition("+")[0], "evaluation": kind_of(word)}.get(column, word)
    if kind in known:
        return True
    if column == "protocol":  # users may name their protocols freely, except by a different spelling of a known one
        return _plain(word) not in map(_plain, known)
    return (column == "fold" and word.isdigit()) or (column == "metric" and word.startswith("validation_"))


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]", "", word.casefold())


def _meant(word: str, known: list[str]) -> str:
    """Return the closest known word with the same digits (top5 is not top4), or "" if there is none."""
    tried = (word, _ALSO_CALLED.get(word.casefold(), ""))
    found = (closest(each, [other for other in known if _digits(other) == _digits(each)]) for each in tried)
    return next(filter(None, found), "")


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)
