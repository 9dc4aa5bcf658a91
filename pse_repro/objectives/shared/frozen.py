"""Calls of modules without training them, so that each player of an adversarial loss gets only its own gradients."""

from torch import Tensor, nn
from torch.func import functional_call


def frozen_call(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return `module(inputs)`, with gradients for the inputs and none for the module's parameters."""
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    outputs: Tensor = functional_call(module, parameters, (inputs,))
    return outputs
