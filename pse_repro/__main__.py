"""`python -m pse_repro`, as `pse-repro`."""

from pse_repro.cli import main

if __name__ == "__main__":
    main()
