"""What gives the frames of one stream their pulses: the seam, for cameras with timestamps and for those without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from rig.cameras.camera import Baseline
from rig.streams import Edge, Evidence, Frame, Gap, GapCause, Pulse


@dataclass(slots=True)
class Placed:
    """A frame with its pulse, and the hole that lies before it."""

    frame: Frame
    pulse: int  # NO_PULSE: an extra, or nobody knows
    evidence: Evidence
    after_pulse: int  # for an extra: the stream's last pulse before it
    gap: Gap | None = None
    note: str = ""  # what was odd about it, for the log
    is_dropped: bool = False  # before the group start at which a camera that came back begins again


class Pairs(ABC):
    """What gives the frames of one stream their pulses."""

    stream: str
    divisor: int

    @property
    @abstractmethod
    def last_pulse(self) -> int:
        """The last pulse that is known to have a frame; negative before the first."""

    @abstractmethod
    def place(self, frame: Frame) -> list[Placed]:
        """Take the next frame; give all that are decided now, in order."""

    @abstractmethod
    def hold(self, from_pulse: int) -> None:
        """The end of the body is not known, but it does not lie before `from_pulse`."""

    @abstractmethod
    def ended(self, pulses_sent: int | None, told: Sequence[Pulse] = (), *, has_postamble: bool = True) -> list[Placed]:
        """The run is over after `pulses_sent` (None: nobody knows); place what waits. `told`: the last pulses told.

        Without a postamble all pulses behind the preamble are of the body.
        """

    @abstractmethod
    def close(self, pulses_sent: int | None, cause: GapCause) -> tuple[list[Placed], Gap | None]:
        """No frame follows: what still waits, and the hole at the end when it is known how many pulses were sent."""

    @abstractmethod
    def has_all(self, pulses_sent: int) -> bool:
        """Whether no frame of a run of so many pulses is still to come."""

    @property
    def missing(self) -> int:
        """Pulses that lack a frame by count and for over a second, and are in no gap yet: lost, or very late."""
        return 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether frames wait because one was lost before them, most likely, or else the camera's clock was set."""
        return False

    @property
    def is_returning(self) -> bool:
        """Whether it is not decided yet at which group a camera that came back begins again."""
        return False

    def asked_to_return(self) -> None:  # noqa: B027  to most it says nothing
        """The camera, lost before, is asked to arm again: exposures from here on are of its next epoch."""

    def exposed(self, edge: Edge) -> None:  # noqa: B027  to most it says nothing
        """The camera's ExposureActive line rose."""

    @abstractmethod
    def lost(self) -> list[Placed]:
        """The camera is gone: place what waits."""

    @abstractmethod
    def returns(self, baseline: Baseline) -> None:
        """The camera is armed again, for an epoch of its own."""
