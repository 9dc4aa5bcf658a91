"""Joint: cross-entropy on a few labelled images and reconstruction of all, the latter ramped up."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pse_repro import PSELoss
from pse_repro.models import ENCODERS, Autoencoder
from pse_repro.objectives import Batch
from pse_repro.objectives.joint import RAMP_END, Joint, JointMSE, JointPSE, ramp
from tests.support.few_steps import assert_reaches_all
from tests.support.labelled import setup
from tests.support.tiny import dataset

DATA = dataset()


class Stub(nn.Module):
    """An autoencoder without weights: its latent is the mean colour, its reconstruction half of the image."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(images), images / 2

    def encoder(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    def classifier(self, latent_ND: Tensor) -> Tensor:
        return latent_ND @ torch.linspace(-9, 9, 30).view(3, 10).to(latent_ND)


def batch(count: int = 8, progress: float = 0.0, training: bool = True) -> Batch:
    images = torch.rand(count, 3, 96, 96, generator=torch.Generator().manual_seed(5))
    return Batch(images, torch.arange(count), training, progress)


def cross_entropy(images: Tensor, labels: Tensor) -> float:
    network, losses = Stub(), []
    for image, label in zip(images.double(), labels.tolist(), strict=True):
        logits = network.classifier(network.encoder(image[None]))[0]
        losses.append(float(logits.logsumexp(0) - logits[label]))
    return sum(losses) / len(losses)


def test_the_ramp_rises_from_almost_nothing_to_one() -> None:
    assert ramp(0) == pytest.approx(math.exp(-5))
    assert ramp(RAMP_END / 2) == pytest.approx(math.exp(-1.25))
    assert ramp(RAMP_END) == ramp(0.9) == 1
    values = [ramp(step / 100) for step in range(100)]
    assert values == sorted(values)


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("count", [7, 8])
def test_the_loss_is_the_weighted_sum_over_half_labelled_images(progress: float, count: int) -> None:
    objective, given = JointMSE(setup(DATA), weight=3), batch(count, progress)
    torch.manual_seed(1)
    loss = objective.loss(Stub(), given)
    torch.manual_seed(1)
    labelled, labels = objective.images.draw(count // 2)
    seen = [*labelled.double(), *given.images[: count - count // 2].double()]
    error = sum(float((image / 2).square().mean()) for image in seen) / count
    weight = 3 * math.exp(-5 * (1 - min(progress / RAMP_END, 1)) ** 2)
    assert float(loss) == pytest.approx(cross_entropy(labelled, labels) + weight * error, rel=1e-5)


def test_pse_is_weighed_as_that_of_a_kernel_of_mass_one() -> None:
    third, one = (
        JointPSE(replace(setup(DATA), sigma=3.0, switches=replace(setup(DATA).switches, kernel_mass=mass)))
        for mass in ("third", "one")
    )
    losses = []
    for objective in (third, one):
        torch.manual_seed(1)
        losses.append(float(objective.loss(Stub(), batch(progress=0.5))))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.manual_seed(1)
    labelled, labels = third.images.draw(4)
    images = torch.cat([labelled, batch().images[:4]])
    expected = cross_entropy(labelled, labels) + 10 * float(PSELoss(3.0, radius=3)(images / 2, images))
    assert losses[0] == pytest.approx(expected, rel=1e-5)


def test_measures_are_of_the_held_out_labels_with_the_full_weight() -> None:
    objective, given = JointMSE(setup(DATA)), batch(6, 0.0, training=False)
    held_out, labels = objective.images.held_out(given.positions)
    found = {name: float(value) for name, value in objective.measures(Stub(), given).items()}
    error = float((given.images / 2).double().square().mean())
    assert found["cross_entropy"] == pytest.approx(cross_entropy(held_out, labels), rel=1e-5)
    assert found["mse"] == pytest.approx(error, rel=1e-5)
    assert found["loss"] == pytest.approx(found["cross_entropy"] + 10 * error, rel=1e-5)
    assert 0 <= found["accuracy"] <= 100


def test_a_tenth_of_the_labels_is_seen_and_the_last_epoch_kept() -> None:
    assert len(JointMSE(setup(dataset(train=200))).images) == 20
    assert len(JointMSE(setup(dataset(train=200)), fraction=0.5).images) == 100
    assert Joint.keeps == "last"


def test_sigmas_are_checked_as_those_of_mse_and_pse() -> None:
    JointPSE.check(3.0)
    for kind, sigma, message in ((JointMSE, 3.0, "jointmse takes none"), (JointPSE, None, "sigma is missing")):
        with pytest.raises(ValueError, match=message):
            kind.check(sigma)


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_gradients_reach_every_parameter_and_each_term_its_own(encoder: str) -> None:
    torch.manual_seed(0)
    objective = JointPSE(replace(setup(DATA), encoder=encoder, sigma=3.0))
    network = objective.network()
    assert isinstance(network, Autoencoder)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch(4))
    assert_reaches_all(network, loss)
    objective.weight = 0  # the cross-entropy alone does not reach the decoder
    network.zero_grad()
    objective.loss(network, batch(4)).backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in network.decoder.parameters())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.classifier.parameters())


def test_both_terms_fall() -> None:
    torch.manual_seed(0)
    objective = JointMSE(setup(DATA))
    network = objective.network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    images = torch.from_numpy(DATA.unlabeled.stored_NCWH[:8]).transpose(2, 3).float() / 255
    losses, errors = [], []
    for _ in range(8):
        loss = objective.loss(network, Batch(images, torch.arange(8), True, 0.5))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        with torch.no_grad():
            errors.append(float((network(images)[1] - images).square().mean()))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
    assert errors[-1] < 0.8 * errors[0]
