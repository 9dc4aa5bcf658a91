"""Cases of damage: one file of each kind, or one folder, of a run, and one mutation of it."""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from pse_repro.study.address import MANIFEST
from tests.support import mutations
from tests.support.mutations import Mutation, NotApplicableError

# One file of each kind, by a pattern.
FINISHED = (
    "run.json",
    "asked.json",
    "results.csv",
    "test_sample.npz",
    "report.html",
    "report.md",
    "manifest.jsonl",
    "figures/*.svg",
    "figures/*.png",
    "baselines/*/fold-1.npz",
    "cells/*/*/provenance.json",
    "cells/*/*/manifest.jsonl",
    "models/*/manifest.jsonl",
    "models/*/checkpoint.safetensors",
    "models/*/pretrain.json",
    "models/*/curves.csv",
    "models/*/reconstructions.npz",
    "models/*/portrait.npz",
    "models/*/epochs/epoch-0.npz",
    "models/*/finetune-*/fold-1.npz",
    "models/*/frozen-*/fold-2.npz",
    "models/*/cluster-*/measures.json",
    "models/*/cluster-*/embedding.npz",
    "models/*/cluster-*/curve.csv",
)
INTERRUPTED = ("models/*/state.safetensors", "results.csv", "run.json", "manifest.jsonl", "models/*/pretrain.json")
FOLDERS = (
    "models/*",
    "cells/*",
    "cells/*/*",
    "models/*/finetune-*",
    "models/*/cluster-*",
    "models/*/epochs",
    "baselines/*",
    "figures",
    "models",
    "cells",
    "baselines",
)


@dataclass(frozen=True)
class Case:
    """A base (finished, interrupted, old, an archive), a path in it by a pattern, and what is done to it."""

    base: str
    pattern: str
    mutation: str

    def __str__(self) -> str:
        return f"{self.base}: {self.pattern}: {self.mutation}"


def _linked(path: Path, _: random.Random) -> None:
    copy = mutations.beside(path) / path.name
    shutil.move(path, copy)
    path.symlink_to(copy)


def _from_another_run(path: Path, _: random.Random) -> None:
    """Replace the files of a folder by those of a run of another study; only its manifests tell."""
    for found in path.rglob(MANIFEST):
        heading, *lines = found.read_text().splitlines(keepends=True)
        found.write_text(json.dumps(json.loads(heading) | {"run": "0" * 64}) + "\n" + "".join(lines))
    if not list(path.rglob(MANIFEST)):
        raise NotApplicableError


def _file_instead(path: Path, _: random.Random) -> None:
    shutil.rmtree(path)
    path.write_text("no folder")


def _without_manifests(path: Path, _: random.Random) -> None:
    found = list(path.rglob(MANIFEST))
    if not found:
        raise NotApplicableError
    for each in found:
        each.unlink()


FOLDER_MUTATIONS: dict[str, Mutation] = {
    "deleted": lambda path, _: shutil.rmtree(path),
    "a link to a copy": _linked,
    "a dangling link": lambda path, _: (shutil.rmtree(path), path.symlink_to("nowhere"))[1],  # type: ignore[func-returns-value]
    "a file": _file_instead,
    "from another run": _from_another_run,
    "without manifests": _without_manifests,
}


def damage(case: Case, run: Path, target: Path) -> list[str]:
    """Damage the run or the archive `target`; return the names, one of which a refusal must contain."""
    draws = random.Random(str(case))
    if target != run:
        mutations.mutations_of(target)[case.mutation](target, draws)
        return [target.name]
    path = min(run.glob(case.pattern))
    names = [path.relative_to(run).as_posix()]
    if case.mutation.startswith("exchanged with "):
        other = _others(run, path)[case.mutation.removeprefix("exchanged with ")]
        mutations.exchanged(path, other)
        return [*names, other.relative_to(run).as_posix()]
    recorded = [each.relative_to(run).as_posix() for each in run.rglob("*")] if path.name == MANIFEST else []
    _mutations(path)[case.mutation](path, draws)
    return names + recorded  # a manifest that is not as it was may make any file look altered


def cases_of(base: str, run: Path) -> list[Case]:
    """Return all cases of a base, which is placed at `run`."""
    if base.startswith("archive"):
        return [Case(base, base, name) for name in mutations.mutations_of(Path(base))]
    found = []
    for pattern in (*(INTERRUPTED if base == "interrupted" else FINISHED), *FOLDERS):
        if path := min(run.glob(pattern), default=None):
            names = [*_mutations(path), *(f"exchanged with {where}" for where in _others(run, path))]
            found += [Case(base, pattern, name) for name in names]
    return found


def _mutations(path: Path) -> dict[str, Mutation]:
    return FOLDER_MUTATIONS if path.is_dir() else mutations.mutations_of(path)


def _others(run: Path, path: Path) -> dict[str, Path]:
    """Return what a file or folder may be exchanged with, by where it lies."""
    if not path.is_dir():
        return mutations.exchanges(run, path)
    same = [other for other in sorted(path.parent.iterdir()) if other != path and other.is_dir()]
    return {"another folder there": same[0]} if same and path.parent != run else {}
