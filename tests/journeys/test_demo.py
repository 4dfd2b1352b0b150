"""The demo's own rig and protocol: in virtual time, and in a real PsychoPy window on a screen of the rig's own."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest

import rig
from rig.config.find import find_protocol, find_rig
from rig.config.rig import read_rig
from rig.record.run import SCREEN_IS_LOST
from rig.sim.script import script
from rig.stimulus.display import start_virtual
from rig.stimulus.pages.page import Page, look_of
from rig.verify.findings import Word
from rig.verify.screen.film import check_film_frames
from tests import commands
from tests.rigs import QUESTION

DEMO = ("record", "demo", "--rig", "demo", "--subject", "001", "--participant", "scripted")
CLIPS = {"clip1": 132, "clip2": 250}  # film frames of the two clips, as any player counts them


def _films_shown(path: Path) -> dict[str, set[int]]:
    with h5py.File(path) as run:
        flips = run["/stimulus/presentation/flips"][:]
        steps = json.loads(run["/config/steps"][()])
    names = {step["index"]: step["name"] for step in steps}
    return {
        name: set(flips["film_frame"][flips["step"] == index].tolist()) - {-1}
        for index, name in names.items()
        if name in CLIPS
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo in virtual time: the folder of its session, and what was printed."""
    out = tmp_path_factory.mktemp("demo")
    done = commands.run(*DEMO, "--speed", "max", "--out", out, cwd=out)
    assert done.returncode == 0, done.stderr
    return out / "sub-001/ses-01", done.stdout


def test_the_demo_in_virtual_time_is_complete(demo, tmp_path):
    folder, said = demo
    assert f"session: {folder}" in said
    assert "rig verify" in said
    judged = commands.run("verify", folder, "--json", cwd=tmp_path)
    assert judged.returncode == 0, judged.stdout
    (path,) = folder.glob("*_session.h5")
    assert _films_shown(path) == {name: set(range(n)) for name, n in CLIPS.items()}
    with rig.open(folder) as session:
        steps = session.trials["step"].tolist()
        lengths_s = (session.trials["ended_host_ns"] - session.trials["onset_host_ns"]) / 1e9
    assert steps == list(range(8))
    assert lengths_s[[1, 2, 5]].tolist() == pytest.approx([3.0, 132 / 25, 250 / 25], abs=0.05)
    assert len(list(folder.glob("*_verdict.json"))) == 1
    assert len(list(folder.glob("*_overview.png"))) == 1


def _scripted(steps):
    """What the participant of the demo answers, by its seed: not to what only ends an instruction."""
    screen = read_rig(find_rig("demo")).rig.screen
    size, look = (screen.width, screen.height), look_of(screen)
    asked = [step for step in steps if step.kind == "question"]
    return {given.question: given.answer for s in asked for given in script(s, 1, Page(s, size, look).boxes).answers}


def test_the_demos_file_holds_everything_that_happened(demo):
    """Group by group, against what is known without the file: the script, the films, the drawing of the pulses."""
    folder, said = demo
    last = [line for line in said.splitlines() if " s  SIMULATED " in line and "8/8 report2-strength" in line][-1]
    assert all(f"{name} " in last for name in ("HS", "VIS", "NIR"))
    with rig.open(folder) as session:
        run = session.runs[0]
        answered = {answer["question"]: answer["answer"] for answer in run.answers}
        assert answered == _scripted(run.steps)
        inputs = run.edges["input"].tolist()
        assert inputs.count(5) == sum(CLIPS.values())  # the photodiode: one a film frame
        exposures = {number: inputs.count(number) for number in set(inputs) - {5}}  # of HS, VIS and NIR: begin and end
        walked = {name: len(run.walk_streams[name].frames) for name in run.streams}
        frames = {name: walked[name] + len(stream.frames) for name, stream in run.streams.items()}
        assert exposures == {number: 2 * frames[name] for number, name in enumerate(("HS", "VIS", "NIR"))}
        assert {"python", "numpy", "h5py", "psychopy", "rig"} <= set(json.loads(run.config("versions")))
        assert all(device["simulated"] for device in run.devices.values())
        assert (run.is_simulated, run.subject, run.rig, run.protocol) == (True, "001", "demo", "demo")
        assert {stream: len(run.walk_streams[stream].frames) for stream in run.walk_streams} == {
            "HS": 3,
            "VIS": 5,
            "NIR": 7,
        }
        assert int(run.syncs["frames"].sum()) >= 0.9 * sum(len(stream.frames) for stream in run.streams.values())
        assert [note["kind"] for note in run.log].count("armed") == 6
        assert run.log[-1]["outcome"] == "finished"


