"""How fast PSE is, next to MSE and to straightforward forms of it, in one run (`pse-repro bench`).

Each row is forward and backward on 128 x 3 x 96 x 96 images. The straightforward forms are written for this purpose
only; the kit never uses them. Machines are noisy: rows are measured in turn, round after round, and compared in a run.
"""

import statistics
import time
from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.device import Machine, choose_machine
from pse_repro.kernels import kernel_1d
from pse_repro.loss import PSELoss

SHAPE = (128, 3, 96, 96)
SIGMAS = (3, 4, 5, 6)
ROUNDS, WARM_UP = 12, 2

Loss = Callable[[Tensor, Tensor], Tensor]


def written_out_mse(input: Tensor, target: Tensor) -> Tensor:
    """MSE from the same elementary steps that PSE is made of, where F.mse_loss is one fused kernel."""
    return (input - target).square().mean()


def dense(sigma: int) -> Loss:
    """The released form: one dense 3 -> 3 convolution, its weight built anew each time."""

    def loss(input: Tensor, target: Tensor) -> Tensor:
        line = kernel_1d("gaussian", sigma, sigma, 1.0).to(input)
        weight = torch.eye(3).to(input)[:, :, None, None] * torch.outer(line, line)
        smoothed = F.conv2d((input - target).abs(), weight / weight.sum(), padding=sigma)
        return smoothed.square().mean()

    return loss


def depthwise(sigma: int) -> Loss:
    """One 2-D convolution a channel."""

    def loss(input: Tensor, target: Tensor) -> Tensor:
        line = kernel_1d("gaussian", sigma, sigma, 1 / 3).to(input)
        weight = torch.outer(line, line).expand(3, 1, -1, -1)
        return F.conv2d((input - target).abs(), weight, padding=sigma, groups=3).square().mean()

    return loss


def separable(sigma: int) -> Loss:
    """Two 1-D convolutions a channel."""

    def loss(input: Tensor, target: Tensor) -> Tensor:
        line = kernel_1d("gaussian", sigma, sigma, 1 / 3).to(input).expand(3, 1, 1, -1)
        smoothed = F.conv2d((input - target).abs(), line, padding=(0, sigma), groups=3)
        return F.conv2d(smoothed, line.transpose(-1, -2), padding=(sigma, 0), groups=3).square().mean()

    return loss


def matrix_products(machine: Machine) -> Callable[[], None]:
    """The bound: the two matrix products that PSE cannot do without in this form, and nothing else."""
    residual = torch.rand(SHAPE, device=machine.device)
    smoothing = torch.rand(SHAPE[-1], SHAPE[-1], device=machine.device)

    def multiply() -> None:
        smoothing @ (residual @ smoothing)
        machine.synchronize()

    return multiply


def run(device: str, format: str) -> str:
    """Measure every row and render the table: milliseconds (median, spread) and the ratios to MSE and to dense."""
    machine = choose_machine(device, "fp32")
    rows: dict[tuple[str, int | None], Callable[[], None]] = {
        ("MSE", None): _step(F.mse_loss, machine),
        ("MSE, written out", None): _step(written_out_mse, machine),
    }
    for sigma in SIGMAS:
        rows["PSE, two matrix products", sigma] = _step(PSELoss.as_released(sigma), machine)
        rows["dense 3 -> 3 convolution", sigma] = _step(dense(sigma), machine)
        rows["depthwise convolution", sigma] = _step(depthwise(sigma), machine)
        rows["two 1-D convolutions", sigma] = _step(separable(sigma), machine)
    rows["bound: the matrix products alone", None] = matrix_products(machine)
    return _render(_table(_measure(list(rows.values())), list(rows)), machine, format)


def _step(loss: Loss, machine: Machine) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(SHAPE, generator=generator).to(machine.device)
    input = torch.rand(SHAPE, generator=generator).to(machine.device).requires_grad_()

    def step() -> None:
        input.grad = None
        loss(input, target).backward()
        machine.synchronize()

    return step


def _measure(steps: list[Callable[[], None]]) -> list[list[float]]:
    """Seconds of each step in each round, the warm-up left out."""
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(WARM_UP + ROUNDS):
        for step, taken in zip(steps, seconds, strict=True):
            started = time.perf_counter()
            step()
            taken.append(time.perf_counter() - started)
    return [taken[WARM_UP:] for taken in seconds]


def _table(seconds: list[list[float]], rows: list[tuple[str, int | None]]) -> pd.DataFrame:
    medians = {row: statistics.median(taken) for row, taken in zip(rows, seconds, strict=True)}
    quartiles = {row: statistics.quantiles(taken) for row, taken in zip(rows, seconds, strict=True)}
    return pd.DataFrame(
        {
            "form": form,
            "sigma": "" if sigma is None else str(sigma),
            "ms": 1e3 * medians[form, sigma],
            "quartiles_ms": " .. ".join(f"{1e3 * quartiles[form, sigma][place]:.1f}" for place in (0, 2)),
            "times_mse": medians[form, sigma] / medians["MSE", None],
            "times_faster_than_dense": medians["dense 3 -> 3 convolution", sigma] / medians[form, sigma]
            if sigma
            else None,
        }
        for form, sigma in rows
    )


def _render(table: pd.DataFrame, machine: Machine, format: str) -> str:
    if format == "csv":
        return table.to_csv(index=False)
    if format == "json":
        return str(table.to_json(orient="records", indent=1))
    style = "pipe" if format == "markdown" else "simple"
    ratios = table["times_faster_than_dense"].map(lambda ratio: "" if pd.isna(ratio) else f"{ratio:.1f}")
    shown = table.assign(times_faster_than_dense=ratios).to_markdown(
        index=False, tablefmt=style, floatfmt=("", "", ".1f", "", ".2f", ""), disable_numparse=[1, 3, 5]
    )
    where = ", ".join(f"{key} {value}" for key, value in machine.describe().items())
    return f"{shown}\n\nForward and backward, {' x '.join(map(str, SHAPE))}, float32, {machine.device.type}: {where}"
