"""Zero-shot classification: the class whose texts' mean embedding is nearest to the image's, without any training.

Source: A. Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, 2021, section 3.1
(with the mean over several texts, in embedding space, of section 3.1.4).
Shapes: N images, P values of an embedding, K classes, T texts of each, V words.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pse_repro.objectives.shared.text import Question


@torch.no_grad()
def class_embeddings(text: nn.Module, words_KTV: Tensor) -> np.ndarray:
    """Return the classes' embeddings (K, P) of length 1: means of those of their texts, in float32."""
    texts_KTP = normalize(text(words_KTV).float(), dim=-1)
    return normalize(texts_KTP.mean(1), dim=-1).cpu().numpy()


def percent_right(images_NP: np.ndarray, classes_KP: np.ndarray, answers_N: np.ndarray) -> float:
    """Return the percentage of images whose embedding is nearest to that of their class; NaN if none has an answer."""
    asked_N = answers_N >= 0
    right_N = (images_NP[asked_N] @ classes_KP.T).argmax(1) == answers_N[asked_N]
    return 100 * float(right_N.mean()) if len(right_N) else float("nan")


def answered(text: nn.Module, images_NP: np.ndarray, questions: dict[str, Question]) -> dict[str, float]:
    """Return the percentage of right answers to each question that is asked about any image."""
    found = {
        name: percent_right(images_NP, class_embeddings(text, question.words_KTV), question.answers_N)
        for name, question in questions.items()
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}
