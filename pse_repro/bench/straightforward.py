"""The study's steps written without regard to speed: the reference of the bench, used nowhere else.

float32, NCHW, default optimizers; images decoded one by one to Pillow images and passed through torchvision's
transforms; PSE as one dense 3 -> 3 convolution; losses logged by `.item()`; one fold after another.
Shapes: images (N, 3, 96, 96) in [0, 1], latents (N, D), labels 0..9.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from pse_repro.config.protocol import Settings
from pse_repro.data.stl10 import Split

Loss = Callable[[Tensor, Tensor], Tensor]
Loader = Iterable[tuple[Tensor, Tensor]]

SMALL = (T.ColorJitter(0.05, 0.05), T.RandomCrop(96, padding=4), T.RandomHorizontalFlip())  # switch 4
HIGH = (  # switch 10
    T.RandomResizedCrop(96, scale=(0.8, 1.0), ratio=(0.8, 1.2)),
    T.RandomHorizontalFlip(),
    T.ColorJitter(0.2, 0.1, 0.05, 0.05),
    T.RandomRotation(10),
    T.RandomPerspective(0.1, p=0.2),
)


def dense_pse(sigma: float, radius: int, mass: float) -> Loss:
    """Return PSE by one convolution of all channels with all channels; its kernel is rebuilt in every call."""

    def loss(input: Tensor, target: Tensor) -> Tensor:
        offsets = torch.arange(-radius, radius + 1).to(input)
        line = torch.exp(-0.5 * (offsets / sigma) ** 2)
        weight = torch.zeros(3, 3, len(line), len(line)).to(input)
        for channel in range(3):
            weight[channel, channel] = torch.outer(line, line)
        weight = weight * (3 * mass / weight.sum())
        return F.conv2d((input - target).abs(), weight, padding=radius).square().mean()

    return loss


class Pictures(Dataset[tuple[Any, int]]):
    """A split's images by index, decoded and transformed one at a time, with labels 0..9 (-1 if unlabelled)."""

    def __init__(self, split: Split, transforms: Sequence[Any] = (), indices: Sequence[int] | None = None) -> None:
        self.split, self.transform = split, T.Compose([*transforms, T.ToTensor()])
        self.indices = range(len(split)) if indices is None else indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        index = self.indices[position]
        label = -1 if self.split.labels is None else int(self.split.labels[index]) - 1
        return self.transform(self.picture(position)), label

    def picture(self, position: int) -> Image.Image:
        stored_CWH = self.split.stored_NCWH[self.indices[position]]
        return Image.fromarray(np.ascontiguousarray(stored_CWH.transpose(2, 1, 0)))


def loader(images: Dataset[Any], size: int, shuffle: bool = False) -> DataLoader[Any]:
    """Return a loader that assembles batches image by image, without worker processes."""
    return DataLoader(images, batch_size=size, shuffle=shuffle)


def pretrain_epoch(
    autoencoder: nn.Module,
    batches: Loader,
    optimizer: torch.optim.Optimizer,
    pse: Loss,
    clip_norm: float,
    device: torch.device,
) -> list[tuple[float, float]]:
    """Train on every batch and return (MSE, PSE) of each step, computed again for the log."""
    autoencoder.train()
    logged = []
    for images, _ in batches:
        images = images.to(device)
        reconstruction = autoencoder(images)[1]
        optimizer.zero_grad()
        pse(reconstruction, images).backward()
        nn.utils.clip_grad_norm_(autoencoder.parameters(), clip_norm)
        optimizer.step()
        with torch.no_grad():
            logged.append((F.mse_loss(reconstruction, images).item(), pse(reconstruction, images).item()))
    return logged


@torch.no_grad()
def features(encoder: nn.Module, images: Pictures, device: torch.device) -> Tensor:
    """Return latents (N, D), one image at a time with BatchNorm in training mode, as released (switch 8)."""
    encoder.train()
    return torch.cat([encoder(images[index][0][None].to(device)).cpu() for index in range(len(images))])


def fit(model: nn.Module, train: Loader, validation: Loader, settings: Settings, device: torch.device) -> list[float]:
    """Train a classifier on one fold, restore the weights of its best epoch, and return the training loss per epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=settings.plateau_factor, patience=settings.plateau_patience
    )
    train_losses: list[float] = []
    best, best_epoch, best_loss = model.state_dict(), -1, math.inf
    for epoch in range(settings.downstream_max_epochs):
        model.train()
        losses = []
        for inputs, labels in train:
            loss = F.cross_entropy(model(inputs.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.downstream_clip_norm)
            optimizer.step()
            losses.append(loss.item())
        train_losses.append(sum(losses) / len(losses))
        validation_loss = _validate(model, validation, device)
        plateau.step(validation_loss)
        if validation_loss < best_loss:
            best, best_epoch, best_loss = copy.deepcopy(model.state_dict()), epoch, validation_loss
        if epoch - best_epoch >= settings.stopping_patience:
            break
    model.load_state_dict(best)
    return train_losses


@torch.no_grad()
def _validate(model: nn.Module, batches: Loader, device: torch.device) -> float:
    model.eval()
    losses = [F.cross_entropy(model(inputs.to(device)), labels.to(device)).item() for inputs, labels in batches]
    return sum(losses) / len(losses)


@torch.no_grad()
def predict(model: nn.Module, batches: Loader, device: torch.device) -> Tensor:
    """Return class probabilities (N, 10) in the order of the batches."""
    model.eval()
    return torch.cat([model(inputs.to(device)).softmax(1).cpu() for inputs, _ in batches])
