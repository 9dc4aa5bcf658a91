"""Image data: STL-10's files, the embedded sample, folds, batches on the device, augmentation."""

from pse_repro.data.folds import folds

__all__ = ["folds"]
