"""The blocks of a protocol: what each kind of it asks for, key by key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from rig.config.model import Model
from rig.elicitation.questions import AnyQuestion, Points
from rig.elicitation.texts import AnswerText, Text
from rig.elicitation.words import ANSWERS, GOES_ON, KEY_IN_WORDS, NAME_IN_WORDS, SECONDS, TEXT, Key, Name, Seconds

Store = Literal["all", "none"] | list[str]
Valence = Literal["negative", "neutral", "positive", "mixed"]
_STORE = "all, none, or a list of streams such as [HS, NIR]"
_STORE_NONE = _STORE + "; nothing of it is kept unless the protocol says so"


class Clip(Model):
    """A film clip: where it lies, how it is known to be the right one, and what it is to make people feel."""

    title: str | None = Field(default=None, min_length=1, description="title of the film; nothing until one is chosen")
    edition: str | None = Field(default=None, description="which edition or cut of it")
    file: str | None = Field(
        default=None,
        min_length=1,
        description="path beside the protocol, or package:NAME/PATH for one inside a Python package; nothing until the "
        "film is imported",
    )
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="sha256 of the file, 64 hexadecimal digits"
    )
    in_s: float | None = Field(
        default=None, ge=0, description="where in the film the clip begins, s; at its beginning without it"
    )
    out_s: float | None = Field(default=None, gt=0, description="where it ends, s; at the film's end without it")
    valence: Valence | None = Field(default=None, description="negative, neutral, positive or mixed")
    target: str | None = Field(
        default=None, min_length=1, max_length=200, description="the right guess about who sees it, such as surprise"
    )
    strong: bool = Field(default=False, description="whether it is hard to bear, true or false")
    norms: dict[Name, float] = Field(
        default_factory=dict, description="what it was rated elsewhere, name: number, such as {valence: 2.1}"
    )
    fits: Name | None = Field(
        default=None, description="the question of an earlier visit whose answer says how well it fits a participant"
    )
    licence: str | None = Field(default=None, description="licence of the film")


class Part(Model):
    """What all blocks share."""

    name: Name = Field(description=NAME_IN_WORDS)
    visit: int | None = Field(
        default=None, ge=1, le=20, description="the only visit on which it comes, from 1; at every visit without it"
    )
    variant: Name | None = Field(
        default=None, description="one of variants:, whose participants alone it is for; for everybody without it"
    )


class Block(Part):
    """What all blocks share that are seen on the screen."""

    store: Store = Field(default="all", description=_STORE)

    @field_validator("store")
    @classmethod
    def _each_once(cls, store: Store) -> Store:
        if not store:
            raise ValueError("names no stream; to keep none write none")
        if isinstance(store, list) and len(set(store)) < len(store):
            raise ValueError("names a stream twice")
        return store


class Waiting(Block):
    """What all blocks share that wait for a key."""

    key: Key = Field(default=GOES_ON, description=f"the key that goes on, {KEY_IN_WORDS}")
    max_seconds: Seconds = Field(description=SECONDS)


class Consent(Block):
    """The participant agrees, or the session ends here."""

    kind: Literal["consent"] = Field(description="consent")
    text: Text = Field(description=TEXT)
    answers: dict[Key, AnswerText] = Field(min_length=2, description=ANSWERS)
    declines: list[Key] = Field(min_length=1, description="keys of the answers after which nothing more is shown")
    max_seconds: Seconds = Field(description=SECONDS)
    store: Store = Field(default="none", description=_STORE_NONE)


class Instruction(Waiting):
    """Text until a key is pressed."""

    kind: Literal["instruction"] = Field(description="instruction")
    text: Text = Field(description=TEXT)


class Baseline(Block):
    """A neutral screen of fixed length."""

    kind: Literal["baseline"] = Field(description="baseline")
    text: Text = Field(default="+", description=TEXT)
    seconds: Seconds = Field(description=SECONDS)


class WashOut(Block):
    """A pause in which a feeling fades: of fixed length, or until a key is pressed."""

    kind: Literal["wash-out"] = Field(description="wash-out")
    text: Text = Field(default="+", description=TEXT)
    seconds: Seconds | None = Field(default=None, description=f"{SECONDS}; or key and max_seconds instead of it")
    key: Key | None = Field(default=None, description=f"the key that goes on, {KEY_IN_WORDS}")
    max_seconds: Seconds | None = Field(default=None, description=f"the longest wait for the key, {SECONDS}")


class ClipBlock(Block):
    """A film clip, played once; the block is named after it."""

    kind: Literal["clip"] = Field(description="clip")
    clip: Name | None = Field(default=None, description="a name from clips:; inside of trials none, it is the trial's")


class SelfReport(Block):
    """Questions after a clip."""

    kind: Literal["self-report"] = Field(description="self-report")
    questions: list[AnyQuestion] = Field(min_length=1, description="a list of questions")
    per_page: int = Field(default=1, ge=1, le=20, description="how many questions stand on one page, 1 to 20")
    max_seconds: Seconds = Field(description=f"{SECONDS}, for each page")


class Asking(Block):
    """What both kinds of questionnaire share."""

    text: Text | None = Field(default=None, description="what stands above the questions of each page")
    questions: list[AnyQuestion] = Field(default_factory=list, description="a list of questions")
    statements: list[Text] = Field(default_factory=list, description="a list of texts, each judged on the scale")
    statements_file: str | None = Field(
        default=None, min_length=1, description="a file beside the protocol with the one key statements"
    )
    scale: Points | None = Field(default=None, description="the scale of all statements")
    per_page: int = Field(default=5, ge=1, le=20, description="how many questions stand on one page, 1 to 20")
    may_skip: bool = Field(default=False, description="whether statements may be left out, true or false")
    break_every: int | None = Field(
        default=None, ge=1, le=1000, description="after how many questions a break comes, 1 to 1000"
    )
    break_text: Text | None = Field(default=None, description="what the participant reads in such a break")
    max_seconds: Seconds = Field(description=f"{SECONDS}, for each page")


class Questionnaire(Asking):
    """Many questions, page after page: questions of any kind, or statements that share one scale."""

    kind: Literal["questionnaire"] = Field(description="questionnaire")


class Penalty(Asking):
    """A questionnaire of which more is to be filled in the more often the operator guessed right."""

    kind: Literal["penalty"] = Field(description="penalty")
    per_caught: int = Field(ge=1, le=1000, description="how many questions for each right guess, 1 to 1000")
    cap: int = Field(ge=1, le=1000, description="how many questions at most, 1 to 1000")
    store: Store = Field(default="none", description=_STORE_NONE)


class Guess(Block):
    """Time for the operator to guess, in trials; ends when the guess is given, is left out when it was before."""

    kind: Literal["guess"] = Field(description="guess")
    text: Text = Field(default="+", description=TEXT)
    max_seconds: Seconds = Field(description=SECONDS)


class Debrief(Waiting):
    """What it was all about; shown as well to a participant who withdrew."""

    kind: Literal["debrief"] = Field(description="debrief")
    text: Text = Field(description=TEXT)
    questions: list[AnyQuestion] = Field(
        default_factory=list, description="a list of questions that follow, such as consent given anew"
    )


class Break(Waiting):
    """A rest, until a key is pressed."""

    kind: Literal["break"] = Field(description="break")
    text: Text = Field(description=TEXT)
    store: Store = Field(default="none", description=_STORE_NONE)


class Marker(Block):
    """A moment with a name, between two other blocks: a neutral screen for a tenth of a second."""

    kind: Literal["marker"] = Field(description="marker")


class Tailored(Model):
    """Clips that are chosen for each participant, by answers of an earlier visit."""

    by: Name = Field(description="the questionnaire of an earlier visit, whose questions the clips name as fits")
    count: int = Field(ge=1, le=64, description="how many clips, 1 to 64")


_InTrial = Annotated[
    Instruction | Baseline | WashOut | ClipBlock | SelfReport | Questionnaire | Guess | Break | Marker,
    Field(discriminator="kind"),
]


class Trials(Part):
    """The same blocks for each of several clips, in the order of order:."""

    kind: Literal["trials"] = Field(description="trials")
    clips: Literal["all"] | Annotated[list[Name], Field(min_length=1)] | Tailored = Field(
        description="all, a list of names from clips:, or tailored clips with the keys by and count"
    )
    each: list[_InTrial] = Field(min_length=1, description="a list of blocks, one of them a clip without clip:")


AnyBlock = Annotated[
    Consent | Instruction | Questionnaire | Baseline | ClipBlock | SelfReport | WashOut | Penalty | Debrief | Break
    | Marker | Trials,
    Field(discriminator="kind"),
]  # fmt: skip
