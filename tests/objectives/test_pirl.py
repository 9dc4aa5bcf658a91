"""PIRL's loss against loops in float64; its memory bank, its transforms and the pairs that it compares."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.data.batches import Images
from pse_repro.models import ENCODERS
from pse_repro.objectives import Batch
from pse_repro.objectives.pirl import PIRL, MemoryBank, PIRLNetwork, TileHead, nce, turned
from pse_repro.seeding import seeded
from tests.support.few_steps import assert_falls, assert_reaches_all
from tests.support.tiny import dataset, setup

IMAGES = Images(dataset(16, 1, 1).unlabeled, torch.device("cpu"))[torch.arange(16)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_nce(positives: Tensor, negatives: Tensor) -> float:
    """Compute equations 3 and 4 number by number, leaving out masked negatives."""
    total = 0.0
    for positive, row in zip(positives.double().tolist(), negatives.double().tolist(), strict=True):
        drawn = [value for value in row if value > -math.inf]
        all_drawn = sum(math.exp(value) for value in drawn)
        total -= math.log(math.exp(positive) / (math.exp(positive) + all_drawn))
        total -= sum(math.log(1 - math.exp(value) / (math.exp(value) + all_drawn)) for value in drawn)
    return total / len(positives)


def batch(count: int = 8, training: bool = True, first: int = 0) -> Batch:
    return Batch(IMAGES[:count], torch.arange(first, first + count), training, 0.0)


def built(transform: str = "rotation", encoder: str = "cnn", images: int = 51) -> tuple[PIRL, PIRLNetwork]:
    torch.manual_seed(0)
    objective = PIRL(replace(setup(encoder=encoder), train_images=images), transform)
    return objective, objective.network()


@given(st.integers(1, 4), st.integers(2, 6), st.floats(0.07, 2), st.integers(0, 2**32))
def test_nce_is_the_papers(count: int, drawn: int, temperature: float, seed: int) -> None:
    positives = noise(count, seed=seed).clamp(-1, 1) / temperature
    negatives = noise(count, drawn, seed=seed + 1).clamp(-1, 1) / temperature
    negatives[0, 0] = -torch.inf
    assert float(nce(positives, negatives)) == pytest.approx(slow_nce(positives, negatives), rel=1e-4, abs=1e-5)


def test_nce_of_all_alike() -> None:
    expected = math.log(11) + 10 * math.log(11 / 10)
    assert float(nce(torch.zeros(3), torch.zeros(3, 10))) == pytest.approx(expected, rel=1e-6)


def test_nce_does_not_change_if_all_similarities_move_together() -> None:
    positives, negatives = noise(3), noise(3, 10, seed=1)
    torch.testing.assert_close(nce(positives + 5, negatives + 5), nce(positives, negatives))


def test_nce_has_a_gradient_where_it_should_and_none_where_masked() -> None:
    positives, negatives = noise(2).requires_grad_(), noise(2, 3).requires_grad_()
    nce(positives, negatives.masked_fill(torch.eye(2, 3, dtype=torch.bool), -torch.inf)).backward()
    assert positives.grad is not None
    assert negatives.grad is not None
    assert (positives.grad < 0).all()
    assert torch.isfinite(negatives.grad).all()
    assert torch.equal(negatives.grad == 0, torch.eye(2, 3, dtype=torch.bool))


def test_the_bank_begins_with_directions_far_apart_and_moves_by_halves() -> None:
    torch.manual_seed(0)
    bank = MemoryBank(500)
    memories, embeddings = bank.memories_BE.clone(), nn.functional.normalize(noise(3, 128))
    torch.testing.assert_close(memories.norm(dim=1), torch.ones(500))
    assert float((memories @ memories.T).fill_diagonal_(0).abs().max()) < 0.6
    bank.update(torch.tensor([4, 400, 7]), embeddings)
    for position, embedding in zip((4, 400, 7), embeddings, strict=True):
        mean = 0.5 * memories[position].double() + 0.5 * embedding.double()
        torch.testing.assert_close(bank.memories_BE[position].double(), mean / mean.norm(), atol=1e-6, rtol=0)
    others = torch.ones(500, dtype=torch.bool)
    others[[4, 400, 7]] = False
    assert torch.equal(bank.memories_BE[others], memories[others])
    assert "memories_BE" in bank.state_dict()
    assert not list(bank.parameters())


def test_images_are_turned_by_each_angle_as_often() -> None:
    image = noise(1, 3, 6, 6)
    with seeded("turns"):
        found = turned(image.expand(4000, -1, -1, -1))
    for turns in range(4):
        count = int((found == image.rot90(turns, (2, 3))).flatten(1).all(1).sum())
        assert abs(count - 1000) < 4 * 750**0.5


def test_tiles_are_embedded_each_alone_and_concatenated_in_random_order() -> None:
    torch.manual_seed(0)
    head = TileHead(5)
    latents = noise(40, 9, 5)
    with seeded("order"):
        orders = torch.rand(40, 9).argsort(1)
    with seeded("order"):
        found = head(latents)
    for number in range(40):
        tiles = [head.tile(latents[number, tile]) for tile in orders[number]]
        torch.testing.assert_close(found[number], head.image(torch.cat(tiles)), atol=1e-5, rtol=1e-4)
    assert len({tuple(order.tolist()) for order in orders}) == 40


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(("transform", "shape"), [("jigsaw", (72, 3, 24, 24)), ("rotation", (8, 3, 96, 96))])
def test_the_encoder_sees_the_image_and_its_transform(transform: str, shape: tuple[int, ...]) -> None:
    objective, network = built(transform)
    seen: list[tuple[int, ...]] = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    objective.loss(network, batch())
    assert seen == [(8, 3, 96, 96), shape]


@pytest.mark.usefixtures("tiny_models")
def test_both_cuts_the_turned_image(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = built("both")
    seen: list[Tensor] = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    monkeypatch.setattr("pse_repro.objectives.pirl.turned", torch.zeros_like)
    network.embed_transformed(IMAGES[:4])
    assert seen[0].shape == (36, 3, 24, 24)
    assert not seen[0].any()


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_compares_with_the_bank_as_it_was_and_not_with_the_image_itself() -> None:
    objective, network = built()
    network.eval()
    before = network.bank.memories_BE.clone()
    with seeded("step"):
        found = float(objective.loss(network, batch(4, first=3)).detach())
    with seeded("step"), torch.no_grad():
        embedded = network.embed(objective.distort_image(IMAGES[:4]))
        transformed = network.embed_transformed(objective.distort_transformed(IMAGES[:4]))
    expected = 0.0
    for each in (embedded, transformed):
        for number, vector in enumerate(each):
            own = before[3 + number]
            negatives = torch.stack([vector @ other / 0.07 for other in before if not torch.equal(other, own)])
            assert len(negatives) == 50
            expected += 0.5 * slow_nce((vector @ own / 0.07)[None], negatives[None]) / 4
    assert found == pytest.approx(expected, rel=1e-4)
    moved = (network.bank.memories_BE != before).any(1).nonzero()[:, 0]
    assert moved.tolist() == [3, 4, 5, 6]
    torch.testing.assert_close(
        network.bank.memories_BE[3:7], nn.functional.normalize(before[3:7] + embedded), atol=1e-5, rtol=1e-4
    )


@pytest.mark.usefixtures("tiny_models")
def test_validation_images_are_their_own_memory_and_leave_the_bank() -> None:
    objective, network = built()
    network.eval()
    before = network.bank.memories_BE.clone()
    with seeded("step"), torch.no_grad():
        found = objective.measures(network, batch(4, training=False))
    with seeded("step"), torch.no_grad():
        embedded = network.embed(objective.distort_image(IMAGES[:4]))
        transformed = network.embed_transformed(objective.distort_transformed(IMAGES[:4]))
    positives = [(each * embedded).sum(1) / 0.07 for each in (embedded, transformed)]
    negatives = [each @ before.T / 0.07 for each in (embedded, transformed)]  # all of the bank, whatever the position
    expected = sum(0.5 * slow_nce(*pair) for pair in zip(positives, negatives, strict=True))
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-4)
    right = [float(own) > float(row.max()) for own, row in zip(positives[1], negatives[1], strict=True)]
    assert float(found["accuracy"]) == pytest.approx(100 * sum(right) / 4)
    assert torch.equal(network.bank.memories_BE, before)


@pytest.mark.usefixtures("tiny_models")
def test_negatives_are_different_images_as_many_as_there_may_be() -> None:
    assert built(images=51)[0].negatives == 51
    assert built(images=5000)[0].negatives == 1024
    assert PIRL(setup(), "jigsaw", negatives=7).negatives == 7


@pytest.mark.parametrize("encoder", list(ENCODERS))
@pytest.mark.parametrize("transform", ["rotation", "both"])
def test_the_gradient_reaches_every_parameter(transform: str, encoder: str) -> None:
    objective, network = built(transform, encoder)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch(2))
    assert network.bank.memories_BE.dtype == torch.float32
    assert not network.bank.memories_BE.requires_grad
    assert_reaches_all(network, loss)


@pytest.mark.usefixtures("tiny_models")
def test_each_term_reaches_its_own_head_alone() -> None:
    for weight, untouched in ((0.0, "transformed_head"), (1.0, "head")):
        objective, network = built("jigsaw")
        objective.weight = weight
        objective.loss(network, batch()).backward()
        grads = {name: parameter.grad for name, parameter in network.named_parameters()}
        still = {name.split(".")[0] for name, grad in grads.items() if grad is not None and not grad.any()}
        assert untouched in still
        assert len(still & {"head", "transformed_head"}) == 1


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_falls() -> None:
    objective, network = built("both")
    assert_falls(objective, network, batch, 30)


def test_an_unknown_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="transform is 'flip'; expected one of jigsaw, rotation, both"):
        PIRL(setup(), "flip")
