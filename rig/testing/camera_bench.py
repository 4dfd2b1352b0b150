"""A bench for a camera: how a contract test reaches it past its driver, and what the bench itself cannot do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

from rig.cameras.camera import Baseline, Camera, CameraInfo, Delay, Discipline, Shutter, TicksMark
from rig.cameras.features import Feature
from rig.clock import NS, Clock
from rig.record.camera_rules import AUTOMATICS
from rig.record.camera_rules import inabilities as of_camera
from rig.streams import NO_COUNTER, CameraEvent, Frame, Picture

PATIENCE_S = 30.0
TURN_S = 0.05
LOSS_S = 1.0  # within which a camera that is lost says so
QUICK_S = 0.02  # what does not block takes no longer
MOST_EVENTS = 1000
MOST_TRIES = 50  # of triggers that are to come too early


class OnWire(NamedTuple):
    """One edge on the camera's trigger wire."""

    number: int  # counts edges since the bench was opened, from 0
    wire_ns: int  # when it rose, on any clock that runs at the right rate
    is_in_time: bool = True  # False: it was to be too early, and may have come too late for that


@dataclass(frozen=True)
class Known:
    """What the bench knows of its camera without asking the driver, to be held against what that says.

    None: it does not know.
    """

    ticks_mark: TicksMark | None = None
    discipline: Discipline | None = None
    shutter: Shutter | None = None
    row_time_us: float | None = None
    delays: dict[str, Delay] | None = None
    shortest_period_us: float | None = None
    counter_source: str | None = None
    exposure_start_us: float | None = None  # after the edge; only where `wire_ns` is on the bench's clock
    line_status: int | None = None  # its lines as an exposure begins
    notices_early: bool | None = None  # an event tells of a trigger that came too early
    settings: dict[str, Feature] = field(default_factory=dict)  # some of those that it has
    features: tuple[str, ...] = ()  # that it was opened with, besides those that always are asked for

    def of_baseline(self) -> dict[str, object]:
        """What its baseline must say."""
        names = ("ticks_mark", "discipline", "shutter", "row_time_us", "delays", "shortest_period_us", "counter_source")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


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
    known: Known = Known()
    rate_tolerance: float = 1e-3  # of the camera's clock
    tick_tolerance_ns: float = 20_000  # of one timestamp
    too_early_ns: int | None = None  # an edge so soon after another one is swallowed; None: cannot be brought about
    counts_swallowed: bool = (
        True  # whether its counter counts a swallowed edge, if that is fed by neither line nor frame
    )
    shows: Callable[[Picture], int] | None = (
        None  # the number of the edge that a picture shows; None: pictures tell not
    )
    numbers_lost_frames: bool = True  # whether a frame that finds no buffer leaves a hole in the numbers
    wraps_within: int | None = None  # so many edges after arming its numbers start again; None: not while we wait
    damage: Callable[[], None] | None = None  # the buffer of the next edge will not be filled
    unplug: Callable[[], None] | None = None  # take the camera away
    replug: Callable[[], None] | None = None  # and bring it back
    late_s: float = 0.0  # so late the machine itself may be, by `clock`
    # Open the camera anew once it was closed, these features being asked for besides those that it is opened with.
    reopen: Callable[[dict[str, Feature]], Camera] | None = None
    change: Callable[[], tuple[str, Feature]] | None = (
        None  # write a feature that is asked for otherwise; which, and how
    )
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
        turns = round(PATIENCE_S / TURN_S)
        while turns and len(events) < MOST_EVENTS:
            if len(frames) == count:
                return frames, events
            match self.camera.grab(TURN_S):
                case Frame() as frame:
                    frames.append(frame)
                case CameraEvent() as event:
                    events.append(event)
                case None:
                    turns -= 1
        raise AssertionError(f"{len(frames)} of {count} frames within {PATIENCE_S:g} s")

    def take(self, count: int) -> tuple[list[OnWire], list[Frame]]:
        """So many edges, and the frames of all of them; none is released."""
        return self.pulses(count), self.collect(count)

    def too_early(self, gaps_ns: Sequence[int]) -> tuple[Baseline, list[OnWire]]:
        """Arm, and send edges of which some are too early; again in a new epoch while one may have come too late."""
        for epoch in range(MOST_TRIES):
            baseline = self.camera.arm(epoch)
            edges = self.send(gaps_ns)
            if all(edge.is_in_time for edge in edges):
                return baseline, edges
            self.camera.stop()
        raise AssertionError(f"no trigger came too early in {MOST_TRIES} tries")

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
        """Give their buffers back, in this order. Fails when that blocks."""
        for frame in frames:
            before_ns = self.clock.now_ns()
            self.camera.release(frame)
            assert self.clock.now_ns() - before_ns <= (QUICK_S + self.late_s) * NS, "release blocks"

    def check_shown(self, frames: Sequence[Frame], edges: Sequence[OnWire]) -> None:
        """Fails when the pictures are not those of these edges, in this order."""
        if self.shows is not None:
            assert [self.shows(frame.pixels) for frame in frames] == [edge.number for edge in edges]


