"""The report's tables of protocols: switches and settings, side by side."""

from collections.abc import Sequence
from dataclasses import asdict, fields

from pse_repro.config.protocol import Protocol, Settings, Switches
from pse_repro.report.tables import Table
from pse_repro.study.record import Run

SIDE_BY_SIDE = 4  # maximum number of protocols with a column each


def protocol_table(run: Run, part: type[Switches] | type[Settings]) -> Table:
    """Return the protocols' switches (numbered) or settings side by side, marked "same" or "differs".

    With more than SIDE_BY_SIDE protocols, only the first has a column; another lists the protocols that differ from it.
    """
    plural, several = part.__name__.lower(), len(run.protocols) > 1
    tables = [asdict(getattr(protocol, plural)) for protocol in run.protocols]
    rows = []
    for place, item in enumerate(fields(part), 1):
        values = [
            _plain(table[item.name]) + _used(run, protocol, item.name, table[item.name])
            for protocol, table in zip(run.protocols, tables, strict=True)
        ]
        name = f"{place}. {item.name}" if part is Switches else item.name
        if len(values) > SIDE_BY_SIDE:
            rows.append([name, values[0], _others(values, run.protocols) or "same"])
        else:
            rows.append([name, *values, *(["differs" if len(set(values)) > 1 else "same"] if several else [])])
    names = [protocol.name for protocol in run.protocols]
    if len(names) > SIDE_BY_SIDE:
        names, several = names[:1], True
    header = ("switch" if part is Switches else "setting", *names, *(["compared"] if several else []))
    return Table(plural.capitalize(), header, "l" * len(header), rows)


def _used(run: Run, protocol: Protocol, setting: str, value: int) -> str:
    """Format the value that the study used of a setting that is an upper limit; empty if it used the limit."""
    lengths = [cell.length.epochs for cell in run.cells if cell.protocol == protocol]
    used = {"folds": run.study.folds, "pretrain_max_epochs": max(lengths)}.get(setting, value)
    return "" if used == value else f" (the study: {used})"


def _others(values: Sequence[str], protocols: Sequence[Protocol]) -> str:
    """Format the values that differ from the first, each with the protocols that have it."""
    found: dict[str, list[str]] = {}
    for value, protocol in zip(values, protocols, strict=True):
        if value != values[0]:
            found.setdefault(value, []).append(protocol.name)
    return "; ".join(f"{value}: {', '.join(names)}" for value, names in found.items())


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
