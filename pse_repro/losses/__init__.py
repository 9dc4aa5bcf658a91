"""PSE and its relatives, as functions and as modules: what an autoencoder's reconstruction can be trained with.

    r = input - target     per pixel and channel
    K                      a 2-D kernel of standard deviation sigma; * is convolution

| module | loss |
| --- | --- |
| `PSELoss` | mean((K * abs(r))^2) |
| `BlurredMSELoss` | mean((K * r)^2): PSE without the modulus |
| `HighpassMSELoss` | mean((r - K * r)^2): what the blur takes away |
| `L1Loss` | mean(abs(r)): the modulus without the kernel |
| `CharbonnierLoss` | mean(sqrt(r^2 + epsilon^2)): its smooth form |
| `SSIMLoss`, `MSSSIMLoss` | 1 - structural similarity, at one scale and at three |
| `FocalFrequencyLoss` | mean(w abs(F)^2), F the spectrum of r and w growing with it |

All take images (N, C, H, W) or one image (C, H, W) of 16, 32 or 64 bits, compute half precisions in float32, also under
autocast, and have `reduction` mean, sum or none. Those with a kernel take the arguments of `PSELoss`.
"""

from pse_repro.loss import PSELoss, pse_loss
from pse_repro.losses.filtered import BlurredMSELoss, HighpassMSELoss, blurred_mse_loss, highpass_mse_loss
from pse_repro.losses.frequency import FocalFrequencyLoss, focal_frequency_loss
from pse_repro.losses.pointwise import CharbonnierLoss, L1Loss, charbonnier_loss, l1_loss
from pse_repro.losses.ssim import MSSSIMLoss, SSIMLoss, ms_ssim_loss, ssim_loss

__all__ = [
    "BlurredMSELoss",
    "CharbonnierLoss",
    "FocalFrequencyLoss",
    "HighpassMSELoss",
    "L1Loss",
    "MSSSIMLoss",
    "PSELoss",
    "SSIMLoss",
    "blurred_mse_loss",
    "charbonnier_loss",
    "focal_frequency_loss",
    "highpass_mse_loss",
    "l1_loss",
    "ms_ssim_loss",
    "pse_loss",
    "ssim_loss",
]
