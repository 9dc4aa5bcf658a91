"""Sets of permutations of nine tiles with large Hamming distances, used as classes by the jigsaw.

Source: Noroozi and Favaro 2016 (arXiv 1603.09246), algorithm 1 (greedy choice of the permutation farthest from those
chosen) and table 4 (the sets compared there). The sets are stored beside this module; this recreates the file, with
the same content on every machine:

    python -c "from pse_repro.objectives.shared.permutations import write; write()"

Shapes: M permutations of L elements, (M, L), where row m holds the element at each place; (L, L!) all of them.
A Hamming distance is the number of places, 0 or 2 to L, at which two permutations differ.
"""

import hashlib
import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from pse_repro.errors import NotFitError
from pse_repro.files import write_bytes
from pse_repro.seeding import derive

TILES = 9
STORED = Path(__file__).with_name("permutations.csv")
SHA256 = "5c11bcb85d7f5273c571775cddc70e3f1b615da98af9318fbaba44495cb834fc"


@dataclass(frozen=True)
class Wanted:
    """A row of the paper's table 4; `aimed` if its mean is to be met although farther permutations are left.

    The mean of 3.99 is impossible: no 1,000 different permutations of nine have a mean below 5.33 (a linear programming
    bound, in the tests). "1000-near" is the result of the greedy choice: 5.46, up to 5.69 for other seeds.
    """

    count: int
    minimum: int
    mean: float
    aimed: bool = False


WANTED = {
    "1000": Wanted(1000, 2, 8.00),
    "1000-middle": Wanted(1000, 2, 6.35, aimed=True),
    "1000-near": Wanted(1000, 2, 3.99, aimed=True),
    "100": Wanted(100, 2, 8.08),
    "95": Wanted(95, 3, 8.08),
    "85": Wanted(85, 4, 8.07),
    "71": Wanted(71, 5, 8.07),
    "35": Wanted(35, 6, 8.13, aimed=True),
    "10": Wanted(10, 7, 8.57, aimed=True),
    "7": Wanted(7, 8, 8.95),
    "6": Wanted(6, 9, 9.00),
}


def greedy(length: int, count: int, minimum: int, mean: float | None, rng: Random) -> np.ndarray:
    """Choose `count` permutations (M, L) one by one, each at least `minimum` from those before; ties are random.

    Without a `mean`, the permutation farthest from all chosen ones is taken (algorithm 1), else the one that brings the
    mean over all pairs nearest to it. Only rng.random() is used, because it gives the same numbers in every Python
    version.

    Raises:
        ValueError: no permutation is left that is far enough.
    """
    every = all_permutations(length)
    total = np.zeros(every.shape[1], dtype=np.int32)  # of the distances to those chosen
    nearest = np.full(every.shape[1], length, dtype=np.uint8)
    chosen = [int(rng.random() * every.shape[1])]
    among_chosen = 0
    while len(chosen) < count:
        distance = np.zeros_like(nearest)
        for place in every:
            distance += place != place[chosen[-1]]
        total += distance
        np.minimum(nearest, distance, out=nearest)
        pairs = len(chosen) * (len(chosen) + 1) // 2
        merit = total if mean is None else -np.abs(total + (among_chosen - mean * pairs))
        allowed = np.flatnonzero(nearest >= minimum)
        if not len(allowed):
            raise ValueError(f"{len(chosen)} permutations, and none is {minimum} from them all; expected {count}")
        merit = merit[allowed]
        best = allowed[merit == merit.max()]
        chosen.append(int(best[int(rng.random() * len(best))]))
        among_chosen += int(total[chosen[-1]])
    return every[:, chosen].T


@cache
def all_permutations(length: int) -> np.ndarray:
    """Return all permutations (L, L!), in lexicographic order."""
    return np.array(list(itertools.permutations(range(length))), dtype=np.uint8).T.copy()


def make(name: str) -> np.ndarray:
    """Compute the named set (M, 9) from scratch."""
    wanted = WANTED[name]
    mean = wanted.mean if wanted.aimed else None
    return greedy(TILES, wanted.count, wanted.minimum, mean, Random(derive("jigsaw", name)))


def load(name: str) -> np.ndarray:
    """Return the named stored set (M, 9), int64; ValueError for an unknown name, NotFitError for a changed file."""
    if name not in WANTED:
        raise ValueError(f"permutations is {name!r}; expected one of {', '.join(WANTED)}")
    return stored_sets()[name]


@cache
def stored_sets() -> dict[str, np.ndarray]:
    """Read all stored sets; NotFitError unless the file has the expected SHA-256."""
    content = STORED.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise NotFitError(f"{STORED} has SHA-256 {found}, expected {SHA256}; install pse-repro again")
    rows: dict[str, list[list[int]]] = {name: [] for name in WANTED}
    for line in content.decode().splitlines()[1:]:
        name, permutation = line.split(",")
        rows[name].append([int(digit) for digit in permutation])
    return {name: np.array(permutations, dtype=np.int64) for name, permutations in rows.items()}


def as_text(sets: dict[str, np.ndarray]) -> str:
    """Return the stored file's text: one line per permutation, as nine digits."""
    lines = [f"{name},{''.join(map(str, row))}" for name, permutations in sets.items() for row in permutations.tolist()]
    return "\n".join(["set,permutation", *lines]) + "\n"


def write() -> None:
    """Compute and store all sets; set SHA256 above to the printed value afterwards."""
    content = as_text({name: make(name) for name in WANTED}).encode()
    write_bytes(STORED, content)
    print(f"{STORED.name} written; its SHA-256 is {hashlib.sha256(content).hexdigest()}")
