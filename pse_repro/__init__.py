"""pse-repro: does pre-training with Proximal Sensitive Error learn better image features than with MSE?"""

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pse_repro.loss import PSELoss, pse_loss

__version__ = version("pse-repro")
__all__ = ["PSELoss", "__version__", "pse_loss"]


def __getattr__(name: str) -> object:
    """Import `pse_repro.loss`, and PyTorch with it, on first use: `pse-repro --help` must start at once."""
    if name in ("PSELoss", "pse_loss"):
        from pse_repro import loss

        return getattr(loss, name)
    raise AttributeError(f"module 'pse_repro' has no attribute {name!r}")
