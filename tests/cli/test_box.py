"""`rig box` as one types it: what it says of a simulated box, how it ends, and how it refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from rig.cli.app import app
from rig.cli.box.ping import _rows
from rig.cli.box.screen import Screen
from rig.config.rig import Rig, read_rig
from rig.errors import RigError
from rig.record.plan import pulse_plan
from rig.streams import BoxStatus, Edge
from rig.trigger.box import EventsLost
from rig.trigger.ping import ask
from rig.trigger.tally import Tally
from rig.trigger.trial import run_box
from tests import commands
from tests.rigs import RIG
from tests.trigger.avrdude import MUTE, READ_328, installed
from tests.trigger.benches import VirtualRig, virtual_rig
from tests.trigger.pty_box import pty_box, simulated, that_runs


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """A rig.yaml with a loop-back wire, the only one in the calibration folder of tmp_path."""
    path = tmp_path / "calibration" / "small" / "rig.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(RIG.format(seed=1, faults="").replace("  faults: {}\n", "  loop_back: 5\n"))
    return path


def printed(renderable: object, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(renderable)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_ping_says_who_it_is_and_bounds_its_clock(rig: Path, tmp_path: Path) -> None:
    done = commands.run("box", "ping", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["model"], told["serial"], told["simulated"]) == ("simulated box", "SIM1", True)
    assert (told["boots"], told["boot_cause"], told["run_id"]) == (1, "power on", 0)
    assert told["pings_answered"] == 10
    assert 0 < told["round_trip_shortest_us"] <= told["round_trip_median_us"]
    assert told["rate_low_ppm"] < 80 < told["rate_high_ppm"]  # box_ppm of the simulation, when nothing else is said


def test_ping_of_a_box_without_a_rig_says_simulated_in_big_letters(tmp_path: Path) -> None:
    with pty_box(simulated(seed=5)) as port:
        done = commands.run("box", "ping", "--port", port, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "S I M U L A T E D" in done.stdout
    assert "serial SIM5" in done.stdout
    assert f"port         {port}" in done.stdout


def test_ping_says_each_ability_that_is_there_or_not_and_a_run_that_is_being_sent() -> None:
    with virtual_rig() as virtual:
        answers = ask(virtual.box, virtual.clock)
    lacking = {**answers.info.capabilities, "walk": False}
    rows = dict(_rows(replace(answers, info=replace(answers.info, capabilities=lacking), run_id=77), "sim://x"))
    assert "record" in rows["can"].split(", ")
    assert rows["cannot"] == "walk"
    assert "simulated" not in rows["can"]
    assert rows["when opened"] == "was sending run 77"


def test_monitor_ends_by_itself_and_says_lines_where_nothing_can_be_drawn(rig: Path, tmp_path: Path) -> None:
    done = commands.run("box", "monitor", "--seconds", 1.5, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("SIMULATED  ")
    pulses = int(last.split()[1])
    assert 150 <= pulses <= 190
    assert pulses % 4 == 0
    assert "HS 100.00  VIS 25.00  NIR 25.00" in last
    assert "events lost 0" in last
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_monitor_that_is_interrupted_stops_the_pulses_in_order(rig: Path, tmp_path: Path, number: int) -> None:
    running = commands.start("box", "monitor", cwd=tmp_path)
    assert running.stdout is not None
    line = running.stdout.readline()
    running.send_signal(number)
    rest, said = running.communicate(timeout=30)
    assert running.returncode == 0, said
    assert "Traceback" not in said
    last = (line + rest).splitlines()[-1]
    assert int(last.split()[1]) % 4 == 0  # the group was completed
    assert "late edges 0" in last  # the report that the box gives after its end


def watched(virtual: VirtualRig, rig: Rig, *more: object) -> tuple[Screen, Tally]:
    plan, _ = pulse_plan(rig)
    tally = Tally(plan.period_ticks)
    for event in [*run_box(virtual.box, virtual.clock, plan, lambda sent_s: sent_s >= 2), *more]:
        tally.take(event)  # type: ignore[arg-type]
    return Screen(virtual.box.describe(), plan, rig), tally


def test_the_screen_shows_each_line_with_its_camera_and_each_input_with_its_signal(rig: Path) -> None:
    rig.write_text(rig.read_text().replace("rate_hz: 100", "rate_hz: 100, inputs: {photodiode: 4}"))
    model = read_rig(rig).rig
    edges = [Edge(1, 4, level, 0, ticks, 0) for ticks, level in ((0, 1), (4000, 0), (20_000, 1), (60_000, 1))]
    with virtual_rig() as virtual:
        screen, tally = watched(virtual, model, *edges)
        text = printed(screen.drawn(tally))
        sent = virtual.sim.pulses_sent
    assert "SIMULATED" in text
    assert f"ended after {sent} pulses" in text
    assert re.search(rf"0 +HS +{sent} +100\.00 ", text)
    assert re.search(rf"1 +VIS +{sent // 4} +25\.00 ", text)
    assert re.search(r"4 +photodiode +3 +1 +20\.000 +15\.000 ", text)
    assert re.search(r"jitter +0 ticks", text)


def test_what_is_not_as_it_should_be_is_red(rig: Path) -> None:
    bad = BoxStatus(1, 0, 0, 0, 0, 3, 0, (0,) * 8, 0, 0)
    with virtual_rig() as virtual:
        screen, tally = watched(virtual, read_rig(rig).rig)
        assert all(is_good for _, _, is_good in screen._health(tally))
        tally.take(bad)
        tally.take(EventsLost(0, 2))
        assert [name for name, _, is_good in screen._health(tally) if not is_good] == ["events lost", "late edges"]


def test_selftest_passes_on_a_wired_box(rig: Path, tmp_path: Path) -> None:
    done = commands.run("box", "selftest", "--seconds", 2, "--json", cwd=tmp_path)
    results = json.loads(done.stdout)
    assert {result["name"]: result["word"] for result in results if result["word"] != "PASS"} == {}
    assert done.returncode == 0


def test_selftest_without_a_wire_ends_with_1_and_names_the_pins(rig: Path, tmp_path: Path) -> None:
    rig.write_text(rig.read_text().replace("  loop_back: 5\n", ""))
    done = commands.run("box", "selftest", "--seconds", 1, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "FAIL" in done.stdout
    assert "line 0 (D4) with input 5 (D8)" in " ".join(done.stdout.split())


def test_selftest_names_the_camera_of_each_line(rig: Path, tmp_path: Path) -> None:
    done = commands.run("box", "selftest", "--cameras", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("HS exposed 3 of 3", "VIS exposed 5 of 5", "NIR exposed 7 of 7"):
        assert words in done.stdout


def refused(*arguments: str) -> str:
    with pytest.raises(RigError) as raised:
        app(["box", *arguments], standalone_mode=False)
    return str(raised.value)


@pytest.mark.parametrize("command", ["ping", "monitor", "flash", "selftest"])
def test_what_cannot_be_is_one_message(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "bin", monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert "are not allowed together" in refused(command, "--rig", "small", "--port", "/dev/x")
    assert refused(command, "--port", "/dev/ttyNOWHERE").startswith("trigger box at /dev/ttyNOWHERE: no such port")
    assert "sim://small is no port of this machine" in refused(command, "--port", "sim://small")


def test_a_port_that_is_not_there_is_answered_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [SimpleNamespace(device=d, description=n) for d, n in (("/dev/ttyS0", "n/a"), ("/dev/ttyACM0", "Uno R3"))]
    monkeypatch.setattr("rig.trigger.port.comports", lambda: iter(there))
    assert "no such port; there are: /dev/ttyACM0 (Uno R3). Plug" in refused("ping", "--port", "/dev/ttyNOWHERE")


def test_cameras_without_a_rig_are_refused() -> None:
    assert "needs a rig.yaml" in refused("selftest", "--cameras", "--port", "/dev/x")


def test_a_mistake_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    assert commands.refused("box", "ping", "--port", "/dev/ttyNOWHERE", cwd=tmp_path).startswith("rig: trigger box at")


def test_flash_writes_and_says_what_is_there_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(simulated(seed=3)) as port:
        done = commands.run("box", "flash", "--port", port, "--yes", "--bootloader", "old", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("now: simulated box, serial SIM3, firmware 1.0.0")
    asks, writes = avrdude.asked
    assert "signature:r:-:h" in asks
    assert writes[-1].endswith("/rig/trigger/firmware/box.hex:i")
    assert all(asked[asked.index("-b") + 1] == "57600" for asked in (asks, writes))


def test_flash_asks_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(simulated()) as port:
        command = [sys.executable, "-m", "rig", "box", "flash", "--port", port]
        done = subprocess.run(
            command, cwd=tmp_path, input="n\n", capture_output=True, text=True, timeout=30, check=False
        )
    assert "Write the firmware onto this board?" in done.stdout
    assert done.returncode == 1
    assert len(avrdude.asked) == 1


@pytest.mark.parametrize(("read", "words"), [(READ_328, "ATmega328 without P"), (MUTE, "--bootloader old")])
def test_flash_writes_nothing_onto_a_board_that_is_not_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: tuple[str, str, int], words: str
) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    avrdude.answers(read=read)
    with pty_box(simulated()) as port:
        assert words in commands.refused("box", "flash", "--port", port, "--yes", cwd=tmp_path)
    assert len(avrdude.asked) == 1


def test_flash_leaves_a_box_alone_that_sends_pulses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(that_runs(77)) as port:
        assert "is sending pulses (run 77)" in commands.refused("box", "flash", "--port", port, "--yes", cwd=tmp_path)
    assert avrdude.asked == []
