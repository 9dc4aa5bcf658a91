"""How far a run is: on the terminal, in a status file, in TensorBoard."""
