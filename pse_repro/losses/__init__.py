"""PSE and its relatives, as functions and as modules: what an autoencoder's reconstruction can be trained with.

    r = input - target     per pixel and channel
    K                      a 2-D kernel of standard deviation sigma; * is convolution

| module | loss |
| --- | --- |
| `PSELoss` | mean((K * abs(r))^2) |
| `BlurredMSELoss` | mean((K * r)^2): PSE without the modulus |
| `HighpassMSELoss` | mean((r - K * r)^2): what the blur takes away |
| `L1Loss` | mean(abs(r)): the modulus without the kernel |

All take images (N, C, H, W) or one image (C, H, W) of 16, 32 or 64 bits, compute half precisions in float32, also under
autocast, and have `reduction` mean, sum or none. Those with a kernel take the arguments of `PSELoss`.
"""

from pse_repro.loss import PSELoss, pse_loss
from pse_repro.losses.filtered import BlurredMSELoss, HighpassMSELoss, blurred_mse_loss, highpass_mse_loss
from pse_repro.losses.pointwise import L1Loss, l1_loss

__all__ = [
    "BlurredMSELoss",
    "HighpassMSELoss",
    "L1Loss",
    "PSELoss",
    "blurred_mse_loss",
    "highpass_mse_loss",
    "l1_loss",
    "pse_loss",
]
