"""Groups of rows by name; each is one file with a function `group` that builds it."""

from collections.abc import Callable, Mapping, Sequence

from pse_repro.bench.groups import augmentation, finetune, frozen, heads, loss, pretrain, scaling, smoke
from pse_repro.bench.rows import Group, Setting
from pse_repro.config.toml import hint_at
from pse_repro.errors import UsageError

GROUPS: Mapping[str, Callable[[Setting], Group]] = {
    "loss": loss.group,
    "pretrain": pretrain.group,
    "augmentation": augmentation.group,
    "finetune": finetune.group,
    "frozen": frozen.group,
    "heads": heads.group,
    "scaling": scaling.group,
    "smoke": smoke.group,
}
DEFAULT = tuple(name for name in GROUPS if name != "smoke")


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the named groups in the order of GROUPS, or the default ones if `names` is empty.

    Raises UsageError for an unknown name.
    """
    for name in names:
        if name not in GROUPS:
            hint = hint_at(name, list(GROUPS))
            raise UsageError(f"rows is {name!r}; expected one of {', '.join(GROUPS)}{hint}")
    return tuple(name for name in GROUPS if name in (names or DEFAULT))
