"""The machine: device, system, GPU, energy, provenance."""
