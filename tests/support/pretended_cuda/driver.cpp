// A driver without a GPU, preloaded under the name of NVIDIA's (libcuda.so.1), which PyTorch's libraries are linked with.
// NO_GPU_FUNCTIONS is a list NO_GPU(name) NO_GPU(name) ... of all that they ask of it (launch.py reads it off them).

extern "C" {

// Before each backward pass autograd asks of every device whether it has a context; none has.
int cuDevicePrimaryCtxGetState(int, unsigned *flags, int *active) {
    *flags = 0;
    *active = 0;
    return 0;
}

#define NO_GPU(name) \
    int name() { return 100; }  // CUDA_ERROR_NO_DEVICE
NO_GPU_FUNCTIONS

// Set once PyTorch has found none: from then on, a device's number up to this one is not refused.
int pretended_devices = 0;
}

namespace c10::cuda {
// In the place of PyTorch's own, which asks the driver.
signed char device_count() noexcept { return static_cast<signed char>(pretended_devices); }
}  // namespace c10::cuda
