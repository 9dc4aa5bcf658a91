"""The pictures of the report by section, in the order of the page; sections without content are omitted.

`gallery(run)` draws every picture once, from the run's directory only. Write each picture's `drawing.content` to
figures/ + `picture.name` (`picture.path` is this path, quoted for a link); on a page use `picture.source`,
`picture.alt`, `picture.caption` and `picture.drawing.width` (in CSS pixels; the height follows).
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
    lengths,
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
    """Return the sections with content for this run; `found` are its `switch_effects`, computed here if None."""
    if found is None:
        found = switch_effects(run)
    return [
        *sigma.section(run),
        *peers.section(run),
        *lengths.section(run),
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
