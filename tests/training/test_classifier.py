"""The classifier's training loop on a scripted validation loss: early stopping, plateau, best epoch, clipping."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pse_repro.errors import CellError
from pse_repro.training import classifier
from pse_repro.training.classifier import fit, mean_batch_loss, new_adam, predict, training_step
from tests.support.tiny import CPU, protocol


class Points:
    """Ten easily separable classes of points; 40 for training in batches of 8, 13 for validation."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(53) % 10
        self.inputs = nn.functional.one_hot(self.labels, 10).float() + 0.1 * torch.randn(53, 10, generator=generator)

    def train(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.inputs[:40].split(8), self.labels[:40].split(8), strict=True)

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.inputs[40:].split(8), self.labels[40:].split(8), strict=True)


def scripted(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Replace the validation losses by the given ones; the last is repeated."""
    script = iter(torch.tensor(losses, dtype=torch.float64))
    monkeypatch.setattr(classifier, "mean_batch_loss", lambda *_: next(script, torch.tensor(losses[-1])))


def nothing(epoch: int, loss: float) -> None:
    pass


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = nn.Linear(10, 10)
    fitted = fit("points", model, Points(), protocol(downstream_max_epochs=60, learning_rate=0.05), CPU, nothing)
    assert fitted.train_losses[-1] < 0.3 < fitted.train_losses[0]
    assert fitted.best_epoch == fitted.validation_losses.index(min(fitted.validation_losses))


def test_stopping_waits_its_patience_after_the_best_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [3.0, 2.0, 1.0, 1.0, 5.0])  # an equal loss is no improvement
    fitted = fit("x", nn.Linear(10, 10), Points(), protocol(downstream_max_epochs=1000), CPU, nothing)
    assert fitted.best_epoch == 2
    assert len(fitted.validation_losses) == 2 + 50 + 1  # the last epoch is the best one + 50, counted from 0


def test_the_slightest_improvement_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [1.0, 1.0 - 1e-9, 1.0])
    fitted = fit("x", nn.Linear(10, 10), Points(), protocol(downstream_max_epochs=1000), CPU, nothing)
    assert fitted.best_epoch == 1


def test_weights_and_buffers_of_the_best_epoch_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [3.0, 1.0, 2.0])
    model = nn.Sequential(nn.BatchNorm1d(10), nn.Linear(10, 10))
    seen: list[dict[str, Tensor]] = []

    def keep(epoch: int, loss: float) -> None:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})

    fit("x", model, Points(), protocol(downstream_max_epochs=6), CPU, keep)
    assert len(seen) == 6
    assert all(torch.equal(value, seen[1][name]) for name, value in model.state_dict().items())
    assert not torch.equal(seen[1]["0.running_mean"], seen[5]["0.running_mean"])


def test_the_rate_falls_at_the_41st_bad_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [1.0])
    rates: list[float] = []
    step = torch.optim.Adam.step

    def spy(self: torch.optim.Adam, *args: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    fit("x", nn.Linear(10, 10), Points(), protocol(downstream_max_epochs=1000, learning_rate=1e-4), CPU, nothing)
    by_epoch = rates[::5]
    assert by_epoch[: 41 + 1] == [1e-4] * 42  # epoch 0 is the best, epochs 1 to 41 are bad
    assert by_epoch[42] == pytest.approx(0.9e-4)


def test_validation_loss_is_the_mean_of_batch_means() -> None:
    torch.manual_seed(1)
    model, data = nn.Linear(10, 10), Points()
    batch_means = [nn.functional.cross_entropy(model(x), y) for x, y in data.validation()]  # of 8 and of 5
    over_all = nn.functional.cross_entropy(model(data.inputs[40:]), data.labels[40:])
    found = mean_batch_loss(model, data.validation(), CPU).item()
    assert found == pytest.approx(sum(mean.item() for mean in batch_means) / 2, rel=1e-6)
    assert found != pytest.approx(over_all.item(), rel=1e-6)


def test_predictions_are_probabilities_in_order() -> None:
    model, data = nn.Linear(10, 10), Points()
    probabilities = predict(model, data.inputs.split(8), CPU)
    assert probabilities.dtype == torch.float64
    torch.testing.assert_close(probabilities.sum(1), torch.ones(53, dtype=torch.float64))
    torch.testing.assert_close(probabilities.float(), model(data.inputs).softmax(1).detach())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_predictions_have_the_bits_of_each_batch_s_own_probabilities(precision: str) -> None:
    torch.manual_seed(0)
    model, machine, batches = nn.Linear(10, 10), replace(CPU, precision=precision), torch.randn(53, 10).split(8)
    with torch.no_grad(), machine.autocast():
        expected = torch.cat([model(inputs).double().softmax(1) for inputs in batches])
    assert torch.equal(predict(model, batches, machine), expected)


def test_a_step_returns_the_loss_on_its_batch_before_it() -> None:
    torch.manual_seed(0)
    model, under = nn.Linear(10, 10), protocol()
    inputs, labels = next(Points().train(0))
    expected = nn.functional.cross_entropy(model(inputs), labels)
    before = model.weight.detach().clone()
    loss = training_step(model, new_adam(model, under.settings, CPU), under, CPU)(inputs, labels)
    assert torch.equal(loss, expected)
    assert not loss.requires_grad
    assert not torch.equal(model.weight, before)


def test_a_loss_that_is_not_finite_stops_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [1.0, float("nan")])
    with pytest.raises(CellError, match=r"x: loss is .* \(validation nan\) in epoch 1"):
        fit("x", nn.Linear(10, 10), Points(), protocol(downstream_max_epochs=6), CPU, nothing)
