"""Finished, interrupted and old runs that are damaged in one place, and what every reader then makes of them."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pse_repro.config.study import Model, Study
from pse_repro.errors import KitError, explain_os_error
from pse_repro.run.pretrain import PretrainRun
from pse_repro.run.runner import run_study
from pse_repro.study.address import MANIFEST
from tests.support import tiny
from tests.support.damage_cases import Case, damage
from tests.support.limited import SECONDS, Hang, command_line, forget_files, within

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
        forget_files()
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
        damaged = self._damage(case, target)
        found = {}
        for name, read in self.readers(case.base, target).items():
            if name == "resume" and not found["report"].kind.startswith("refused"):
                self._damage(case, self.place(case.base))  # again, as a report is written anew
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

    def _damage(self, case: Case, target: Path) -> list[str]:
        """Damage the run; files keep the times that status shows, as on a disk that loses bits."""
        damaged = damage(case, self.run, target)
        for path in self.run.rglob("*"):
            whole = self.bases / case.base / path.relative_to(self.run)
            if path.is_file() and not path.is_symlink() and whole.is_file():
                shutil.copystat(whole, path)
        return damaged

    def repaired(self) -> bytes:
        """Repair the run; return its results, KitError if they cannot be verified."""
        results = self.resume(repair=True)
        forget_files()
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
        except OSError as error:  # the command line names it in one line, too
            text = explain_os_error(error)
            named = any(name in text for name in damaged)
            return Outcome("refused" if named or base == "old" else "refused without its name", text)
        except Exception as error:
            return Outcome("unexpected", f"{type(error).__name__}: {error}")
        if found == reference:
            return Outcome("same")
        if base == "old":
            return Outcome("nothing proven")
        return Outcome("another", _difference(reference, found))


def _difference(before: Any, after: Any) -> str:
    """Return the first lines or parts at which what two readers say differs."""
    lines = [str(each).replace("\\n", "\n").splitlines() for each in (before, after)]
    return next((f"{one[:200]} became {two[:200]}" for one, two in zip(*lines, strict=False) if one != two), "length")
