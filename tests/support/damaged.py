"""Finished, interrupted and old runs that are damaged in one place, and what every reader then makes of them."""

import contextlib
import hashlib
import io
import json
import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import typer
from PIL import Image

from pse_repro.cli.app import app
from pse_repro.config.study import Model, Study
from pse_repro.errors import KitError
from pse_repro.run.pretrain import PretrainRun
from pse_repro.run.runner import run_study
from pse_repro.study import manifest, survey
from pse_repro.study.address import MANIFEST
from tests.support import mutations, tiny
from tests.support.mutations import Mutation, NotApplicableError

STUDY = Study(
    "tiny",
    "reduced",
    "paper",
    epochs=2,
    models=(Model("cnn", "mse"),),
    protocols=("as-released", "as-described"),
    evaluations=("finetune", "frozen", "cluster"),
    baselines=("pca",),
    folds=2,
)
COMMANDS = {
    "compare": ("compare", "RUN", "--format", "json"),
    "status": ("status", "RUN", "--format", "json"),
    "explain": ("explain", "RUN", "--format", "json"),
    "verify": ("verify", "RUN"),
    "export": ("export", "RUN", "--out", "OUT"),
    "report": ("report", "RUN"),
}
ARCHIVE_COMMANDS = ("compare", "explain", "verify")
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
SECONDS = 30  # after which a reader hangs
MAX_MEMORY = 16 * 2**30  # bytes of address space: what reads a device to its end is stopped there


class Hang(BaseException):
    """A reader took longer than SECONDS."""


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise Hang in the block after so many seconds, and MemoryError if it takes much memory."""

    def end(_: int, __: FrameType | None) -> None:
        raise Hang

    before, limits = signal.signal(signal.SIGALRM, end), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, limits[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def command_line(*words: str) -> tuple[int, str]:
    """Run a command of pse-repro in this process; return status and text, and raise its errors."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        status = typer.main.get_command(app).main(list(words), standalone_mode=False)
    return int(status or 0), printed.getvalue()


def sketch(figure: matplotlib.figure.Figure, buffer: Any, format: str, **_: Any) -> None:
    """Stand in for `Figure.savefig`, which takes seconds: a picture of the SHA-256 of all that is drawn."""
    digest = hashlib.sha256()
    for artist in figure.findobj():
        for get in ("get_text", "get_xydata", "get_array", "get_offsets", "get_paths", "get_xy"):
            if hasattr(artist, get):
                digest.update(repr(getattr(artist, get)()).encode())
    if format == "svg":
        buffer.write(f"<svg>\n<!-- {digest.hexdigest()} -->\n</svg>\n".encode())
    else:
        pixels = np.unpackbits(np.frombuffer(digest.digest(), np.uint8)).reshape(16, 16) * np.uint8(255)
        Image.fromarray(pixels).convert("RGB").save(buffer, "png")


@dataclass(frozen=True)
class Case:
    """A base (finished, interrupted, old, an archive), a path in it by a pattern, and what is done to it."""

    base: str
    pattern: str
    mutation: str

    def __str__(self) -> str:
        return f"{self.base}: {self.pattern}: {self.mutation}"


@dataclass(frozen=True)
class Outcome:
    """What a reader made of a case, and the words."""

    kind: str  # same, refused, refused without its name, another, unexpected, hang
    words: str = ""


