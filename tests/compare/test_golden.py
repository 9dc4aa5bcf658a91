"""Golden values are accepted only from a smoke run under the conditions that they are compared under."""

import pandas as pd
import pytest

from pse_repro.compare.golden import METRICS, golden
from pse_repro.compare.join import compare
from pse_repro.errors import UsageError
from pse_repro.expected import load_expected
from pse_repro.study.cells import expand, scope
from pse_repro.study.load import load_study, study_protocols


def results(**changed: str) -> pd.DataFrame:
    """Store a smoke run whose results equal the expected values."""
    expected = load_expected("smoke")
    frame = expected.frame.drop(columns=["source", "note"])
    return frame.assign(seed="0", **(dict(expected.conditions) | changed))


def test_what_is_kept_compares_as_within() -> None:
    kept = golden("smoke", results(), "here, today")
    assert set(kept["metric"]) == set(METRICS["smoke"])
    summary = compare(results(), load_expected("smoke")).summary()
    assert summary["within"] == len(kept) == 2 * len(METRICS["smoke"])


def test_a_run_under_other_conditions_is_refused_and_not_comparable() -> None:
    for column, other in (("precision", "bf16"), ("device", "cuda"), ("data", "stl10")):
        with pytest.raises(UsageError, match=f"{column} is {other}"):
            golden("smoke", results(**{column: other}), "")
        verdicts = compare(results(**{column: other}), load_expected("smoke")).rows["verdict"]
        assert set(verdicts) == {"not comparable"}


def test_a_drifted_loss_is_outside() -> None:
    frame = results()
    frame.loc[frame["metric"] == "first_train_loss", "value"] *= 1.05
    comparison = compare(frame, load_expected("smoke"))
    assert comparison.summary()["outside"] == 2
    assert comparison.exit_status() == 1


@pytest.mark.parametrize("name", ["smoke", "smoke-objectives"])
def test_golden_values_cover_the_study(name: str) -> None:
    study = load_study(name)
    wanted = scope(expand(study, study_protocols(study), 1))
    pretrained = wanted[wanted["evaluation"] == "pretrain"][["encoder", "objective", "sigma"]].to_numpy().tolist()
    kept = load_expected(name).frame[["encoder", "objective", "sigma"]].drop_duplicates().to_numpy().tolist()
    assert kept == pretrained
