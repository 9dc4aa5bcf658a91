"""What the pretended GPU counts; if it overlooked something, the tests that use the counts would prove nothing."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.support.pretended_cuda.state import Counts, counted

KILOBYTE = 256  # float32


@pytest.fixture(autouse=True)
def _pretended(is_pretended: bool) -> None:
    if not is_pretended:
        pytest.skip("only the pretended GPU counts")


def counts_of(action: Callable[[], object]) -> Counts:
    with counted() as counts:
        action()
    return counts


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: torch.rand(2 * KILOBYTE), ["2,048 bytes"]),
        (lambda: torch.rand(KILOBYTE), []),
        (lambda: torch.rand(2 * KILOBYTE).pin_memory(), []),
        (lambda: torch.rand(4 * KILOBYTE).pin_memory()[KILOBYTE:].view(3, -1), []),
        (lambda: torch.rand(2 * KILOBYTE, pin_memory=True), []),
        (lambda: torch.rand(2 * KILOBYTE).pin_memory() + 1, ["2,048 bytes"]),
    ],
    ids=["pageable", "small", "pinned", "part of pinned", "made pinned", "computed from pinned"],
)
def test_copies_from_memory_that_is_not_pinned_are_told(made: Callable[[], Tensor], expected: list[str]) -> None:
    source = made()
    target = torch.empty(source.shape, device="cuda")
    for copy in (lambda: source.to("cuda", non_blocking=True), lambda: target.copy_(source, non_blocking=True)):
        assert [each.partition(" in ")[0] for each in counts_of(copy).pageable(1024)] == expected


def test_waits_are_told_with_their_cause() -> None:
    values = torch.ones(2, device="cuda")
    counts = counts_of(lambda: (values.cpu(), values.sum().item(), torch.ones(2).to("cuda", non_blocking=True)))
    assert [wait.partition(" in ")[0] for wait in counts.waits] == [
        "a copy between the CPU and the GPU",
        "_local_scalar_dense",
    ]


@pytest.mark.parametrize(
    ("action", "kernels", "size", "flop"),
    [
        (lambda x, _: x.view(4, 2).t()[1:].expand(1, 1, 4), 0, 0, 0),
        (lambda x, _: torch.empty_like(x), 0, 0, 0),
        (lambda x, _: x + 1, 1, 2 * 32, 0),
        (lambda x, _: x.add_(1), 1, 2 * 32, 0),
        (lambda x, _: x @ x.T, 1, 4 * (8 + 8 + 4), 2 * 2 * 4 * 2),
        (lambda x, rows: x[rows], 1, 8 + 2 * 16, 0),
        (lambda x, _: torch._foreach_add([x] * 37, 1.0), 2, 2 * 37 * 32, 0),
    ],
    ids=["views", "memory", "sum", "sum in place", "product", "rows", "list"],
)
def test_work_is_that_of_the_shapes(
    action: Callable[[Tensor, Tensor], object], kernels: int, size: int, flop: int
) -> None:
    values, rows = torch.ones(2, 4, device="cuda"), torch.zeros(1, dtype=torch.int64, device="cuda")
    counts = counts_of(lambda: action(values, rows))
    assert counts.kernels() == kernels
    assert sum(work.bytes for work in counts.work) == size
    assert sum(work.flop for work in counts.work) == flop
