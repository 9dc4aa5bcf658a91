"""Seeds and generators derived from names; PyTorch's global state is restored after every use.

A process that works on a CPU does not initialise CUDA here: it takes memory, and fails on a GPU that is full.
`Machine.prepare` initialises it for a GPU.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


def derive(*names: object) -> int:
    """Return a 63-bit seed derived from names, the same on every machine: `derive("pretrain", cell, epoch)`."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*names: object) -> torch.Generator:
    """Return a CPU generator seeded from names."""
    return torch.Generator().manual_seed(derive(*names))


@contextmanager
def seeded(*names: object, states: Mapping[str, Tensor] | None = None) -> Iterator[None]:
    """Seed PyTorch's global generators from names inside the block, and restore them after it.

    For code that takes no generator: initialisation, dropout, augmentation. Each epoch is seeded separately, so that a
    resumed run draws the same numbers: an epoch's randomness does not depend on the epochs before it. `states` of
    `generator_states`, if there are any, resume an earlier block of these names where they were taken.
    """
    with generators_restored():
        torch.manual_seed(derive(*names))
        if states:
            set_generator_states(states)
        yield


@contextmanager
def generators_restored() -> Iterator[None]:
    """Restore the states of PyTorch's global generators after the block: the CPU's and, if in use, the GPU's."""
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_initialized() else []):
        yield


def generator_states() -> dict[str, Tensor]:
    """Return the states of PyTorch's global generators: "cpu" and "cuda", of the GPU that this process uses, if any."""
    found = {"cpu": torch.get_rng_state()}
    return found | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {})


def set_generator_states(states: Mapping[str, Tensor]) -> None:
    """Resume PyTorch's global generators where `generator_states` found them."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(states["cuda"])
