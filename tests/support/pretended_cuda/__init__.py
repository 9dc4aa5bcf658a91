"""A pretended GPU that runs CUDA code with real numbers on a machine without a GPU.

    python -m tests.support.pretended_cuda [arguments of pytest]

Tensors "on cuda:0" are wrappers around CPU tensors. PyTorch's dispatcher, autograd, autocast and choice of operations
treat them as CUDA tensors. Operations that a GPU refuses are refused here: operations across devices, `numpy()`,
pinning of GPU memory, a fused Adam whose moments have another memory layout than its weights. The device has its own
random numbers, and with `torch.cuda.set_sync_debug_mode("error")` every operation that would wait for a GPU raises.
Within `state.counted()` it also counts waits, uploads with their bytes, and launches with their work.

It tests that the code's CUDA paths run and what they compute, up to the order of sums. It does not test CUDA's own
kernels, their speed or their memory.

driver.cpp      functions of the CUDA driver that PyTorch needs at start; compiled for each start
launch.py       pytest in a separate process on the pretended GPU
tensors.py      the wrapper
operations.py   execution and refusal of operations
work.py         cost of an operation: kernels, bytes, matrix work
state.py        random numbers, sync debug mode, counts
functions.py    replacements of torch.cuda's functions, as far as needed
plugin.py       pytest plugin that installs all of it
"""
