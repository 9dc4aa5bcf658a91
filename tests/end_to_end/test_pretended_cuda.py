"""Tests of a GPU on the pretended one, in a separate process because its driver must be loaded before PyTorch."""

import re

import pytest

from tests.support.pretended_cuda.launch import run_pytest, why_not

# A few of each kind; `nox -s pretended-cuda`, which CI runs as well, runs them for every objective and evaluation.
QUICK = [
    "test_refusals.py",
    "test_parts.py",
    "test_waits.py::test_no_step_of_an_epoch_waits_for_the_gpu[pse-as-released]",
    "test_waits_of_evaluations.py::test_a_pass_that_reads_a_loss_after_each_step_is_found",
    "test_capture.py::test_every_objective_trains_as_without_a_graph[mse-as-released]",
    "test_capture.py::test_a_classifier_is_fitted_as_without_a_graph",
]


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_on_a_pretended_gpu() -> None:
    done = run_pytest(["-q", "-p", "no:cacheprovider", *(f"tests/cuda/{name}" for name in QUICK)], capture=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d+ passed", done.stdout), done.stdout
    assert not re.search(r"\b\d+ skipped", done.stdout), done.stdout
