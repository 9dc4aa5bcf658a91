"""Seeds and generators derived from names; PyTorch's global state is restored after every use."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(*names: object) -> int:
    """Return a 63-bit seed derived from names, the same on every machine: `derive("pretrain", cell, epoch)`."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*names: object) -> torch.Generator:
    """Return a CPU generator seeded from names."""
    return torch.Generator().manual_seed(derive(*names))


@contextmanager
def seeded(*names: object) -> Iterator[None]:
    """Seed PyTorch's global generators from names inside the block, and restore them after it.

    For code that takes no generator: initialisation, dropout, augmentation. Each epoch is seeded separately, so that a
    resumed run draws the same numbers: an epoch's randomness does not depend on the epochs before it.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(derive(*names))
        yield
