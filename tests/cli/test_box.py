"""`rig box` as one types it: what it says of a simulated box, how it ends, and how it refuses."""

from __future__ import annotations

import errno
import json
import re
import shutil
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
from rig.cli.box.flash import _tell_of_udev_rules
from rig.cli.box.ping import _rows
from rig.cli.box.screen import Screen
from rig.config.rig import Rig, read_rig
from rig.errors import RigError
from rig.record.plan import pulse_plan
from rig.streams import BoxStatus, Edge
from rig.trigger.box import EventsLost
from rig.trigger.ping import ask
from rig.trigger.tally import Tally, timed_input
from rig.trigger.trial import run_box
from tests import commands
from tests.cli.virtual import Run, run_virtually
from tests.rigs import RIG
from tests.trigger.avrdude import MUTE, READ_328, installed, that_sleeps
from tests.trigger.benches import VirtualRig, virtual_rig
from tests.trigger.other_make import Capabilities, OtherMake, example
from tests.trigger.pty_box import OtherVersion, Thermometer, pty_box, simulated, that_is, that_runs
from tests.waiting import wait_for

__all__ = ["run_virtually"]


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


@pytest.mark.usefixtures("rig")
def test_ping_says_who_it_is_and_bounds_its_clock(run_virtually: Run) -> None:
    done = run_virtually("box", "ping", "--json")
    assert done.exit_code == 0, done.output
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


def told_by_other_make(capabilities: Capabilities) -> dict[str, str]:
    with virtual_rig() as virtual:
        return dict(_rows(ask(OtherMake(virtual.box, capabilities), virtual.clock), "/dev/x"))


def test_ping_says_what_a_box_of_another_make_declares_and_what_it_does_not() -> None:
    rows = told_by_other_make(example())
    assert rows["wire format"].count("not declared") == 3  # version, baud rate, events a second
    assert rows["wires"] == "2 trigger lines, 1 inputs"
    assert rows["can"] == "timed input"
    assert "ppm" in rows["its clock"]
    assert rows["when opened"] == "not told"


@pytest.mark.parametrize("capabilities", [{}, {"tick_hz": 0}])
def test_ping_of_a_box_that_declares_nothing_has_a_rate_all_the_same(capabilities: Capabilities) -> None:
    rows = told_by_other_make(capabilities)
    assert rows["wires"] == "trigger lines not declared, inputs not declared"
    assert (rows["can"], rows["cannot"]) == ("nothing", "-")
    low, high = (float(word) for word in re.findall(r"[+-]\d+", rows["its clock"]))
    assert low < 80 < high  # as virtual_rig's clock is


@pytest.mark.usefixtures("rig")
def test_monitor_ends_by_itself_and_says_lines_where_nothing_can_be_drawn(run_virtually: Run) -> None:
    done = run_virtually("box", "monitor", "--seconds", 1.5)
    assert done.exit_code == 0, done.output
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("SIMULATED  ")
    pulses = int(last.split()[1])
    assert 150 <= pulses <= 180  # with preamble, last group and postamble
    assert pulses % 4 == 0
    assert "HS 100.00  VIS 25.00  NIR 25.00" in last
    assert "events lost 0" in last
    assert "late edges 0" in last  # the report that the box gives after its end
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(  # Ctrl-C, a polite kill, a terminal that was closed: all are heard in one place
    ("command", "code", "number"),
    [("monitor", 0, signal.SIGINT), ("selftest", 1, signal.SIGTERM), ("monitor", 0, signal.SIGHUP)],
)
def test_whatever_asks_a_command_to_end_the_pulses_stop_in_order(
    command: str, code: int, number: int, tmp_path: Path
) -> None:
    box = simulated()
    with pty_box(box) as port:
        with commands.started("box", command, "--port", port, cwd=tmp_path) as running:
            wait_for(lambda: box.pulses_sent > 10)
            running.send_signal(number)
            _, said = running.communicate(timeout=commands.ENDS_WITHIN_S)
        assert box._running() is None
    assert running.returncode == code, said
    assert "Traceback" not in said
    assert box.pulses_sent % 4 == 0  # the group was completed
    assert ("nothing is judged" in said) == (command == "selftest")


