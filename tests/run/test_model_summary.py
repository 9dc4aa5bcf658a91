"""Model summaries: latents, embeddings and filters of any encoder, and one sample of images for a whole run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pse_repro.data.stl10 import Split
from pse_repro.models import cnn_encoder
from pse_repro.run.model_summary import MAX_IMAGES, embed, write_summary, write_test_sample
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from tests.support.tiny import CPU, TinyAutoencoder, cell, dataset

DATA = dataset(test=40)


class Scaled(nn.Module):
    """The mean of each channel, times `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        return images_NCHW.mean((2, 3)) * self.factor


def files(folder: Path) -> CellFiles:
    return CellFiles(folder, cell())


def summary(folder: Path, model: nn.Module) -> dict[str, np.ndarray]:
    write_summary(files(folder), model, DATA, CPU)
    write_test_sample(RunFiles(folder), DATA)
    return store.read_npz(files(folder).summary)


def test_latents_are_the_encoders_in_evaluation_mode_and_its_mode_is_kept(tmp_path: Path) -> None:
    autoencoder = TinyAutoencoder().train()
    found = summary(tmp_path, autoencoder)
    assert autoencoder.encoder.training
    images = torch.from_numpy(np.asarray(DATA.test.stored_NCWH).transpose(0, 1, 3, 2).copy()) / 255
    with torch.no_grad():
        expected = autoencoder.eval().encoder(images).numpy()
    np.testing.assert_allclose(found["latents"] * found["latent_scale"], expected, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(found["filters"], autoencoder.encoder[0].weight.detach().numpy())
    np.testing.assert_array_equal(found["labels"], DATA.test.labels)
    np.testing.assert_array_equal(found["positions"], np.arange(40))
    assert found["embedding"].shape == (40, 2)


def test_the_same_model_gives_the_same_bytes_and_another_name_another_embedding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TinyAutoencoder()
    for folder in ("a", "b"):
        summary(tmp_path / folder, model)
    a, b = files(tmp_path / "a"), files(tmp_path / "b")
    assert a.summary.read_bytes() == b.summary.read_bytes()
    assert RunFiles(a.run).test_sample.read_bytes() == RunFiles(b.run).test_sample.read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_the_sample_is_written_once_a_run_as_means_of_four_pixels(tmp_path: Path) -> None:
    summary(tmp_path, Scaled(1))
    sample = store.read_npz(RunFiles(tmp_path).test_sample)
    images = np.asarray(DATA.test.stored_NCWH).transpose(0, 1, 3, 2).astype(float)
    slow = sum(images[:, :, i::2, j::2] for i in range(2) for j in range(2)) / 4
    assert sample["images"].dtype == np.uint8
    np.testing.assert_allclose(sample["images"], slow, atol=0.5)
    written = RunFiles(tmp_path).test_sample.stat().st_mtime_ns
    summary(tmp_path, Scaled(2))
    assert RunFiles(tmp_path).test_sample.stat().st_mtime_ns == written


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
def test_latents_of_any_size_are_kept_and_an_encoder_without_convolutions_has_no_filters(
    tmp_path: Path, factor: float
) -> None:
    found = summary(tmp_path, Scaled(factor))
    means = np.asarray(DATA.test.stored_NCWH).mean((2, 3)) / 255
    np.testing.assert_allclose(found["latents"] * found["latent_scale"].astype(float), factor * means, rtol=2e-3)
    assert "filters" not in found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
def test_latents_that_say_nothing_are_no_error(tmp_path: Path, factor: float) -> None:
    found = summary(tmp_path, Scaled(factor))
    expected = 0.0 if factor == 0 else np.nan
    np.testing.assert_array_equal(found["latents"], np.full((40, 3), expected, np.float16))
    np.testing.assert_array_equal(found["embedding"], np.full((40, 2), expected, np.float32))


def test_many_images_are_taken_evenly(tmp_path: Path) -> None:
    stored = np.zeros((1203, 3, 96, 96), np.uint8)
    stored[:, 0] = (np.arange(1203) // 6)[:, None, None]
    data = replace(DATA, test=Split(stored, (np.arange(1203) // 121 + 1).astype(np.uint8)))
    write_summary(files(tmp_path), Scaled(1), data, CPU)
    write_test_sample(RunFiles(tmp_path), data)
    sample = store.read_npz(RunFiles(tmp_path).test_sample)
    assert len(sample["positions"]) == MAX_IMAGES
    assert set(np.diff(sample["positions"])) == {2, 3}
    np.testing.assert_array_equal(sample["images"][:, 0, 0, 0], sample["positions"] // 6)
    np.testing.assert_array_equal(sample["labels"], sample["positions"] // 121 + 1)
    np.testing.assert_array_equal(store.read_npz(files(tmp_path).summary)["positions"], sample["positions"])


def test_groups_far_apart_stay_apart_in_the_plane() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    latents = np.eye(3)[labels].astype(np.float32) * 10 + random.normal(size=(60, 3)).astype(np.float32)
    latents[7] = np.nan
    embedding = embed(latents, 1)
    assert np.isnan(embedding[7]).all()
    distances = np.linalg.norm(embedding[:, None] - embedding, axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argmin(np.where(np.isnan(distances), np.inf, distances), axis=1)
    assert (labels[nearest] == labels)[np.arange(60) != 7].all()


def test_the_studys_encoder_is_a_module_like_any_other(tmp_path: Path) -> None:
    found = summary(tmp_path, cnn_encoder())
    assert found["latents"].shape == (40, 256)
    assert found["filters"].shape == (32, 3, 3, 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e20, 3e37])
def test_the_embedding_does_not_depend_on_the_latents_unit(scale: float) -> None:
    latents = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    scaled = (latents * scale).astype(np.float32)
    assert np.isfinite(scaled).all()
    assert np.isfinite(embed(scaled, 1)).all()  # squares of such values overflow float32, or vanish in it


@pytest.mark.filterwarnings("error")
def test_one_latent_far_from_the_others_is_embedded() -> None:
    latents = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    latents[3], latents[:, 5] = 1e38, 7
    assert np.isfinite(embed(latents, 1)).all()
