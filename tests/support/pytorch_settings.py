"""PyTorch's settings of the whole process, put back after a test that changes them."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def settings_put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what Machine.prepare() sets."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, products.allow_tf32
    yield
    torch.use_deterministic_algorithms(False)
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, products.allow_tf32 = before
