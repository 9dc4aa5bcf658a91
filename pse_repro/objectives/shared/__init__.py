"""Code shared by several objectives."""
