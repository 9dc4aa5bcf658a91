"""MoCo's loss against loops and lightly's; its queue, and when it is read and written."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from pse_repro.objectives.moco import MoCo, MoCoNetwork, info_nce
from pse_repro.seeding import seeded
from tests.support.few_steps import drawn_batch
from tests.support.tiny import setup
from tests.support.two_views import moved_apart, noise, seen

pytestmark = pytest.mark.usefixtures("tiny_models")


def slow(queries: Tensor, keys: Tensor, others: Tensor, temperature: float) -> float:
    """Compute algorithm 1's loss number by number in float64."""
    total = 0.0
    for query, key in zip(queries.double(), keys.double(), strict=True):
        own = math.exp(float(query @ key) / temperature)
        all_of_them = own + sum(math.exp(float(query @ other) / temperature) for other in others.double())
        total -= math.log(own / all_of_them)
    return total / len(queries)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.floats(0.07, 1), st.integers(0, 2**32))
def test_the_loss_is_the_double_loops(views: int, size: int, others: int, temperature: float, seed: int) -> None:
    found = [normalize(noise(count, size, seed=seed + count)) for count in (views, views + 7, others + 20)]
    queries, keys, queue = found[0], found[1][:views], found[2][:others]
    expected = slow(queries, keys, queue, temperature)
    assert float(info_nce(queries, keys, queue, temperature)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_loss_is_lightlys() -> None:
    """Which reads its memory bank before the batch's keys enter it."""
    reference = pytest.importorskip("lightly.loss").NTXentLoss(temperature=0.2, memory_bank_size=(32, 5))
    queries, keys = noise(12, 5).chunk(2)
    found = info_nce(normalize(queries), normalize(keys), reference.memory_bank.bank.clone())
    torch.testing.assert_close(found, reference(queries, keys))


def test_each_view_finds_the_others_key_among_the_queue_as_it_was() -> None:
    objective, batch = MoCo(setup()), drawn_batch(5, training=False)
    network = moved_apart(objective)
    queue = network.queue_KD.clone()
    with seeded("step"), torch.no_grad():
        found = float(objective.measures(network, batch)["loss"])
    assert torch.equal(network.queue_KD, queue)  # validation
    with torch.no_grad():
        views = seen(objective, batch)
        queries = [normalize(network(view)) for view in views]
        keys = [normalize(network.momentum.head(network.momentum.encoder(view))) for view in views]
    expected = sum(slow(queries[which], keys[1 - which], queue, 0.2) / 2 for which in (0, 1))
    assert found == pytest.approx(expected, rel=1e-4)
    with seeded("step"), torch.no_grad():
        objective.loss(network, replace(batch, training=True))
    assert torch.equal(network.queue_KD[10:], queue[10:])
    torch.testing.assert_close(network.queue_KD[:10], torch.cat(keys), atol=0.05, rtol=0)  # which followed a little


def test_the_oldest_keys_are_replaced_round_and_round() -> None:
    network = MoCoNetwork("cnn", 7)
    expected = [row.clone() for row in network.queue_KD]
    torch.testing.assert_close(network.queue_KD.norm(dim=1), torch.ones(7))
    place = 0
    for step in range(5):
        keys = noise(3, 128, seed=step)
        network.enqueue(keys)
        for key in keys:
            expected[place % 7] = key
            place += 1
        assert torch.equal(network.queue_KD, torch.stack(expected))
        assert int(network.oldest) == place % 7
    assert {"queue_KD", "oldest"} <= set(network.state_dict())


def test_the_queue_has_4096_keys_or_fewer_if_there_are_few_images_and_those_of_a_step() -> None:
    sizes = [MoCo(replace(setup(), train_images=images, batch_size=64)).keys for images in (85_000, 10_200, 100)]
    assert sizes == [4096, 2550, 128]
