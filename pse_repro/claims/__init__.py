"""The claims of the study and of its peers, tested on a run's stored predictions."""

from pse_repro.claims.definitions import Claim, Part, Statement, load_claims
from pse_repro.claims.judge import ClaimResult, PartResult, claims_in_question, is_decided, judge, planned_looks
from pse_repro.claims.render import (
    ALIGN,
    HEADER,
    PARTS_ALIGN,
    PARTS_HEADER,
    as_json,
    claims_table,
    parts_table,
    render_claims,
    table_notes,
    too_few_seeds,
)

__all__ = [
    "ALIGN",
    "HEADER",
    "PARTS_ALIGN",
    "PARTS_HEADER",
    "Claim",
    "ClaimResult",
    "Part",
    "PartResult",
    "Statement",
    "as_json",
    "claims_in_question",
    "claims_table",
    "is_decided",
    "judge",
    "load_claims",
    "parts_table",
    "planned_looks",
    "render_claims",
    "table_notes",
    "too_few_seeds",
]
