"""The JSON Schemas are valid and strict; documents are validated in the tests of each command."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SCHEMAS = {
    entry.name: json.loads(entry.read_text(encoding="utf-8")) for entry in (files("pse_repro") / "schemas").iterdir()
}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object schema inside a schema, itself included."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema_of_the_2020_draft_and_says_what_of(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)
    assert schema["title"].startswith("pse-repro ")
    assert schema["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_object_may_hold_what_is_not_named(name: str) -> None:
    found = list(objects(SCHEMAS[name]))
    assert found
    for inner in found:
        assert inner.get("additionalProperties") is not True
        assert "additionalProperties" in inner
        assert set(inner.get("required", [])) <= set(inner["properties"])


def test_every_command_that_prints_json_has_one() -> None:
    titles = {schema["title"] for schema in SCHEMAS.values()}
    for command in ("compare", "plan", "explain", "doctor", "bench", "data verify", "data info", "status", "verify"):
        assert f"pse-repro {command} --format json" in titles
