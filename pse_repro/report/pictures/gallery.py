"""The report's pictures, section by section, in the order of the page; a section without anything to show is left out.

`gallery(run)` draws everything once and needs nothing but the run's directory. Write each picture's `drawing.content`
to figures/ + `picture.name` (`picture.path` is the same, quoted for a link); on a page use `picture.source`,
`picture.alt`, `picture.caption` and `picture.drawing.width` (in the page's pixels; the height follows).
"""

from collections.abc import Sequence

from pse_repro.compare.effects import Effect, switch_effects
from pse_repro.report.pictures import (
    clustering,
    confusion,
    effects,
    embeddings,
    filters,
    learning,
    neighbours,
    peers,
    sheets,
    sigma,
    spectrum,
)
from pse_repro.report.pictures.picture import Picture, Section
from pse_repro.study.record import Run

__all__ = ["Picture", "Section", "gallery"]


def gallery(run: Run, found: Sequence[Effect] | None = None) -> list[Section]:
    """The sections that this run has something for; `found` are its switches' effects, if the caller has them."""
    if found is None:
        found = switch_effects(run)
    return [
        *sigma.section(run),
        *peers.section(run),
        *effects.section(run, found),
        *learning.section(run),
        *sheets.section(run),
        *spectrum.section(run),
        *filters.section(run),
        *embeddings.section(run),
        *clustering.section(run),
        *neighbours.section(run),
        *confusion.section(run),
    ]
