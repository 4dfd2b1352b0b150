"""The steps that the participant's screen shows one after another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "consent", "instruction", "baseline", "wash-out", "clip", "question", "guess", "penalty", "debrief", "break",
    "marker",
]  # fmt: skip
ItemKind = Literal["choice", "scale", "sam", "text"]

KEEP, DELETE = "keep", "delete"  # what becomes of the recordings of who withdrew


@dataclass(frozen=True)
class Choice:
    """One answer that can be chosen."""

    key: str  # that chooses it, in PsychoPy's names; a click on its label does so too
    value: str  # what is stored, the same in every language
    label: str  # what the participant reads


@dataclass(frozen=True)
class Item:
    """One thing that the participant is asked."""

    name: str  # unique in the protocol: BLOCK-QUESTION; its answer has this name
    kind: ItemKind
    text: str
    choices: tuple[Choice, ...] = ()  # of a choice
    points: int = 0  # of a scale or of SAM's manikins: answers go from 1 to this
    low: str = ""  # label of 1
    high: str = ""  # label of the last point
    dimension: str = ""  # of SAM: valence, arousal or dominance
    images: str = ""  # folder with the laboratory's own manikins, 1.png ...; empty: drawn by the program
    most_letters: int = 0  # of a text
    may_skip: bool = False  # whether it may be left out; that is stored as skipped, not as an empty answer

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Item:
        """The item that `Step.to_json` wrote."""
        return cls(**{**data, "choices": tuple(Choice(**choice) for choice in data["choices"])})


@dataclass(frozen=True)
class Step:
    """One thing on the screen, from its first flip until it ends.

    It ends when `seconds` are over, the clip has shown its last frame, an allowed key was pressed, all its items are
    answered, or `max_seconds` are over, whichever applies.
    """

    index: int
    kind: Kind
    name: str  # unique in the protocol
    text: str  # what the participant reads; empty for a clip
    keys: dict[str, str]  # key -> label of the answer; empty when no key ends the step
    seconds: float | None  # fixed length, s
    max_seconds: float  # longest possible length, s; what the disk is reserved for
    clip: str | None  # name in the protocol's clips
    store: tuple[str, ...]  # streams whose frames are kept
    reason: str  # why the others are not; empty when all are
    items: tuple[Item, ...] = ()  # asked on this page, answered in their order
    trial: int = 0  # number of the trial, from 1; 0 outside of trials
    target: str = ""  # the right guess in this trial; empty: nothing is to be guessed
    least_caught: int = 0  # shown only when the operator guessed right in so many trials or more
    only_withdrawn: bool = False  # shown only to a participant who withdrew
    ends_run: tuple[str, ...] = ()  # answers that decline: consent is not given, or in a debrief taken back
    asked_before: int = 0  # items of this questionnaire on earlier pages
    asked_in_all: int = 0  # items of this questionnaire on all pages; 0: this page is all of it

    @property
    def follows_withdrawal(self) -> bool:
        """Whether one who has withdrawn sees it: no question that takes back a consent that is gone already."""
        return self.only_withdrawn or (self.kind == "debrief" and not self.ends_run)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the session file and for the stimulus process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Step:
        """The step that `to_json` wrote; fields with a default may be missing."""
        fields = dict(data)
        fields["store"], fields["ends_run"] = tuple(data["store"]), tuple(data.get("ends_run", ()))
        fields["items"] = tuple(Item.from_json(item) for item in data.get("items", ()))
        return cls(**fields)
