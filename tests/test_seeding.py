"""Seeds derive from names, the same on every machine, and the global state is restored."""

import pytest
import torch

from pse_repro.seeding import derive, generator, generator_states, seeded


def test_seeds_are_the_same_on_every_machine() -> None:
    # Captured when the scheme was written: another value here makes every published run another run.
    assert derive("pretrain", "cnn-mse", 0) == 7_219_204_376_273_452_765


@pytest.mark.parametrize("names", [("b",), ("a", 1), ("a", "b", 2), (1, "a"), ("a1",), ()])
def test_other_names_are_other_seeds(names: tuple[object, ...]) -> None:
    assert derive(*names) != derive("a", "b", 1)
    assert 0 <= derive(*names) < 2**63


def test_generators_of_one_name_draw_alike_and_ignore_global_state() -> None:
    first = torch.rand(5, generator=generator("a", 1))
    torch.rand(3)
    assert torch.equal(first, torch.rand(5, generator=generator("a", 1)))
    assert not torch.equal(first, torch.rand(5, generator=generator("a", 2)))


def test_a_seeded_block_draws_alike_and_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(1)
    undisturbed = torch.rand(4)
    torch.manual_seed(1)
    draws = []
    for _ in range(2):
        with seeded("epoch", 3):
            draws.append(torch.rand(5))
    assert torch.equal(*draws)
    assert torch.equal(torch.rand(4), undisturbed)
    with seeded("epoch", 4):
        assert not torch.equal(torch.rand(5), draws[0])


def test_a_seeded_block_restores_the_generator_after_an_error_too() -> None:
    torch.manual_seed(1)
    undisturbed = torch.rand(4)
    torch.manual_seed(1)
    with pytest.raises(IndexError), seeded("epoch", 3):
        torch.rand(2)[7]
    assert torch.equal(torch.rand(4), undisturbed)


def test_a_block_is_resumed_where_its_states_were_taken() -> None:
    with seeded("epoch", 3):
        torch.rand(2)
        states = generator_states()
        expected = torch.rand(5)
    with seeded("epoch", 3, states=states):
        assert torch.equal(torch.rand(5), expected)
    with seeded("epoch", 3, states={}):  # none were saved
        torch.rand(2)
        assert torch.equal(torch.rand(5), expected)


@pytest.mark.parametrize("in_use", [False, True])
def test_only_the_gpu_that_is_used_is_asked_for_its_state(in_use: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that works on a CPU initialises no CUDA, and one that works on a GPU asks no other."""
    asked, kept = [], []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: in_use)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 2)
    monkeypatch.setattr("torch.cuda.manual_seed_all", lambda seed: None)
    monkeypatch.setattr("torch.cuda._lazy_init", lambda: asked.append("initialised"))

    def state(device: int = 2) -> torch.Tensor:
        asked.append(device)
        return torch.zeros(1)

    monkeypatch.setattr("torch.cuda.get_rng_state", state)
    monkeypatch.setattr("torch.cuda.set_rng_state", lambda state, device=2: kept.append(device))
    with seeded("a"):
        states = generator_states()
    with seeded("a", states=states):
        pass
    assert set(states) == ({"cpu", "cuda"} if in_use else {"cpu"})
    assert set(asked) == set(kept) == ({2} if in_use else set())
