"""A file's plain data against its model: what is wrong is said in the words that stand beside each field."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from rig.config.yaml import Document, Place, problem_at, read_document
from rig.errors import RigError, UserError, raise_all

ModelT = TypeVar("ModelT", bound="Model")


class Model(BaseModel):
    """A part of a file: frozen, no unknown keys, no number taken from text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def read_model(path: Path, model: type[ModelT], error: type[UserError]) -> tuple[ModelT, Document]:
    """Read `path` into `model`. Raises `error`, or a ProblemList of them, naming file, line, key, value, allowed."""
    document = read_document(path, error)
    try:
        return model.model_validate(document.data), document
    except ValidationError as exc:
        raise_all(_problems(document, model, exc, error))
        raise  # pydantic never reports zero errors


def _problems(document: Document, model: type[Model], found: ValidationError, error: type[UserError]) -> list[RigError]:
    """pydantic's errors in our words and in the file's order, one for each place.

    A value that fits no member of a union has one error for each member there, but is one mistake.
    """
    problems: dict[Place, RigError] = {}
    for details in found.errors(include_url=False):
        place, fields = _describe(_follow(model, details["loc"]), dict(details))
        problems.setdefault(place, problem_at(document, place, error=error, **fields))
    return [problems[place] for place in sorted(problems, key=document.line)]


def _describe(spot: Spot, found: dict[str, Any]) -> tuple[Place, dict[str, str]]:
    """Where it is, and the problem, value, allowed and hint of an error about it."""
    kind, given = str(found["type"]), found["input"]
    allowed = spot.allowed or str(found["msg"])
    match kind:
        case "missing":
            return spot.place, {"problem": "is missing", "allowed": spot.allowed}
        case "extra_forbidden":
            near = get_close_matches(str(spot.place[-1]), _names(spot.annotation), n=1)
            hint = f"Did you mean {near[0]}?" if near else ""
            return spot.place, {"problem": "is an unknown key", "allowed": allowed, "hint": hint}
        case "value_error":
            return spot.place, {"problem": str(found["ctx"]["error"])}
        case "union_tag_not_found":
            return (*spot.place, "kind"), {"problem": "is missing", "allowed": _kinds(spot.annotation)}
        case "union_tag_invalid":
            given, allowed = given["kind"], _kinds(spot.annotation)
            return (*spot.place, "kind"), {"problem": "is not allowed", "value": _short(given), "allowed": allowed}
        case "model_type" | "model_attributes_type":
            allowed = _keys(spot.annotation)
    return spot.place, {"problem": "is not allowed", "value": _short(given), "allowed": allowed}


def _short(value: object) -> str:
    """A value as its writer would recognise it."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a group of keys" if value else "an empty group"
        case list():
            return "a list" if value else "an empty list"
        case bool():
            return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Spot:
    """Where an error is: the keys as written, what is allowed there, and the type that was expected."""

    place: Place
    allowed: str
    annotation: Any


def _follow(model: type[Model], location: tuple[str | int, ...]) -> Spot:
    """Follow pydantic's location through the models, leaving out what is no key of the file."""
    place: list[str | int] = []
    allowed, annotation = _keys(model), _bare(model)
    for part, after in pairwise((*location, "")):
        if member := _member(annotation, part):  # the kind of a block stands in the location, but is no key
            allowed, annotation = _keys(member), member
            continue
        if _is_model(annotation):
            place.append(part)
            info = _fields(annotation).get(str(part))
            if info is None:
                return Spot(tuple(place), _keys(annotation), annotation)
            allowed, annotation = info.description or "", _bare(info.annotation)
        elif get_origin(annotation) in (dict, list):
            place.append(part)
            key, inner = get_args(annotation)[0], get_args(annotation)[-1]
            if after == "[key]":
                return Spot(tuple(place), _description(key), key)
            annotation = _bare(inner)
            allowed = _keys(annotation) or _description(inner) or allowed
        else:  # a member of a plain union
            break
    return Spot(tuple(place), allowed, annotation)


def _bare(annotation: Any) -> Any:
    """A type without its Annotated and without its `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)


def _fields(model: type[Model]) -> dict[str, FieldInfo]:
    """The fields of a model by the key that is written in the file."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _description(annotation: Any) -> str:
    return next((part.description or "" for part in get_args(annotation) if isinstance(part, FieldInfo)), "")


def _names(annotation: Any) -> list[str]:
    return list(_fields(annotation)) if _is_model(annotation) else []


def _keys(annotation: Any) -> str:
    """What is allowed where a model or one of several kinds of models is expected."""
    names = _names(annotation)
    if names:
        return f"the keys here are {', '.join(names)}"
    return f"keys and values, with kind {_kinds(annotation)}" if _members(annotation) else ""


def _members(annotation: Any) -> dict[str, type[Model]]:
    """The models of a union that is told apart by `kind`."""
    models = [model for model in get_args(annotation) if _is_model(model) and "kind" in model.model_fields]
    return {str(get_args(model.model_fields["kind"].annotation)[0]): model for model in models}


def _kinds(annotation: Any) -> str:
    return f"one of {', '.join(_members(annotation))}"


def _member(annotation: Any, part: str | int) -> type[Model] | None:
    return _members(annotation).get(str(part))
