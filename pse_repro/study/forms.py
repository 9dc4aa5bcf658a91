"""Forms of the arrays and tables that a run stores, for runs whose files no manifest proves."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pse_repro.data.stl10 import CLASSES

# Number of axes by name; all are numbers, except class_names.
_AXES = {
    **dict.fromkeys(("best_epoch", "seconds", "strength", "latent_scale"), 0),
    **dict.fromkeys(("labels", "positions", "assigned", "train_losses", "validation_losses", "class_names"), 1),
    **dict.fromkeys(("probabilities", "embedding", "latents", "features"), 2),
    **dict.fromkeys(("images", "reconstructions", "filters"), 4),
}
_BY_IMAGE = ("probabilities", "labels", "positions", "assigned", "embedding", "latents", "images", "reconstructions")
_COLUMNS = {"curves.csv": ("epoch", "validation_loss"), "curve.csv": ("epoch", "error", "accuracy")}


def wrong_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Say what of the arrays of one file is not as the kit stores it; an empty text if nothing is."""
    for name, array in arrays.items():
        kinds = "U" if name == "class_names" else "iuf"
        if name in _AXES and (array.ndim != _AXES[name] or array.dtype.kind not in kinds):
            return f"{name} has type {array.dtype} and shape {array.shape}"
    by_image = {name: arrays[name] for name in _BY_IMAGE if name in arrays}
    if len({len(array) for array in by_image.values()}) > 1:
        return ", ".join(f"{name} has shape {array.shape}" for name, array in by_image.items())
    if {"probabilities", "labels"} <= arrays.keys():
        labels, columns = arrays["labels"], arrays["probabilities"].shape[1]
        if columns != CLASSES or not len(labels) or not ((labels >= 1) & (labels <= CLASSES)).all():
            return f"expected probabilities of {CLASSES} classes, and labels from 1 to {CLASSES}"
        if labels.dtype.kind == "f":
            return f"labels has type {labels.dtype}"
    return ""


def wrong_columns(name: str, frame: pd.DataFrame) -> str:
    """Say what of a table, by the name of its file, is not as the kit stores it; an empty text if nothing is."""
    absent = [column for column in _COLUMNS.get(name, ()) if column not in frame]
    if absent:
        return f"it has no column {', '.join(absent)}"
    texts = [str(column) for column in frame if frame[column].dtype.kind not in "iuf"]
    return f"{', '.join(texts[:3])} are not numbers" if texts else ""
