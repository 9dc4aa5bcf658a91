"""A comparison as JUnit XML: numbers, differences and claims are test cases, so that a CI service lists the failures.

The verdict on all numbers together, which decides the exit status, is a test case of its own. A value outside its
tolerance is a failure if that verdict is, else it may be chance: like a missing or not comparable value and a claim
that does not hold, it is then skipped, with the reason, unless `strict`. An unrecognised word is an error.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pse_repro.claims import ClaimResult
from pse_repro.compare.chance import TableVerdict
from pse_repro.compare.differences import Difference
from pse_repro.compare.join import Comparison, Unknown
from pse_repro.compare.render import cell_name, difference_cells, shown_number
from pse_repro.files import write_bytes

_NOT_WITHIN = ("outside", "missing", "not comparable")
# Characters that XML 1.0 forbids even as references; they are written as Python escapes.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(comparison: Comparison, path: Path, claims: Sequence[ClaimResult] = (), strict: bool = False) -> None:
    """Write the file atomically; `strict` as in `Comparison.exit_status`."""
    suites = ET.Element("testsuites", name="pse-repro compare")
    rows = comparison.rows.to_dict("records")
    failing = _NOT_WITHIN if strict else ("outside",) if comparison.whole.verdict == "not reproduced" else ()
    if comparison.whole.verdict:
        _add_suite(suites, f"{comparison.expected.name}: all numbers together", [_whole(comparison.whole)])
    for name in dict.fromkeys((row["protocol"], row["evaluation"]) for row in rows):
        cases = [_case(row, failing) for row in rows if (row["protocol"], row["evaluation"]) == name]
        _add_suite(suites, f"{comparison.expected.name}: {name[1]}, {name[0]}", cases)
    if comparison.differences:
        cases = [_difference(each, strict) for each in comparison.differences]
        _add_suite(suites, f"{comparison.expected.name}: PSE minus MSE", cases)
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


def _case(row: Mapping[Hashable, Any], failing: Sequence[str]) -> ET.Element:
    case = ET.Element("testcase", classname=f"{row['protocol']}.{row['evaluation']}", name=cell_name(row))
    verdict = row["verdict"]
    if verdict in failing:
        ET.SubElement(case, "failure", type=verdict, message=_message(row))
    elif verdict in _NOT_WITHIN:
        ET.SubElement(case, "skipped", message=_message(row))
    return case


def _whole(whole: TableVerdict) -> ET.Element:
    case = ET.Element("testcase", classname="table", name="all numbers together")
    if whole.verdict == "not reproduced":
        ET.SubElement(case, "failure", type=whole.verdict, message=f"{whole.verdict}: {whole.reason}")
    elif whole.verdict != "reproduced":
        ET.SubElement(case, "skipped", message=f"{whole.verdict}: {whole.reason}")
    return case


def _difference(difference: Difference, strict: bool) -> ET.Element:
    name, evaluation, published, measured, *_, verdict = difference_cells([difference])[0]
    case = ET.Element("testcase", classname=f"{difference.protocol}.differences", name=f"{name}, {evaluation}")
    if difference.verdict not in ("within", "reproduced"):
        is_failure = strict and difference.verdict != "undecided"
        message = f"{verdict}; measured {measured} ({_seeds(difference.seeds)}); published {published} points"
        ET.SubElement(case, "failure" if is_failure else "skipped", message=message)
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
        found = f"measured {shown_number(row['measured'], metric)} ({_seeds(seeds)}, {difference})"
    expected = f"expected {shown_number(row['expected'], metric)} within {row['tolerance']:.3g}"
    return "; ".join(part for part in (row["verdict"], found, expected, row["reason"]) if part)


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count > 1)}"
