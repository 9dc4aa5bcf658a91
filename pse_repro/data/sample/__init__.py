"""Embedded sample: images drawn by the kit, in STL-10's layout."""
