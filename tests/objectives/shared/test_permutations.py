"""The greedy choice against brute force on few elements; the stored sets against the published table."""

import itertools
import math
import time
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.errors import NotFitError
from pse_repro.objectives.shared import permutations
from pse_repro.objectives.shared.permutations import (
    WANTED,
    as_text,
    greedy,
    load,
    make,
)
from tests.support.hamming import hamming_distances

# (count, mean, minimum) as published; without "1000-near", whose mean is out of reach (test_permutation_bound.py)
PUBLISHED = {
    "1000": (1000, 8.00, 2),
    "1000-middle": (1000, 6.35, 2),
    "100": (100, 8.08, 2),
    "95": (95, 8.08, 3),
    "85": (85, 8.07, 4),
    "71": (71, 8.07, 5),
    "35": (35, 8.13, 6),
    "10": (10, 8.57, 7),
    "7": (7, 8.95, 8),
    "6": (6, 9.00, 9),
}


def distance(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    return sum(a != b for a, b in zip(first, second, strict=True))


def slow_greedy(length: int, count: int, minimum: int, mean: float | None, seed: int) -> list[tuple[int, ...]]:
    """Choose greedily, recomputing every distance for every choice; with the same random numbers."""
    rng = Random(seed)
    every = list(itertools.permutations(range(length)))
    chosen = [every[int(rng.random() * len(every))]]

    def merit(candidate: tuple[int, ...]) -> float:
        if mean is None:
            return sum(distance(candidate, other) for other in chosen)
        total = sum(distance(a, b) for a, b in itertools.combinations([*chosen, candidate], 2))
        return -abs(total - mean * math.comb(len(chosen) + 1, 2))

    while len(chosen) < count:
        allowed = [one for one in every if min(distance(one, other) for other in chosen) >= minimum]
        if not allowed:
            raise ValueError(f"{len(chosen)}")
        highest = max(map(merit, allowed))
        best = [one for one in allowed if merit(one) == highest]
        chosen.append(best[int(rng.random() * len(best))])
    return chosen


@given(
    st.sampled_from([(4, 8, 2), (4, 5, 3), (4, 4, 4), (5, 9, 2), (5, 7, 4), (5, 6, 5)]),
    st.sampled_from([None, 2.5, 3.0]),
    st.integers(0, 2**32),
)
def test_the_greedy_choice_is_the_slow_ones(case: tuple[int, int, int], mean: float | None, seed: int) -> None:
    try:
        expected = slow_greedy(*case, mean, seed)
    except ValueError as error:
        with pytest.raises(ValueError, match=rf"^{error} permutations, and none is {case[2]} from them all"):
            greedy(*case, mean, Random(seed))
    else:
        assert greedy(*case, mean, Random(seed)).tolist() == [list(one) for one in expected]


@given(st.integers(2, 6), st.integers(0, 2**32))
def test_distances_are_those_of_all_pairs(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(9) for _ in range(count)])
    expected = [distance(*pair) for pair in itertools.combinations(map(tuple, rows.tolist()), 2)]
    assert hamming_distances(rows).tolist() == expected


def test_the_stored_sets_reach_the_published_table() -> None:
    assert {*PUBLISHED} == {*WANTED} - {"1000-near"}
    for name, (count, mean, minimum) in PUBLISHED.items():
        assert (WANTED[name].count, WANTED[name].mean, WANTED[name].minimum) == (count, mean, minimum)
        distances = hamming_distances(load(name))
        assert len(load(name)) == count
        assert distances.min() >= minimum, name
        assert distances.mean() == pytest.approx(mean, abs=0.1), name


@pytest.mark.parametrize("name", list(WANTED))
def test_the_stored_sets_are_different_permutations(name: str) -> None:
    rows = load(name)
    assert rows.shape == (WANTED[name].count, 9)
    assert (np.sort(rows) == np.arange(9)).all()
    assert len(set(map(tuple, rows.tolist()))) == len(rows)


def test_the_nearest_set_is_as_near_as_1000_permutations_come() -> None:
    """All 720 that move only six elements, and the next ones in lexicographic order, have a mean of 5.45."""
    first = np.array(list(itertools.islice(itertools.permutations(range(9)), 1000)))
    assert hamming_distances(load("1000-near")).mean() == pytest.approx(hamming_distances(first).mean(), abs=0.01)


@pytest.mark.parametrize("name", ["100", "95", "85", "71", "35", "10", "7", "6"])
def test_the_stored_sets_can_be_made_again(name: str) -> None:
    assert np.array_equal(make(name), load(name))


def test_the_largest_set_is_made_again_in_under_ten_seconds() -> None:
    start = time.process_time()
    made = make("1000")
    assert time.process_time() - start < 10
    assert np.array_equal(made, load("1000"))


def test_the_stored_text_is_the_sets() -> None:
    assert as_text({name: load(name) for name in WANTED}).encode() == permutations.STORED.read_bytes()


def test_an_unknown_set_and_another_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="permutations is '42'; expected one of 1000, 1000-middle"):
        load("42")
    monkeypatch.setattr(permutations, "SHA256", "0" * 64)
    permutations.stored_sets.cache_clear()
    with pytest.raises(NotFitError, match=r"permutations.csv has SHA-256 \w{64}, expected 0{64}; install pse-repro"):
        load("10")
    permutations.stored_sets.cache_clear()
