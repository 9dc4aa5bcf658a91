"""The evaluation `zero-shot` of one cell: its objective's questions, answered by the pre-trained towers alone."""

import time

from pse_repro.evaluation.on_features import features
from pse_repro.evaluation.zero_shot import answered
from pse_repro.objectives.shared.text import TextObjective, TwoTowers
from pse_repro.run.pretrain import PretrainRun
from pse_repro.study import store


class ZeroShotRun:
    """The zero-shot scores of a cell, stored in the evaluation's folder: measures.json."""

    def __init__(self, pretraining: PretrainRun) -> None:
        self.pretraining = pretraining
        self.measures = pretraining.files.measures("zero-shot")

    def complete(self) -> None:
        """Measure the scores on all test images, unless they are stored."""
        if self.measures.exists():
            return
        since, test = time.monotonic(), self.pretraining.data.test
        with self.pretraining.progress.stage("zero-shot", len(test), cell=self.pretraining.cell.name) as stage:
            objective, network = self.pretraining.trained()
            assert isinstance(objective, TextObjective)  # other cells leave this evaluation out
            assert isinstance(network, TwoTowers)
            images_NP = features(network, test, self.pretraining.machine)
            metrics = answered(network.text, images_NP, objective.questions())
            record = {"metrics": metrics, "points": len(test), "seconds": time.monotonic() - since}
            store.write_json(self.measures, record)
            stage.advance(len(test))
