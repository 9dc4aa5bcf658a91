"""Results joined with expected values, or with another run's, and the verdicts."""
