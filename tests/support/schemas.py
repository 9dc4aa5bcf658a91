"""The kit's JSON documents, checked against their schemas."""

import json
from importlib.resources import files
from typing import Any

import jsonschema


def validated(text: str, name: str) -> Any:
    """Return the document after a check against its schema."""
    document = json.loads(text)
    jsonschema.validate(document, json.loads((files("pse_repro") / f"schemas/{name}.schema.json").read_text()))
    return document
