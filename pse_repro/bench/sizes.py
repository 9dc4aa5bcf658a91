"""Amount of work per call: enough to be timed, and all default rows take about ten minutes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of images unless noted otherwise; mappings are by encoder."""

    loss: int  # one batch
    batch: Mapping[str, int]  # batch size of pre-training
    steps: int  # steps of pre-training per call
    augmented: int  # one batch
    labelled: int  # in all folds of fine-tuning
    tested: int  # per fold
    downstream_batch: int
    finetuned: tuple[str, ...]  # encoders
    features: Mapping[str, int]
    head_images: int  # in all folds
    head_epochs: int
    batches: tuple[int, ...]  # batch sizes to compare
    scaled: int  # minimum number of images per call in those rows
    unlabelled: tuple[int, ...]  # sizes of the unlabelled split to compare
    matrix_side: int  # rows and columns of the matrices in the timed product


CPU = Sizes(
    loss=128, batch={"cnn": 128, "resnet": 16}, steps=1, augmented=128, labelled=240, tested=48,
    downstream_batch=128, finetuned=("cnn",), features={"cnn": 512, "resnet": 32}, head_images=2500, head_epochs=5,
    batches=(16, 32, 64, 128, 256, 512), scaled=64, unlabelled=(5_000, 20_000, 40_000), matrix_side=2048,
)  # fmt: skip
GPU = Sizes(
    loss=128, batch={"cnn": 128, "resnet": 128}, steps=20, augmented=128, labelled=1000, tested=500,
    downstream_batch=128, finetuned=("cnn", "resnet"), features={"cnn": 512, "resnet": 512}, head_images=5000,
    head_epochs=5, batches=(16, 32, 64, 128, 256, 512), scaled=2048, unlabelled=(5_000, 20_000, 40_000),
    matrix_side=8192,
)  # fmt: skip
QUICK = Sizes(
    loss=1, batch={"cnn": 4, "resnet": 2}, steps=1, augmented=4, labelled=10, tested=10,
    downstream_batch=8, finetuned=("cnn",), features={"cnn": 4, "resnet": 2}, head_images=10, head_epochs=2,
    batches=(2, 4), scaled=4, unlabelled=(20, 40), matrix_side=128,
)  # fmt: skip
