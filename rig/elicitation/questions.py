"""The questions of a protocol: what each kind of it asks for, and the items that it becomes on a page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rig.config.model import Beside, Model
from rig.elicitation.steps import Choice, Item
from rig.elicitation.texts import AnswerText, Text, label_of, said, value_of
from rig.elicitation.words import ANSWERS, NAME_IN_WORDS, TEXT, Key, Name

_POINTS = "how many points the scale has, 2 to 11"


class Question(Model):
    """What all questions share."""

    name: Name = Field(description=NAME_IN_WORDS)
    text: Text = Field(description=TEXT)
    may_skip: bool = Field(default=False, description="whether it may be left out, true or false")


class ChoiceQuestion(Question):
    """One of several answers, each with a key."""

    kind: Literal["choice"] = Field(description="choice")
    answers: dict[Key, AnswerText] = Field(min_length=2, description=ANSWERS)
    declines: list[Key] = Field(
        default_factory=list,
        description="in a debrief: keys of the answers by which consent is taken back; who has withdrawn is not asked",
    )


class Points(Model):
    """A scale of points with a label at each end."""

    points: int = Field(ge=2, le=11, description=_POINTS)
    low: Text = Field(description="label of the first point, 1")
    high: Text = Field(description="label of the last point")


class ScaleQuestion(Question):
    """A point on a scale."""

    kind: Literal["scale"] = Field(description="scale")
    points: int = Field(ge=2, le=11, description=_POINTS)
    low: Text = Field(description="label of the first point, 1")
    high: Text = Field(description="label of the last point")


class SamQuestion(Question):
    """One of the manikins of the Self-Assessment Manikin (Bradley and Lang 1994)."""

    kind: Literal["sam"] = Field(description="sam")
    dimension: Literal["valence", "arousal", "dominance"] = Field(description="valence, arousal or dominance")
    points: Literal[5, 9] = Field(default=9, description="5 or 9, how many answers there are")
    images: Beside = Field(
        default="",
        description="a folder beside the protocol with manikins of your own, 1.png and so on; else they are drawn",
    )


class TextQuestion(Question):
    """Words of the participant's own."""

    kind: Literal["text"] = Field(description="text")
    most_letters: int = Field(default=500, ge=1, le=10000, description="how long it may be, letters, 1 to 10000")


AnyQuestion = Annotated[ChoiceQuestion | ScaleQuestion | SamQuestion | TextQuestion, Field(discriminator="kind")]


def choices(answers: dict[str, AnswerText], language: str, default: str) -> tuple[Choice, ...]:
    """The answers of a choice, in the order they are written."""
    return tuple(Choice(key, value_of(answer, default), label_of(answer, language)) for key, answer in answers.items())


def declining(question: AnyQuestion, default: str) -> tuple[str, ...]:
    """What is stored of the answers that take consent back."""
    if not isinstance(question, ChoiceQuestion):
        return ()
    return tuple(value_of(question.answers[key], default) for key in question.declines)


def item(question: AnyQuestion, block: str, language: str, default: str) -> Item:
    """What a question of a block is on the screen. `default`: the language whose words are stored."""
    return Item(
        name=f"{block}-{question.name}",
        kind=question.kind,
        text=said(question.text, language),
        may_skip=question.may_skip,
        **_of_kind(question, language, default),
    )


def _of_kind(question: AnyQuestion, language: str, default: str) -> dict[str, Any]:
    """What items of this kind have besides."""
    match question:
        case ChoiceQuestion():
            return {"choices": choices(question.answers, language, default)}
        case ScaleQuestion():
            return on_scale(question, language)
        case SamQuestion():
            return {"dimension": question.dimension, "points": question.points, "images": question.images}
    return {"most_letters": question.most_letters}


def on_scale(scale: ScaleQuestion | Points, language: str) -> dict[str, Any]:
    """The points of a scale and their labels."""
    return {"points": scale.points, "low": said(scale.low, language), "high": said(scale.high, language)}
