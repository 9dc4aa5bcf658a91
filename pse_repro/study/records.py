"""Contents of a run's JSON files, as dataclasses; `store.read_record` checks a file against them."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from pse_repro.config.limits import Seeds
from pse_repro.config.study import Unlabeled

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A file's contents; `belongs_to` is its path in the run, empty in files from before it was written."""

    belongs_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Requested(Record):
    """asked.json: what was requested when the run was last started or resumed; `images` is their path."""

    seeds: Seeds = 1
    images: str = ""
    looks: tuple[Seeds, ...] = ()  # numbers of seeds after which the claims are judged


@dataclass(frozen=True, kw_only=True)
class TrainedLength:
    """Length of a finished pre-training."""

    epochs: int
    batch_size: int
    steps: int = 0


@dataclass(frozen=True, kw_only=True)
class Trained(Record):
    """pretrain.json: a finished pre-training."""

    metrics: dict[str, float]
    length: TrainedLength
    seconds: Seconds
    checkpoint_sha256: str = ""
    chance: float | None = None  # of the metric validation_accuracy, in percent; None if unknown
    cuda_graph: bool = False  # whether its steps were captured, in the last session


@dataclass(frozen=True, kw_only=True)
class PartialNote:
    """Of an epoch that has begun: the seconds that it took so far."""

    seconds: Seconds


@dataclass(frozen=True, kw_only=True)
class StateNote(Record):
    """The note in the header of a saved state, as far as others than its pre-training read it."""

    curves: tuple[dict[str, float], ...]  # a row per epoch
    partial: PartialNote | None = None


@dataclass(frozen=True, kw_only=True)
class Measured(Record):
    """measures.json: an evaluation without folds."""

    metrics: dict[str, float]
    points: int = 0
    seconds: Seconds = 0.0


@dataclass(frozen=True, kw_only=True)
class Failure(Record):
    """failed.json: why a cell could not be finished."""

    error: str = "no reason recorded"


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Numbers of equal images (data/duplicates.py), and of the images compared, by split."""

    images: dict[str, int]
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images of a cell: their number by split; which unlabelled ones were used, and the equal ones if counted."""

    images: dict[str, int]
    unlabeled: Unlabeled = "all"
    duplicates: Duplicates | None = None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit of the kit, and whether files differed from it."""

    commit: str
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class Provenance(Record):
    """provenance.json: where, when, with what, and for how long a cell was made."""

    versions: dict[str, str | None]
    device: dict[str, str | int]
    data: Images
    finished: str  # YYYY-MM-DDThh:mm:ss+hhmm
    seconds: dict[str, Seconds]  # by part
    git: Commit | None = None
    platform: str = ""
    folders: dict[str, str] = field(default_factory=dict)  # by part, relative to the run
    energy_joules: float | None = None  # of the processor packages
    gpu_energy_joules: float | None = None
    deterministic: bool = False
    settings: dict[str, bool] = field(default_factory=dict)  # of PyTorch, by name; empty in older runs
    joint_folds: bool = True  # the only form when records did not name it
    peak_memory_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Identity(Record):
    """run.json: what identifies a run."""

    study: dict[str, Any]
    protocols: list[dict[str, Any]]
    data: dict[str, Any]
    device: str
    precision: str