class BenchTests(ABC):
    """Tests of which every one opens a bench of its own."""

    @abstractmethod
    def bench(self) -> AbstractContextManager[Bench]:
        """A camera that is open and not armed; closed, and nothing left behind, when the context ends."""


def numbers_from(baseline: Baseline, *, start: int = 0, count: int) -> list[int]:
    """The frame numbers of `count` exposures of an epoch, from its exposure `start` on."""
    numbers = [baseline.first_frame_number]
    while len(numbers) < start + count:
        numbers.append(baseline.number_after(numbers[-1]))
    return numbers[start:]


def counters_after(baseline: Baseline, edges: Sequence[int]) -> list[int]:
    """The counter at the edges of an epoch that are counted so far, the first being 1."""
    return [NO_COUNTER if baseline.counter == NO_COUNTER else baseline.counter + edge for edge in edges]


def counts_swallowed(bench: Bench, source: str) -> bool:
    """Whether a counter that is fed by `source` counts an edge that came too early."""
    if source.startswith("Line"):
        return True
    return source != "FrameStart" and bench.counts_swallowed


def inabilities(bench: Bench, info: CameraInfo, baseline: Baseline) -> list[str]:
    """What the camera declares that it cannot do, and what this bench cannot try; a line each."""
    not_told = [name for name in AUTOMATICS if name not in info.settings]
    has_counter = baseline.counter != NO_COUNTER
    declared = {
        "its clock cannot be read against the host's": not baseline.clock_pairs,
        "its counter does not count a swallowed trigger": has_counter
        and not counts_swallowed(bench, baseline.counter_source),
        "a frame that finds no buffer leaves no hole in its numbers": not bench.numbers_lost_frames,
        "does not know its delay from trigger to exposure": "exposure_start" not in baseline.delays,
        "does not know the time from row to row": baseline.shutter is Shutter.ROLLING and not baseline.row_time_us,
        "does not know its shortest period": not baseline.shortest_period_us,
        f"does not tell {', '.join(not_told)}": bool(not_told),
    }
    not_tried = {
        "a trigger that comes too early": bench.too_early_ns is None,
        "which edge a picture shows": bench.shows is None,
        "when an exposure begins": bench.known.exposure_start_us is None,
        "what its lines are at": bench.known.line_status is None,
        "numbers that start again": bench.wraps_within is None,
        "a buffer that is not filled": bench.damage is None,
        "unplugging": bench.unplug is None,
        "plugging in again": bench.replug is None,
        "features that are refused": bench.reopen is None,
        "a feature that changes by itself": bench.change is None,
    }
    found = dict.fromkeys([*of_camera(info), *(text for text, is_so in declared.items() if is_so)])
    return [*found, *(f"not tried on this bench: {text}" for text, is_so in not_tried.items() if is_so)]
