"""Print the PTX of PSE's kernel, compiled for an H100 on any machine: `python -m tests.support.compiled_kernel TYPE`.

TYPE is that of the input in Triton's words, such as bf16; the target is in float32. Triton must not interpret.
"""

import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pse_repro.fused import _OPTIONS, _STRIP, _strip_kernel


def ptx(input_type: str) -> str:
    """Return the PTX for images of 96 x 96 pixels, with the gradient."""
    constants = {"H": 96, "W": 96, "SIDE": 128, "STRIP": _STRIP, "GRADIENT": True}
    types = dict.fromkeys(("input_ptr", "signed_ptr"), f"*{input_type}")
    types |= dict.fromkeys(("target_ptr", "rows_ptr", "columns_ptr", "sums_ptr"), "*fp32")
    types |= dict.fromkeys(("scale", "signed_scale"), "fp32") | dict.fromkeys(constants, "constexpr")
    signature = {name: types.get(name, "i32") for name in _strip_kernel.arg_names}
    source = ASTSource(fn=_strip_kernel, signature=signature, constexprs=constants)
    text: str = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=_OPTIONS).asm["ptx"]
    return text


if __name__ == "__main__":
    print(ptx(sys.argv[1]))
