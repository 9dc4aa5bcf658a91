"""Images and their captions: which caption of the batch belongs to which image?

Source: S. Sarawagi, *Unsupervised pre-training for images*, CS 725 (2023), whose last topic is to encode image and text
jointly; losses and towers as in `shared/text.py`. Only the embedded sample has captions (`data/captions.py`).
"""

import numpy as np
import torch

from pse_repro.data.augment.steps import pretrain_augmentation
from pse_repro.data.captions import ATTRIBUTES, SHAPE, TONE, VOCABULARY, all_codes, captions, codes_of, is_held_out
from pse_repro.data.stl10 import CLASSES
from pse_repro.errors import NotFitError
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.drawn import DrawnImages
from pse_repro.objectives.shared.text import Question, TextObjective
from pse_repro.seeding import generator


class ImageText(TextObjective):
    """Unlabelled images of the sample with their captions, but for those with a held-out combination of shape and tone.

    Captions name shapes, so the encoder has been told the classes; it is compared with `supervised`.
    The share of the images that is held out for the curves is that of validation.

    Raises:
        NotFitError: the images are not the sample's, or too few.
    """

    def __init__(self, setup: Setup, sigmoid: bool = False) -> None:
        codes_NA = codes_of(setup.data.unlabeled, "unlabeled")
        texts_TA, numbers_N = np.unique(codes_NA, axis=0, return_inverse=True)
        usable = np.arange(len(codes_NA)) if setup.usable is None else setup.usable
        parts = _parts(usable[~is_held_out(codes_NA[usable])], setup.train_images / len(usable))
        images = DrawnImages(setup.data.unlabeled, numbers_N.reshape(-1), parts, setup.device)
        images.augment = pretrain_augmentation("small", flip=False)  # captions tell left from right
        super().__init__(setup, images, captions(texts_TA), VOCABULARY, sigmoid)

    def questions(self) -> dict[str, Question]:
        """Return "top1", among the classes, and which of their 50 combinations with a tone: those seen, those not."""
        test = self.setup.data.test
        codes_NA, every = codes_of(test, "test"), all_codes()[:CLASSES]
        words_STOV = self.words(captions(every.reshape(-1, len(ATTRIBUTES)))).unflatten(0, every.shape[:3])
        words_KTV, held_out_N = words_STOV.flatten(0, 1), is_held_out(codes_NA)
        combinations_N = codes_NA[:, SHAPE] * len(ATTRIBUTES["tone"]) + codes_NA[:, TONE]
        return {
            "top1": Question(words_STOV.flatten(1, 2), test.targets),
            "seen_combinations": Question(words_KTV, np.where(held_out_N, -1, combinations_N)),
            "held_out_combinations": Question(words_KTV, np.where(held_out_N, combinations_N, -1)),
        }


def _parts(captioned: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the images to train on, a share of them, and of the others, the same for every model."""
    order = captioned[torch.randperm(len(captioned), generator=generator("captioned images")).numpy()]
    trained = min(round(share * len(order)), len(order) - 1)
    if trained < 1:
        raise NotFitError(f"{len(order)} images with captions are too few to hold any out; expected 2 or more")
    return order[:trained], order[trained:]
