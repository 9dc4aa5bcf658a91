"""The evaluation `cluster` of one cell: how well clusters of its features match the classes, and when they did.

The final encoder's features are clustered into ten classes and, where the classes are STL-10's, into the two domains,
animals and vehicles. Of an autoencoder the features of every epoch are there, too, so that its error of reconstruction
can be held over the epochs against the accuracy of the two domains, or of the ten classes where there are no domains.
"""

import time
from typing import Any

import pandas as pd

from pse_repro.data.classes import names_of
from pse_repro.data.stl10 import CLASS_NAMES, CLASSES
from pse_repro.evaluation.clustering import (
    MIN_CHECKPOINTS,
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

POINTS = 1000  # test images, evenly spaced, that are clustered
DOMAINS = 2


class ClusterRun:
    """The clusterings of a cell, in the folder of its evaluation: measures.json, embedding.npz and curve.csv."""

    def __init__(self, pretraining: PretrainRun) -> None:
        self.pretraining, self.cell, self.data = pretraining, pretraining.cell, pretraining.data
        self.files = pretraining.files
        self.measures = self.files.measures("cluster")
        self.has_domains = names_of(self.data) == CLASS_NAMES
        self.seed = derive(self.cell.pretraining_id, "cluster") % 2**32  # as scikit-learn takes it

    @property
    def complete(self) -> bool:
        return self.measures.exists()

    def seconds(self) -> float:
        return float(store.read_json(self.measures)["seconds"]) if self.complete else 0.0

    def rows(self) -> list[dict[str, Any]]:
        """Rows of evaluation "cluster"; measured, or taken up."""
        if not self.complete:
            with self.pretraining.progress.stage("cluster", POINTS, cell=self.cell.name) as stage:
                self._measure()
                stage.advance(POINTS)
        metrics = store.read_json(self.measures)["metrics"]
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
        if len(curve) >= MIN_CHECKPOINTS:
            metrics["error_rank_correlation"] = error_against_accuracy(curve["error"], curve["accuracy"]).rho
        if len(curve):
            write_bytes(self.files.cluster_curve, curve.to_csv(index=False).encode())
        arrays = {"embedding": embedding_N2, "assigned": classes.assigned_N, "labels": labels_N}
        store.write_npz(self.files.cluster_embedding, **arrays)
        record = {"metrics": metrics, "points": len(labels_N), "seconds": time.monotonic() - since}
        store.write_json(self.measures, record)

    def _curve(self) -> pd.DataFrame:
        """Of each epoch whose features were kept: validation MSE and the clusters' accuracy."""
        labels_N, clusters = self.data.test.evenly(EPOCH_POINTS).targets, CLASSES
        if self.has_domains:
            labels_N, clusters = two_domains(labels_N), DOMAINS
        curves = pd.read_csv(self.files.curves)
        rows = []
        for epoch in self.files.stored_epochs():
            embedding_N2 = embed(store.read_npz(self.files.epoch_features(epoch))["features"], self.seed)
            accuracy = cluster_embedding(embedding_N2, labels_N, self.seed, clusters).accuracy
            rows.append({"epoch": epoch, "error": curves["validation_mse"][epoch], "accuracy": accuracy})
        return pd.DataFrame(rows, columns=["epoch", "error", "accuracy"])
