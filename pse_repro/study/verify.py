"""A whole run against its manifests, and its results against its own predictions."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pse_repro.errors import NotFitError
from pse_repro.study.address import FIGURES, RunFiles
from pse_repro.study.faults import Fault, find_faults, require_intact
from pse_repro.study.manifest import Manifest, is_recorded, read_manifest
from pse_repro.study.record import Run
from pse_repro.study.rows import computed_results
from pse_repro.tables import KEY, as_table

_RELATIVE = 1e-9  # scores may differ in their last digits between machines
# Files that any command writes again from the others, so that they are no part of the digest.
_NOT_EVIDENCE = re.compile(rf"asked\.json|report\.(html|md)|{FIGURES}/.+")


@dataclass(frozen=True)
class Verification:
    """Result of `verify`: `digest` names what was found as computed, and is empty if anything differs.

    `files` were compared, of which `adopted` were recorded only when the run was resumed. `values` of results.csv are
    as the predictions give them; `differing` describes those that are not, `pending` counts those yet to come.
    """

    digest: str
    files: int
    adopted: int
    values: int
    faults: list[Fault]
    differing: list[str]
    pending: int

    @property
    def as_computed(self) -> bool:
        return not self.faults and not self.differing


def verify(directory: Path) -> Verification:
    """Compare every file of a run with its manifests, and results.csv with what the stored predictions give.

    Raises:
        UsageError: the directory is not a run.
        NotFitError: the run was made before there were manifests.
    """
    faults = find_faults(directory)
    if RunFiles(directory).record.is_file() and not is_recorded(directory) and not faults:
        raise NotFitError(
            "this run was made before runs recorded their files, so nothing in it can be proven; once it is resumed, "
            "alterations from then on are noticed"
        )
    files = [
        file
        for folder, manifest in _manifests(directory).items()
        for name, file in manifest.files.items()
        if file.required and (folder / name).is_file()
    ]
    values, differing, pending = (0, [], 0) if faults else _compare_results(Run.open(directory))
    adopted = sum(file.adopted for file in files)
    return Verification(
        "" if faults or differing else digest(directory), len(files), adopted, values, faults, differing, pending
    )


def open_intact(directory: Path) -> Run:
    """Open a run to read it; NotFitError if the names and lengths of its files are not as it recorded them."""
    run = Run.open(directory)
    require_intact(directory)
    return run


def digest(directory: Path) -> str:
    """Return the SHA-256 of the names and SHA-256 of a run's files, without those that other commands write again."""
    lines = []
    for folder, manifest in _manifests(directory).items():
        for name, file in manifest.files.items():
            path = (folder / name).relative_to(directory).as_posix()
            if file.required and not _NOT_EVIDENCE.fullmatch(path):
                lines.append(f"{file.accepted[-1].sha256}  {path}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _compare_results(run: Run) -> tuple[int, list[str], int]:
    """Compare results.csv with the rows that the stored files give.

    Returns the number of equal values, a description of each that differs, and the number that results.csv lacks.
    """
    key = list(KEY)
    computed = as_table(computed_results(run))
    if not run.has_results:
        return 0, [], len(computed)
    joined = run.results.merge(
        computed[[*key, "value"]], on=key, how="outer", suffixes=("", "_computed"), indicator=True
    )
    stored, again = joined["value"].to_numpy(float), joined["value_computed"].to_numpy(float)
    equal = np.isclose(stored, again, rtol=_RELATIVE, atol=0, equal_nan=True) & (joined["_merge"] == "both")
    wrong = joined[~equal & (joined["_merge"] != "right_only")]
    differing = [
        f"{' '.join(str(row[column]) for column in key if row[column])}: {row['value']!r} in results.csv, "
        + (f"{row['value_computed']!r} by its predictions" if row["_merge"] == "both" else "no predictions")
        for row in wrong.to_dict("records")
    ]
    return int(equal.sum()), differing, int((joined["_merge"] == "right_only").sum())


def _manifests(directory: Path) -> dict[Path, Manifest]:
    """Read the manifests of a run that can be read, by their folders."""
    found = {}
    for folder in RunFiles(directory).manifest_folders():
        try:
            found[folder] = read_manifest(directory, folder)
        except NotFitError:
            continue
    return found