@contextmanager
def _started_demo(tmp_path: Path, until: str, protocol: object = "demo"):
    """A demo under way in its window, from the first status line that holds `until`."""
    with commands.started("record", protocol, *DEMO[2:], "--out", tmp_path, cwd=tmp_path) as process:
        assert process.stdout is not None
        while until not in (line := process.stdout.readline()):
            assert line, process.stderr and process.stderr.read()
        yield process


def test_ctrl_c_in_the_middle_of_a_film_ends_in_order(tmp_path):
    with _started_demo(tmp_path, "clip1") as process:
        assert "clip1" in [process.stdout.readline() for _ in range(2)][-1]  # a line a second
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0, err
    assert "outcome: stopped" in out
    with rig.open(tmp_path / "sub-001/ses-01") as session:
        run = session.runs[0]
        assert len(run.pulses) % 4 == 0
        assert [len(run.streams[s].gaps) for s in ("HS", "VIS", "NIR")] == [0, 0, 0]
        assert session.at(clip="clip1", seconds=0.5).film.clip == "bunny"


def test_a_dead_window_does_not_end_the_recording_nor_take_answers_with_it(tmp_path):
    head, _, _ = find_protocol("demo").read_text().partition("blocks:\n")
    asked_first = tmp_path / "asked-first.yaml"
    asked_first.write_text(f"{head}blocks:\n{QUESTION}  - {{kind: clip, name: clip1, clip: bunny}}\n")
    with _started_demo(tmp_path, "clip1", asked_first) as process:
        os.kill(_child_running("rig.stimulus.child", process.pid), signal.SIGKILL)
        lost = next(line for line in process.stdout if SCREEN_IS_LOST in line)
        later = (process.stdout.readline() for _ in range(60))  # one a second
        assert any(_frames_in(line) > _frames_in(lost) + 150 for line in later), "frames go on"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 1
    assert "ALARM" in out
    assert "rig.stimulus.child" in out
    logs = list((tmp_path / "sub-001/ses-01").glob("*_stimulus.log"))
    assert len(logs) == 1, "what the window printed lies beside the run"
    assert "to end it in order press Ctrl-C in rig record, or e in rig operate" in out
    assert f"log:     {logs[0]}" in out
    with rig.open(tmp_path / "sub-001/ses-01") as session:
        run = session.runs[0]
        assert str(run.outcome) == "device_lost"
        assert len(session.streams["HS"].gaps) == 0
        given = {answer["question"]: answer["answer"] for answer in run.answers}
        assert given == _scripted(run.steps) != {}, (
            "answers are in the file as they are given, whatever comes of the window"
        )
        _what_a_dead_window_showed_is_not_known(session)


def _what_a_dead_window_showed_is_not_known(session):
    """At the last flip that it told of there is a film frame, and none at any time after."""
    line = session.timelines[0]
    last = line.run.flips[-1]
    shown = line.on_screen(int(last["host_ns"]))
    assert (shown.clip, shown.film_frame) == ("bunny", last["film_frame"])
    end_ns = line.start_host_ns + line.length_ns
    assert end_ns - last["host_ns"] > 2e9
    for host_ns in range(int(last["host_ns"]) + 50_000_000, end_ns, 100_000_000):
        after = line.on_screen(host_ns)
        assert (after.clip, after.reason) == (None, "the window was lost: what was on the screen is not known")
    (film,) = check_film_frames(line.run)
    assert (film.stream, film.word) == ("clip1", Word.NOT_MEASURED)
    assert f"the window was lost: what was shown is not known from film frame {last['film_frame'] + 1} on" in film.text


def _frames_in(line: str) -> int:
    return int(line.split("HS ")[1].split()[0])


def _child_running(module: str, parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (found,) = [int(pid) for pid in children if module in Path(f"/proc/{pid}/cmdline").read_text()]
    return found


def _rig_on(display: str, folder: Path) -> Path:
    text = (Path(rig.__file__).parents[1] / "calibration/demo/rig.yaml").read_text()
    path = folder / "rig.yaml"
    path.write_text(text.replace("display: virtual", f"display: '{display}'"))
    return path


def test_a_screen_that_does_not_answer_is_an_error_that_names_it(tmp_path):
    own = _rig_on(":4711", tmp_path)
    done = commands.run("record", "demo", "--rig", own, "--subject", "1", cwd=tmp_path)
    assert (done.returncode, ":4711" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert "warning:    1 clip has sound, and nobody hears it: screen.sound in rig.yaml is false" in done.stdout


def test_a_scripted_participant_never_presses_keys_on_a_screen_that_is_not_the_rigs_own(tmp_path):
    other = start_virtual(960, 540, tmp_path)
    try:
        own = _rig_on(other.name, tmp_path)
        arguments = ("--rig", own, "--subject", "1", "--participant", "scripted")
        assert "scripted is not allowed" in commands.refused("record", "demo", *arguments, cwd=tmp_path)
    finally:
        other.close()
