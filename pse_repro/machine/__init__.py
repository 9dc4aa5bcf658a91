"""Facts about the machine: device, system, GPU, energy, provenance."""
