"""Cross-validation folds of the labelled images (switch 11)."""

import numpy as np
from sklearn.model_selection import KFold

RANDOM_STATE = 12345  # the only seed in the released code


def as_text(labels: np.ndarray) -> np.ndarray:
    """Return the indices in the order in which the released code read the images.

    They are sorted by label as text, then by index as text, because the images were files named by their index.
    Label 1 begins 10, 1006, 1012, 103, 1030.
    """
    keys = [(str(label), str(index)) for index, label in enumerate(labels)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def folds(labels: np.ndarray, count: int = 5, order: str = "as-text") -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds [(train, validation), ...] as indices into `labels`, which are 1..10 in train_X's order.

    They are made by scikit-learn's KFold, shuffled with the released random state, not stratified, over the images in
    the order "as-text" or "as-stored" (switch 11).

    Raises:
        ValueError: labels outside 1..10, fewer images than folds, or an unknown order.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0 or labels.min() < 1 or labels.max() > 10:
        found = f"{labels.min()}..{labels.max()}" if labels.size else "none"
        raise ValueError(f"labels are {found}, of shape {labels.shape}; expected one axis of 1..10")
    if not 2 <= count <= len(labels):
        raise ValueError(f"count is {count} for {len(labels)} images; expected 2 or more folds and an image for each")
    if order not in ("as-text", "as-stored"):
        raise ValueError(f"order is {order!r}; expected as-text or as-stored")
    ordered = as_text(labels) if order == "as-text" else np.arange(len(labels))
    splitter = KFold(count, shuffle=True, random_state=RANDOM_STATE)
    return [(ordered[train], ordered[validation]) for train, validation in splitter.split(ordered)]