@pytest.mark.parametrize("output", ["pipe", "full"])
def test_a_monitor_that_nobody_can_see_any_more_stops_the_pulses_in_order(output: str, tmp_path: Path) -> None:
    box = simulated()
    with pty_box(box) as port, Path("/dev/full").open("w") as full:
        arguments = [sys.executable, "-m", "rig", "box", "monitor", "--port", port]
        to = subprocess.PIPE if output == "pipe" else full
        running = subprocess.Popen(arguments, stdout=to, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        if running.stdout:  # as `| head -1` does
            running.stdout.readline()
            running.stdout.close()
        assert running.stderr is not None
        with running.stderr:
            assert running.wait(commands.ENDS_WITHIN_S) == 0
            assert "Traceback" not in running.stderr.read()
        assert box._running() is None
    assert box.pulses_sent > 0
    assert box.pulses_sent % 4 == 0


def watched(virtual: VirtualRig, rig: Rig, *more: object) -> tuple[Screen, Tally]:
    plan, _ = pulse_plan(rig)
    tally = Tally(plan.period_ticks, timed_input(virtual.box.describe()))
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
    assert "pulses on plan: 0 ticks off, by the box's own word" in text
    assert "jitter: no timed edge: not measured" in text
    assert "Ctrl-C" not in text  # it has ended


def test_the_screen_says_how_to_end_as_long_as_there_is_something_to_end(rig: Path) -> None:
    with virtual_rig() as virtual:
        screen, _ = watched(virtual, read_rig(rig).rig)
    assert "Ctrl-C ends the run in order" in printed(screen.drawn(Tally(20_000)))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("{}", "jitter: 1.5 us peak to peak over 3 edges of input 5"),
        ("{HS: 5}", "jitter: 1.5 us peak to peak over 3 edges of HS"),
        ("{photodiode: 5}", "jitter: no timed edge of a pulse, photodiode is there: not measured"),
    ],
)
def test_jitter_is_told_of_timed_edges_and_not_of_the_film(rig: Path, inputs: str, words: str) -> None:
    rig.write_text(
        rig.read_text()
        .replace("rate_hz: 100", f"rate_hz: 100, inputs: {inputs}")
        .replace("loop_back: 5", "loop_back: 4")
    )
    edges = [Edge(1, 5, 1, 0, 20_000 * n + off, 0) for n, off in enumerate((0, 3, 1))]
    with virtual_rig() as virtual:
        screen, tally = watched(virtual, read_rig(rig).rig, *edges)
    assert words in printed(screen.drawn(tally))
    assert words in screen.line(tally)


@pytest.mark.parametrize("capabilities", [example(), {}])
def test_the_screen_of_a_box_of_another_make_shows_what_was_seen(rig: Path, capabilities: Capabilities) -> None:
    rig.write_text(rig.read_text().replace("rate_hz: 100", "rate_hz: 100, inputs: {photodiode: 0}"))
    model = read_rig(rig).rig
    with virtual_rig() as virtual:
        _, tally = watched(virtual, model, *(Edge(1, 0, 1, 0, ticks, 0) for ticks in (0, 20_000)))
        info = OtherMake(virtual.box, capabilities).describe()
        screen = Screen(info, pulse_plan(model)[0], model)
    assert re.search(r"0 +photodiode +2 +0 +10\.000 +10\.000 ", printed(screen.drawn(tally)))
    assert "HS 100.00  VIS 25.00  NIR 25.00" in screen.line(tally)


