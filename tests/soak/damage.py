"""Damage a finished run in one place, in every way, and let every reader open it; then attack with whole directories.

Each case is one file or folder and one mutation. compare, status, explain, verify, export, report and resuming must
either refuse it in words that name it, or say exactly what they say of the run without damage; what is refused on
resuming must be made again by --repair, with the same results. Runs from before there were manifests may give other
numbers, but no other error and no hang. Then hostile directories and archives (tests/support/hostile.py).
Prints lines of facts; the status is 1 if anything was otherwise. Linux only. Nothing is written outside a temporary
folder, except the file that --out names.
"""

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tests.support.damage_cases import Case, cases_of
from tests.support.damaged import Damaged, Outcome
from tests.support.hostile import Attacked
from tests.support.limited import quick
from tests.support.mutations import NotApplicableError

BASES = ("finished", "interrupted", "old", "archive.tar.gz", "archive.zip")
SHARE = 100  # cases of damage after which what was found is written
GOOD = ("same", "refused", "nothing proven", "another manifest")
Found = tuple[Case, dict[str, Outcome]]


def damage(bases: Path, folder: Path, cases: list[Case]) -> list[Found]:
    """Return the outcomes of the cases, by reader; those that change nothing are left out."""
    torch.set_num_threads(1)
    found = []
    with quick():
        damaged = Damaged(folder, bases)
        for case in cases:
            try:
                found.append((case, damaged.outcomes(case)))
            except NotApplicableError:
                continue
    return found


def chosen(damaged: Damaged, limit: int | None) -> list[Case]:
    """Return all cases in a random order, or so many of them."""
    cases = [case for base in BASES for case in cases_of(base, damaged.place(base))]
    random.Random(0).shuffle(cases)
    return cases[:limit]


def hostile(bases: Path, folder: Path) -> dict[str, Any]:
    """Attack in every way; return the facts."""
    torch.set_num_threads(1)
    with quick():
        attacked = Attacked(folder, Damaged(folder / "damaged", bases))
        attacked.prepare()
        return attacked.all()


def facts(folder: Path, limit: int | None, jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the facts of both parts, computed by several processes, after every SHARE cases of damage."""
    with quick():
        bases = folder / "bases"
        damaged = Damaged(bases)
        damaged.prepare()
        cases = chosen(damaged, limit)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        attacked = pool.submit(hostile, bases, folder / "hostile")
        shares = [cases[start : start + SHARE] for start in range(0, len(cases), SHARE)]
        waiting = [pool.submit(damage, bases, folder / str(number), share) for number, share in enumerate(shares)]
        found: list[Found] = []
        for share in waiting:
            found += share.result()
            yield {"damage": facts_of(found), "hostile": attacked.result()}


def facts_of(found: list[Found]) -> dict[str, Any]:
    """Count the cases by what the readers made of them."""
    outcomes = Counter(outcome.kind for _, by_reader in found for outcome in by_reader.values())
    flipped = [(case, of) for case, of in found if "bit flipped" in case.mutation and case.base != "old"]
    noticed = [any(outcome.kind == "refused" for outcome in of.values()) for _, of in flipped]
    repairs = [of["repair"] for _, of in found if "repair" in of]
    return {
        "cases": len(found),
        "by_base": dict(Counter(case.base for case, _ in found)),
        "readings": sum(len(of) for _, of in found),
        "outcomes": dict(outcomes),
        "cases_refused": sum(any(each.kind == "refused" for each in of.values()) for _, of in found),
        "bits_flipped": len(flipped),
        "bits_noticed": sum(noticed),
        "repairs": len(repairs),
        "repaired": sum(each.kind == "same" for each in repairs),
        "bad": [
            {"case": str(case), "reader": reader} | asdict(outcome)
            for case, of in found
            for reader, outcome in of.items()
            if outcome.kind not in GOOD
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, help="number of cases of damage [default: all]")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file for the facts")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for both in facts(Path(folder), given.cases, given.jobs):
            seconds = time.monotonic() - began
            if given.out:
                given.out.write_text(json.dumps(both | {"seconds": seconds}, indent=1) + "\n")
            print(f"{time.strftime('%H:%M:%S')} {both['damage']['cases']} cases", file=sys.stderr, flush=True)
    found, attacked = both["damage"], both["hostile"]
    of = Counter(found["outcomes"])
    print(
        f"damage: {found['cases']} cases, {found['readings']} readings: {of['refused']} refused and named, "
        f"{of['same']} the same, {of['another']} other results, {of['unexpected']} unexpected errors, "
        f"{of['hang']} hangs; {found['bits_noticed']} of {found['bits_flipped']} flipped bits noticed; "
        f"{found['repaired']} of {found['repairs']} repaired to the same results"
    )
    print(
        f"hostile: {attacked['cases']} cases: {attacked['refused']} refused in one line, "
        f"{attacked['accepted']} accepted without harm, {len(attacked['bad'])} otherwise; {seconds:.0f} s"
    )
    bad = [*found["bad"], *attacked["bad"]]
    for each in bad:
        print(" | ".join(map(str, each.values()))[:400], file=sys.stderr)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
