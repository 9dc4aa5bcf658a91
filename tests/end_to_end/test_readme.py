"""Every command of the README exists, with the options it names."""

import re
from pathlib import Path

import pytest
import typer

from pse_repro import cli
from pse_repro.config import builtin

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`(?:\.venv/bin/)?pse-repro ([a-z][^`]*)`", README)))


def test_the_readme_shows_every_command() -> None:
    assert {line.split()[0] for line in COMMANDS} | {"smoke"} == set(typer.main.get_command(cli.app).commands)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_is_one_of_the_kit(line: str) -> None:
    name, *words = line.split()
    command = typer.main.get_command(cli.app).commands[name]
    known = {text for parameter in command.params for text in parameter.opts}
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
