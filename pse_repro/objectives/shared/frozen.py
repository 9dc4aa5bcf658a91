"""Modules that a loss looks through without training them: of two players, each has gradients of its own."""

from torch import Tensor, nn
from torch.func import functional_call


def frozen_call(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return `module(inputs)`, with gradients for the inputs and none for the module's parameters."""
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    outputs: Tensor = functional_call(module, parameters, (inputs,))
    return outputs
