"""CNN pre-training against the batch size and against the number of unlabelled images; ours only.

One precision is enough to see the trend: the last one requested.
"""

from functools import partial

from pse_repro.bench.arithmetic import autoencoder_flops
from pse_repro.bench.groups.pretrain import first_images, our_epoch
from pse_repro.bench.rows import Group, Row, Setting, ours


def group(setting: Setting) -> Group:
    sizes, available = setting.sizes, len(setting.data.unlabeled)
    by_batch = [
        _row(setting, f"batch of {size}", size, (_steps(setting, size) + 1) * size)
        for size in sizes.batches
        if (_steps(setting, size) + 1) * size <= available
    ]
    counts = [count for count in sizes.unlabelled if count <= available] or [available]
    by_count = [_row(setting, f"{count:,} unlabelled images", sizes.batch["cnn"], count) for count in counts]
    return Group((*by_batch, *by_count))


def _steps(setting: Setting, size: int) -> int:
    return -(-setting.sizes.scaled // size)


def _row(setting: Setting, name: str, size: int, count: int) -> Row:
    """Return the row of batches of `size` drawn from `count` images."""
    steps = max(1, min(_steps(setting, size), count // size - 1))
    split = first_images(setting.data.unlabeled, max(count, (steps + 1) * size))
    build = partial(our_epoch, split=split, encoder="cnn", size=size, steps=steps)
    flops = steps * size * autoencoder_flops("cnn")["train"]
    forms = ours(setting, build)[-1:]
    return Row(f"CNN, {name}", "images", steps * size, forms, flops)
