"""Operator's terminal and window of a real recording are killed: it is told, and no frame is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rig
from rig.channel import Client
from rig.clock import NS, HostClock
from tests.check.test_displays import SIMULATED
from tests.commands import start
from tests.journeys.test_closed_terminal import ENDS_WITHIN_S, killed, wait_for
from tests.operate.test_terminal import Operator
from tests.rigs import write_protocol, write_rig

WINDOW = "{backend: psychopy, display: virtual, width: 480, height: 270, refresh_hz: 60, patch_px: 40}"
TOLD_WITHIN_NS = NS
CLOCK = HostClock()


def stimulus_of(recorder: int) -> int:
    """The process of the window."""
    tasks = Path(f"/proc/{recorder}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    (found,) = (int(c) for c in children if "rig.stimulus.child" in Path(f"/proc/{c}/cmdline").read_text())
    return found


def heard(client: Client, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first state of which something holds."""
    until = CLOCK.now_ns() + ENDS_WITHIN_S * NS
    while CLOCK.now_ns() < until:
        for message in client.receive(1.0):
            state: dict[str, Any] = message.get("state", {})
            if state and is_it(state):
                return state
    raise AssertionError("never told")


def lead_and_kill(recorder: int, session: Path, folder: Path) -> int:
    """Kill the operator's terminal, then the window; when that was, by the host clock, ns."""
    operator = Operator(session, cwd=folder)
    assert operator.sees("RECORDING baseline")
    operator.process.kill()
    operator.close()
    with Client(session, "observer") as client:
        heard(client, lambda state: state["kind"] == "baseline")
        killed_ns = CLOCK.now_ns()
        os.kill(stimulus_of(recorder), signal.SIGKILL)
        told = heard(client, lambda state: any(alarm.startswith("screen") for alarm in state["alarms"]))
        heard(client, lambda state: state["streams"]["HS"]["arrived"] > told["streams"]["HS"]["arrived"] + 50)
    return killed_ns


def test_neither_costs_a_frame_and_the_dead_window_is_told_within_a_second(tmp_path: Path) -> None:
    rig_file, protocol = write_rig(tmp_path), write_protocol(tmp_path, ("still", 300, "all"))
    rig_file.write_text(rig_file.read_text().replace(SIMULATED, WINDOW))
    recorder = start("record", protocol, "--rig", rig_file, "--subject", "001", cwd=tmp_path)
    session = tmp_path / "sessions/sub-001/ses-01"
    with recorder, killed(recorder):
        wait_for(lambda: (session / "channel.json").exists())
        killed_ns = lead_and_kill(recorder.pid, session, tmp_path)
        recorder.send_signal(signal.SIGINT)
        said, _ = recorder.communicate(timeout=ENDS_WITHIN_S)
    assert (recorder.returncode, "outcome: device_lost" in said) == (1, True), said
    with rig.open(session) as opened:
        alarms = [entry for entry in opened.log if entry["kind"] == "alarm" and entry["stream"] == "screen"]
        assert 0 < alarms[0]["host_ns"] - killed_ns < TOLD_WITHIN_NS, alarms
        assert [len(stream.gaps) for stream in opened.streams.values()] == [0, 0, 0]
        last_ns = max(int(stream.frames["arrived_host_ns"].max()) for stream in opened.streams.values())
        assert last_ns > alarms[0]["host_ns"]
