"""Five cameras with divisors 1, 2, 5, 10 and 10: no stream is known by its name, from the core to the contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rig import open as rig_open
from rig import wiring
from rig.cameras.camera import AtStop, Baseline
from rig.cli.info import describe
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.elicitation.unroll import unroll
from rig.export.contact_sheet import contact_sheet
from rig.record.messages import Action, AppendRow, Armed, CloseFile, StopCamera, Stopped, StoreFrame, Tick
from rig.record.plan import plan_run
from rig.record.recording import Recorded
from rig.record.run import Run
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.run import Run as RunFile
from rig.sim.faults import extras, lost_pulses, read_truth
from rig.stimulus.screen import StepBegan, StepEnded
from rig.streams import NO_PULSE, BoxStatus, Frame, Pulse, Status
from rig.trigger.box import RunBegan, RunEnded
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.burnt_in import burnt_in_number
from tests.record.eight_lines import EightLines
from tests.rigs import RIG, record, write_protocol, write_rig

LINES = {"TOP": (0, 1), "LEFT": (1, 2), "RIGHT": (3, 5), "BACK": (5, 10), "WIDE": (7, 10)}
GROUP, BODY_GROUPS = 10, 30
WALK, RUN, S = 11, 12, 1_000_000_000
CAMERA = (
    "  {name}: {{backend: simulated, serial: SIM-{name}, line: {line}, divisor: {divisor}, exposure_us: 4000, "
    "start_delay_us: 0, width: 96, height: 64}}\n"
)
# From the drawing in trigger/box.py: slots of the preamble's and the postamble's groups, and of the body between.
SLOTS = [0, 1, 3, *range(6, 6 + BODY_GROUPS), *(6 + BODY_GROUPS + after for after in (2, 4, 5))]
PULSES = GROUP * len(SLOTS)
LOST = {"TOP": {77, 78, 200}, "LEFT": {90}, "RIGHT": {105, 110}, "BACK": {150}, "WIDE": {300}}


def due_ns(pulse: int) -> int:
    return (SLOTS[pulse // GROUP] * GROUP + pulse % GROUP) * S // 100


def five_cameras(folder: Path, lines: dict[str, tuple[int, int]], faults: str = "") -> Path:
    """A rig.yaml with a camera for each of `lines`: line and divisor by stream."""
    head, _, tail = RIG.format(seed=3, faults=faults).partition("cameras:\n")
    cameras = "".join(CAMERA.format(name=n, line=line, divisor=divisor) for n, (line, divisor) in lines.items())
    path = folder / "five.yaml"
    path.write_text(head + "cameras:\n" + cameras + tail[tail.index("screen:") :])
    return path


class Session:
    """A core that is told a whole session of five cameras, and what it asked for."""

    def __init__(self, folder: Path) -> None:
        path = five_cameras(folder, LINES)
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
        for pulse in range(PULSES):
            at = begun + S // 10 + due_ns(pulse)
            if pulse == 3 * GROUP:  # the preamble is over
                self.tell(Tick(), at)
                self.tell(StepBegan(0, at))
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
    alarms = [alarm.split(": ")[0] for alarm in session.run.alarms]
    assert alarms == ["TOP", "LEFT", "RIGHT", "BACK", "WIDE"]


FIVE = {name: (line, divisor) for line, (name, (_, divisor)) in enumerate(LINES.items())}
FAULTS = "lost_frames: 2, lost_pulses: 2, duplicate_frames: 1, first_pulse: 100, last_pulse: 400"


@pytest.fixture
def eight_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The box of this project has three lines; that of another make, behind the same seam, has eight."""
    monkeypatch.setattr("rig.sim.world.SimulatedBox", EightLines)
    monkeypatch.setitem(wiring.BOXES, "serial", "tests.record.eight_lines:OtherBox")


@pytest.mark.usefixtures("eight_lines")
def test_five_cameras_on_a_box_of_another_make_are_recorded_and_judged(tmp_path: Path) -> None:
    came = record(tmp_path, five_cameras(tmp_path, FIVE, FAULTS), write_protocol(tmp_path, ("still", 5, "all")))
    assert came.outcome is Outcome.FINISHED
    truth = read_truth(beside(came.path, "truth.jsonl"))
    with RunFile(came.path) as run:
        assert list(run.streams) == list(FIVE)
        for name, (line, divisor) in FIVE.items():
            stream, lost = run.streams[name], lost_pulses(truth, name)
            assert len(run.walk_streams[name].frames) == 3 + 2 * line
            assert [p for g in stream.gaps for p in range(g["first_pulse"], g["last_pulse"] + 1, divisor)] == lost
            burnt = np.array([burnt_in_number(picture) for picture in stream.data])
            known = stream.pulse_numbers != NO_PULSE
            np.testing.assert_array_equal(stream.pulse_numbers[known], burnt[known])
            assert sorted({*burnt.tolist(), *lost}) == list(range(0, len(run.pulses), divisor))
        findings = verify_run(run).findings
    lossy = {name for name in FIVE if lost_pulses(truth, name)}
    assert {f.stream for f in findings if f.check == "frames" and f.word is Word.FAIL} == lossy
    assert {f.stream for f in findings if f.check == "extras" and f.word is Word.WARN} == {
        name for name in FIVE if extras(truth, name)
    }
    for check in ("recount", "checksums", "evidence", "line walk", "preamble", "postamble", "pulses"):
        assert {f.word for f in findings if f.check == check} == {Word.PASS}
    with rig_open(came.path.parent) as session:
        assert list(describe(session)["runs"][0]["streams"]) == list(FIVE)
        sheet = contact_sheet(session, instants=2)
    assert sheet.width == 16 + 6 * (320 + 8)  # five cameras and the screen


def words_of(came: Recorded) -> dict[str, set[Word]]:
    """What a session's verdict says, by check."""
    words: dict[str, set[Word]] = {}
    with RunFile(came.path) as run:
        for finding in verify_run(run).findings:
            words.setdefault(finding.check, set()).add(finding.word)
    return words


def test_five_cameras_without_a_fault_get_the_verdict_that_three_get(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    protocol = write_protocol(tmp_path, ("still", 5, "all"))
    three = words_of(record(tmp_path, write_rig(tmp_path), protocol))
    request.getfixturevalue("eight_lines")
    five = words_of(record(tmp_path, five_cameras(tmp_path, FIVE), protocol))
    assert five == three
    assert Word.FAIL not in set().union(*five.values())
