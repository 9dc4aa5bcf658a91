"""The page fits in 80 columns, and its JSON follows the schema."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pse_repro.doctor import render
from pse_repro.doctor.diagnosis import judge
from pse_repro.doctor.facts import Facts, Speed
from pse_repro.doctor.images import Images
from pse_repro.errors import UsageError
from pse_repro.machine.nvidia import Nvidia
from tests.support.invented_machines import machine, without_gpu

HOPELESS = machine(
    torch={"gpus": (), "cuda": ""}, container="docker", nvidia=Nvidia(), cpu={"threads": 99},
    images=Images(Path("/data") / ("long" * 30), "damaged", problem="train_X.bin is missing"),
    runs={"free": 0}, speed=Speed("cpu", "bf16", error="out of memory"),
)  # fmt: skip
MACHINES = {"good": machine(), "no GPU": without_gpu(nvidia=Nvidia()), "hopeless": HOPELESS}


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads((files("pse_repro") / "schemas/doctor.schema.json").read_text())


@pytest.mark.parametrize("facts", MACHINES.values(), ids=MACHINES)
def test_json_keeps_to_its_schema(schema: Any, facts: Facts) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(render(judge(facts), "json"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["exit_status"] == judge(facts).exit_status
    assert [check["state"] for check in document["checks"]] == [check.state for check in judge(facts).checks]


def test_the_schema_refuses_what_it_should(schema: Any) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    document = json.loads(render(judge(MACHINES["no GPU"]), "json"))
    bad = next(check for check in document["checks"] if check["state"] == "bad")
    bad["remedy"] = ""
    assert not validator.is_valid(document)
    bad["remedy"] = "something"
    assert validator.is_valid(document)
    assert not validator.is_valid(document | {"more": 1})
    document["machine"]["user"] = "alice"
    assert not validator.is_valid(document)


@pytest.mark.parametrize("facts", MACHINES.values(), ids=MACHINES)
def test_people_read_it_in_80_columns_without_colour(facts: Facts) -> None:
    text = render(judge(facts))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_what_matters_comes_first() -> None:
    text = render(judge(without_gpu(nvidia=Nvidia(), images=Images(Path("/data"), "none"))))
    lines = text.splitlines()
    assert lines[0] == "pse-repro 0.1.0 on AMD EPYC (16 cores), no GPU"
    assert lines[2] == "smoke    can run here     at least 80 s"
    assert lines[3] == "quick    cannot run here  see GPU (with --device cpu at least 13.9 h)"
    assert lines[4] == "full     cannot run here  see GPU (with --device cpu at least 104 days)"
    assert text.index("What to do") < text.index("bad      GPU") < text.index("warning  images")
    assert text.index("warning  images") < text.index("Passed checks") < text.index("good     PyTorch")
    assert "to do: " in text


def test_a_good_machine_has_nothing_to_do() -> None:
    text = render(judge(machine()))
    assert "What to do" not in text
    assert "full     can run here  at least 25.0 h" in text
    fetches = render(judge(machine(images=Images(Path("/data"), "none"))))
    assert "full     can run here  at least 25.0 h plus the download of STL-10" in fetches


def test_a_busy_cpu_is_said_to_make_the_times_too_long() -> None:
    assert "The CPU is busy" in render(judge(without_gpu(cpu={"busy": 1.0})))
    assert "The CPU is busy" not in render(judge(without_gpu()))
    assert "The CPU is busy" not in render(judge(machine(cpu={"busy": 1.0})))  # the GPU was measured


def test_every_check_that_stops_a_study_is_named_beside_it() -> None:
    assert "full     cannot run here  see GPU, images, run folder" in render(judge(HOPELESS))
    assert "could not be measured: out of memory" in render(judge(HOPELESS))


def test_colour_is_for_terminals_and_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    diagnosis = judge(without_gpu())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = render(diagnosis)
    assert "\x1b[31m" in coloured  # red
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in render(diagnosis)


def test_other_formats_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown format 'csv'; expected one of table, json"):
        render(judge(machine()), "csv")
