"""The schema for editors: as committed, and true to what is read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker.agents.bridge import FORMS
from worker.agents.editors import printed, schema
from worker.agents.file import BLOCK

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "agents" / "schema.json"
FILES = [*sorted((ROOT / "agents").glob("*.yaml")), *sorted((ROOT / "examples").rglob("*.yaml"))]


def test_what_is_committed_is_what_is_printed() -> None:
    assert COMMITTED.read_text() == printed()


def test_our_part_has_the_fields_that_are_read_each_with_its_meaning() -> None:
    bridge = schema()["properties"]["bridge"]

    assert set(bridge["properties"]) == set(FORMS)
    assert bridge["additionalProperties"] is False
    assert all(each["description"] for each in bridge["properties"].values())


@pytest.mark.parametrize("part", ["listen", "think", "speak"])
def test_a_part_may_be_a_list(part: str) -> None:
    block, stored = schema()["properties"]["agent"]["anyOf"]

    one, several = block["properties"][part]["anyOf"]
    assert several == {"type": "array", "items": one}
    assert stored["format"] == "uuid"
    assert set(block["properties"]) <= set(BLOCK)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_each_file_names_the_schema_in_its_first_line(path: Path) -> None:
    first, *_ = path.read_text().splitlines()

    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == COMMITTED


@pytest.mark.parametrize("path", FILES, ids=str)
def test_each_file_uses_only_what_the_schema_completes(path: Path) -> None:
    assert list(unknown(yaml.safe_load(path.read_text()), schema())) == []


def unknown(value: Any, known: dict[str, Any], where: str = "") -> list[str]:
    """The fields of a value for which the schema has nothing to say."""
    choices = known.get("anyOf", [known])
    if isinstance(value, list):
        items = [each["items"] for each in choices if "items" in each]
        return [name for each in value for name in unknown(each, {"anyOf": items}, where)]
    if not isinstance(value, dict):
        return []
    properties = {k: v for each in choices for k, v in each.get("properties", {}).items()}
    more = [each["additionalProperties"] for each in choices if each.get("additionalProperties")]
    found = []
    for name, each in value.items():
        if name in properties:
            found += unknown(each, properties[name], f"{where}.{name}")
        elif not more:
            found.append(f"{where}.{name}")
    return found


def test_the_schema_is_plain_json() -> None:
    assert json.loads(COMMITTED.read_text())["required"] == ["agent"]
