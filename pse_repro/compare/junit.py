"""A comparison as JUnit XML: every cell and every claim is a test case, so that a CI service lists the failures.

A verdict that causes exit status 1 is a failure, an unrecognised word is an error, and a missing, not comparable or
inconclusive value is skipped, with the reason. A claim fails only in strict mode.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pse_repro.claims import ClaimResult
from pse_repro.compare.join import BAD, Comparison, Unknown
from pse_repro.compare.render import cell_name, shown_number
from pse_repro.files import write_bytes

_NO_VERDICT = ("missing", "not comparable", "inconclusive")
# Characters that XML 1.0 forbids even as references; they are written as Python escapes.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(comparison: Comparison, path: Path, claims: Sequence[ClaimResult] = (), strict: bool = False) -> None:
    """Write the file atomically; `strict` as in `Comparison.exit_status`."""
    suites = ET.Element("testsuites", name="pse-repro compare")
    rows = comparison.rows.to_dict("records")
    for name in dict.fromkeys((row["protocol"], row["evaluation"]) for row in rows):
        cases = [_case(row, strict) for row in rows if (row["protocol"], row["evaluation"]) == name]
        _add_suite(suites, f"{comparison.expected.name}: {name[1]}, {name[0]}", cases)
    for protocol in dict.fromkeys(claim.protocol for claim in claims):
        cases = [_claim(claim, strict) for claim in claims if claim.protocol == protocol]
        _add_suite(suites, f"claims, {protocol}", cases)
    if comparison.unknown:
        _add_suite(suites, "unrecognised words", [_unknown(unknown) for unknown in comparison.unknown])
    ET.indent(suites)
    text = _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], ET.tostring(suites, encoding="unicode"))
    write_bytes(path, f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode())


def _add_suite(suites: ET.Element, name: str, cases: list[ET.Element]) -> None:
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in tags.items()}
    counts = {"tests": str(len(cases))} | counts
    ET.SubElement(suites, "testsuite", {"name": name} | counts).extend(cases)


def _case(row: Mapping[Hashable, Any], strict: bool) -> ET.Element:
    case = ET.Element("testcase", classname=f"{row['protocol']}.{row['evaluation']}", name=cell_name(row))
    verdict = row["verdict"]
    if verdict in BAD or (strict and verdict in _NO_VERDICT):
        ET.SubElement(case, "failure", type=verdict, message=_message(row))
    elif verdict in _NO_VERDICT:
        ET.SubElement(case, "skipped", message=_message(row))
    return case


def _claim(claim: ClaimResult, strict: bool) -> ET.Element:
    number, verdict = claim.claim.number, claim.verdict
    case = ET.Element("testcase", classname=f"{claim.protocol}.claims", name=f"{number} {claim.claim.title}")
    message = f"{verdict.verdict}: {verdict.reason}"
    if strict and verdict.verdict == "fails":
        ET.SubElement(case, "failure", type="fails", message=message)
    elif verdict.verdict != "holds":
        ET.SubElement(case, "skipped", message=message)
    return case


def _unknown(unknown: Unknown) -> ET.Element:
    case = ET.Element("testcase", classname=f"table.{unknown.column}", name=str(unknown))
    ET.SubElement(case, "error", type="unknown", message=f"rows ignored: {unknown.rows}")
    return case


def _message(row: Mapping[Hashable, Any]) -> str:
    metric, seeds = row["metric"], row["seeds"]
    found = "nothing measured"
    if seeds:
        difference = shown_number(row["difference"], metric, "+")
        found = f"measured {shown_number(row['measured'], metric)} ({seeds} seed{'s' * (seeds > 1)}, {difference})"
    expected = f"expected {shown_number(row['expected'], metric)} within {row['tolerance']:g}"
    return "; ".join(part for part in (row["verdict"], found, expected, row["reason"]) if part)
