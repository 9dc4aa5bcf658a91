"""Lower bound on the mean distance of 1,000 permutations of nine: Delsarte's linear programming bound.

Let a_C be the mean number, over the members of a set, of members that differ from them by an element of the conjugacy
class C. Then sum_C a_C chi(C) is, for every irreducible character chi, a squared norm but for a positive factor, so at
least 0. The smallest mean distance under these conditions is a lower bound for every set: the published mean of 3.99
lies below it.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from math import factorial, prod

import numpy as np
import pytest
from scipy.optimize import linprog

from pse_repro.objectives.shared.permutations import load
from tests.support.hamming import hamming_distances

Partition = tuple[int, ...]


def partitions(number: int, largest: int | None = None) -> Iterator[Partition]:
    if number == 0:
        yield ()
    for part in range(min(number, largest or number), 0, -1):
        yield from ((part, *rest) for rest in partitions(number - part, part))


def class_size(cycles: Partition) -> int:
    """Return the number of permutations with these cycle lengths."""
    return factorial(sum(cycles)) // prod(length**times * factorial(times) for length, times in Counter(cycles).items())


@cache
def character(shape: Partition, cycles: Partition) -> int:
    """Return the irreducible character of `shape` at a permutation of these cycles, by the Murnaghan-Nakayama rule."""
    if not cycles:
        return 1
    last = len(shape) - 1
    hooks = [part + last - row for row, part in enumerate(shape)]
    total = 0
    for hook in hooks:
        shorter = hook - cycles[0]
        if shorter >= 0 and shorter not in hooks:
            sign = (-1) ** sum(shorter < other < hook for other in hooks)
            rest = sorted([other for other in hooks if other != hook] + [shorter], reverse=True)
            parts = (value - (last - row) for row, value in enumerate(rest))
            total += sign * character(tuple(part for part in parts if part), cycles[1:])
    return total


def character_table(number: int) -> tuple[list[Partition], np.ndarray]:
    """Return the classes' cycle lengths, and the irreducible characters: one per row, one class per column."""
    classes = list(partitions(number))
    return classes, np.array([[character(shape, cycles) for cycles in classes] for shape in classes], dtype=float)


def least_mean_distance(number: int, count: int) -> float:
    """Return a lower bound on the mean Hamming distance of `count` permutations of `number` elements."""
    classes, characters = character_table(number)
    distances = np.array([number - cycles.count(1) for cycles in classes])
    identity = classes.index((1,) * number)
    found = linprog(
        distances / (count - 1),
        A_ub=-characters / characters[:, [identity]],
        b_ub=np.zeros(len(classes)),
        A_eq=np.ones((1, len(classes))),
        b_eq=[count],
        bounds=[(1, 1) if index == identity else (0, class_size(cycles)) for index, cycles in enumerate(classes)],
    )
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("number", [3, 4, 9])
def test_the_characters_are_orthogonal(number: int) -> None:
    classes, characters = character_table(number)
    sizes = np.array([class_size(cycles) for cycles in classes])
    assert sizes.sum() == factorial(number)
    assert np.array_equal(characters * sizes @ characters.T, factorial(number) * np.eye(len(classes)))


@pytest.mark.parametrize(("count", "mean"), [(2, 2.0), (6, 12 / 5), (24, 72 / 23)])
def test_where_the_nearest_set_is_known_the_bound_is_not_above_it(count: int, mean: float) -> None:
    """A transposition, all of three elements, all of four."""
    assert least_mean_distance(4, count) <= mean + 1e-9


def test_the_whole_group_meets_the_bound() -> None:
    assert least_mean_distance(4, 24) == pytest.approx(72 / 23)


def test_no_thousand_permutations_have_the_published_mean() -> None:
    bound = least_mean_distance(9, 1000)
    assert 5.33 < bound < hamming_distances(load("1000-near")).mean() < bound + 0.13
