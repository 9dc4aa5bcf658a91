"""A short form of `nox -s soak -- damage`: some mutations of each kind of file, some hostile folders and archives."""

from collections.abc import Iterator

import pytest

from tests.support.damage_cases import Case
from tests.support.damaged import Damaged
from tests.support.hostile import Attacked
from tests.support.limited import quick

FOLD = "models/*/frozen-*/fold-2.npz"
REFUSED = [
    *(Case("finished", "run.json", name) for name in ("bit flipped 0", "a link to /dev/zero")),
    *(Case("finished", "manifest.jsonl", name) for name in ("deleted", "a named pipe")),
    *(Case("finished", FOLD, name) for name in ("a digit changed", "1 TB", "exchanged with its folder")),
    Case("finished", "results.csv", "a line removed"),
    Case("finished", "cells/*/*/provenance.json", "a value of NaN"),
    Case("finished", "models/*/manifest.jsonl", "garbage in front"),
    *(Case("finished", "models/*", name) for name in ("from another run", "a link to a copy")),
    Case("interrupted", "models/*/state.safetensors", "cut in half"),
]
OLD = [
    Case("old", FOLD, "best_epoch of three"),
    Case("old", "models/*/curves.csv", "only the first line"),
    Case("old", "models/*/pretrain.json", "a number of 5,000 digits"),
    Case("old", "run.json", "a named pipe"),
]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Damaged]:
    with quick():
        found = Damaged(tmp_path_factory.mktemp("damaged"))
        found.prepare()
        yield found


@pytest.fixture(scope="module")
def attacked(damaged: Damaged, tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    found = Attacked(tmp_path_factory.mktemp("attacked"), damaged)
    found.prepare()
    return found


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_damage_is_refused_by_name_or_does_not_matter_and_is_repaired(damaged: Damaged, case: Case) -> None:
    found = damaged.outcomes(case)
    assert {name: outcome for name, outcome in found.items() if outcome.kind not in ("same", "refused")} == {}
    assert (found["verify"].kind, found["resume"].kind, found["repair"].kind) == ("refused", "refused", "same")


@pytest.mark.parametrize("case", OLD, ids=str)
def test_a_damaged_run_from_before_there_were_manifests_ends_no_reader(damaged: Damaged, case: Case) -> None:
    found = damaged.outcomes(case)
    assert [outcome for outcome in found.values() if outcome.kind in ("unexpected", "hang")] == []


@pytest.mark.parametrize(("name", "command"), [("a lock that is a link", "run"), ("a manifest", "repair")])
def test_a_folder_of_others_is_left_alone(attacked: Attacked, name: str, command: str) -> None:
    attacked.out(name, command)
    assert attacked.found[-1]["kind"] == "refused", attacked.found[-1]


@pytest.mark.parametrize("command", ["compare", "against", "status", "evaluate"])
@pytest.mark.parametrize("name", ["a named pipe", "a large file"])
def test_what_is_no_run_is_refused_at_once(attacked: Attacked, name: str, command: str) -> None:
    attacked.argument(name, command)
    assert attacked.found[-1]["kind"] == "refused", attacked.found[-1]


@pytest.mark.parametrize("command", ["report", "export", "resume", "repair"])
@pytest.mark.parametrize("name", ["a link to others' folder", "others' files in it"])
def test_nothing_behind_a_link_is_changed_or_packed(attacked: Attacked, name: str, command: str) -> None:
    attacked.inside("figures", name, command)
    assert attacked.found[-1]["kind"] in ("refused", "accepted"), attacked.found[-1]
