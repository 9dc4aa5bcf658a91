"""Verification of a folder, with assertions that hold for every verdict."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema

from pse_repro.data.inspect.render import render_verification
from pse_repro.data.inspect.verify import STATES, FileCheck, Verification, verify
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5
from pse_repro.progress.stages import Progress

SCHEMA = json.loads((files("pse_repro") / "schemas" / "data-verify.schema.json").read_text())
IMAGES = {"train": 50, "test": 40, "unlabeled": 60}
NAMES = tuple(OFFICIAL_MD5)


def checked(directory: Path) -> Verification:
    """Verify a folder, assert what holds for every verdict, and return the verdict."""
    found = verify(directory, Progress(quiet=True))
    assert tuple(file.name for file in found.files) == NAMES
    assert found.exit_status == (0 if found.official and found.folds and found.folds.released else 3)
    for file in found.files:
        assert file.state in STATES
        assert (file.problem == "") == (file.state == "official")
        assert "\n" not in file.problem
        assert file.problem == "" or ("expected" in file.problem and "run pse-repro data fetch" in file.problem)
    document = json.loads(render_verification(found, "json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert [file["state"] for file in document["files"]] == [file.state for file in found.files]
    table = render_verification(found)
    assert max(map(len, table.splitlines())) <= 80 or len(str(found.folder)) > 80
    assert " ".join(table.split()).endswith(found.verdict)
    return found


def states(found: Verification) -> dict[str, str]:
    return {file.name: file.state for file in found.files}


def file_of(found: Verification, name: str) -> FileCheck:
    return next(file for file in found.files if file.name == name)


def cut_between(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -10 * (IMAGE_BYTES if "_X" in path.name else 1)])
