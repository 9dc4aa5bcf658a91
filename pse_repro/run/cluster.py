"""The evaluation `cluster` of one cell: how well clusters of its features match the classes, and when they did.

The final encoder's features are clustered into ten classes and, where the classes are STL-10's, into the two domains,
animals and vehicles. Of an autoencoder the features of every epoch are there, too, so that its error of reconstruction
can be held over the epochs against the accuracy of the two domains, or of the ten classes where there are no domains.
"""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro.data.classes import names_of
from pse_repro.data.stl10 import CLASS_NAMES, CLASSES
from pse_repro.evaluation.clustering import (
    FEWEST_CHECKPOINTS,
    cluster_embedding,
    embed,
    error_against_accuracy,
    two_domains,
)
from pse_repro.evaluation.on_features import features
from pse_repro.files import write_bytes
from pse_repro.run.pretrain import EPOCH_POINTS, PretrainRun
from pse_repro.seeding import derive
from pse_repro.study import store
from pse_repro.study.address import evaluation_folder

POINTS = 1000  # test images, evenly spaced, that are clustered
DOMAINS = 2


class ClusterRun:
    """The clusterings of a cell, in the folder of its evaluation: measures.json, embedding.npz and curve.csv."""

    def __init__(self, pretraining: PretrainRun, run_directory: Path) -> None:
        self.pretraining, self.cell, self.data = pretraining, pretraining.cell, pretraining.data
        self.folder = evaluation_folder(run_directory, self.cell, "cluster")
        self.has_domains = names_of(self.data) == CLASS_NAMES
        self.seed = derive(self.cell.lineage, "cluster") % 2**32  # as scikit-learn takes it

    @property
    def complete(self) -> bool:
        return (self.folder / "measures.json").exists()

    def seconds(self) -> float:
        return float(store.read_json(self.folder / "measures.json")["seconds"]) if self.complete else 0.0

    def rows(self) -> list[dict[str, Any]]:
        """Rows of evaluation "cluster"; measured, or taken up."""
        if not self.complete:
            with self.pretraining.progress.stage(f"{self.cell.name} cluster", POINTS) as stage:
                self._measure()
                stage.advance(POINTS)
        metrics = store.read_json(self.folder / "measures.json")["metrics"]
        return [
            {"evaluation": "cluster", "fold": "", "metric": name, "value": value} for name, value in metrics.items()
        ]

    def _measure(self) -> None:
        since = time.monotonic()
        shown = self.data.test.evenly(POINTS)
        labels_N = shown.targets
        features_ND = features(self.pretraining.encoder(), shown, self.pretraining.machine)
        embedding_N2 = embed(features_ND, self.seed)
        classes = cluster_embedding(embedding_N2, labels_N, self.seed, CLASSES)
        metrics = {"accuracy": classes.accuracy, "nmi": classes.nmi, "ari": classes.ari}
        if self.has_domains:
            domains = cluster_embedding(embedding_N2, two_domains(labels_N), self.seed, DOMAINS)
            metrics["two_domains_accuracy"] = domains.accuracy
        curve = self._curve()
        if len(curve) >= FEWEST_CHECKPOINTS:
            metrics["error_rank_correlation"] = error_against_accuracy(curve["error"], curve["accuracy"]).rho
        if len(curve):
            write_bytes(self.folder / "curve.csv", curve.to_csv(index=False).encode())
        arrays = {"embedding": embedding_N2, "assigned": classes.assigned_N, "labels": labels_N}
        store.write_npz(self.folder / "embedding.npz", **arrays)
        record = {"metrics": metrics, "points": len(labels_N), "seconds": time.monotonic() - since}
        store.write_json(self.folder / "measures.json", record)

    def _curve(self) -> pd.DataFrame:
        """Of each epoch whose features were kept: validation MSE and the clusters' accuracy."""
        labels_N, clusters = self.data.test.evenly(EPOCH_POINTS).targets, CLASSES
        if self.has_domains:
            labels_N, clusters = two_domains(labels_N), DOMAINS
        curves = pd.read_csv(self.pretraining.folder / "curves.csv")
        rows = []
        for path, epoch in self.pretraining.kept_epochs():
            embedding_N2 = embed(store.read_npz(path)["features"], self.seed)
            accuracy = cluster_embedding(embedding_N2, labels_N, self.seed, clusters).accuracy
            rows.append({"epoch": epoch, "error": curves["validation_mse"][epoch], "accuracy": accuracy})
        return pd.DataFrame(rows, columns=["epoch", "error", "accuracy"])
