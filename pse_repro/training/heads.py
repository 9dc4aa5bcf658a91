"""Several classifiers stacked: their weights are rows of a matrix, each layer is one batched matrix product.

Shapes: F classifiers, B images of a batch, D latent values, H activations of a layer, I inputs and O outputs of a
linear layer, K = 10 classes, P weights of a classifier.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

Mask = Callable[[Tensor, float], Tensor]  # dropout mask for activations (F, B, H) and the share to drop


class Heads:
    """Classifiers of one architecture (linear layers with bias, activations, dropout), one per row of `weights_FP`.

    A row's result does not depend on the others, to the last bit. With bf16 on a processor that supports it, this holds
    for batches of 4 images or more, as PyTorch uses another algorithm below 4,096 multiplications.
    """

    def __init__(self, classifiers: Sequence[nn.Module]) -> None:
        self.layers = list(classifiers[0].children())
        self.sizes = [parameter.numel() for parameter in classifiers[0].parameters()]
        rows = [parameters_to_vector(classifier.parameters()) for classifier in classifiers]
        self.weights_FP = torch.stack(rows).detach().requires_grad_()

    def __call__(self, features_FBD: Tensor, mask: Mask | None) -> Tensor:
        """Return logits (F, B, K), without dropout if `mask` is None."""
        hidden_FBH = features_FBD
        parameters = iter(self.weights_FP.split(self.sizes, 1))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                weight_FOI, bias_F1O = next(parameters).unflatten(1, layer.weight.shape), next(parameters)[:, None]
                hidden_FBH = torch.baddbmm(bias_F1O, hidden_FBH, weight_FOI.mT)
            elif not isinstance(layer, nn.Dropout):
                hidden_FBH = layer(hidden_FBH)
            elif mask is not None:
                hidden_FBH = hidden_FBH * mask(hidden_FBH, layer.p)
        return hidden_FBH

    def keep(self, rows: list[int]) -> None:
        self.weights_FP = self.weights_FP.detach()[rows].requires_grad_()


class Adam:
    """torch.optim.Adam for rows with their own learning rates and numbers of steps."""

    MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, weights_FP: Tensor) -> None:
        self.mean_FP, self.square_FP = torch.zeros_like(weights_FP), torch.zeros_like(weights_FP)
        self.steps_F1 = torch.zeros(len(weights_FP), 1, dtype=torch.float64, device=weights_FP.device)

    @torch.no_grad()
    def step(self, weights_FP: Tensor, gradient_FP: Tensor, rates_F1: Tensor, moves_F1: Tensor) -> None:
        """Update the rows with `moves_F1` True; the others keep weights and moments, and must have gradient 0."""
        self.steps_F1 += moves_F1
        moves_F1 = moves_F1.to(weights_FP.dtype)
        self.mean_FP.lerp_(gradient_FP, (1 - self.MEAN_DECAY) * moves_F1)
        self.square_FP.mul_(1 - (1 - self.SQUARE_DECAY) * moves_F1)
        self.square_FP.addcmul_(gradient_FP, gradient_FP, value=1 - self.SQUARE_DECAY)
        size_F1 = (rates_F1 / (1 - self.MEAN_DECAY**self.steps_F1)).to(weights_FP.dtype) * moves_F1
        correction_F1 = (1 - self.SQUARE_DECAY**self.steps_F1).sqrt().to(weights_FP.dtype)
        weights_FP.addcdiv_(size_F1 * self.mean_FP, self.square_FP.sqrt() / correction_F1 + self.EPSILON, value=-1)

    def keep(self, rows: list[int]) -> None:
        self.mean_FP, self.square_FP, self.steps_F1 = self.mean_FP[rows], self.square_FP[rows], self.steps_F1[rows]


def clipped(gradient_FP: Tensor, sizes: Sequence[int], norm: float) -> Tensor:
    """Clip each row as clip_grad_norm_ does; `sizes` are those of the parameters, whose norms it combines."""
    norms = [part.norm(dim=1, keepdim=True) for part in gradient_FP.split(sizes, 1)]
    norm_F1 = torch.cat(norms, 1).norm(dim=1, keepdim=True)
    return gradient_FP * (norm / (norm_F1 + 1e-6)).clamp(max=1)
