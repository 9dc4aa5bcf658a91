"""The search for the settings of a study's models, run or resumed."""

from statistics import fmean

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Model, Study, Tried, Tuning
from pse_repro.run.context import RunContext
from pse_repro.run.runner import run_study
from pse_repro.study.cells import key
from pse_repro.study.record import Run
from pse_repro.study.tuning import search_of, tries_of


def search(
    study: Study, tuning: Tuning, protocols: list[Protocol], context: RunContext, fresh: bool, jobs: int
) -> list[Tried]:
    """Run or resume the search in the context's directory; return the tries of every model, in order."""
    run_study(search_of(study, tuning), protocols, tuning.seeds, context, fresh, jobs)
    run = Run.open(context.directory)
    return [
        _tried(run, tuning, model.name, number, attempt)
        for model in study.models
        for number, attempt in enumerate(tries_of(model, tuning), 1)
    ]


def _tried(run: Run, tuning: Tuning, model: str, number: int, attempt: Model) -> Tried:
    table, place = run.results, {"evaluation": tuning.evaluation, "fold": "ensemble", "metric": "top1"}
    for column, value in (key(attempt) | place).items():
        table = table[table[column] == value]
    cells = [cell for cell in run.expanded(tuning.seeds) if cell.model.name == attempt.name]
    trained = [note for cell in cells if (note := run.pretraining(cell))]
    score = fmean(table["value"]) if len(table) >= tuning.seeds else None
    return Tried(model, number, score, sum(note.seconds for note in trained))
