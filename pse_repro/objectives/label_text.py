"""Labelled images and the names of their classes: `image-text` for photographs, which have no captions here.

It is another form of `supervised`, with the names' embeddings for a last layer, and is shown beside it: the encoder has
seen as many labels. Sources: UniCL (J. Yang et al., CVPR 2022), which takes labelled images so; the text is CLIP's
(A. Radford et al., 2021, section 3.1.4).
"""

from pse_repro.data.classes import names_of
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.labelled import LabelledImages
from pse_repro.objectives.shared.text import Question, TextObjective


class LabelText(TextObjective):
    """Labelled images with the text "a photo of a CLASS"; NotFitError for too few to hold any out."""

    def __init__(self, setup: Setup, sigmoid: bool = False) -> None:
        texts = [f"a photo of a {name}" for name in names_of(setup.data)]
        vocabulary = sorted({word for text in texts for word in text.split()})
        super().__init__(setup, LabelledImages(setup), texts, vocabulary, sigmoid)

    def questions(self) -> dict[str, Question]:
        """Return "top1", among the classes."""
        return {"top1": Question(self.words_TV[:, None], self.setup.data.test.targets)}
