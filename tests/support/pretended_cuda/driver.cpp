// A driver without a GPU, preloaded in place of NVIDIA's libcuda.so.1, with which PyTorch's libraries are linked.
// NO_GPU_FUNCTIONS is a list NO_GPU(name) NO_GPU(name) ... of the functions they need (launch.py reads their symbols).

extern "C" {

// Before each backward pass autograd checks every device for a context; none has one.
int cuDevicePrimaryCtxGetState(int, unsigned *flags, int *active) {
    *flags = 0;
    *active = 0;
    return 0;
}

#define NO_GPU(name) \
    int name() { return 100; }  // CUDA_ERROR_NO_DEVICE
NO_GPU_FUNCTIONS

// Set after PyTorch has found no device: from then on, device numbers below this one are accepted.
int pretended_devices = 0;
}

namespace c10::cuda {
// Replaces PyTorch's own function, which calls the driver.
signed char device_count() noexcept { return static_cast<signed char>(pretended_devices); }
}  // namespace c10::cuda
