"""JSON Schema of what people write, so that editors complete rig.yaml and protocols, and mark mistakes in them."""

from __future__ import annotations

from typing import Any

from rig.config.model import Model

_DROPPED = ("title",)  # where it is text, and not the schema of a key of this name
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(model: type[Model]) -> dict[str, Any]:
    """The schema of a file. Rules about several keys are not in it: `rig check` tells those."""
    schema = _plain(model.model_json_schema())
    return {"$schema": DRAFT, **schema}


def _plain(part: Any) -> Any:
    """Without the models' own names, which an editor would show in place of the descriptions; with no other keys.

    pydantic leaves out that keys which do not match their pattern are mistakes.
    """
    if isinstance(part, list):
        return [_plain(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _plain(value) for key, value in part.items() if key not in _DROPPED or isinstance(value, dict)}
    if "patternProperties" in kept:
        kept.pop("propertyNames", None)
        kept["additionalProperties"] = False
    if "oneOf" in kept:
        kept.pop("discriminator", None)
    return kept
