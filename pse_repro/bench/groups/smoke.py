"""The whole study `smoke`: pre-training and evaluation, in a temporary folder."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pse_repro.bench.rows import Call, Group, Row, Setting, ours
from pse_repro.bench.sizes import QUICK
from pse_repro.config.study import Study, Subset
from pse_repro.data.stl10 import Dataset
from pse_repro.machine.device import Machine
from pse_repro.progress.stages import Progress
from pse_repro.run.context import RunContext
from pse_repro.run.runner import run_study
from pse_repro.study.load import load_study, study_protocols


def group(setting: Setting) -> Group:
    study = load_study("smoke")
    if setting.sizes == QUICK:
        study = replace(study, subset=Subset(60, 20, 20), epochs=1, models=study.models[:1])
    build = partial(_study, study=study, data=setting.data)
    return Group((Row("study smoke", "studies", 1, ours(setting, build)),), once=True)


def _study(machine: Machine, study: Study, data: Dataset) -> Call:
    def call() -> None:
        with TemporaryDirectory() as folder, Progress(quiet=True) as progress:
            run_study(study, study_protocols(study), 1, RunContext(Path(folder), data, machine, progress))

    return call
