"""Kill a small study at random instants, resume it, and compare it with an uninterrupted run: nox -s soak.

Each run is killed one to four times, by all of WAYS in turn, before it may finish. A last run has long epochs and is
killed after the same time again and again, less than an epoch, until it has ended. Prints a line of facts; the status
is 1 if anything differed. Nothing is written outside a temporary folder, except the file that --out names.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from tests.support.killed import STUDY, WAYS, Killed

MAX_KILLS_PER_RUN = 4
LONG_EPOCHS = STUDY.rpartition("[[models]]")[0].replace("epochs = 3", "epochs = 2").replace(', "cluster"', "")
LONG_EPOCH_IMAGES = 900  # an epoch of the autoencoder takes several times as long as the start of a process
SHARE_OF_EPOCH = 0.6  # after which each session is killed, counted from the start of its process


def random_kills(folder: Path, count: int, draws: random.Random) -> dict[str, Any]:
    """Kill runs until `count` kills have been survived, or not; return the facts."""
    study, runs = Killed(folder, draws), 0
    study.prepare()
    began = time.monotonic()
    while len(study.kills) < count:
        runs += 1
        run = f"run-{runs}"
        for _ in range(draws.randint(1, min(MAX_KILLS_PER_RUN, count - len(study.kills)))):
            if not study.kill(run, WAYS[len(study.kills) % len(WAYS)]):
                break  # it ended before the kill
        study.finish(run, jobs=draws.randint(1, 2))
        study.compare(run)
        _say(f"{len(study.kills)} of {count} kills, {len(study.unlike)} differences")
    return {
        "kills": len(study.kills),
        "runs": runs,
        "ways": dict(Counter(kill.way for kill in study.kills)),
        "unlike": study.unlike,
        "uninterrupted_seconds": study.whole[0],
        "calls": study.whole[1],
        "seconds": time.monotonic() - began,
        "each": [asdict(kill) for kill in study.kills],
    }


def kills_within_epochs(folder: Path) -> dict[str, Any]:
    """Kill a run with long epochs after the same time again and again; return the facts."""
    study = Killed(folder, random.Random(0))
    study.prepare(LONG_EPOCHS, LONG_EPOCH_IMAGES)
    whole_seconds, _ = study.whole
    epochs = [seconds for path in folder.rglob("whole/**/curves.csv") for seconds in pd.read_csv(path)["seconds"]]
    every = SHARE_OF_EPOCH * min(epochs)
    kills = study.kill_every("run", every, max_kills=100)
    study.compare("run")
    facts = {"every_seconds": every, "shortest_epoch_seconds": min(epochs), "uninterrupted_seconds": whole_seconds}
    return facts | {"kills": kills, "unlike": study.unlike}


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file for the facts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = random_kills(Path(folder) / "random", given.kills, random.Random(given.seed))
        long = kills_within_epochs(Path(folder) / "long")
    if given.out:
        given.out.write_text(json.dumps({"seed": given.seed, "random": found, "within_epochs": long}, indent=1) + "\n")
    ways = ", ".join(f"{count} {way}" for way, count in found["ways"].items())
    unlike = found["unlike"] + long["unlike"]
    print(
        f"{found['kills']} kills of {found['runs']} runs ({ways}) in {found['seconds']:.0f} s; "
        f"killed every {long['every_seconds']:.1f} s with epochs of at least {long['shortest_epoch_seconds']:.1f} s, "
        f"a run ended after {long['kills']} kills; {len(unlike)} differences from uninterrupted runs"
    )
    print("\n".join(unlike), file=sys.stderr)
    sys.exit(bool(unlike))


if __name__ == "__main__":
    main()
