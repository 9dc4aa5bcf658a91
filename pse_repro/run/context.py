"""The context of a run, for every cell and for other processes."""

from dataclasses import dataclass
from pathlib import Path

from pse_repro.config.study import Subset
from pse_repro.data.stl10 import Dataset, open_dataset
from pse_repro.data.subsets import images_of
from pse_repro.machine.device import Machine
from pse_repro.progress.stages import Progress
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell


@dataclass(frozen=True)
class RunContext:
    """A run's directory, images, machine and progress.

    `evaluations` limits the evaluations to run now (None: all of each cell; (): none). `log_to` names an additional log
    of the epochs ("tensorboard" or None). `looks` are the numbers of seeds after which the claims are to be judged.
    `repair` sets files of the run that were altered aside, to make them again.
    """

    directory: Path
    data: Dataset
    machine: Machine
    progress: Progress
    evaluations: tuple[str, ...] | None = None
    log_to: str | None = None
    looks: tuple[int, ...] = ()
    repair: bool = False

    @property
    def run_files(self) -> RunFiles:
        return RunFiles(self.directory)

    def files(self, cell: Cell) -> CellFiles:
        return CellFiles(self.directory, cell)

    def portable(self, subset: Subset) -> "PortableContext":
        """Return the context for another process, which opens the images itself and takes the study's subset."""
        assert self.data.place is not None  # images in files
        quiet = self.progress.quiet or self.progress.on_terminal  # a live view shows the other processes, too
        data = (self.data.place, self.data.name, self.data.md5, subset)
        return PortableContext(self.directory, data, self.machine, quiet, self.evaluations, self.log_to)


@dataclass(frozen=True)
class PortableContext:
    """A RunContext that can be pickled: images by path, name, MD5 sums and subset."""

    directory: Path
    data: tuple[Path, str, dict[str, str], Subset]
    machine: Machine
    quiet: bool
    evaluations: tuple[str, ...] | None
    log_to: str | None

    def open(self) -> RunContext:
        self.machine.prepare()
        place, name, md5, subset = self.data
        data, progress = images_of(open_dataset(place, name, md5), subset), Progress(self.quiet, lines=True)
        return RunContext(self.directory, data, self.machine, progress, self.evaluations, self.log_to)
