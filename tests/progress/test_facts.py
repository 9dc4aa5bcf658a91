"""Facts about progress, and the wording of a study's status."""

import pytest

from pse_repro.progress.facts import Epoch, StudyStatus, TimeLeft


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (StudyStatus(2, 0, 0, TimeLeft(None, 0.0)), "0 of 2 cells done, time left unknown"),
        (StudyStatus(2, 1, 0, TimeLeft(None, 600.0)), "1 of 2 cells done, time left unknown, at least 10 min"),
        (StudyStatus(2, 2, 0, TimeLeft(0.0, 0.0)), "2 of 2 cells done, about 0 s left"),
    ],
)
def test_time_left_is_unknown_until_something_was_measured(status: StudyStatus, said: str) -> None:
    assert str(status) == said


def test_the_loss_to_watch_is_the_validation_loss_if_there_is_one() -> None:
    assert Epoch(0, 2.0, 0.0).loss == 0.0
    assert Epoch(0, 2.0).loss == 2.0
    assert Epoch(0).loss is None
