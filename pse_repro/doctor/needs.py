"""Requirements of the studies in bytes: computed from their sizes where possible, else measured."""

from functools import cache
from pathlib import Path

import torch

from pse_repro.data.fetch.archive import STL10
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_IMAGES, SIDE
from pse_repro.models import build_autoencoder
from pse_repro.study.address import SHOWN_IMAGES, CellFiles
from pse_repro.study.cells import expand
from pse_repro.study.load import load_study, study_protocols

STUDIES = ("smoke", "quick", "full")
REAL_IMAGES = ("quick", "full")  # the studies that need STL-10, and a GPU

FILES_BYTES = sum(OFFICIAL_IMAGES.values()) * IMAGE_BYTES + OFFICIAL_IMAGES["train"] + OFFICIAL_IMAGES["test"]
ARCHIVE_BYTES = STL10.size or 0
UNLABELED_BYTES = OFFICIAL_IMAGES["unlabeled"] * IMAGE_BYTES  # the largest block of images on a GPU

# Memory of a training step with 128 images, the batch size of the protocols: growth of the resident set over two
# float32 steps on a CPU, 2026-11-22. A GPU adds cuDNN's workspace, which has not been measured.
TRAINING_BYTES = {"cnn": 1_500_000_000, "resnet": 3_600_000_000}
# Peak of the process, 2026-11-22: `smoke` from its provenance; `full` is a ResNet's step as above plus the imports.
SMOKE_MEMORY_BYTES = 1_600_000_000
FULL_MEMORY_BYTES = 4_500_000_000

# From the files of finished runs, 2026-11-22: fold-K.npz 76 to 78 bytes per test image (10 float64, compressed);
# figures and report.html 0.8 MB per model; the rest of a cell is a few kilobytes of text.
_FOLD_BYTES_PER_IMAGE = 80
_REPORT_BYTES_PER_CELL = 1_000_000
_RECONSTRUCTION_BYTES = (
    2 * SHOWN_IMAGES * 3 * SIDE * SIDE * 2
)  # images and reconstructions, float16, before compression


@cache
def run_bytes(study_name: str) -> int:
    """Return the peak disk usage in bytes of a run of the study with one seed."""
    study = load_study(study_name)
    cells = expand(study, study_protocols(study), seeds=1)
    checkpoints = {encoder: _checkpoint_bytes(encoder) for encoder in {cell.model.encoder for cell in cells}}
    models = {CellFiles(Path(), cell).model: checkpoints[cell.model.encoder] for cell in cells}
    evaluations = {CellFiles(Path(), cell).evaluation(name): cell.folds for cell in cells for name in cell.evaluations}
    test_images = min(OFFICIAL_IMAGES["test"], study.subset.test or OFFICIAL_IMAGES["test"])
    folds = sum(evaluations.values()) * test_images * _FOLD_BYTES_PER_IMAGE
    # During training: the current weights, the best ones and Adam's two moments, all twice, because the next state is
    # written in full before it replaces the previous one.
    state = 2 * 4 * max(checkpoints.values())
    return sum(models.values()) + folds + state + len(cells) * (_RECONSTRUCTION_BYTES + _REPORT_BYTES_PER_CELL)


def _checkpoint_bytes(encoder: str) -> int:
    with torch.device("meta"):  # shapes without data: takes no memory and no time
        return sum(tensor.nbytes for tensor in build_autoencoder(encoder).state_dict().values())
