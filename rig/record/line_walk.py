"""The line walk: each camera must see exactly the number of pulses that its own trigger line sends, and no other.

Its frames are kept apart, with the camera's own numbers and without pulses: which pulse they belong to is not the
question, whose cable it was is.
"""

from __future__ import annotations

from rig.record.messages import Action, ReleaseFrame, StoreFrame
from rig.record.plan import RunPlan
from rig.record.rows import frame_row
from rig.session import layout
from rig.streams import NO_PULSE, Evidence, Frame
from rig.trigger.box import walk_pulses


class LineWalk:
    """The frames of one line walk."""

    def __init__(self, plan: RunPlan) -> None:
        self._due = {name: walk_pulses(line.line) for name, line in plan.lines.items()}
        self._arrived = dict.fromkeys(plan.lines, 0)
        self.has_begun = False  # the box has said so
        self.has_ended = False  # the box has sent its last pulse

    @property
    def pulses(self) -> int:
        """How many pulses it sends, on all lines."""
        return sum(self._due.values())

    @property
    def saw_nothing(self) -> bool:
        """Whether no camera has delivered a frame."""
        return not any(self._arrived.values())

    def frame(self, frame: Frame) -> list[Action]:
        """Take a frame."""
        frame.frame_index, self._arrived[frame.stream] = self._arrived[frame.stream], self._arrived[frame.stream] + 1
        if frame.frame_index >= layout.WALK_FRAMES:
            return [ReleaseFrame(frame)]
        picture = StoreFrame(layout.data_path(frame.stream, walk=True), frame.frame_index, frame)
        return [picture, frame_row(frame, NO_PULSE, Evidence.NONE, walk=True)]

    def faults(self) -> list[tuple[str, str]]:
        """Each stream that delivered another number of frames than its line sent, and what to say of it."""
        return [
            (name, f"line walk: {self._arrived[name]} frames, {due} pulses sent; check the trigger cables")
            for name, due in self._due.items()
            if self._arrived[name] != due
        ]
