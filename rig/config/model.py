"""A file's plain data against its model: what is wrong is said in the words that stand beside each field."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin
from unicodedata import name

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

from rig.config.yaml import MORE, Document, Place, Problem, look_at_document, problem_at
from rig.errors import RigError, UserError, raise_all

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound="Model")


class Model(BaseModel):
    """A part of a file: frozen, no unknown keys, no number taken from text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _showable(text: str) -> str:
    """Refuse what would break a table, or make a text look like another one."""
    for letter in text:
        if not letter.isprintable():
            which = f"U+{ord(letter):04X} {name(letter, '')}".rstrip()
            raise ValueError(f"{text!a} is not allowed; one line of letters that can be seen, without {which}")
    return text


ShownText = Annotated[str, AfterValidator(_showable)]  # who or what a device is: it stands in tables and messages


def _beside(path: str, info: ValidationInfo) -> str:
    return str(info.context["folder"] / path) if path and info.context else path


Beside = Annotated[str, AfterValidator(_beside)]  # a path beside the file that names it, wherever the program runs


@dataclass
class Look(Generic[ModelT]):
    """A file that was read, with all that is wrong in it so far.

    Rules about several keys take what they need by `get`, and leave out what is wrong already: so one mistake hides
    no other. What they find they `note`.
    """

    document: Document
    schema: type[ModelT]
    error: type[UserError]
    model: ModelT | None = None  # as long as every key by itself is right
    found: list[Problem] = field(default_factory=list)
    unsound: set[Place] = field(default_factory=set)  # places whose value means nothing

    def get(self, kind: type[T], *place: str | int) -> T | None:
        """The plain value at a place, or its default; None when it is missing, wrong, or inside of what is wrong."""
        if any(place[:depth] in self.unsound for depth in range(len(place) + 1)):
            return None
        value = self.document.data
        try:
            for part in place:
                value = value[part]
        except (KeyError, IndexError, TypeError):
            value = _default(self.schema, place)
        if kind is float and isinstance(value, int):
            value = float(value)
        return value if isinstance(value, kind) else None

    def names(self, *place: str | int) -> list[str]:
        """The keys of the group at a place."""
        return list(self.get(dict, *place) or {})

    def note(self, place: Place, problem: str, **fields: str) -> None:
        """Note what is wrong at a place; `fields` as in RigError."""
        self.found.append((place, problem_at(self.document, place, problem, self.error, **fields)))

    @property
    def problems(self) -> list[RigError]:
        """All that was found, in the file's order."""
        return [problem for _, problem in sorted(self.found, key=lambda found: self.document.line(found[0]))]

    def require(self) -> ModelT:
        """The model. Raises what was found: an error, or a ProblemList of them, naming file, line, key and allowed."""
        raise_all(self.problems)
        assert self.model is not None  # without one there is a problem
        return self.model


def look_at(path: Path, model: type[ModelT], error: type[UserError], text: str | None = None) -> Look[ModelT]:
    """Read `path`, and compare every key of it with `model`. Raises `error` when it cannot be read to its end.

    `text` as in look_at_document.
    """
    document, found = look_at_document(path, error, text)
    look = Look(document, model, error, found=found, unsound={place for place, _ in found})
    try:
        look.model = model.model_validate(document.data, context={"folder": document.path.parent})
    except ValidationError as exc:
        _note_all(look, exc)
    return look


def _note_all(look: Look[ModelT], found: ValidationError) -> None:
    """Note pydantic's errors in our words, one for each place.

    A value that fits no member of a union has one error for each member there, but is one mistake; so is what YAML
    itself had against a value.
    """
    told = set(look.unsound)
    for details in found.errors(include_url=False):
        place, fields = _describe(_follow(look.schema, details["loc"]), dict(details))
        if place not in told:
            look.note(place, **fields)
        told.add(place)
        # Under a wrong name, and in a list of a wrong length, may stand right values.
        if details["loc"][-1:] != ("[key]",) and details["type"] not in ("too_short", "too_long"):
            look.unsound.add(place)
    _note_lengths(look, [details["loc"] for details in found.errors()])


def _note_lengths(look: Look[ModelT], locations: list[tuple[str | int, ...]]) -> None:
    """Note groups and lists with too few or too many things: pydantic counts only when each thing in it is right."""
    for around in dict.fromkeys(location[:depth] for location in locations for depth in range(1, len(location))):
        spot = _follow(look.schema, around)
        inside = look.get(dict, *spot.place) or look.get(list, *spot.place) or ()
        limits = spot.info.metadata if spot.info and inside else []
        least = max((limit.min_length for limit in limits if hasattr(limit, "min_length")), default=0)
        most = min((limit.max_length for limit in limits if hasattr(limit, "max_length")), default=len(inside))
        if not least <= len(inside) <= most:
            look.note(spot.place, **_refused(_short(inside), spot.allowed))


def _default(schema: type[Model], place: Place) -> Any:
    """What a key means that is not written; None for one that must be."""
    info = _follow(schema, place).info
    return None if info is None or info.is_required() else info.get_default(call_default_factory=True)


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
            return (*spot.place, "kind"), {"problem": "is missing", "allowed": _kinds(spot.annotation), "hint": MORE}
        case "union_tag_invalid":
            given, allowed = _short(given["kind"]), _kinds(spot.annotation)
            return (*spot.place, "kind"), _refused(given, allowed, hint=MORE)
        case "model_type" | "model_attributes_type":
            allowed = _keys(spot.annotation)
        case "int_type" if "whole number" not in allowed and not allowed[:1].isdigit():
            is_whole = isinstance(given, float) and given.is_integer()
            hint = f"Write {given:.0f}" if is_whole else ""
            return spot.place, _refused(_short(given), f"a whole number: {allowed}", hint=hint)
    return spot.place, _refused(_short(given), allowed)


def _refused(value: str, allowed: str, hint: str = "") -> dict[str, str]:
    return {"problem": "is not allowed", "value": value, "allowed": allowed, "hint": hint}


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
    info: FieldInfo | None = None  # of the key, when it is one of a model


def _follow(model: type[Model], location: tuple[str | int, ...]) -> Spot:
    """Follow pydantic's location through the models, leaving out what is no key of the file."""
    place: list[str | int] = []
    allowed, annotation = _keys(model), _bare(model)
    info: FieldInfo | None = None
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
            key, inner, info = get_args(annotation)[0], get_args(annotation)[-1], None
            if after == "[key]":
                return Spot(tuple(place), _description(key), key)
            annotation = _bare(inner)
            allowed = _keys(annotation) or _description(inner) or allowed
        else:  # a member of a plain union
            break
    return Spot(tuple(place), allowed, annotation, info)


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