class Damaged:
    """The bases, each made once, and a run that is damaged anew for each case, always at the same path."""

    def __init__(self, folder: Path, bases: Path | None = None) -> None:
        self.bases, self.run, self.out = bases or folder, folder / "case" / "run", folder / "case" / "out.tar.gz"
        self.references: dict[str, dict[str, Any]] = {}
        self._data = tiny.dataset(60, 40, 20)

    def prepare(self) -> None:
        """Make the bases, without damage."""
        self.resume()
        assert command_line("report", str(self.run))[0] == 0
        for suffix in (".tar.gz", ".zip"):
            command_line("export", str(self.run), "--out", str(self.bases / f"archive{suffix}"), "--weights")
        shutil.copytree(self.run, self.bases / "finished")
        shutil.copytree(self.run, self.bases / "old")
        for path in list((self.bases / "old").rglob(MANIFEST)):
            path.unlink()
        shutil.rmtree(self.run)
        with pytest.MonkeyPatch.context() as patch:
            save, saved = PretrainRun._save, []

            def save_and_stop(run: PretrainRun, *of: Any) -> None:
                save(run, *of)
                saved.append(run)
                if run.cell.protocol.name == STUDY.protocols[1]:
                    raise KeyboardInterrupt

            patch.setattr(PretrainRun, "_save", save_and_stop)
            patch.setattr("pse_repro.run.pretrain.SAVE_SHARE", 1e9)
            with contextlib.suppress(KeyboardInterrupt):
                self.resume()
        shutil.copytree(self.run, self.bases / "interrupted")

    def resume(self, repair: bool = False) -> bytes:
        """Run or resume the study; return its results."""
        chosen = [tiny.protocol(name, downstream_max_epochs=2) for name in STUDY.protocols]
        failed = run_study(STUDY, chosen, 1, tiny.context(self.run, self._data, repair=repair))
        assert not failed
        return (self.run / "results.csv").read_bytes()

    def place(self, base: str) -> Path:
        """Copy a base to where it is damaged; return the path of the run or the archive."""
        shutil.rmtree(self.run.parent, ignore_errors=True)
        self.run.parent.mkdir(parents=True)
        manifest._read.cache_clear()
        survey._fold_seconds.cache_clear()
        if base.startswith("archive"):
            self.run.mkdir()
            return Path(shutil.copy2(self.bases / base, self.run / base))
        shutil.copytree(self.bases / base, self.run, symlinks=True)
        return self.run

    def readers(self, base: str, target: Path) -> dict[str, Callable[[], Any]]:
        """Return the readers of a run or an archive; each returns what it says."""
        names = ARCHIVE_COMMANDS if base.startswith("archive") else tuple(COMMANDS)
        words = {"RUN": str(target), "OUT": str(self.out)}

        def reader(name: str) -> Callable[[], Any]:
            def read() -> Any:
                status, text = command_line(*(words.get(word, word) for word in COMMANDS[name]))
                if status == 3:
                    raise KitError(text)
                if name == "status":
                    text = json.dumps(json.loads(text) | {"now": 0})
                return status, text, self._written(name)

            return read

        found = {name: reader(name) for name in names}
        return found if base.startswith("archive") else found | {"resume": self.resume}

    def _written(self, name: str) -> Any:
        """Return what a command wrote."""
        if name == "export":
            return hashlib.sha256(self.out.read_bytes()).hexdigest()
        paths = [self.run / "report.html", self.run / "report.md", *sorted(self.run.glob("figures/*"))]
        return [(path.name, path.read_bytes()) for path in paths] if name == "report" else None

    def reference(self, base: str) -> dict[str, Any]:
        """Return what the readers say of a base without damage."""
        if base not in self.references:
            found = {}
            for name, read in self.readers(base, self.place(base)).items():
                try:
                    found[name] = read()
                except KitError as error:
                    found[name] = str(error)
            self.references[base] = found
        return self.references[base]

    def outcomes(self, case: Case) -> dict[str, Outcome]:
        """Return the outcome by reader, and that of a repair if the run is refused on resuming."""
        reference = self.reference(case.base)
        target = self.place(case.base)
        damaged = self.damage(case, target)
        found = {}
        for name, read in self.readers(case.base, target).items():
            if name == "resume" and not found["report"].kind.startswith("refused"):
                self.damage(case, self.place(case.base))  # again, as a report is written anew
            found[name] = self._outcome(read, reference[name], damaged, case.base)
            if (
                found[name].kind == "another"
                and case.pattern.endswith(MANIFEST)
                and name in ("verify", "export", "report")
            ):
                # A line less, or one more, that changes nothing but what is said of the manifests themselves.
                found[name] = Outcome("another manifest", found[name].words)
        if case.base in ("finished", "interrupted") and found["resume"].kind.startswith("refused"):
            found["repair"] = self._outcome(self.repaired, reference["resume"], [], case.base)
            if found["repair"].kind.startswith("refused"):
                found["repair"] = Outcome("not repaired", found["repair"].words)
        return found

    def repaired(self) -> bytes:
        """Repair the run; return its results, KitError if they cannot be verified."""
        results = self.resume(repair=True)
        manifest._read.cache_clear()
        status, text = command_line("verify", str(self.run))
        if status:
            raise KitError(text)
        return results

    def _outcome(self, read: Callable[[], Any], reference: Any, damaged: list[str], base: str) -> Outcome:
        try:
            with within(SECONDS):
                found = read()
        except Hang:
            return Outcome("hang")
        except KitError as error:
            text = str(error)
            if text == reference:  # an old run, of which nothing can be verified
                return Outcome("same")
            named = any(name in text for name in damaged)
            return Outcome("refused" if named or base == "old" else "refused without its name", text)
        except Exception as error:
            return Outcome("unexpected", f"{type(error).__name__}: {error}")
        if found == reference:
            return Outcome("same")
        if base == "old":
            return Outcome("nothing proven")
        return Outcome("another", _difference(reference, found))

    def damage(self, case: Case, target: Path) -> list[str]:
        """Damage the run or the archive; return the names, one of which a refusal must contain."""
        draws = random.Random(str(case))
        if target != self.run:
            mutations.mutations_of(target)[case.mutation](target, draws)
            return [target.name]
        path = min(target.glob(case.pattern))
        names = [path.relative_to(target).as_posix()]
        if case.mutation.startswith("exchanged with "):
            other = self._others(path)[case.mutation.removeprefix("exchanged with ")]
            mutations.exchanged(path, other)
            return [*names, other.relative_to(target).as_posix()]
        recorded = [each.relative_to(target).as_posix() for each in target.rglob("*")] if path.name == MANIFEST else []
        self._mutation(path, case.mutation)(path, draws)
        return names + recorded  # a manifest that is not as it was may make any file look altered

    def _others(self, path: Path) -> dict[str, Path]:
        if not path.is_dir():
            return mutations.exchanges(self.run, path)
        same = [other for other in sorted(path.parent.iterdir()) if other != path and other.is_dir()]
        return {"another folder there": same[0]} if same and path.parent != self.run else {}

    def _mutation(self, path: Path, name: str) -> Mutation:
        return (FOLDER_MUTATIONS if path.is_dir() else mutations.mutations_of(path))[name]

    def cases(self, base: str) -> list[Case]:
        """Return all cases of a base."""
        if base.startswith("archive"):
            return [Case(base, base, name) for name in mutations.mutations_of(Path(base))]
        found, run = [], self.place(base)
        for pattern in (*(INTERRUPTED if base == "interrupted" else FINISHED), *FOLDERS):
            path = min(run.glob(pattern), default=None)
            if path is None:
                continue
            known = FOLDER_MUTATIONS if path.is_dir() else mutations.mutations_of(path)
            names = [*known, *(f"exchanged with {where}" for where in self._others(path))]
            found += [Case(base, pattern, name) for name in names]
        return found


def _difference(before: Any, after: Any) -> str:
    """Return the first lines or parts at which what two readers say differs."""
    lines = [str(each).replace("\\n", "\n").splitlines() for each in (before, after)]
    return next((f"{one[:200]} became {two[:200]}" for one, two in zip(*lines, strict=False) if one != two), "length")


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


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Replace the networks by tiny ones and the drawing of pictures by sketches."""
    with pytest.MonkeyPatch.context() as patch:
        tiny.make_tiny(patch)
        patch.setattr(matplotlib.figure.Figure, "savefig", sketch)
        yield
