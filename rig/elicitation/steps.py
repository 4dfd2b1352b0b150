"""The steps that the participant's screen shows one after another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["instruction", "baseline", "clip", "question"]


@dataclass(frozen=True)
class Step:
    """One thing on the screen, from its first flip until it ends.

    It ends when `seconds` are over, the clip has shown its last frame, an allowed key was pressed, or
    `max_seconds` are over, whichever applies.
    """

    index: int
    kind: Kind
    name: str  # unique in the protocol; a clip's step has the clip's name
    text: str  # what the participant reads; empty for a clip
    keys: dict[str, str]  # key -> label of the answer; empty when no key ends the step
    seconds: float | None  # fixed length, s
    max_seconds: float  # longest possible length, s; what the disk is reserved for
    clip: str | None  # name in the protocol's clips
    store: tuple[str, ...]  # streams whose frames are kept
    reason: str  # why the others are not; empty when all are

    def to_json(self) -> dict[str, Any]:
        """Plain data for the session file and for the stimulus process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Step:
        """The step that `to_json` wrote."""
        return cls(**{**data, "store": tuple(data["store"])})
