"""A bench for a camera that is played: a recording that grows by what each edge of the bench would have exposed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

import numpy as np

from rig.cameras.camera import AtStop, Baseline, CameraInfo
from rig.cameras.recorded import NOT_STORED, Arm, CameraTold, RecordedCamera, RecordedFrame
from rig.cameras.replayed import ReplayedCamera
from rig.clock import NS, VirtualClock
from rig.errors import DeviceLost
from rig.session.playback import Playback
from rig.streams import FRAME, CameraEvent, CameraEventKind, ClockPair, Picture, Status
from rig.testing.camera import Bench, OnWire
from tests.cameras.benches import (
    BUFFERS,
    DELAYS_US,
    EXPOSURE_US,
    NAME,
    PERIOD_NS,
    SERIAL,
    TOO_EARLY_NS,
    known,
    rig,
    virtual_bench,
)

T = TypeVar("T")
SHIFT_NS = 7 * NS  # of what was recorded, against the bench's clock
CLOCK_NS = 100 * NS  # that the camera's clock is ahead of the recorded host clock
ARRIVES_NS = 3_000_000  # after its edge
BEGINS_NS = round(sum(DELAYS_US.values()) * 1000)


class Growing(Iterator[T]):
    """An iterator that goes on when something was added."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()

    def add(self, item: T) -> None:
        self._items.append(item)

    def __next__(self) -> T:
        if not self._items:
            raise StopIteration
        return self._items.popleft()


class GrowingArm(Arm):
    """What a camera tells from now on. Times are recorded ones."""

    happenings: Growing[tuple[int, CameraTold]]

    def __init__(self, baseline: Baseline, now_ns: Callable[[], int]) -> None:
        self.baseline, self.armed_host_ns, self.happenings = baseline, now_ns(), Growing()
        self._now_ns = now_ns
        self._exposed = self._edges = 0
        self._ready_ns = 0  # an edge before that is too early

    def stopped(self) -> tuple[int, AtStop]:
        return self._now_ns(), AtStop(self.baseline.features, (pair_at(self._now_ns()),))

    def read(self, index: int, out: Picture) -> bool:
        out[:, ::2], out[:, 1::2] = index % 256, index // 256
        return True

    def edge(self, number: int, at_ns: int, *, is_damaged: bool) -> None:
        """An edge has risen on its wire."""
        self._edges += 1
        if at_ns < self._ready_ns:
            event = CameraEvent(NAME, CameraEventKind.OVERTRIGGER, "too early", None, at_ns, at_ns)
            self.happenings.add((at_ns, event))
            return
        self._ready_ns = at_ns + round(self.baseline.shortest_period_us * 1000)
        index, error = (NOT_STORED, "incomplete") if is_damaged else (number, "")
        self.happenings.add((at_ns + ARRIVES_NS, RecordedFrame(self._row(at_ns, is_damaged), index, error)))
        self._exposed += 1

    def _row(self, at_ns: int, is_damaged: bool) -> np.void:
        row = np.zeros(1, FRAME)
        row["epoch"], row["status"] = self.baseline.epoch, Status.DAMAGED if is_damaged else Status.OK
        row["frame_number"] = self.baseline.first_frame_number + self._exposed
        row["counter"] = self.baseline.counter + self._edges
        row["camera_ticks"] = at_ns + BEGINS_NS + CLOCK_NS
        row["exposure_us"], row["line_status"] = EXPOSURE_US, 1
        row["arrived_host_ns"] = at_ns + ARRIVES_NS
        found: np.void = row[0]
        return found


class GrowingCamera(RecordedCamera):
    """The recording, and the wire on which the bench raises its edges."""

    def __init__(self, clock: VirtualClock) -> None:
        with virtual_bench() as bench:
            self._info, self._baseline = bench.camera.describe(), bench.camera.arm(0)
        self._clock = clock
        self._present: GrowingArm | None = None
        self._coming: deque[OnWire] = deque()
        self._sent = 0
        self._damaged: set[int] = set()
        self._is_away = False
        self._arms_at_ns: int | None = None

    def info(self) -> CameraInfo:
        return self._info

    def arm(self, epoch: int) -> Arm | None:
        if self._is_away:
            return None
        baseline = replace(self._baseline, epoch=epoch, clock_pairs=(pair_at(self._now_ns()),))
        self._present = GrowingArm(baseline, self._now_ns)
        self._present.armed_host_ns = self._arms_at_ns or self._present.armed_host_ns
        return self._present

    def arms_at(self, host_ns: int) -> None:
        """From now on, whenever it is asked, it was armed at a time of the bench's clock."""
        self._arms_at_ns = host_ns - SHIFT_NS

    def _now_ns(self) -> int:
        return self._clock.now_ns() - SHIFT_NS

    def send(self, gaps_ns: Sequence[int]) -> list[OnWire]:
        times = list(accumulate(gaps_ns, initial=self._clock.now_ns()))[1:]
        edges = [OnWire(self._sent + k, wire_ns) for k, wire_ns in enumerate(times)]
        self._sent += len(edges)
        for edge in edges:
            if self._present is not None and not self._is_away:
                is_damaged = edge.number in self._damaged
                self._present.edge(edge.number, edge.wire_ns - SHIFT_NS, is_damaged=is_damaged)
        self._clock.sleep_until(edges[-1].wire_ns)
        return edges

    def damage(self) -> None:
        self._damaged.add(self._sent)

    def unplug(self) -> None:
        assert self._present is not None
        self._present.happenings.add((self._now_ns(), DeviceLost(f"camera {NAME} ({SERIAL})", "is gone")))
        self._is_away = True

    def replug(self) -> None:
        self._is_away = False


class Bare(Playback):
    """A playback without a file."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.shift_ns, self.has_begun, self._tapes = clock, SHIFT_NS, True, []
        self.end = None

    def begin(self) -> None:
        pass

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()


def pair_at(host_ns: int) -> ClockPair:
    return ClockPair(f"camera:{NAME}", host_ns + CLOCK_NS, host_ns + CLOCK_NS, host_ns, host_ns)


def number_shown(picture: Picture) -> int:
    return int(picture[0, 0]) + 256 * int(picture[0, 1])


@contextmanager
def replayed_bench(make: type[ReplayedCamera] = ReplayedCamera) -> Iterator[Bench]:
    clock = VirtualClock(100 * NS)
    recorded = GrowingCamera(clock)
    yield Bench(
        make(NAME, Bare(clock), buffers=BUFFERS, recorded=recorded),
        clock,
        recorded.send,
        SERIAL,
        is_simulated=True,
        period_ns=PERIOD_NS,
        buffers=BUFFERS,
        settle=lambda: clock.sleep_until(clock.now_ns() + 2 * ARRIVES_NS),
        known=known(rig()),
        rate_tolerance=1e-9,
        tick_tolerance_ns=1,
        too_early_ns=TOO_EARLY_NS,
        shows=number_shown,
        damage=recorded.damage,
        unplug=recorded.unplug,
        replug=recorded.replug,
    )
