"""DeepCluster: the clustering at the start of an epoch, the sampling of images, and the training."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pse_repro.data.batches import Images
from pse_repro.models import ENCODERS, EncoderWithHead
from pse_repro.objectives import Batch
from pse_repro.objectives.deepcluster import DeepCluster, EvenSampler, features
from pse_repro.objectives.shared.kmeans import cluster
from pse_repro.seeding import seeded
from tests.support.few_steps import assert_reaches_all
from tests.support.tiny import CPU, dataset, setup

DATA = dataset(60, 1, 1)
TRAIN = Images(DATA.unlabeled, CPU.device, torch.arange(51).numpy())
VALIDATION = Images(DATA.unlabeled, CPU.device, torch.arange(51, 60).numpy())


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def batch(count: int = 8, training: bool = True) -> Batch:
    positions = torch.arange(count)
    return Batch((TRAIN if training else VALIDATION)[positions], positions, training, 0.0)


def begun(encoder: str = "cnn") -> tuple[DeepCluster, EncoderWithHead, torch.optim.Optimizer]:
    """Return the objective after its first clustering."""
    torch.manual_seed(0)
    objective = DeepCluster(setup(encoder=encoder))
    network = objective.network().train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    objective.begin_epoch(network, optimizer, TRAIN, VALIDATION)
    return objective, network, optimizer


def step(objective: DeepCluster, network: nn.Module, optimizer: torch.optim.Optimizer, count: int = 8) -> float:
    loss = objective.loss(network, batch(count))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize(("images", "clusters"), [(85_000, 100), (500, 50), (51, 5), (8, 2)])
def test_there_are_fewer_clusters_where_images_are_few(images: int, clusters: int) -> None:
    assert DeepCluster(replace(setup(), train_images=images)).clusters == clusters


def test_clusters_are_drawn_evenly_and_images_within_them() -> None:
    labels = torch.tensor([0] * 60 + [3] * 4 + [1] * 20 + [4])  # 2 is empty
    with seeded("even"):
        drawn = EvenSampler.of(labels).draw(40_000)
    clusters, images = Counter(labels[drawn].tolist()), Counter(drawn.tolist())
    assert set(clusters) == {0, 1, 3, 4}
    assert all(abs(count - 10_000) < 4 * 7500**0.5 for count in clusters.values())
    assert set(images) == set(range(85))
    assert all(abs(images[i] - 2500) < 5 * 2500**0.5 for i in range(60, 64))


@pytest.mark.usefixtures("tiny_models")
def test_labels_are_the_clusters_of_the_encoders_features_as_it_was() -> None:
    objective, network, optimizer = begun()
    with torch.no_grad():
        latents = [network.eval().encoder(images[torch.arange(len(images))]) for images in (TRAIN, VALIDATION)]
    with seeded("clusters"):
        objective.begin_epoch(network, optimizer, TRAIN, VALIDATION)
    with seeded("clusters"):
        expected = cluster(latents[0], latents[1], 4, 5, int(torch.randint(2**32, ())))
    assert objective.clustering is not None
    assert torch.equal(objective.clustering.labels, expected[0])
    assert torch.equal(objective.clustering.validation_labels, expected[1])
    assert (objective.clusters, objective.components) == (5, 4)


@pytest.mark.usefixtures("tiny_models")
def test_the_pass_for_the_features_leaves_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    objective = DeepCluster(setup())
    network = objective.network().train()
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    objective.begin_epoch(network, torch.optim.Adam(network.parameters()), TRAIN, VALIDATION)
    assert network.training
    for name, value in network.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.usefixtures("tiny_models")
def test_every_epoch_restarts_the_classifier_and_its_moments_alone() -> None:
    objective, network, optimizer = begun()
    step(objective, network, optimizer)
    encoder = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    head = [parameter.clone() for parameter in network.head.parameters()]
    objective.begin_epoch(network, optimizer, TRAIN, VALIDATION)
    for parameter in network.head.parameters():
        assert not any(value.any() for value in optimizer.state[parameter].values())
    assert all(optimizer.state[parameter]["exp_avg"].any() for parameter in network.encoder.parameters())
    assert all(not torch.equal(*pair) for pair in zip(network.head.parameters(), head, strict=True))
    for name, value in network.encoder.state_dict().items():
        assert torch.equal(value, encoder[name]), name
    step(objective, network, optimizer)
    assert all(int(optimizer.state[parameter]["step"]) == 1 for parameter in network.head.parameters())
    assert all(int(optimizer.state[parameter]["step"]) == 2 for parameter in network.encoder.parameters())


@pytest.mark.usefixtures("tiny_models")
def test_an_epoch_begun_again_from_the_same_weights_has_the_same_clusters() -> None:
    objective, network, optimizer = begun()
    found = []
    for _ in range(2):
        with seeded("epoch", 3):
            objective.begin_epoch(network, optimizer, TRAIN, VALIDATION)
        assert objective.clustering is not None
        found.append((objective.clustering.labels, next(network.head.parameters()).detach().clone()))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_is_the_cross_entropy_of_the_images_drawn() -> None:
    objective, network, _ = begun()
    objective.augment = lambda images: images  # type: ignore[assignment]
    assert objective.clustering is not None
    network.eval()
    with seeded("drawn"):
        positions = objective.clustering.sampler.draw(8)
    expected = 0.0
    for position in positions.tolist():
        log_shares = network.double()(TRAIN[torch.tensor([position])].double()).log_softmax(1)[0]
        expected -= float(log_shares[objective.clustering.labels[position]].detach()) / 8
    with seeded("drawn"):
        assert float(objective.loss(network.float(), batch()).detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("tiny_models")
def test_measures_are_of_the_validation_images_and_their_clusters() -> None:
    objective, network, _ = begun()
    assert objective.clustering is not None
    with torch.no_grad():
        found = objective.measures(network.eval(), batch(training=False))
        logits = network(VALIDATION[torch.arange(8)])
    labels = objective.clustering.validation_labels[:8]
    right = sum(int(row.argmax()) == int(label) for row, label in zip(logits, labels, strict=True))
    assert float(found["accuracy"]) == pytest.approx(100 * right / 8)
    assert float(found["loss"]) == pytest.approx(float(nn.functional.cross_entropy(logits, labels)))


@pytest.mark.usefixtures("tiny_models")
def test_features_are_those_of_all_images_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.objectives.deepcluster.PASS_BATCH", 7)
    _, network, _ = begun()
    with torch.no_grad():
        one_by_one = torch.cat([network.eval().encoder(TRAIN[torch.tensor([i])]) for i in range(51)])
        torch.testing.assert_close(features(network, TRAIN), one_by_one, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_the_gradient_reaches_every_parameter(encoder: str) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        objective, network, _ = begun(encoder)
        loss = objective.loss(network, batch(2))
    assert_reaches_all(network, loss)


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_falls_within_an_epoch() -> None:
    objective, network, optimizer = begun()
    losses = [step(objective, network, optimizer, 32) for _ in range(40)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_the_last_epoch_is_kept() -> None:
    assert DeepCluster.keeps == "last"
