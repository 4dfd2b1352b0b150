"""Five cameras with divisors 1, 2, 5, 10 and 10, one of them on the last line: no stream is known by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rig.cameras.camera import AtStop, Baseline
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol, unroll
from rig.record.messages import Action, AppendRow, Armed, CloseFile, StopCamera, Stopped, StoreFrame, Tick
from rig.record.plan import plan_run
from rig.record.run import Run
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan, StepEnded
from rig.streams import BoxStatus, Frame, Pulse, Status
from rig.trigger.box import RunBegan, RunEnded
from tests.rigs import RIG, write_protocol

LINES = {"TOP": (0, 1), "LEFT": (1, 2), "RIGHT": (3, 5), "BACK": (5, 10), "WIDE": (7, 10)}
GROUP, BODY_GROUPS = 10, 30
WALK, RUN, S = 11, 12, 1_000_000_000
CAMERA = (
    "  {name}: {{backend: simulated, serial: SIM-{name}, line: {line}, divisor: {divisor}, exposure_us: 4000, "
    "width: 96, height: 64}}\n"
)
# From the drawing in trigger/box.py: slots of the preamble's and the postamble's groups, and of the body between.
SLOTS = [0, 1, 3, *range(6, 6 + BODY_GROUPS), *(6 + BODY_GROUPS + after for after in (2, 4, 5))]
PULSES = GROUP * len(SLOTS)
LOST = {"TOP": {77, 78, 200}, "LEFT": {90}, "RIGHT": {105, 110}, "BACK": {150}, "WIDE": {300}}


def due_ns(pulse: int) -> int:
    return (SLOTS[pulse // GROUP] * GROUP + pulse % GROUP) * S // 100


class Session:
    """A core that is told a whole session of five cameras, and what it asked for."""

    def __init__(self, folder: Path) -> None:
        head, _, tail = RIG.format(seed=3, faults="").partition("cameras:\n")
        cameras = "".join(CAMERA.format(name=n, line=line, divisor=divisor) for n, (line, divisor) in LINES.items())
        path = folder / "five.yaml"
        path.write_text(head + "cameras:\n" + cameras + tail[tail.index("screen:") :])
        protocol = read_protocol(write_protocol(folder, ("still", 2, "all"))).protocol
        plan = plan_run(read_rig(path).rig, unroll(protocol, list(LINES), {}))
        self.run = Run(plan, walk_id=WALK, run_id=RUN, box_name="box")
        self.now = S
        self.actions: list[Action] = self.run.begin()
        self._arm(0)
        self._walk()
        self._arm(1)
        self._record()

    def tell(self, event: object, at_ns: int | None = None) -> None:
        self.now = self.now + S // 1000 if at_ns is None else at_ns
        self.actions += self.run.step(event, self.now)

    def rows(self, path: str) -> list[tuple[object, ...]]:
        return [a.row for a in self.actions if isinstance(a, AppendRow) and a.path == path]

    def _arm(self, epoch: int) -> None:
        for name in LINES:
            self.tell(Armed(name, Baseline(epoch, 0, S, -1, "", {})))

    def _stop(self) -> None:
        for name in LINES:
            self.tell(Stopped(name, AtStop({})))

    def _walk(self) -> None:
        for name, (line, _) in LINES.items():
            for number in range(3 + 2 * line):
                self.tell(frame(name, 0, number, number * S // 10, self.now))
        self.tell(RunEnded(WALK, 45, 0, self.now))
        self.tell(Tick(), self.now + S)
        self._stop()

    def _record(self) -> None:
        self.tell(RunBegan(RUN, 0, self.now))
        begun, numbers = self.now, dict.fromkeys(LINES, 0)
        self.tell(Tick(), begun + S)
        self.tell(StepBegan(0, self.now))
        for pulse in range(PULSES):
            at = begun + S + due_ns(pulse)
            if pulse == (BODY_GROUPS + 2) * GROUP:  # the last group of the body runs
                self.tell(StepEnded(0, self.now, "time"))
            self.tell(Pulse(RUN, pulse, 1, due_ns(pulse) // 500, at), at)
            for name, (_, divisor) in LINES.items():
                if pulse % divisor == 0 and pulse not in LOST[name]:
                    self.tell(frame(name, 1, numbers[name], 5 * S + due_ns(pulse), at))
                    numbers[name] += 1
        self.tell(RunEnded(RUN, PULSES, 0, self.now))
        self.tell(BoxStatus(RUN, PULSES, 0, 0, 1, 0, 0, (0,) * 8, 0, 0))
        self._stop()


def frame(stream: str, epoch: int, number: int, ticks: int, arrived_ns: int) -> Frame:
    pixels = np.zeros((64, 96), np.uint8)
    return Frame(stream, epoch, number, ticks, -1, 4000.0, 0, Status.OK, "", arrived_ns, pixels, 0)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def test_every_frame_has_its_pulse_and_every_loss_its_gap(session: Session) -> None:
    for name, (_, divisor) in LINES.items():
        pulses = [row[4] for row in session.rows(f"/acquisition/{name}/frames")]
        assert pulses == [p for p in range(0, PULSES, divisor) if p not in LOST[name]]
        gaps = session.rows(f"/acquisition/{name}/gaps")
        assert {p for row in gaps for p in range(row[1], row[2] + 1, divisor)} == LOST[name]  # type: ignore[operator]


def test_all_17_frames_of_the_walk_of_line_7_are_kept(session: Session) -> None:
    stored = [a for a in session.actions if isinstance(a, StoreFrame) and a.path == "/line_walk/WIDE/data"]
    assert len(stored) == len(session.rows("/line_walk/WIDE/frames")) == 17


def test_it_ends_once_each_has_delivered_its_last_frame(session: Session) -> None:
    assert [a.stream for a in session.actions if isinstance(a, StopCamera)] == [*LINES, *LINES]
    assert [a for a in session.actions if isinstance(a, CloseFile)] == [CloseFile(Outcome.FINISHED)]
    assert session.run.alarms == [f"{name}: frames are being lost" for name in ("TOP", "LEFT", "RIGHT", "BACK", "WIDE")]
