"""The options of a run, declared once; a decorator adds them to each command that trains."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pse_repro.cli.options import (
    CudaGraphsOption,
    DataOption,
    DeterministicOption,
    DeviceOption,
    FormatOption,
    FreshOption,
    JobsOption,
    JointFoldsOption,
    LogToOption,
    OutOption,
    PrecisionOption,
    ProtocolOption,
    QuietOption,
    RepairOption,
    SeedsOption,
    StrictOption,
    UntilDecidedOption,
    WithoutTestOption,
)
from pse_repro.commands.options import RunOptions

OPTIONS: dict[str, Any] = {
    "data": DataOption,
    "out": OutOption,
    "protocol": ProtocolOption,
    "without_test": WithoutTestOption,
    "device": DeviceOption,
    "precision": PrecisionOption,
    "deterministic": DeterministicOption,
    "joint_folds": JointFoldsOption,
    "cuda_graphs": CudaGraphsOption,
    "seeds": SeedsOption,
    "until_decided": UntilDecidedOption,
    "jobs": JobsOption,
    "fresh": FreshOption,
    "repair": RepairOption,
    "strict": StrictOption,
    "quiet": QuietOption,
    "format": FormatOption,
    "log_to": LogToOption,
}


def run_command(without: Sequence[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter `options` by the options of a run, except those named in `without`."""
    names = [name for name in OPTIONS if name not in without]
    defaults = RunOptions()

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**given: Any) -> None:
            options = {name: given.pop(name) for name in names}
            function(**given, options=RunOptions(**options | {"protocol": options.get("protocol") or []}))

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name == "options":
                parameters += [_parameter(name, getattr(defaults, name)) for name in names]
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _parameter(name: str, default: object) -> inspect.Parameter:
    shown = None if name == "protocol" else default  # an empty list would be shown as a default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=OPTIONS[name])
