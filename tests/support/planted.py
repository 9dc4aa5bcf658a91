"""Images in STL-10's layout whose unlabelled images hold planted copies of others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pse_repro.data.stl10 import open_dataset
from tests.support import tiny

TEST, TRAIN, UNLABELED = (0, 3, 3), (1,), (5,)  # one test image twice
COPIES = {"unlabeled_in_test": 3, "test_in_unlabeled": 2, "unlabeled_in_train": 1, "train_in_unlabeled": 1}


def write_planted(
    folder: Path, test: Sequence[int] = TEST, train: Sequence[int] = TRAIN, unlabeled: Sequence[int] = UNLABELED
) -> Path:
    """Write the images of `tiny`, with copies of these of them before the unlabelled ones; return the path."""
    tiny.write_images(folder)
    data = open_dataset(folder)
    copies = [data.test.stored_NCWH[list(test)], data.train.stored_NCWH[list(train)]]
    copies.append(data.unlabeled.stored_NCWH[list(unlabeled)])
    path = folder / "stl10_binary" / "unlabeled_X.bin"
    path.write_bytes(np.concatenate(copies).tobytes() + path.read_bytes())
    return folder
