"""A folder is proved to hold STL-10, or the verdict says of every file what is wrong with it."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pse_repro.data import render as render_module
from pse_repro.data import verify as verify_module
from pse_repro.data.folds import folds
from pse_repro.data.render import render_verification
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5
from pse_repro.data.verify import OFFICIAL_IMAGES, STATES, FileCheck, Verification, verify
from pse_repro.errors import UsageError
from pse_repro.progress import Progress, Stage
from tests.tiny import write_images

SCHEMA = json.loads((files("pse_repro") / "schemas" / "data-verify.schema.json").read_text())
IMAGES = {"train": 50, "test": 40, "unlabeled": 60}
NAMES = tuple(OFFICIAL_MD5)


def checked(directory: Path) -> Verification:
    """Verify, and see that what is true of every verdict is true of this one."""
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


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("drawn"), **IMAGES)


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """Images of the kit's own."""
    return Path(shutil.copytree(drawn, tmp_path / "images")) / "stl10_binary"


@pytest.fixture
def official(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where they are what STL-10 is."""
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in NAMES}
    parts = folds(np.fromfile(folder / "train_y.bin", np.uint8))
    patches = {
        "OFFICIAL_MD5": md5,
        "OFFICIAL_IMAGES": IMAGES,
        "OFFICIAL_PER_CLASS": {"train": 5, "test": 4},
        "RELEASED_FIRST": tuple(int(validation[0]) for _, validation in parts),
        "RELEASED_SIZES": ((40, 10),) * 5,
    }
    for module in (verify_module, render_module):
        for name, value in patches.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    return folder


def test_what_is_expected_is_stl10() -> None:
    sizes = {name: FileCheck(name, "missing", None, None, "").expected_bytes for name in NAMES}
    assert sizes == {
        "train_X.bin": 138_240_000,
        "train_y.bin": 5_000,
        "test_X.bin": 221_184_000,
        "test_y.bin": 8_000,
        "unlabeled_X.bin": 2_764_800_000,
    }
    for split, each in verify_module.OFFICIAL_PER_CLASS.items():
        assert OFFICIAL_IMAGES[split] == 10 * each


def test_the_schema_is_one_and_closed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["additionalProperties"] is False
    assert set(SCHEMA["properties"]["files"]["items"]["properties"]["state"]["enum"]) == set(STATES)


@pytest.mark.parametrize("above", [False, True])
def test_the_official_files_are_proved(official: Path, above: bool) -> None:
    found = checked(official.parent if above else official)
    assert found.folder == official
    assert found.official
    assert found.consistent
    assert found.exit_status == 0
    assert found.problems == []
    assert set(states(found).values()) == {"official"}
    assert [check.counts for check in found.labels] == [(5,) * 10, (4,) * 10]
    assert found.folds is not None
    assert found.folds.released
    table = render_verification(found)
    assert "classes 1..10 of train: 5 each, as expected" in table
    assert "folds: 40 + 10 images each, first validation images" in table
    assert found.verdict == "STL-10: all five files are the official ones, and the folds are the released ones"


def cut_inside(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_between(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -10 * (IMAGE_BYTES if "_X" in path.name else 1)])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\1")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] = content[0] % 10 + 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS: list[tuple[Callable[[Path], None], str, str]] = [
    (cut_inside, "truncated", "is truncated: found "),
    (cut_between, "truncated", "is truncated: found "),
    (empty, "truncated", "is truncated: found 0 bytes"),
    (lengthen, "other", "is not STL-10's: found "),
    (flip, "other", "is not STL-10's: found "),
    (remove, "missing", "is missing: found no such file"),
    (dangle, "missing", "is missing: found no such file"),
    (folder_instead, "unreadable", "cannot be read: Is a directory"),
]


@pytest.mark.parametrize(("harm", "state", "said"), HARMS)
@pytest.mark.parametrize("name", NAMES)
def test_one_bad_file_is_named_and_the_others_stay_proved(
    harm: Callable[[Path], None], state: str, said: str, name: str, official: Path
) -> None:
    harm(official / name)
    found = checked(official)
    assert states(found) == dict.fromkeys(NAMES, "official") | {name: state}
    assert not found.official
    assert found.exit_status == 3
    bad = file_of(found, name)
    assert bad.problem.startswith(f"{name} {said}")
    assert f"expected {bad.expected_bytes:,} bytes" in bad.problem
    if bad.bytes is not None:
        content = (official / name).read_bytes()
        assert (bad.bytes, bad.md5) == (len(content), hashlib.md5(content).hexdigest())
    assert bad.problem in found.problems
    assert (found.folds is None) == (name == "train_y.bin")


def test_a_file_without_permission_is_unreadable(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Path.open

    def refuse(path: Path, *args: Any) -> Any:
        if path.name == "test_X.bin":
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path, *args)

    monkeypatch.setattr(Path, "open", refuse)
    found = checked(official)
    assert states(found) == dict.fromkeys(NAMES, "official") | {"test_X.bin": "unreadable"}
    assert "test_X.bin cannot be read: Permission denied; expected 1,105,920 bytes (40 images); check" in str(
        found.problems
    )
    assert file_of(found, "test_X.bin").bytes is None


def test_every_state_at_once_in_one_verdict(official: Path) -> None:
    cut_inside(official / "train_X.bin")
    flip(official / "test_X.bin")
    remove(official / "test_y.bin")
    folder_instead(official / "unlabeled_X.bin")
    found = checked(official)
    assert list(states(found).values()) == ["truncated", "official", "other", "missing", "unreadable"]
    assert found.verdict.startswith("not STL-10, and not usable as it is: 4 of 5 files are not official")
    assert not found.consistent
    table = " ".join(render_verification(found).split())
    assert all(problem in table for problem in found.problems)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_a_folder_that_holds_nothing_or_is_none(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "here")
    found = checked(tmp_path / "here")
    assert set(states(found).values()) == {"missing"}
    assert not found.consistent
    assert found.labels == ()
    assert len(found.problems) == 5


def test_files_are_found_where_train_x_is_not(official: Path) -> None:
    remove(official / "train_X.bin")
    for directory in (official, official.parent):
        assert states(checked(directory)) == dict.fromkeys(NAMES, "official") | {"train_X.bin": "missing"}


def test_own_images_are_consistent_but_not_stl10(folder: Path) -> None:
    found = checked(folder)
    assert set(states(found).values()) == {"other"}
    assert (found.official, found.consistent, found.exit_status) == (False, True, 3)
    assert found.verdict.startswith("consistent, but not STL-10: usable, never compared with the published numbers")
    assert found.folds is None
    table = render_verification(found)
    assert "is not STL-10's" not in table  # the verdict has said it
    assert "classes 1..10 of test: 4, 4, 4, 4, 4, 4, 4, 4, 4, 4; STL-10 has 800 each" in table
    assert len(found.problems) == 5  # programs get all


def test_whole_images_fewer_than_stl10s_beside_its_other_files_are_usable_and_look_truncated(official: Path) -> None:
    cut_between(official / "unlabeled_X.bin")
    found = checked(official)
    assert found.consistent
    assert "unlabeled_X.bin is truncated: found 1,382,400 bytes" in render_verification(found)


@pytest.mark.parametrize(
    ("name", "content", "truncated", "problem"),
    [
        ("train_y.bin", bytes([*range(10)] * 5), None, "train_y.bin: found 5 labels outside 1..10, expected none"),
        ("test_y.bin", bytes([11, 255] * 20), None, "test_y.bin: found 40 labels outside 1..10, expected none"),
        (
            "test_y.bin",
            bytes([1] * 39),
            "test_y.bin",
            "found 39 labels for 40 whole images in test_X.bin, expected one",
        ),
        (
            "test_y.bin",
            bytes([1] * 41),
            "test_X.bin",
            "found 41 labels for 40 whole images in test_X.bin, expected one",
        ),
        ("test_X.bin", bytes(39 * IMAGE_BYTES), "test_X.bin", "found 40 labels for 39 whole images in test_X.bin"),
    ],
    ids=["0 in train", "11 and 255", "fewer labels", "more labels", "fewer images"],
)
def test_labels_that_do_not_fit_are_not_usable(
    name: str, content: bytes, truncated: str | None, problem: str, folder: Path
) -> None:
    (folder / name).write_bytes(content)
    found = checked(folder)
    assert not found.consistent
    assert states(found) == {name: "truncated" if name == truncated else "other" for name in NAMES}
    assert any(problem in line for line in found.problems)
    assert problem in " ".join(render_verification(found).split())


def test_images_with_a_piece_too_much_are_not_usable(folder: Path) -> None:
    path = folder / "unlabeled_X.bin"
    path.write_bytes(path.read_bytes() + b"\0")
    assert not checked(folder).consistent


def test_the_kits_small_file_is_usable(folder: Path, tmp_path: Path) -> None:
    arrays = {name.removesuffix(".bin"): np.fromfile(folder / name, np.uint8) for name in NAMES}
    images = {name: array.reshape(-1, 3, 96, 96) if "_X" in name else array for name, array in arrays.items()}
    np.savez(tmp_path / "few.npz", **images)  # type: ignore[arg-type]
    found = checked(tmp_path / "few.npz")
    assert found.folder == tmp_path / "few.npz"
    assert (found.official, found.consistent, found.exit_status) == (False, True, 3)
    assert "missing:" not in render_verification(found)


def test_folds_of_another_scikit_learn_are_told_apart(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "folds", lambda labels: folds(labels, order="as-stored"))
    found = checked(official)
    assert found.official
    assert found.exit_status == 3
    assert found.verdict == "STL-10's official files, but the folds are not the released ones"
    (problem,) = found.problems
    assert problem.startswith("folds of train_y.bin: found first validation images ")
    assert "splits differently, install another version" in problem


def test_progress_counts_every_byte(folder: Path) -> None:
    class Recorder(Progress):
        stages: list[Stage]

        @contextmanager
        def stage(self, name: str, total: int, unit: str = "images") -> Iterator[Stage]:
            with super().stage(name, total, unit) as stage:
                self.stages = [stage]
                yield stage

    progress = Recorder(quiet=True)
    verify(folder, progress)
    (stage,) = progress.stages
    assert stage.total == stage._done == sum((folder / name).stat().st_size for name in NAMES)
    assert stage.unit == "bytes"


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format 'csv'; expected one of table, json"):
        render_verification(verify(tmp_path, Progress(quiet=True)), "csv")


def test_the_official_labels_give_the_released_folds(real_images: Path, tmp_path: Path) -> None:
    official = real_images / "stl10-fragments" / "stl10_binary" / "train_y_official.bin"
    if not official.is_file():
        pytest.skip(f"{official} is absent")
    shutil.copy(official, tmp_path / "train_y.bin")
    found = checked(tmp_path)
    assert states(found) == dict.fromkeys(NAMES, "missing") | {"train_y.bin": "official"}
    assert found.labels[0].counts == (500,) * 10
    assert found.folds is not None
    assert found.folds.first == (1012, 1006, 10, 104, 1030)
    assert found.folds.sizes == ((4000, 1000),) * 5
    assert found.folds.released
    assert "first validation images 1012, 1006, 10, 104, 1030, as in the released logs" in " ".join(
        render_verification(found).split()
    )


def test_real_images_that_are_not_all_of_stl10_are_usable(real_images: Path) -> None:
    found = checked(real_images / "stl10-fragments")
    assert set(states(found).values()) == {"other"}
    assert found.consistent
    assert found.exit_status == 3
