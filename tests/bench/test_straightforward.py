"""The straightforward implementation is the kit's slow twin: it computes the same values, step by step."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import pse_repro
from pse_repro.bench import straightforward as plain
from pse_repro.bench.groups.downstream import plain_fold, run_folds
from pse_repro.bench.groups.heads import OnCachedFeatures
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Model, Recipe
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import Setup
from pse_repro.evaluation.downstream import Downstream
from pse_repro.models import build_classifier, build_encoder
from pse_repro.seeding import seeded
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining
from tests.support.tiny import CPU, dataset, protocol


@pytest.fixture(scope="module")
def data() -> Dataset:
    return dataset(12, 20, 10)


def test_pictures_are_the_images_that_the_kit_loads(data: Dataset) -> None:
    pictures = plain.Pictures(data.train, indices=[3, 1])
    loaded = Images(data.train, CPU.device)[torch.tensor([3, 1])]
    ((images, labels),) = plain.loader(pictures, 2)
    torch.testing.assert_close(images, loaded.contiguous())
    assert labels.tolist() == [data.train.targets[3], data.train.targets[1]]


@pytest.mark.parametrize("transforms", [plain.SMALL, plain.HIGH], ids=["small", "high"])
def test_its_augmentations_keep_size_and_range(data: Dataset, transforms: tuple[object, ...]) -> None:
    image, _ = plain.Pictures(data.train, transforms)[0]
    assert image.shape == (3, 96, 96)
    assert 0 <= image.min() < image.max() <= 1


@pytest.mark.parametrize("encoder", ["cnn", "resnet"])
def test_a_step_of_pre_training_has_the_kit_s_loss_and_gives_its_weights(data: Dataset, encoder: str) -> None:
    under = protocol(batch_size=6, validation_fraction=0.5)  # one batch: its order changes nothing
    model = Model(encoder, "pse", 3.0)
    training = Pretraining(Recipe("step", model, under, length_of(model, under, 1), 0), data, CPU)
    autoencoder = copy.deepcopy(training.state.network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=under.settings.learning_rate)
    batches = plain.loader(plain.Pictures(data.unlabeled, indices=training.train.indices.tolist()), 6)
    loss = plain.dense_pse(3, radius=3, mass=1 / 3)
    logged = plain.pretrain_epoch(autoencoder, batches, optimizer, loss, under.settings.pretrain_clip_norm, CPU.device)
    ((mse, pse),) = logged
    assert pse == pytest.approx(training.train_epoch(0, lambda _: None)["loss"], rel=1e-5)
    assert 0 < pse < mse
    for found, expected in zip(autoencoder.buffers(), training.state.network.buffers(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder_name", ["cnn", "resnet"])
def test_features_are_the_kit_s(data: Dataset, encoder_name: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(encoder_name)
    downstream = Downstream(Setup("features", encoder_name, protocol(), data, CPU), frozen=True)
    expected = downstream.features(copy.deepcopy(encoder).eval(), downstream.test_images)
    found = plain.features(encoder, plain.Pictures(data.test), CPU.device)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def certain(kind: str, latent_size: int) -> nn.Module:
    """Return a classifier without dropout, because the two implementations draw its masks in different orders."""
    classifier = build_classifier(kind, latent_size)
    for layer in classifier.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return classifier


@pytest.fixture
def without_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.evaluation.downstream.build_classifier", certain)


def classifier_of(under: Protocol, name: str) -> nn.Module:
    """Return the kit's initial classifier of a fold, without dropout."""
    with seeded(name, "initialisation"):
        return certain(under.switches.classifier, 256)


def loaders(
    images: tuple[Tensor, Tensor, Tensor], labels: tuple[Tensor, Tensor, Tensor]
) -> tuple[plain.Loader, plain.Loader, plain.Loader]:
    """Return loaders with one batch each, so that order does not matter."""
    train, validation, test = (plain.loader(TensorDataset(*pair), 100) for pair in zip(images, labels, strict=True))
    return train, validation, test


def labels_of(data: Dataset, downstream: Downstream, number: int) -> tuple[Tensor, Tensor, Tensor]:
    train, validation = downstream.folds[number - 1]
    labels = torch.from_numpy(data.train.targets)
    return labels[torch.from_numpy(train)], labels[torch.from_numpy(validation)], torch.from_numpy(data.test.targets)


@pytest.mark.usefixtures("without_dropout")
def test_a_fold_s_head_has_the_kit_s_losses_and_predictions(data: Dataset) -> None:
    under = protocol(batch_size=100, downstream_max_epochs=6)
    table_ND = torch.randn(20, 256, generator=torch.Generator().manual_seed(0))
    downstream = OnCachedFeatures(table_ND, under, data, CPU)
    results = run_folds(downstream, [1, 2], nn.Identity)
    for number, result in enumerate(results, 1):
        features = (table_ND[:16], table_ND[:4], table_ND[:10])
        classifier = classifier_of(under, f"bench/frozen/fold {number}")
        losses, probabilities_NK = plain_fold(
            nn.Identity(), classifier, loaders(features, labels_of(data, downstream, number)), under, CPU.device
        )
        assert losses == pytest.approx(result.fitted.train_losses, rel=1e-5)
        torch.testing.assert_close(
            probabilities_NK.double(), torch.from_numpy(result.probabilities_NK), rtol=1e-4, atol=1e-6
        )


@pytest.mark.usefixtures("without_dropout")
@pytest.mark.parametrize("finetuning", ["statistics-only", "whole-encoder"])
def test_a_fine_tuned_fold_has_the_kit_s_losses(data: Dataset, finetuning: str) -> None:
    switches: dict[str, object] = {"finetuning": finetuning, "downstream_augmentation": "none"}
    under = protocol(switches=switches, batch_size=100, downstream_max_epochs=2)
    torch.manual_seed(0)
    encoder = build_encoder("cnn")
    downstream = Downstream(Setup("bench/finetune", "cnn", under, data, CPU), frozen=False)
    (result,) = run_folds(downstream, [1], lambda: copy.deepcopy(encoder))
    train, validation = (plain.Pictures(data.train, indices=indices.tolist()) for indices in downstream.folds[0])
    test = plain.Pictures(data.test)
    batches = (plain.loader(train, 100), plain.loader(validation, 100), plain.loader(test, 100))
    classifier = classifier_of(under, "bench/finetune/fold 1")
    losses, _ = plain_fold(encoder, classifier, batches, under, CPU.device)
    assert losses == pytest.approx(result.fitted.train_losses, rel=1e-4)


def test_nothing_but_the_bench_uses_it() -> None:
    package = Path(pse_repro.__file__).parent
    users = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if "bench.straightforward" in path.read_text() or "bench.loss_forms" in path.read_text()
    }
    assert users == {"bench"}
