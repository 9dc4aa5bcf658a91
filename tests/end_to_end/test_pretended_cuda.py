"""Tests of a GPU on the pretended one, in a separate process because its driver must be loaded before PyTorch."""

import re

import pytest

from tests.support.pretended_cuda.launch import run_pytest, why_not

# `nox -s pretended-cuda` also runs the tests that take minutes: every objective in both precisions, whole networks.
QUICK = [
    "test_refusals.py",
    "test_parts.py",
    "test_waits.py",
    "test_study.py",
    "test_deterministic.py",
    "test_card.py::test_the_machine_is_described_and_its_ceilings_are_measured",
    "test_pretraining.py::test_a_run_taken_up_ends_with_the_same_weights_bit_for_bit",
]


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_on_a_pretended_gpu() -> None:
    done = run_pytest(["-q", "-p", "no:cacheprovider", *(f"tests/cuda/{name}" for name in QUICK)], capture=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d+ passed", done.stdout), done.stdout
    assert not re.search(r"\b\d+ skipped", done.stdout), done.stdout
