"""The tests of a GPU, on the pretended one: in a process of its own, as its driver must be there before PyTorch is."""

import re

import pytest

from tests.support.pretended_cuda.launch import run_pytest, why_not

# Without test_whole_networks.py, which takes minutes: nox -s pretended-cuda.
QUICK = {
    "all but pre-training": ["test_refusals.py", "test_parts.py", "test_waits.py", "test_study.py"],
    "pre-training": ["test_pretraining.py"],
}


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("files", QUICK.values(), ids=QUICK)
def test_on_a_pretended_gpu(files: list[str]) -> None:
    done = run_pytest(["-q", "-p", "no:cacheprovider", *(f"tests/cuda/{name}" for name in files)], capture=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d+ passed", done.stdout), done.stdout
    assert not re.search(r"\b\d+ skipped", done.stdout), done.stdout
