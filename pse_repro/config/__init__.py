"""Studies, protocols and switches: TOML in, frozen dataclasses out."""