def test_what_is_not_as_it_should_be_is_red(rig: Path) -> None:
    bad = BoxStatus(1, 0, 0, 0, 0, 3, 0, (0,) * 8, 0, 0)
    with virtual_rig() as virtual:
        screen, tally = watched(virtual, read_rig(rig).rig)
        assert all(is_good for _, _, is_good in screen._health(tally))
        tally.take(bad)
        tally.take(EventsLost(0, 2))
        assert [name for name, _, is_good in screen._health(tally) if not is_good] == ["events lost", "late edges"]


@pytest.mark.usefixtures("rig")
def test_selftest_passes_on_a_wired_box(run_virtually: Run) -> None:
    done = run_virtually("box", "selftest", "--seconds", 2, "--json")
    results = json.loads(done.stdout)
    assert {result["name"]: result["word"] for result in results if result["word"] != "PASS"} == {}
    assert done.exit_code == 0


def test_selftest_without_a_wire_ends_with_1_and_names_the_pins(rig: Path, run_virtually: Run) -> None:
    rig.write_text(rig.read_text().replace("  loop_back: 5\n", ""))
    done = run_virtually("box", "selftest", "--seconds", 1)
    assert done.exit_code == 1, done.output
    assert "FAIL" in done.stdout
    assert "line 0 (D4) with input 5 (D8)" in " ".join(done.stdout.split())


@pytest.mark.usefixtures("rig")
def test_selftest_names_the_camera_of_each_line(run_virtually: Run) -> None:
    """In real time its verdict is that on the computer, too: see rig.selftest.cameras."""
    done = run_virtually("box", "selftest", "--cameras")
    assert done.exit_code == 0, done.output
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


