"""The evaluation `cluster` of one cell: agreement of clusters of its features with the classes, finally and by epoch.

The final encoder's features are clustered into ten classes and, if the classes are STL-10's, into the two domains,
animals and vehicles. An autoencoder also stores its features after every epoch. They show over the epochs how its
reconstruction error relates to the accuracy of the two domains, or of the ten classes if there are no domains.
"""

import time

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
from pse_repro.run.pretrain import EPOCH_POINTS, PretrainRun
from pse_repro.seeding import derive
from pse_repro.study import store

POINTS = 1000  # clustered test images, evenly spaced over the split
DOMAINS = 2


class ClusterRun:
    """The clusterings of a cell, stored in the evaluation's folder: measures.json, embedding.npz and curve.csv."""

    def __init__(self, pretraining: PretrainRun) -> None:
        self.pretraining, self.cell, self.data = pretraining, pretraining.cell, pretraining.data
        self.files = pretraining.files
        self.measures = self.files.measures("cluster")
        self.has_domains = names_of(self.data) == CLASS_NAMES
        self.seed = derive(self.cell.pretraining_id, "cluster") % 2**32  # scikit-learn takes 32 bits

    def complete(self) -> None:
        """Measure the clusterings, unless they are stored."""
        if not self.measures.exists():
            with self.pretraining.progress.stage("cluster", POINTS, cell=self.cell.name) as stage:
                self._measure()
                stage.advance(POINTS)

    def _measure(self) -> None:
        since = time.monotonic()
        images = self.data.test.evenly(POINTS)
        labels_N = images.targets
        features_ND = features(self.pretraining.encoder(), images, self.pretraining.machine)
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
            store.write_bytes(self.files.cluster_curve, curve.to_csv(index=False).encode())
        arrays = {"embedding": embedding_N2, "assigned": classes.assigned_N, "labels": labels_N}
        store.write_npz(self.files.cluster_embedding, **arrays)
        record = {"metrics": metrics, "points": len(labels_N), "seconds": time.monotonic() - since}
        store.write_json(self.measures, record)

    def _curve(self) -> pd.DataFrame:
        """Return validation MSE and accuracy of the clusters, in [0, 1], for each epoch with stored features."""
        labels_N, clusters = self.data.test.evenly(EPOCH_POINTS).targets, CLASSES
        if self.has_domains:
            labels_N, clusters = two_domains(labels_N), DOMAINS
        curves = store.read_csv(self.files.curves)
        rows = []
        for epoch in self.files.stored_epochs():
            embedding_N2 = embed(store.read_npz(self.files.epoch_features(epoch))["features"], self.seed)
            accuracy = cluster_embedding(embedding_N2, labels_N, self.seed, clusters).accuracy
            rows.append({"epoch": epoch, "error": curves["validation_mse"][epoch], "accuracy": accuracy})
        return pd.DataFrame(rows, columns=["epoch", "error", "accuracy"])
