"""The schemas by which editors complete what people write say of a file what the program says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rig.config.yaml import read_document
from rig.errors import ConfigError
from rig.session.run import Run
from rig.verify.verdict import verify_run
from tests.handmade import Plan, make_run

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    "rig": json.loads((ROOT / "docs/reference/schema/rig.schema.json").read_text()),
    "protocol": json.loads((ROOT / "docs/reference/schema/protocol.schema.json").read_text()),
    "verdict": json.loads((ROOT / "docs/reference/schema/verdict.schema.json").read_text()),
}
SHIPPED = [("rig", path) for path in sorted(ROOT.glob("calibration/*/rig.yaml"))]
SHIPPED += [("protocol", path) for path in sorted(ROOT.glob("protocols/*.yaml"))]

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
NUMBER, SIZED = (int, float), (str, list, dict)
SAYS_NOTHING = {"$schema", "$defs", "description", "default"}
LIMITS: dict[str, tuple[Any, Callable[[Any, Any], bool]]] = {  # rule: what it is a rule for, and when it is kept
    "minimum": (NUMBER, lambda value, limit: value >= limit),
    "maximum": (NUMBER, lambda value, limit: value <= limit),
    "exclusiveMinimum": (NUMBER, lambda value, limit: value > limit),
    **dict.fromkeys(("minLength", "minItems", "minProperties"), (SIZED, lambda value, limit: len(value) >= limit)),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties"), (SIZED, lambda value, limit: len(value) <= limit)),
    "pattern": (str, lambda value, limit: re.search(limit, value) is not None),
    "required": (dict, lambda value, limit: set(limit) <= set(value)),
    "const": (object, lambda value, limit: value == limit and type(value) is type(limit)),
    "enum": (object, lambda value, limit: value in limit),
    "type": (object, lambda value, limit: is_type(value, limit)),
}


def is_type(value: Any, name: str) -> bool:
    """JSON knows numbers and booleans apart, Python does not."""
    kinds: Any = TYPES.get(name, NUMBER)
    return isinstance(value, kinds) and isinstance(value, bool) == (name == "boolean")


def mistakes(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """What JSON Schema's rules say against a value: those of them that our schemas use, and an error for any other."""
    return [what for rule in schema.keys() - SAYS_NOTHING for what in broken(rule, value, schema, root)]


def broken(rule: str, value: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    limit = schema[rule]
    if rule in LIMITS:
        kinds, is_kept = LIMITS[rule]
        return [f"{rule} {limit}: {value!r}"] if isinstance(value, kinds) and not is_kept(value, limit) else []
    match rule:
        case "$ref":
            return mistakes(value, root["$defs"][limit.removeprefix("#/$defs/")], root)
        case "anyOf" | "oneOf":
            fits = [member for member in limit if not mistakes(value, member, root)]
            return [] if len(fits) == 1 or (fits and rule == "anyOf") else [f"{len(fits)} fit {value!r}"]
        case "items":
            return [what for item in value for what in mistakes(item, limit, root)] if isinstance(value, list) else []
        case "properties" | "patternProperties" | "additionalProperties":
            return of_keys(rule, value, schema, root) if isinstance(value, dict) else []
    raise NotImplementedError(rule)


def of_keys(rule: str, value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """What a group's rule says against its keys and what is in them."""
    found: list[str] = []
    for key, inner in value.items():
        named = [schema.get("properties", {})[key]] if key in schema.get("properties", {}) else []
        fitting = [each for pattern, each in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        rest = [] if named or fitting else [schema.get("additionalProperties", True)]
        for each in {"properties": named, "patternProperties": fitting, "additionalProperties": rest}[rule]:
            found += mistakes(inner, each, root) if isinstance(each, dict) else [] if each else [f"{key} is unknown"]
    return found


def judged(kind: str, path: Path) -> list[str]:
    return mistakes(read_document(path, ConfigError).data, SCHEMAS[kind], SCHEMAS[kind])


def test_there_are_files_to_judge() -> None:
    assert {kind for kind, _ in SHIPPED} == {"rig", "protocol"}
    assert len(SHIPPED) >= 4


@pytest.mark.parametrize(
    ("kind", "path"), SHIPPED, ids=lambda part: part if isinstance(part, str) else part.parent.name
)
def test_what_is_shipped_fits_its_schema(kind: str, path: Path) -> None:
    assert judged(kind, path) == []


@pytest.mark.parametrize(
    ("kind", "path"), SHIPPED, ids=lambda part: part if isinstance(part, str) else part.parent.name
)
def test_an_editor_finds_the_schema_of_what_is_shipped(kind: str, path: Path) -> None:
    name = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert json.loads((path.parent / name).read_text()) == SCHEMAS[kind]


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("rig", "rate_hz: 100", "rate_hz: 1001"),
        ("rig", "rate_hz: 100", "rate_hz: '100'"),
        ("rig", "rate_hz: 100", "rate: 100"),
        ("rig", "divisor: 1,", "divisor: 1.5,"),
        ("rig", "divisor: 1,", "divisor: 0,"),
        ("rig", "divisor: 1,", ""),
        ("rig", "schema: 1", "schema: 2"),
        ("rig", "serial: SIM-HS", "serial: 5"),
        ("rig", "backend: psychopy", "backend: psycho"),
        ("rig", "  HS: {", "  hs: {"),
        ("rig", "photodiode: 5", "photodiode: 8"),
        ("rig", "photodiode: 5", "diode: 5"),
        ("protocol", "kind: instruction", "kind: instructions"),
        ("protocol", "schema: 1", "colour: red\nschema: 1"),
        ("protocol", "seconds: ", "second: "),
    ],
)
def test_a_mistake_breaks_the_schema_too(kind: str, old: str, new: str, tmp_path: Path) -> None:
    text = (ROOT / {"rig": "calibration/demo/rig.yaml", "protocol": "protocols/demo.yaml"}[kind]).read_text()
    assert old in text
    (tmp_path / "file.yaml").write_text(text.replace(old, new, 1))
    assert judged(kind, tmp_path / "file.yaml")


def test_every_key_is_described_for_the_one_who_types_it() -> None:
    for schema in SCHEMAS.values():
        for model in [schema, *schema["$defs"].values()]:
            for key, each in model.get("properties", {}).items():
                assert each.get("description"), key


@pytest.mark.parametrize(
    "plan", [Plan(), Plan(lost={"HS": {9}}, wired={"HS": 1}), Plan(closed=False, has_ended=False, has_walk=False)]
)
def test_a_verdict_fits_its_schema_and_uses_every_key_of_it(plan: Plan, tmp_path: Path) -> None:
    with Run(make_run(tmp_path, plan)) as run:
        written = json.loads(json.dumps(verify_run(run).to_json(), allow_nan=False))
    schema = SCHEMAS["verdict"]
    assert mistakes(written, schema, schema) == []
    assert set(written) == set(schema["properties"]) == set(schema["required"])
    entry = schema["$defs"]["FindingEntry"]
    assert all(set(finding) == set(entry["properties"]) == set(entry["required"]) for finding in written["findings"])


@pytest.mark.parametrize(
    ("key", "value"), [("schema", 2), ("complete", "yes"), ("missing", "skew"), ("required_by", "me"), ("more", 1)]
)
def test_what_is_no_verdict_breaks_its_schema(key: str, value: object, tmp_path: Path) -> None:
    with Run(make_run(tmp_path)) as run:
        written = verify_run(run).to_json()
    assert mistakes(written | {key: value}, SCHEMAS["verdict"], SCHEMAS["verdict"])
