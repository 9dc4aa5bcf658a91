"""PSE in others' programs: any device context, without values, saved, traced, under DDP, with many or long sizes."""

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, func, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.parallel import DistributedDataParallel

from pse_repro import PSELoss, pse_loss
from pse_repro.kernels import KERNELS, PADDINGS
from tests.support.dense_loss import REDUCE, grad_of, images

FORMS = ("mean", "sum", "none", "map")
FIRST, SECOND = images(2, 3, 12, 10), images(2, 3, 12, 10, seed=1)


def use(form: str, sigma: float = 1.5) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a new criterion of this reduction, or its loss_map."""
    return PSELoss(sigma).loss_map if form == "map" else PSELoss(sigma, reduction=form)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    """Set another default device for a while."""
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("within", [torch.device, default_device], ids=["context", "default"])
def test_another_default_device_does_not_matter_in_any_order(
    within: Callable[[str], AbstractContextManager[None]], form: str
) -> None:
    expected = use(form)(FIRST, SECOND)
    with within("meta"):
        made = use(form)
    assert torch.equal(made(FIRST, SECOND), expected)  # made inside, first used outside
    made = use(form)
    with within("meta"):
        assert torch.equal(made(FIRST, SECOND), expected)  # made outside, first used inside
    made(FIRST, SECOND)
    with within("meta"):
        assert made(FIRST[..., 1:], SECOND[..., 1:]).device.type == "cpu"  # a size first seen inside
        assert torch.equal(use(form)(FIRST, SECOND), expected)  # all of it inside
    assert torch.equal(made(FIRST, SECOND), expected)


@pytest.mark.parametrize("kernel", [*KERNELS, torch.tensor([1.0, 2.0, 1.0])], ids=[*KERNELS, "tensor"])
def test_every_kernel_can_be_made_under_another_default_device_or_without_values(kernel: str | Tensor) -> None:
    expected = pse_loss(FIRST, SECOND, 1.5, kernel=kernel)
    for context in (torch.device("meta"), FakeTensorMode(), torch.inference_mode()):
        with context:
            criterion = PSELoss(1.5, kernel=kernel)
        assert torch.equal(criterion(FIRST, SECOND), expected)


@pytest.mark.parametrize("size", [(2, 3, 12, 10), (1, 1, 2, 1100)], ids=["small", "long"])
@pytest.mark.parametrize("form", FORMS)
def test_images_without_values_give_losses_without_values(form: str, size: tuple[int, ...]) -> None:
    first, second = images(*size), images(*size, seed=1)
    criterion, expected, mode = use(form), use(form)(first, second), FakeTensorMode()

    def check(found: Tensor) -> None:
        assert isinstance(found, FakeTensor) or found.is_meta
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert torch.equal(criterion(first, second), expected)  # nothing without values was kept

    check(criterion(first.to("meta"), second.to("meta")))
    check(criterion(mode.from_tensor(first), mode.from_tensor(second)))
    with FakeTensorMode():
        found = criterion(torch.rand(size, dtype=torch.float64), torch.rand(size, dtype=torch.float64))
        gradient = func.grad(lambda *both: criterion(*both).sum())(torch.rand(size), torch.rand(size))
    check(found)
    assert isinstance(gradient, FakeTensor)
    assert gradient.shape == first.shape


@pytest.mark.parametrize(
    "move",
    [lambda each: each.to(torch.float64), nn.Module.half, lambda each: each.to("meta"), nn.Module.requires_grad_],
)
def test_a_criterion_that_is_moved_stays_the_same(move: Callable[[nn.Module], nn.Module]) -> None:
    criterion = PSELoss(1.5)
    criterion(FIRST, SECOND)
    assert torch.equal(move(criterion)(FIRST, SECOND), pse_loss(FIRST, SECOND, 1.5))
    assert not criterion.state_dict()


def saved(criterion: PSELoss) -> bytes:
    """Return the file that torch.save makes of a criterion."""
    file = io.BytesIO()
    torch.save(criterion, file)
    return file.getvalue()


def test_the_matrices_of_many_sizes_are_neither_kept_nor_saved_nor_copied() -> None:
    criterion, fresh = PSELoss(1.5), PSELoss(1.5)
    for size in range(10, 60):
        found = criterion(images(1, 1, size, size + 1), images(1, 1, size, size + 1, seed=1))
    assert torch.equal(found, criterion(images(1, 1, 59, 60), images(1, 1, 59, 60, seed=1)))
    assert len(criterion._smoothing._kept) == 8
    assert len(saved(criterion)) == len(saved(fresh))
    loaded = torch.load(io.BytesIO(saved(criterion)), weights_only=False)
    for same in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion)), loaded):
        assert not same._smoothing._kept
        assert torch.equal(same(FIRST, SECOND), fresh(FIRST, SECOND))
    assert len(criterion._smoothing._kept) == 8


@pytest.mark.parametrize("form", FORMS)
def test_nan_and_infinity_are_not_hidden(form: str) -> None:
    for value in (torch.nan, torch.inf, -torch.inf):
        first = torch.zeros(2, 2, 6, 6)
        first[0, 1, 2, 2] = value
        found = use(form)(first, torch.zeros_like(first))
        assert not found.isfinite().all()
        if found.ndim:  # the other channels and images are untouched
            assert torch.equal(found.isfinite().all((-2, -1)), torch.tensor([[True, False], [True, True]]))


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_batch_is_that_of_mse(form: str) -> None:
    first, second = torch.rand(0, 3, 8, 8, requires_grad=True), torch.rand(0, 3, 8, 8)
    found = use(form)(first, second)
    expected = REDUCE.get(form, Tensor.clone)((first - second).square())
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert grad_of(found, first).shape == first.shape


@pytest.mark.parametrize("padding", ["zeros", "replicate", "circular"])
def test_images_without_pixels_are_an_empty_batch_too(padding: str) -> None:
    assert pse_loss(torch.rand(2, 3, 0, 0), torch.rand(2, 3, 0, 0), 1.5, padding=padding).isnan()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_an_export_takes_batches_and_images_of_other_sizes(reduction: str) -> None:
    criterion = PSELoss(1.5, reduction=reduction)
    sides = {0: torch.export.Dim("batch"), 3: torch.export.Dim("width")}
    program = torch.export.export(criterion, (FIRST, SECOND), dynamic_shapes={"input": sides, "target": sides})
    for first, second in ((FIRST, SECOND), (FIRST[:1, ..., :4], SECOND[:1, ..., :4])):
        torch.testing.assert_close(program.module()(first, second), criterion(first, second), rtol=1e-12, atol=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_traced_criterion_can_be_saved_and_loaded(reduction: str, padding: str) -> None:
    criterion, file = PSELoss(1.5, padding=padding, reduction=reduction), io.BytesIO()
    torch.jit.save(torch.jit.trace(criterion, (FIRST, SECOND)), file)
    file.seek(0)
    torch.testing.assert_close(torch.jit.load(file)(FIRST, SECOND), criterion(FIRST, SECOND), rtol=1e-12, atol=0)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """Make a world of this process alone."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


class _Autoencoder(nn.Module):
    """One layer with its own criterion, as some programs have it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.criterion = nn.Conv2d(3, 3, 1), PSELoss(1.5)

    def forward(self, batch: Tensor) -> Tensor:
        return self.criterion(self.layer(batch), batch)


def test_under_ddp_the_gradient_is_the_same_and_nothing_is_added_to_the_state(group: None) -> None:
    plain, batch = _Autoencoder(), FIRST.float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about a world of one
        parallel = DistributedDataParallel(copy.deepcopy(plain))
    for model in (plain, parallel):
        model(batch).backward()
    assert list(parallel.module.state_dict()) == ["layer.weight", "layer.bias"]
    for one, other in zip(plain.parameters(), parallel.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
