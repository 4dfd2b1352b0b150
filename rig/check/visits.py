"""The steps that a protocol can come to: for every visit and variant, before anything is known of a participant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rig.elicitation.blocks import Tailored, Trials
from rig.elicitation.course import Course
from rig.elicitation.order import Order
from rig.elicitation.protocol import ElicitationProtocol
from rig.elicitation.steps import Step
from rig.elicitation.unroll import unroll


def every_visit(
    protocol: ElicitationProtocol, streams: Sequence[str], clip_seconds: Mapping[str, float], language: str = ""
) -> Iterator[list[Step]]:
    """The steps of each visit and variant. Clips come as they are written; of tailored trials the longest that may."""
    as_written = protocol.model_copy(update={"order": Order()})
    chosen = _longest(protocol, clip_seconds)
    for visit in range(1, _visits(protocol) + 1):
        for row in range(max(len(protocol.variants), 1)):
            yield unroll(
                as_written, streams, clip_seconds, language=language, row=row, visit=visit, chosen=chosen
            )  # variants take turns row by row


def _visits(protocol: ElicitationProtocol) -> int:
    return max(block.visit or 1 for block in protocol.blocks)


def _longest(protocol: ElicitationProtocol, clip_seconds: Mapping[str, float]) -> dict[str, list[str]]:
    tailored = [block.clips for block in protocol.blocks if isinstance(block, Trials)]
    fitting = [name for name, clip in protocol.clips.items() if clip.fits is not None]
    by_length = sorted(fitting, key=lambda name: -clip_seconds[name])
    return {clips.by: by_length[: clips.count] for clips in tailored if isinstance(clips, Tailored)}


def told(protocol: ElicitationProtocol, steps: Sequence[Step]) -> Iterator[Step]:
    """The steps with what is filled into their texts: for who is never caught, always caught, and for who withdraws."""
    for caught in (0, max((step.trial for step in steps), default=0)):
        for withdraws in (False, True):
            course = Course(steps, caught=caught, pay=protocol.stakes.pay)
            if withdraws:
                course.withdraw()
            yield from iter(course.next, None)
