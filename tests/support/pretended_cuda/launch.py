"""pytest in a separate process on the pretended GPU, whose driver must be loaded before PyTorch."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("driver.cpp")
# PyTorch's only library that is linked with NVIDIA's driver.
LINKED_WITH_DRIVER = Path(torch.__file__).parent / "lib" / "libcaffe2_nvrtc.so"
OWN_FUNCTION = "cuDevicePrimaryCtxGetState"  # defined in driver.cpp itself


def why_not() -> str:
    """Return why the pretended GPU cannot be used here, or an empty string if it can."""
    if sys.platform != "linux":
        return "the pretended GPU needs Linux"
    if torch.version.cuda is None:
        return "the pretended GPU needs a PyTorch that is built for CUDA"
    if torch.cuda.is_available():
        return "there is a real GPU"
    if not hasattr(torch._C, "_ensureCUDADeviceGuardSet"):
        return f"the pretended GPU needs a newer PyTorch than {torch.__version__}, whose fake devices ask the driver"
    missing = [program for program in ("c++", "nm") if shutil.which(program) is None]
    return f"the pretended GPU needs {' and '.join(missing)} to be built" if missing else ""


def run_pytest(arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run pytest on the pretended GPU from the checkout's root."""
    return run_module("pytest", ["-p", "tests.support.pretended_cuda.plugin", *arguments])


def run_module(name: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a module in a process with the pretended driver, as `run_pytest` does; it enters the GPU by itself."""
    with tempfile.TemporaryDirectory() as folder:
        driver = build_driver(Path(folder))
        # One thread keeps the order of sums.
        environment = os.environ | {"LD_PRELOAD": str(driver), "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, "-m", name, *arguments], cwd=ROOT, env=environment)


def build_driver(folder: Path) -> Path:
    """Compile the driver and return its path; raise CalledProcessError if the compiler fails."""
    functions = " ".join(f"NO_GPU({name})" for name in driver_functions() if name != OWN_FUNCTION)
    library = folder / "libcuda.so.1"
    named = ["-Wl,-soname,libcuda.so.1", f"-DNO_GPU_FUNCTIONS={functions}"]
    subprocess.run(["c++", "-std=c++17", "-shared", "-fPIC", *named, "-o", library, SOURCE], check=True)
    return library


def driver_functions() -> list[str]:
    """Return the driver functions that PyTorch's library needs; they depend on PyTorch's version."""
    command = ["nm", "--dynamic", "--undefined-only", "--format=just-symbols", LINKED_WITH_DRIVER]
    symbols = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return [symbol for symbol in symbols if symbol.startswith("cu") and "@" not in symbol]
