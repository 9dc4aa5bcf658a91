"""A run's progress: on the terminal, in a status file, in TensorBoard."""
