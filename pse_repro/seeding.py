"""Randomness that is passed in: every seed is derived from names, and no global state is left behind."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(*names: object) -> int:
    """A 63-bit seed from names, the same on every machine: `derive("pretrain", cell, epoch)`."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*names: object) -> torch.Generator:
    """A CPU generator seeded from names."""
    return torch.Generator().manual_seed(derive(*names))


@contextmanager
def seeded(*names: object) -> Iterator[None]:
    """PyTorch's global generators seeded from names inside the block, and as they were after it.

    For what takes no generator: initialisation, dropout, augmentation. Seeding anew for every epoch is what
    lets a killed run continue with the same numbers: an epoch's randomness does not depend on the ones before.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(derive(*names))
        yield
