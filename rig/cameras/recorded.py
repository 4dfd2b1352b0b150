"""What a camera told in a recorded run, arm by arm: what it said when armed, its frames and events, and its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from heapq import merge
from typing import Any

import numpy as np

from rig.cameras.camera import (
    AtStop,
    Baseline,
    CameraInfo,
    Delay,
    Discipline,
    Origin,
    Shutter,
    TicksMark,
)
from rig.cameras.features import FeatureState
from rig.errors import DeviceLost
from rig.session.playback import Playback
from rig.session.runfile import Json
from rig.session.unstored import damaged_frames, loss_told, unstored_frames
from rig.streams import CameraEvent, CameraEventKind, ClockPair, Picture

WALK_EPOCH = 0
NOT_STORED = -1  # the place of a picture that is not in the file
LAST_TICKS = 2**64  # beyond what any clock of a camera reads


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame as it was delivered. `row` is a FRAME row, `index` the place of its picture in the file or NOT_STORED."""

    row: Any
    index: int = NOT_STORED
    error: str = ""


CameraTold = RecordedFrame | CameraEvent | DeviceLost
Happenings = Iterable[tuple[int, CameraTold]]


class Arm(ABC):
    """What a camera told from one arming on. Host times are the recorded ones."""

    baseline: Baseline
    armed_host_ns: int
    happenings: Happenings  # rising by host ns

    @abstractmethod
    def stopped(self) -> tuple[int, AtStop] | None:
        """When it had stopped, and how it read then; None when it was not stopped in order."""

    @abstractmethod
    def read(self, index: int, out: Picture) -> bool:
        """Read a picture by its place in the file; False when it is not what was delivered."""


class RecordedArm(Arm):
    """An arm of a camera in a run file."""

    def __init__(self, playback: Playback, name: str, epoch: int, armed: Json) -> None:
        run = playback.run
        self.baseline, self.armed_host_ns = baseline_of(armed["baseline"]), int(armed["host_ns"])
        self._playback, self._name, self._epoch = playback, name, epoch
        self._stream = (run.walk_streams if epoch == WALK_EPOCH else run.streams)[name]
        self._until_ns = next((t for t in self._armed_times() if t > self.armed_host_ns), None)
        self.happenings = self._happenings()

    def _armed_times(self) -> list[int]:
        return [int(told["host_ns"]) for told in self._playback.run.log_of("armed", self._name)]

    def _is_own(self, host_ns: int) -> bool:
        """Whether it was told in this arm."""
        return self.armed_host_ns <= host_ns and (self._until_ns is None or host_ns < self._until_ns)

    def stopped(self) -> tuple[int, AtStop] | None:
        """See Arm.stopped."""
        for told in self._playback.run.log_of("stopped", self._name):
            if told.get("epoch") == self._epoch:
                return int(told["host_ns"]), AtStop(told["features"], _pairs(told))
        return None

    def read(self, index: int, out: Picture) -> bool:
        """See Arm.read."""
        return bool(self._stream.data.fill(out[np.newaxis], index)[0])

    def _happenings(self) -> Iterator[tuple[int, CameraTold]]:
        """Made when the first one is asked for: a camera that is away is asked to arm again and again."""
        yield from merge(self._stored(), self._others(), key=_order)

    def _stored(self) -> Iterator[tuple[int, CameraTold]]:
        for index in np.flatnonzero(self._stream.frames["epoch"] == self._epoch).tolist():
            row = self._stream.frames[index]
            yield int(row["arrived_host_ns"]), RecordedFrame(row, index)

    def _others(self) -> list[tuple[int, CameraTold]]:
        """Frames whose pictures are not there, events, and its loss."""
        told = [*self._not_stored(), *self._damaged(), *self._events(), *self._loss()]
        return sorted(told, key=_order)

    def _not_stored(self) -> Iterator[tuple[int, CameraTold]]:
        if self._epoch == WALK_EPOCH:
            return
        rows = unstored_frames(self._playback.run, self._stream)
        for row in rows[rows["epoch"] == self._epoch]:
            yield int(row["arrived_host_ns"]), RecordedFrame(row)

    def _damaged(self) -> Iterator[tuple[int, CameraTold]]:
        for error, row in damaged_frames(self._playback.run, self._stream, self._epoch):
            yield int(row["arrived_host_ns"][0]), RecordedFrame(row[0], error=error)

    def _events(self) -> Iterator[tuple[int, CameraTold]]:
        for told in self._playback.run.log_of("camera_event", self._name):
            if self._is_own(told["arrived_host_ns"]):
                kind, names = CameraEventKind(told["what"]), ("text", "value", "camera_ticks", "arrived_host_ns")
                yield told["arrived_host_ns"], CameraEvent(self._name, kind, *(told[name] for name in names))

    def _loss(self) -> Iterator[tuple[int, CameraTold]]:
        told = loss_told(self._playback.run, self._name, self.armed_host_ns, self._until_ns)
        if told is not None:
            subject, _, problem = str(told["text"]).partition(": ")
            yield told["host_ns"], DeviceLost(subject, problem)


def _order(told: tuple[int, CameraTold]) -> tuple[int, int]:
    """By arrival; frames that came at once, behind one that was late, in the order in which they were exposed."""
    host_ns, what = told
    return host_ns, int(what.row["camera_ticks"]) if isinstance(what, RecordedFrame) else LAST_TICKS


class RecordedCamera:
    """One camera of a recorded run."""

    def __init__(self, name: str, playback: Playback) -> None:
        self._name, self._playback = name, playback

    def info(self) -> CameraInfo:
        """Who it said it was, and that it is played."""
        told = self._playback.told_of(self._name)
        with self._playback.reading():
            known = {field.name: told[field.name] for field in fields(CameraInfo) if field.name in told}
            states = tuple(FeatureState(**state) for state in told.get("features", ()))
            return CameraInfo(**{**known, "features": states, "warnings": tuple(told.get("warnings", ()))})

    def arm(self, epoch: int) -> Arm | None:
        """What it told from its arming for an epoch on; None when it was never armed for that."""
        for told in self._playback.run.log_of("armed", self._name):
            if told.get("epoch") == epoch:
                with self._playback.reading():
                    return RecordedArm(self._playback, self._name, epoch, told)
        return None


def baseline_of(told: Json) -> Baseline:
    """A baseline as the log keeps it."""
    known = {field.name: told[field.name] for field in fields(Baseline) if field.name in told}
    kinds = {"ticks_mark": TicksMark, "shutter": Shutter, "discipline": Discipline}
    enums = {name: kind(known[name]) for name, kind in kinds.items() if name in known}
    delays = {name: Delay(delay["us"], Origin(delay["origin"])) for name, delay in told.get("delays", {}).items()}
    return Baseline(**{**known, **enums, "delays": delays, "clock_pairs": _pairs(told)})


def _pairs(told: Json) -> tuple[ClockPair, ...]:
    return tuple(ClockPair(**pair) for pair in told.get("clock_pairs", ()))
