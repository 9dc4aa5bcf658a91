"""Every command in the README exists and has the options shown."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from pse_repro import cli
from pse_repro.config.toml import builtin

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)```", README, re.DOTALL | re.MULTILINE)
LINES = [line.partition("#")[0] for block in BLOCKS for line in block.splitlines()]
SPELLED = re.findall(r"`(?:\.venv/bin/)?pse-repro ([a-z][^`]*)`", README)
SPELLED += [match[1].strip() for line in LINES if (match := re.search(r"(?:^|/)pse-repro ([a-z].*)", line))]
COMMANDS = sorted(set(SPELLED))


def known_commands() -> dict[str, Any]:
    """Return every command by its words: "smoke", "data fetch"."""
    known = {}
    for name, command in typer.main.get_command(cli.app).commands.items():
        known |= {f"{name} {sub}": inner for sub, inner in getattr(command, "commands", {name: None}).items() if inner}
        known |= {} if hasattr(command, "commands") else {name: command}
    return known


def name_of(line: str) -> str:
    return " ".join(line.split()[: 2 if line.startswith("data ") else 1])


def test_the_readme_shows_every_command() -> None:
    assert {name_of(line) for line in COMMANDS} == set(known_commands())


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_is_one_of_the_kit(line: str) -> None:
    name, words = name_of(line), line.split()[1:]
    known = {text for parameter in known_commands()[name].params for text in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known
    if name == "run" and not words[0].endswith(".toml"):
        assert words[0] in builtin("studies")


def test_the_readme_s_links_lead_somewhere() -> None:
    root = Path(__file__).parents[2]
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (root / target).exists(), target


def test_the_python_of_the_readme_runs() -> None:
    import torch

    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {"reconstruction": torch.rand(2, 3, 20, 24, requires_grad=True), "images": torch.rand(2, 3, 20, 24)}
    exec(code, names)
    assert names["weighted"].shape == (2, 3, 20, 24)
    assert 0 < names["loss"].item() < 1
