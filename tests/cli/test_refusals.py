"""Commands that refuse: one line, status 2 or 3, within seconds, and nothing made, changed or left behind."""

import os
from pathlib import Path

import pytest

from pse_repro.data.stl10 import IMAGE_BYTES
from tests.cli.conftest import Run
from tests.support.tiny import write_images

STUDY = """
name = "mine"
scale = "reduced"
expected = "paper"
epochs = 2
folds = 2
evaluations = [{evaluations}]
[[models]]
encoder = "cnn"
objective = "{objective}"
{model}
[subset]
{subset}
[overrides]
batch_size = 8
{overrides}
"""


def study(evaluations: str = '"knn"', objective: str = "mse", model: str = "", subset: str = "", more: str = "") -> str:
    return STUDY.format(evaluations=evaluations, objective=objective, model=model, subset=subset, overrides=more)


STUDIES = {
    "good": study(),
    "epochs": study().replace("epochs = 2", "epochs = 99999999999999999999999"),
    "sigma-0": study(objective="pse", model="sigma = 0"),
    "sigma-1e9": study(objective="pse", model="sigma = 1e9"),
    "sigma-1e308": study(objective="pse", model="sigma = 1e308"),
    "sigma-1e-320": study(objective="pse", model="sigma = 1e-320"),
    "budget": study(more="[budget]\nsteps = 1"),
    "few": study(subset="unlabeled = 20"),
    "train-1": study(subset="train = 1"),
    "train-3": study(subset="train = 3"),
    "test-1": study(subset="test = 1"),
    "test-1-low": study('"low-label-1"', subset="test = 1"),
    "cluster": study('"cluster"', subset="test = 3"),
    "folds": study(more="folds = 1000"),
    "batch": study(more="downstream_max_epochs = 2").replace("batch_size = 8", "batch_size = 1000000000000"),
    "zero-shot": study('"knn", "zero-shot"'),
    "deep": f"a = {'[' * 1000}{']' * 1000}",
}
PRETRAIN = ("pretrain", "--encoder", "cnn", "--data", "images")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with images, studies, a foreign file and folder, and things that are no regular files."""
    write_images(tmp_path / "images", 60, 20, 20)
    write_images(tmp_path / "grey", 60, 20, 20)
    (tmp_path / "grey" / "stl10_binary" / "unlabeled_X.bin").write_bytes(bytes([128]) * 60 * IMAGE_BYTES)
    for name, text in STUDIES.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    (tmp_path / "notes" / "sub").mkdir(parents=True)
    for name in ("notes/notes.txt", "notes/.big.iso.part", "notes/sub/.film.mkv.part", "file"):
        (tmp_path / name).write_text("mine")
    for suffix in ("toml", "csv"):
        os.mkfifo(tmp_path / f"pipe.{suffix}")
        (tmp_path / f"dangling.{suffix}").symlink_to("absent")
    return tmp_path


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return kind, time of the last change and content of everything in the folder; no time of a folder.

    A lock that was made and removed again changes its folder's time.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        state, is_file = path.lstat(), path.is_file() and not path.is_symlink()
        changed = 0 if path.is_dir() else state.st_mtime_ns
        found[str(path.relative_to(folder))] = (state.st_mode, changed, path.read_bytes() if is_file else b"")
    return found


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("run", "epochs.toml"), 2, "epochs is 99999999999999999999999; expected 1,000,000,000,000 or less"),
    (("run", "sigma-0.toml"), 2, "sigma is 0; kernel_support one-sigma takes whole numbers"),
    (("run", "sigma-1e9.toml"), 2, "sigma is 1e+09; expected 0 to 96 pixels"),
    (("run", "sigma-1e308.toml"), 2, "sigma is 1e+308; expected 0 to 96 pixels"),
    (("run", "sigma-1e-320.toml"), 2, "kernel_support one-sigma takes whole numbers"),
    (("run", "budget.toml"), 2, "the budget is 1 steps of 8 images; expected at least one for each of the 2 epochs"),
    (("run", "good.toml", "--budget", "7 images"), 2, "the budget is 0 steps of 8 images"),
    (("run", "few.toml"), 3, "20 unlabelled images leave 3 for validation; expected at least one batch of 8"),
    (("run", "train-1.toml"), 3, "expected two classes or more"),
    (("run", "train-3.toml"), 3, "labelled images: 3, for 5 folds under protocol as-released"),
    (("run", "test-1.toml"), 3, "test images: 1; expected 2 or more"),
    (("run", "test-1-low.toml"), 3, "test images: 1; expected 2 or more"),
    (("run", "cluster.toml"), 3, "test images: 3; expected 10 or more, the number of clusters"),
    (("run", "folds.toml"), 3, "labelled images: 20, for 1000 folds"),
    (("run", "batch.toml"), 3, "expected at least one batch of 1,000,000,000,000"),
    (("run", "deep.toml"), 2, "nested too deeply"),
    (("run", "pipe.toml"), 2, "cannot be read: it is a named pipe; expected a regular file"),
    (("run", "dangling.toml"), 2, "cannot be read: No such file or directory"),
    (("run", "good.toml", "--protocol", "pipe.toml"), 2, "protocol file pipe.toml cannot be read: it is a named pipe"),
    (("run", "good.toml", "--seeds", "1000000000"), 2, "seeds is 1000000000; expected 1 to 1,000"),
    (("plan", "good.toml", "--seeds", "1000000000"), 2, "seeds is 1000000000; expected 1 to 1,000"),
    (("run", "good.toml", "--out", ""), 2, ". is not empty and not a run of this kit; give another --out"),
    (("run", "good.toml", "--out", "."), 2, ". is not empty and not a run of this kit; give another --out"),
    (("run", "good.toml", "--out", "notes"), 2, "notes is not empty and not a run of this kit; give another --out"),
    (("run", "good.toml", "--out", "file"), 2, "file is not a folder; give another --out"),
    (("run", "good.toml", "--out", "file/x"), 2, "file is not a folder; give another --out"),
    (("run", "good.toml", "--out", "new", "--data", "absent"), 3, "no images in absent"),
    ((*PRETRAIN, "--objective", "pse", "--sigma", "0"), 2, "sigma is 0; kernel_support one-sigma"),
    ((*PRETRAIN, "--objective", "pse", "--sigma", "0.3"), 2, "sigma is 0.3; kernel_support one-sigma"),
    ((*PRETRAIN, "--objective", "pse", "--sigma", "1e-320"), 2, "kernel_support one-sigma"),
    ((*PRETRAIN, "--objective", "mse", "--batch-size", "1000000000000"), 3, "one batch of 1,000,000,000,000"),
    ((*PRETRAIN, "--objective", "mse", "--batch-size", "1000000000001"), 2, "; expected 1,000,000,000,000 or less"),
    ((*PRETRAIN, "--objective", "mse", "--epochs", "1001"), 2, "protocol as-released has pretrain_max_epochs 1000"),
    (("pretrain", "--encoder", "cnn", "--data", "grey", "--objective", "image-text", "--batch-size", "8"), 3,
     "image 0 of unlabeled is not the embedded sample's, so it has no caption; expected"),
    (("run", "zero-shot.toml"), 2, "zero-shot: the study has no model for it; expected one with objective label-text"),
    (("data", "fetch", "--data", "new/one", "--from", "ftp://x/y"), 3, "ftp://x/y"),
    (("data", "fetch", "--data", "notes", "--from", "http://%%%/y"), 3, "http://%%%/y cannot be opened"),
    (("data", "fetch", "--data", "new", "--from", "http://127.0.0.1:1/y"), 3, "sent nothing in 7 attempts"),
    (("data", "fetch", "--data", "new", "--from", "absent.tar.gz"), 3, "absent.tar.gz is not a file"),
    (("data", "fetch", "--data", "new", "--from", "pipe.toml"), 3, "pipe.toml is not a file"),
    (("data", "fetch", "--data", "new", "--from", "file"), 3, "file holds 4 bytes with MD5"),
    (("data", "fetch", "--data", "file/x"), 3, "file"),
    (("data", "fetch", "--tiny", "3", "--to", "new/x.npz", "--from", "file"), 3, "file is not STL-10's archive"),
    (("data", "fetch", "--tiny", "3", "--to", "new/x.txt"), 3, "expected a name that ends in .npz"),
    (("data", "fetch", "--tiny", "3", "--to", "file/x.npz"), 3, "/file: Not a directory"),
    (("data", "fetch", "--tiny", "1000000000", "--to", "x.npz"), 3, "expected 1 to 10,000"),
    (("data", "info", "--data", "images", "--sheet", ""), 2, "--sheet"),
    (("data", "info", "--data", "images", "--sheet", "new/../file/x.png"), 3, "file"),
    (("data", "info", "--data", "absent"), 3, "no images in absent"),
    (("compare", "pipe.csv"), 2, "pipe.csv cannot be read (it is a named pipe; expected a regular file)"),
    (("compare", "/dev/zero"), 2, "/dev/zero cannot be read (it is a device; expected a regular file)"),
    (("compare", "dangling.csv"), 2, "dangling.csv does not exist"),
    (("demo", "--data", "images", "--out", ""), 2, "file '' is a directory"),
    (("demo", "--data", "images", "--sigma", ""), 2, "Invalid value for '--sigma'"),
    (("demo", "--data", "images", "--sigma", "1e9"), 2, "sigma is 1e+09; expected 0 to 96 pixels"),
    (("demo", "--data", "images", "--image", "60"), 2, "image is 60; expected 0 to 59"),
    (("demo", "--data", "images", "--image", "-1"), 2, "image is -1; expected 0 to 59"),
    (("demo", "--data", "absent", "--out", "file/x.png"), 3, "file: Not a directory"),
    (("demo", "--data", "absent", "--out", "new/x.png"), 3, "no images in absent"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "status", "message"), REFUSED, ids=[" ".join(words) for words, _, _ in REFUSED])
def test_a_refused_command_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], status: int, message: str, run: Run, folder: Path
) -> None:
    more = ("--data", "images") if words[0] == "run" and "--data" not in words else ()
    more += ("--device", "cpu", "--quiet") if words[0] in ("run", "pretrain") else ()
    before = tree(folder)
    found, out, err = run(*words, *more)
    assert (found, out) == (status, "")
    last = err.strip().splitlines()[-1]
    assert last.startswith("pse-repro: ")
    assert message in last
    assert "unexpected" not in last
    assert tree(folder) == before
