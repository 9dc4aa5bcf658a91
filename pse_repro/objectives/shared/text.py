"""Base of the objectives that match images with texts, in two towers whose outputs are compared by cosine.

Sources: A. Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, 2021 (CLIP: the
towers, the learned temperature and its limit, section 2.3 and 2.5); J. Yang et al., *Unified Contrastive Learning in
Image-Text-Label Space*, CVPR 2022 (UniCL: texts that are equal are all positives); X. Zhai et al., *Sigmoid Loss for
Language Image Pre-Training*, ICCV 2023 (SigLIP). Scaled down: a text is its bag of words, as captions of a fixed form
need no order; the text tower has one hidden layer.
Shapes: N images of a batch and their N texts, V words of the vocabulary, P values of an output, K classes, T texts.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid, normalize

from pse_repro.data.captions import bags_of_words
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.drawn import DrawnImages

OUTPUT = 128
HIDDEN = 256
FIRST_SCALE, FIRST_SIGMOID_SCALE, FIRST_BIAS = 1 / 0.07, 10.0, -10.0  # of cosines: CLIP's; SigLIP's, and its bias
MAX_SCALE = 100.0  # CLIP's: more made its training unstable


class TwoTowers(EncoderWithHead):
    """Images (N, 3, 96, 96) -> (N, P) and, by `text`, bags of words (N, V) -> (N, P); a scale for their cosines."""

    def __init__(self, encoder: str, words: int, sigmoid: bool = False) -> None:
        super().__init__(build_encoder(encoder), nn.Linear(ENCODERS[encoder].latent_size, OUTPUT, bias=False))
        embedding = nn.Linear(words, HIDDEN, bias=False)
        nn.init.normal_(embedding.weight)  # as embeddings are; their mean is all that is left of a text
        self.text = nn.Sequential(embedding, nn.ReLU(), nn.Linear(HIDDEN, OUTPUT))
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SIGMOID_SCALE if sigmoid else FIRST_SCALE)))
        self.bias = nn.Parameter(torch.tensor(FIRST_BIAS)) if sigmoid else None

    def logits(self, images_NP: Tensor, texts_NP: Tensor) -> Tensor:
        """Return the scaled cosines (N, N), in float32; a row is an image's. The scale is kept within its limit."""
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        with torch.autocast(images_NP.device.type, enabled=False):
            cosines_NN = normalize(images_NP.float()) @ normalize(texts_NP.float()).T
            return cosines_NN * self.log_scale.exp() + (0.0 if self.bias is None else self.bias)


def softmax_loss(logits_NN: Tensor, positive_NN: Tensor) -> Tensor:
    """Return the mean cross-entropy of finding an image's texts, and a text's images, all positives alike."""
    targets_NN = positive_NN / positive_NN.sum(1, keepdim=True)  # symmetric, as equality is
    return (cross_entropy(logits_NN, targets_NN) + cross_entropy(logits_NN.T, targets_NN)) / 2


def sigmoid_loss(logits_NN: Tensor, positive_NN: Tensor) -> Tensor:
    """Return the cross-entropy of telling for each pair whether it belongs together, summed over pairs, per image."""
    return -logsigmoid(torch.where(positive_NN, logits_NN, -logits_NN)).sum(1).mean()


@dataclass(frozen=True)
class Question:
    """Which of K classes each test image shows, a class being T texts: their bags of words, and the answers (N,).

    An answer of -1 leaves the image out.
    """

    words_KTV: Tensor
    answers_N: np.ndarray


class TextObjective(Objective[TwoTowers]):
    """Images drawn from `images`, whose numbers are those of their `texts`; the batch's images are not used."""

    names_classes = True

    def __init__(
        self, setup: Setup, images: DrawnImages, texts: Sequence[str], vocabulary: Sequence[str], sigmoid: bool
    ) -> None:
        super().__init__(setup)
        self.images, self.vocabulary, self.sigmoid = images, vocabulary, sigmoid
        self.words_TV = self.words(texts)

    @abstractmethod
    def questions(self) -> dict[str, Question]:
        """Return what evaluation zero-shot asks about the test images, by the name of its metric."""

    def words(self, texts: Sequence[str]) -> Tensor:
        """Return the texts' bags of words (N, V), on the device."""
        return torch.from_numpy(bags_of_words(texts, self.vocabulary)).to(self.setup.device)

    def network(self) -> TwoTowers:
        return TwoTowers(self.setup.encoder, len(self.vocabulary), self.sigmoid)

    def loss(self, network: TwoTowers, batch: Batch) -> Tensor:
        return self._loss(*self._pairs(network, *self.images.draw(len(batch.images))))

    def measures(self, network: TwoTowers, batch: Batch) -> dict[str, Tensor]:
        """Return the loss on held-out images, and the percentage of them whose nearest text is theirs."""
        logits_NN, positive_NN = self._pairs(network, *self.images.held_out(batch.positions))
        right = positive_NN.gather(1, logits_NN.argmax(1, keepdim=True))
        return {"loss": self._loss(logits_NN, positive_NN), "accuracy": 100 * right.float().mean()}

    def _loss(self, logits_NN: Tensor, positive_NN: Tensor) -> Tensor:
        return (sigmoid_loss if self.sigmoid else softmax_loss)(logits_NN, positive_NN)

    def _pairs(self, network: TwoTowers, images: Tensor, numbers_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of all pairs, and which of them have equal texts."""
        logits_NN = network.logits(network(images), network.text(self.words_TV[numbers_N]))
        return logits_NN, numbers_N[:, None] == numbers_N