@pytest.mark.parametrize("command", ["ping", "monitor", "flash", "selftest"])
@pytest.mark.parametrize(("options", "baud"), [((), 115_200), (("--baud", "250000"), 250_000)])
def test_a_box_with_its_jumper_is_reached_without_a_rig(
    command: str, options: tuple[str, ...], baud: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_at: list[int] = []

    def no_port(_: str, *, baudrate: int, **__: object) -> None:
        opened_at.append(baudrate)
        raise FileNotFoundError(errno.ENOENT, "no such port")

    installed(tmp_path / "bin", monkeypatch)
    monkeypatch.setattr("rig.trigger.port.serial.serial_for_url", no_port)
    assert "no such port" in refused(command, "--port", "/dev/x", *options)
    assert opened_at == [baud]


@pytest.mark.parametrize("options", [(), ("--rig", "small")])
def test_the_baud_rate_of_a_rig_stands_in_its_rig_yaml(
    options: tuple[str, ...], rig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused("ping", *options, "--baud", "250000")
    assert said == "--baud: is allowed with --port only. Of a rig, box.baud in its rig.yaml counts"


def test_a_port_that_is_not_there_is_answered_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [SimpleNamespace(device=d, description=n) for d, n in (("/dev/ttyS0", "n/a"), ("/dev/ttyACM0", "Uno R3"))]
    monkeypatch.setattr("rig.trigger.port.comports", lambda: iter(there))
    assert "no such port; there are: /dev/ttyACM0 (Uno R3). Plug" in refused("ping", "--port", "/dev/ttyNOWHERE")


def test_cameras_without_a_rig_are_refused() -> None:
    assert "needs a rig.yaml" in refused("selftest", "--cameras", "--port", "/dev/x")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--seconds", "10"), "--cameras and --seconds:"),
        (("--input", "0"), "--cameras and --input:"),
        (("--input", "3", "--seconds", "5"), "--cameras and --seconds and --input:"),
    ],
)
def test_options_of_the_wire_are_refused_with_cameras(
    options: tuple[str, ...], named: str, rig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused("selftest", "--cameras", *options).startswith(f"{named} are not allowed together")


def test_flash_of_a_simulated_rig_asks_for_a_port(rig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused("flash", "--rig", "small").endswith(": rig box flash needs a board at a serial port. Give --port")


def test_a_mistake_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    assert commands.refused("box", "ping", "--port", "/dev/ttyNOWHERE", cwd=tmp_path).startswith("rig: trigger box at")


def test_flash_writes_and_says_what_is_there_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(simulated(seed=3)) as port:
        done = commands.run("box", "flash", "--port", port, "--yes", "--bootloader", "old", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\nnow: simulated box, serial SIM3, firmware 1.0.0" in done.stdout
    asks, writes = avrdude.asked
    assert "signature:r:-:h" in asks
    assert writes[-1].endswith("/rig/trigger/firmware/box.hex:i")
    assert all(asked[asked.index("-b") + 1] == "57600" for asked in (asks, writes))


def flashed(port: str, *options: str, answer: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`rig box flash`, with an answer typed in."""
    command = [sys.executable, "-m", "rig", "box", "flash", "--port", port, *options]
    return subprocess.run(
        command, cwd=cwd, input=answer, capture_output=True, text=True, timeout=commands.ENDS_WITHIN_S, check=False
    )


def test_flash_asks_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(simulated()) as port:
        done = flashed(port, answer="n\n", cwd=tmp_path)
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


@pytest.mark.parametrize(
    ("number", "asleep", "words"),
    [
        (signal.SIGINT, "signature:", "nothing was written"),
        (signal.SIGTERM, "flash:", "may be half written now. Give the same"),
        (signal.SIGHUP, "flash:", "may be half written now. Give the same"),
    ],
)
def test_avrdude_does_not_go_on_alone_and_what_the_board_is_left_with_is_said(
    number: int, asleep: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = that_sleeps(installed(tmp_path / "bin", monkeypatch), when=asleep)
    flash = ("box", "flash", "--yes", "--port")
    with pty_box(simulated()) as port, commands.started(*flash, port, cwd=tmp_path) as running:
        wait_for(pids.exists)
        wait_for(lambda: len(pids.read_text().split()) == 2)
        running.send_signal(number)
        _, said = running.communicate(timeout=commands.ENDS_WITHIN_S)
    assert (running.returncode, "Traceback" in said) == (2, False), said
    assert words in " ".join(said.split())
    wait_for(lambda: not any(Path("/proc", pid, "exe").exists() for pid in pids.read_text().split()))


def test_flash_leaves_a_box_alone_that_sends_pulses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(that_runs(77)) as port:
        assert "is sending pulses (run 77)" in commands.refused("box", "flash", "--port", port, "--yes", cwd=tmp_path)
    assert avrdude.asked == []


def test_flash_touches_a_stranger_only_when_the_question_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(that_is(Thermometer)) as port:
        done = flashed(port, "--yes", answer="n\n", cwd=tmp_path)
        assert "at 115200 baud that are no answer of a trigger box" in " ".join(done.stdout.split())
        assert "Another baud rate (--baud), or another device?" in done.stdout
        assert (done.returncode, avrdude.asked) == (1, [])


def test_flash_says_that_another_version_is_there_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avrdude = installed(tmp_path / "bin", monkeypatch)
    with pty_box(that_is(OtherVersion)) as port:
        done = flashed(port, "--yes", answer="", cwd=tmp_path)
    assert "a trigger box of another version: it speaks version 2" in " ".join(done.stdout.split())
    assert len(avrdude.asked) == 2
    assert done.returncode == 2  # the stand-in for avrdude has not changed what answers
    assert "was written, but: a trigger box of another version" in done.stderr


def test_flash_names_the_udev_rules_of_this_installation_until_they_are_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _tell_of_udev_rules(tmp_path)
    told = re.search(r"sudo cp (\S+) (\S+)/$", capsys.readouterr().out, re.MULTILINE)
    assert told is not None
    copied = shutil.copy(told[1], told[2])
    assert 'SYMLINK+="rig-box"' in Path(copied).read_text()
    _tell_of_udev_rules(tmp_path)
    assert capsys.readouterr().out == ""
