"""docs/verdicts.md: its simulated worlds are those of the code."""

from pathlib import Path

import pytest

from pse_repro.claims import load_claims
from pse_repro.claims.power import WORLDS, simulate_claims
from pse_repro.commands.plan import shares_text
from pse_repro.compare.chance import planned_rows, simulate, table_outcomes
from pse_repro.text import table
from tests.support.published import SCOPE, SLIDES

PAGE = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")
CLAIMS = load_claims()


def worlds() -> str:
    """Return the table of what runs would say, by the number of seeds and by what is true."""
    rows = []
    for seeds in (1, 3, 5, 8, 10):
        whole = table_outcomes(planned_rows(SLIDES, SCOPE, seeds), SLIDES)
        for name, effect in WORLDS.items():
            claims = simulate_claims(CLAIMS, seeds, effect)
            rows.append(
                [str(seeds), name, shares_text(whole[name]), *(shares_text(claims[claim.number]) for claim in CLAIMS)]
            )
    header = ["seeds", "true differences", "147 numbers", *(f"claim {claim.number}" for claim in CLAIMS)]
    return table(header, "r" + "l" + "r" * (len(header) - 2), rows, "pipe")


def spreads() -> str:
    """Return the table of what eight seeds would say if the true spread is not the stored one."""
    rows = []
    planned = planned_rows(SLIDES, SCOPE, 8)
    limits = simulate(planned, SLIDES, 1.0).limits()
    for ratio in (0.7, 1.0, 1.3, 1.5, 2.0):
        within = simulate(planned, SLIDES, 1.0, ratio).share_within(*limits)
        claims = simulate_claims(CLAIMS, 8, spread=ratio)
        rows.append([f"{ratio:g}", f"{100 * (1 - within):.0f}", *(f"{100 * claims[c.number].yes:.0f}" for c in CLAIMS)])
    header = ["true / stored spread", "false alarms", *(f"claim {claim.number}" for claim in CLAIMS)]
    return table(header, "r" * len(header), rows, "pipe")


@pytest.mark.parametrize("make", [worlds, spreads])
def test_the_page_holds_the_simulated_table(make: "type[worlds]") -> None:
    assert make() in PAGE, f"docs/verdicts.md needs this table:\n{make()}"


def test_the_numbers_in_the_text_are_the_code_s() -> None:
    one = simulate(planned_rows(SLIDES, SCOPE, 1), SLIDES, 1.0)
    allowed, reach = one.limits()
    exact = simulate(planned_rows(SLIDES, SCOPE, 1), SLIDES, 1.0, 1.0).outside_D
    assert f"up to {allowed} of 147" in PAGE
    assert f"up to {reach:.1f} tolerances" in PAGE
    assert f"about {exact.mean():.0f} of 147" in PAGE
    assert f"{100 * (exact > 0).mean():.0f} % of perfect runs" in PAGE
