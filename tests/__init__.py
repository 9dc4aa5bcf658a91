"""Tests; without a GPU they run Triton's kernels in its interpreter, chosen here before anything imports Triton."""

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
