"""The demo's own rig and protocol: in virtual time, and in a real PsychoPy window on a screen of the rig's own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import h5py
import pytest

import rig
from rig.channel import FILE, Client
from rig.config.find import find_protocol, find_rig
from rig.config.rig import read_rig
from rig.stimulus.display import start_virtual
from tests import commands
from tests.journeys.accounts import assert_all_told, heard, run_file, scripted
from tests.waiting import wait_for

DEMO = ("record", "demo", "--subject", "001", "--participant", "scripted")
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


def _small(folder: Path) -> Path:
    """The demo's rig, with small pictures: large ones are recorded by `make demo` and the benches."""
    (folder / "demo").mkdir()
    path = folder / "demo/rig.yaml"
    text = find_rig("demo").read_text()
    path.write_text(text.replace("width: 640, height: 480", "width: 96, height: 64"))
    assert path.read_text() != text
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo in virtual time: the folder of its session, and what was printed."""
    out = tmp_path_factory.mktemp("demo")
    done = commands.run(*DEMO, "--rig", _small(out), "--speed", "max", "--out", out, cwd=out)
    assert done.returncode == 0, done.stderr
    return out / "sub-001/ses-01", done.stdout


def test_the_demo_in_virtual_time_is_complete(demo, tmp_path):
    folder, said = demo
    assert f"session: {folder}" in said
    assert "rig verify" in said
    judged = commands.run("verify", folder, "--json", cwd=tmp_path)
    assert judged.returncode == 0, judged.stdout
    assert _films_shown(run_file(folder)) == {name: set(range(n)) for name, n in CLIPS.items()}
    with rig.open(folder) as session:
        steps = session.trials["step"].tolist()
        lengths_s = (session.trials["ended_host_ns"] - session.trials["onset_host_ns"]) / 1e9
    assert steps == list(range(8))
    assert lengths_s[[1, 2, 5]].tolist() == pytest.approx([3.0, 132 / 25, 250 / 25], abs=0.05)
    assert len(list(folder.glob("*_verdict.json"))) == 1
    assert len(list(folder.glob("*_overview.png"))) == 1


def test_the_demos_file_holds_everything_that_happened(demo):
    """Group by group, against what is known without the file: the script, the films, the drawing of the pulses."""
    folder, said = demo
    last = [line for line in said.splitlines() if " s  SIMULATED " in line][-1]  # of those before any may be left out
    assert all(f"{name} " in last for name in ("HS", "VIS", "NIR"))
    with rig.open(folder) as session:
        run = session.runs[0]
        answered = {answer["question"]: answer["answer"] for answer in run.answers}
        assert answered == scripted(run.steps, read_rig(find_rig("demo")).rig.screen)
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


def test_ctrl_c_in_the_middle_of_a_film_ends_in_order(tmp_path):
    head, _, _ = find_protocol("demo").read_text().partition("blocks:\n")
    (tmp_path / "film.yaml").write_text(f"{head}blocks:\n  - {{kind: clip, name: clip1, clip: bunny}}\n")
    folder = tmp_path / "sub-001/ses-01"
    asked = ("record", tmp_path / "film.yaml", *DEMO[2:], "--rig", _small(tmp_path), "--out", tmp_path)
    with commands.started(*asked, cwd=tmp_path) as process:
        wait_for(lambda: process.poll() is not None or (folder / FILE).exists())
        with Client(folder, "observer") as client:
            heard(client, lambda state: state.get("step") == "clip1" and state["step_seconds"] > 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0, err
    assert "outcome: stopped" in out
    assert_all_told(folder, "stopped")
    with rig.open(folder) as session:
        assert session.at(clip="clip1", seconds=0).film.clip == "bunny"


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
