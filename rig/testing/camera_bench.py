"""A bench for a camera: how a contract test reaches it past its driver, and what the bench itself cannot do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rig.cameras.camera import Baseline, Camera, CameraInfo
from rig.cameras.features import Feature
from rig.clock import Clock
from rig.streams import NO_COUNTER, CameraEvent, Frame, Picture

PATIENCE_S = 30.0
TURN_S = 0.05
MOST_EVENTS = 1000


class OnWire(NamedTuple):
    """One edge on the camera's trigger wire."""

    number: int  # counts edges since the bench was opened, from 0
    wire_ns: int  # when it rose, on any clock that runs at the right rate


@dataclass
class Bench:
    """A camera, the clock it is used with, and what the bench knows and does without asking its driver."""

    camera: Camera
    clock: Clock
    # One edge for each gap: the first so long after now, each other so long after the one before it (ns). Returns
    # when the last has risen.
    send: Callable[[Sequence[int]], list[OnWire]]
    serial: str
    is_simulated: bool
    period_ns: int  # an edge so long after another one is always exposed
    buffers: int  # so many frames can be held at once
    settle: Callable[[], None]  # returns when every frame of the edges so far has reached the driver or is lost
    rate_tolerance: float = 1e-3  # of the camera's clock
    tick_tolerance_ns: float = 20_000  # of one timestamp
    too_early_ns: int | None = None  # an edge so soon after another one is swallowed; None: cannot be brought about
    counts_swallowed: bool = True  # whether the camera's counter counts a swallowed edge
    shows: Callable[[Picture], int] | None = (
        None  # the number of the edge that a picture shows; None: pictures tell not
    )
    numbers_lost_frames: bool = True  # whether a frame that finds no buffer leaves a hole in the numbers
    wraps_within: int | None = None  # so many edges after arming its numbers start again; None: not while we wait
    damage: Callable[[], None] | None = None  # the buffer of the next edge will not be filled
    unplug: Callable[[], None] | None = None  # take the camera away
    replug: Callable[[], None] | None = None  # and bring it back
    loss_within_s: float = 1.0  # of `clock`; more only where the machine itself may be late
    # Close the camera and open it anew, these features being asked for besides those that it is opened with.
    reopen: Callable[[dict[str, Feature]], Camera] | None = None
    read_only: str = ""  # a feature that it has and that cannot be written
    rounds: tuple[str, Feature] | None = None  # a feature, and a value for it that reads back otherwise

    def pulses(self, count: int) -> list[OnWire]:
        """So many edges, one period apart."""
        return self.send([self.period_ns] * count)

    def collect(self, count: int) -> list[Frame]:
        """The next frames; none is released. Fails when they do not come."""
        return self.collect_all(count)[0]

    def collect_all(self, count: int) -> tuple[list[Frame], list[CameraEvent]]:
        """The next frames, and the events that came before the last of them. Fails when they do not come."""
        frames: list[Frame] = []
        events: list[CameraEvent] = []
        for _ in range(MOST_EVENTS + count + round(PATIENCE_S / TURN_S)):
            if len(frames) == count:
                return frames, events
            match self.camera.grab(TURN_S):
                case Frame() as frame:
                    frames.append(frame)
                case CameraEvent() as event:
                    events.append(event)
        raise AssertionError(f"{len(frames)} of {count} frames within {PATIENCE_S:g} s")

    def take(self, count: int) -> tuple[list[OnWire], list[Frame]]:
        """So many edges, and the frames of all of them; none is released."""
        return self.pulses(count), self.collect(count)

    def nothing_comes(self) -> None:
        """Fails when a frame arrives that nobody waits for."""
        self.settle()
        for _ in range(MOST_EVENTS):
            came = self.camera.grab(TURN_S)
            assert not isinstance(came, Frame), "a frame came that no edge caused"
            if came is None:
                return
        raise AssertionError(f"more than {MOST_EVENTS} events")

    def release(self, frames: Sequence[Frame]) -> None:
        """Give their buffers back, in this order."""
        for frame in frames:
            self.camera.release(frame)

    def check_shown(self, frames: Sequence[Frame], edges: Sequence[OnWire]) -> None:
        """Fails when the pictures are not those of these edges, in this order."""
        if self.shows is not None:
            assert [self.shows(frame.pixels) for frame in frames] == [edge.number for edge in edges]


def numbers_from(baseline: Baseline, *, start: int = 0, count: int) -> list[int]:
    """The frame numbers of `count` exposures of an epoch, from its exposure `start` on."""
    numbers = [baseline.first_frame_number]
    while len(numbers) < start + count:
        numbers.append(baseline.number_after(numbers[-1]))
    return numbers[start:]


def counters_after(baseline: Baseline, edges: Sequence[int]) -> list[int]:
    """The counter at the edges of an epoch that are counted so far, the first being 1."""
    return [NO_COUNTER if baseline.counter == NO_COUNTER else baseline.counter + edge for edge in edges]


def inabilities(bench: Bench, info: CameraInfo, baseline: Baseline) -> list[str]:
    """What the camera declares that it cannot do, and what this bench cannot try; a line each."""
    declared = {
        "has no timestamps": not baseline.ticks_hz,
        "has no trigger counter": baseline.counter == NO_COUNTER,
        "its clock cannot be read against the host's": not baseline.clock_pairs,
        "its counter does not count a swallowed trigger": baseline.counter != NO_COUNTER and not bench.counts_swallowed,
        "a frame that finds no buffer leaves no hole in its numbers": not bench.numbers_lost_frames,
        "does not know its delay from trigger to exposure": "exposure_start" not in baseline.delays,
        "does not know its shortest period": not baseline.shortest_period_us,
        "does not say its highest frame rate": info.resulting_hz is None,
        "does not say its readout time": info.readout_us is None,
    }
    not_tried = {
        "a trigger that comes too early": bench.too_early_ns is None,
        "which edge a picture shows": bench.shows is None,
        "numbers that start again": bench.wraps_within is None,
        "a buffer that is not filled": bench.damage is None,
        "unplugging": bench.unplug is None,
        "plugging in again": bench.replug is None,
        "features that are refused": bench.reopen is None,
    }
    found = [text for text, is_so in declared.items() if is_so]
    return found + [f"not tried on this bench: {text}" for text, is_so in not_tried.items() if is_so]
