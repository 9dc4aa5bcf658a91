"""A pretended GPU: code that is written for CUDA runs on a machine without a GPU, on real numbers.

    python -m tests.support.pretended_cuda [arguments of pytest]

Tensors "on cuda:0" are wrappers whose numbers lie on the CPU. PyTorch's dispatcher, autograd, autocast and choice of
operations take them for CUDA tensors; what a GPU refuses is refused here: operations across devices, `numpy()`, pinning
what is not on the CPU, a fused Adam whose moments are laid out otherwise than its weights. The device has random
numbers of its own, and `torch.cuda.set_sync_debug_mode("error")` makes whatever would wait for a GPU raise.

It shows that the code's CUDA paths run and what they compute, up to the order of sums; it shows nothing of CUDA's own
kernels, of their speed, or of the memory that they take.

driver.cpp      what PyTorch must find of CUDA before it starts; compiled for each start
launch.py       pytest in a process of its own, on the pretended GPU
tensors.py      the wrapper
operations.py   how an operation runs, and what is refused
functions.py    torch.cuda's functions, as far as they are needed
plugin.py       puts all of it in place where pytest starts
"""
