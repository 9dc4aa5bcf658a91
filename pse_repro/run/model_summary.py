"""Model summaries for the report's pictures: latents of some test images, their t-SNE embedding, the first filters.

portrait.npz                latents (n, D) float16, latent_scale (): latents * latent_scale are the encoder's own;
                            embedding (n, 2) float32; positions (n,) in the test split; labels (n,) 1..10;
                            filters (F, C, h, w) float32 of the first convolution, if there is one
test_sample.npz             images (n, 3, 48, 48) uint8, positions and labels of the same images, and class_names (10,),
                            numbers if the data have no names; once per run

Shapes: n test images, at most 500, evenly spaced over the split; D latent values; F filters.
"""

import numpy as np
import torch
from sklearn.manifold import TSNE
from torch import Tensor, nn

from pse_repro.data.batches import Images, batches
from pse_repro.data.classes import names_of
from pse_repro.data.stl10 import Dataset, Split
from pse_repro.machine.device import Machine
from pse_repro.models import Autoencoder
from pse_repro.seeding import derive
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles

MAX_IMAGES = 500  # t-SNE takes about 2 s for them, and their latents of 1024 values 1 MB
_BATCH = 100
_PERPLEXITY = 30.0  # scikit-learn's


def write_test_sample(files: RunFiles, data: Dataset) -> None:
    """Write the sample of test images, once per run."""
    if not files.test_sample.exists():
        positions = _evenly(len(data.test))
        sample = Split(data.test.stored_NCWH[positions], None)
        note = {"positions": positions, "labels": data.test.stored_labels[positions]}
        names = np.array(names_of(data))
        store.write_npz(files.test_sample, **note, images=_thumbnails(sample), class_names=names)


def write_summary(files: CellFiles, model: nn.Module, data: Dataset, machine: Machine) -> None:
    """Write the model's summary.

    `model` is an autoencoder or an encoder, (N, 3, 96, 96) in [0, 1] -> (N, D), on the machine's device. It runs in
    evaluation mode; its mode is restored afterwards. Latents that are not finite are stored as NaN and not embedded.
    """
    encoder = model.encoder if isinstance(model, Autoencoder) else model
    positions = _evenly(len(data.test))
    sample = Split(data.test.stored_NCWH[positions], None)
    note = {"positions": positions, "labels": data.test.stored_labels[positions]}
    latents_ND = _latents(encoder, sample, machine)
    seed = derive("portrait", files.model.name) % 2**32  # scikit-learn takes 32 bits
    arrays = _as_float16(latents_ND) | {"embedding": embed(latents_ND, seed)} | _filters(encoder) | note
    store.write_npz(files.summary, **arrays)


def embed(latents_ND: np.ndarray, seed: int) -> np.ndarray:
    """Return a t-SNE embedding in the plane, (n, 2) float32; rows that are not finite are left out and become NaN.

    Source: L. van der Maaten & G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008. Distances are Euclidean.
    """
    usable = np.isfinite(latents_ND).all(1)
    embedding = np.full((len(latents_ND), 2), np.nan, np.float32)
    points = latents_ND[usable].astype(np.float64)  # squares of float32's values overflow float32, or vanish in it
    if len(points) < 3 or np.ptp(points, axis=0).max() == 0:  # too few or identical points
        embedding[usable] = 0
        return embedding
    points = (points - points.mean(0)) / points.std()  # so that the embedding does not depend on the unit
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    start = "pca" if points.shape[1] > 1 else "random"
    embedding[usable] = TSNE(perplexity=perplexity, init=start, random_state=seed, n_jobs=1).fit_transform(points)
    return embedding


def _evenly(count: int) -> np.ndarray:
    """Return at most MAX_IMAGES evenly spaced positions, so that a split sorted by class keeps its balance."""
    return np.linspace(0, count - 1, min(count, MAX_IMAGES)).round().astype(np.int64)


@torch.no_grad()
def _latents(encoder: nn.Module, sample: Split, machine: Machine) -> np.ndarray:
    """Return latents (n, D) float32, computed in evaluation mode."""
    images, training = Images(sample, machine.device), encoder.training
    encoder.eval()
    found: list[Tensor] = []
    for positions in batches(len(images), _BATCH):
        with machine.autocast():
            found.append(encoder(images[positions]).flatten(1).float().cpu())
    encoder.train(training)
    return torch.cat(found).numpy()


def _as_float16(latents_ND: np.ndarray) -> dict[str, np.ndarray]:
    """Return latents as float16 with their scale: divided by the largest absolute value, so that none overflows."""
    finite = np.where(np.isfinite(latents_ND), latents_ND, np.nan)
    largest = np.nanmax(np.abs(finite), initial=0)
    scale = np.float32(largest if largest > 0 else 1)
    return {"latents": (finite / scale).astype(np.float16), "latent_scale": np.array(scale)}


def _filters(encoder: nn.Module) -> dict[str, np.ndarray]:
    weights = (layer.weight for layer in encoder.modules() if isinstance(layer, nn.Conv2d))
    first = next(weights, None)
    return {} if first is None else {"filters": first.detach().float().cpu().contiguous().numpy()}


def _thumbnails(sample: Split) -> np.ndarray:
    """Return (n, 3, 48, 48) uint8: means of 2 x 2 pixels, rows before columns."""
    images_NCHW = sample.stored_NCWH.transpose(0, 1, 3, 2)
    count, channels, height, width = images_NCHW.shape
    means: np.ndarray = images_NCHW.reshape(count, channels, height // 2, 2, width // 2, 2).mean((3, 5))
    return np.asarray(means.round(), np.uint8)
