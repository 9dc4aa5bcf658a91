"""Frozen calls: the same outputs, and gradients only for the inputs."""

import torch
from torch import nn

from pse_repro.objectives.shared.frozen import frozen_call


def test_gradients_reach_the_inputs_as_ever_and_the_parameters_not_at_all() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh())
    inputs = torch.randn(5, 4, requires_grad=True)
    (expected,) = torch.autograd.grad(module(inputs).square().sum(), inputs)
    outputs = frozen_call(module, inputs)
    torch.testing.assert_close(outputs, module(inputs))
    outputs.square().sum().backward()
    torch.testing.assert_close(inputs.grad, expected)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())
