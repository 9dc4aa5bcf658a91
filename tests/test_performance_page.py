"""The table in docs/performance.md is that of the stored counts."""

from tests.support.step_costs import BEGIN, END, PAGE, stored, table


def test_the_page_shows_the_stored_counts() -> None:
    assert PAGE.read_text().split(BEGIN)[1].split(END)[0] == table(stored()[1])
