"""One setting for all models, and each at its best: what a study with a search for settings has found, and its cost."""

from dataclasses import replace

from pse_repro.config.study import Model, Tuning, described
from pse_repro.report.pictures.peers import Row, columns, rows, shown
from pse_repro.report.tables import Table
from pse_repro.study.cells import label
from pse_repro.study.record import Run
from pse_repro.study.tuning import best_try, tuned_label
from pse_repro.text import NONE, duration


def tuning_tables(run: Run) -> list[Table]:
    """Return the table of both settings of every model, and that of all tries; none for a study without a search."""
    tuning = run.study.tuning
    if tuning is None or not tuning.found:
        return []
    models = [model for model in run.models if any(each.model == model.name for each in tuning.found)]
    return [_both(run, tuning, models), _tries(tuning, models)]


def _both(run: Run, tuning: Tuning, models: list[Model]) -> Table:
    (protocol,) = run.protocols
    found = {row.model.name: row for row in rows(run, protocol)}
    headings = [column.heading for _, column in columns() if any(row.values[column.heading] for row in found.values())]
    body = []
    for model in models:
        plain, best = found.get(model.name), best_try(model, tuning.found)
        other = found.get(replace(model, label=tuned_label(model)).name)
        scores = [f"{_score(plain, heading)} / {_score(other, heading)}" for heading in headings]
        settings = described(tuning.tries[best.number - 1].given) if best else "every try failed"
        body.append([label(model), *scores, settings])
    notes = [
        "First with the study's own settings, the same for all, then, after the stroke, with the best of "
        f"{len(tuning.tries)} tries, as many for all. {_chosen(tuning)}"
    ]
    header = ("model", *headings, "best settings")
    return Table("One setting for all / each at its best", header, f"l{'r' * len(headings)}l", body, notes)


def _score(row: Row | None, heading: str) -> str:
    return shown(row.values[heading]) if row else NONE


def _tries(tuning: Tuning, models: list[Model]) -> Table:
    body = []
    for model in models:
        best = best_try(model, tuning.found)
        for each in (each for each in tuning.found if each.model == model.name):
            score = "failed" if each.score is None else f"{each.score:.2f}"
            settings = described(tuning.tries[each.number - 1].given)
            chosen = "best" if each == best else ""
            body.append([label(model), str(each.number), settings, score, duration(each.seconds), chosen])
    seconds = sum(each.seconds for each in tuning.found)
    notes = [f"{_chosen(tuning)} Pre-training of all tries: {duration(seconds)}."]
    header = ("model", "try", "settings", "held-out top-1 %", "pre-training", "")
    return Table(f"Search for settings: {len(body)} tries", header, "lrlrrl", body, notes)


def _chosen(tuning: Tuning) -> str:
    seeds = f", mean over {tuning.seeds} seeds" if tuning.seeds > 1 else ""
    return (
        f"Chosen by {tuning.evaluation} on {100 * tuning.held_out:.3g} % of the labelled images, held out{seeds}; no "
        "test image took part."
    )
