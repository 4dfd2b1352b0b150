"""The preflight lists everything that is wrong with rig, protocol and clips at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig import host, wiring
from rig.cameras.camera import CameraInfo
from rig.cameras.found import FoundCamera
from rig.check import preflight
from rig.check.computer import NETWORK, USB
from rig.check.preflight import Checked, check
from rig.config.find import find_rig
from rig.config.rig import read_rig
from rig.errors import DeviceLost, RigError
from rig.record.plan import LEAST_FREE_BYTES
from rig.session.arming import HEADER_ROOM
from rig.streams import DeviceInfo
from rig.wiring import Devices
from tests import commands
from tests.films import make_film, sha256_of
from tests.rights import without_root
from tests.rigs import record

RIG = """\
schema: 1
name: small
box: {port: sim://small, rate_hz: 100}
cameras:
  HS: {backend: simulated, serial: a, line: 0, divisor: 1, exposure_us: 4000, width: 96, height: 64}
  VIS: {backend: simulated, serial: b, line: 1, divisor: 4, exposure_us: 4000, width: 96, height: 64}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
"""
PROTOCOL = """\
schema: 1
name: p
title: t
clips:
  film: {file: nowhere.mp4, sha256: SHA, title: t, licence: l}
  other: {file: package:no_such_package/x.mp4, sha256: wrong, title: t, licence: l}
blocks:
  - {kind: clip, name: one, clip: film, store: [NIR]}
""".replace("SHA", "0" * 64)


def checked(folder: Path, rig: str, protocol: str) -> Checked:
    (folder / "rig.yaml").write_text(rig)
    (folder / "p.yaml").write_text(protocol)
    return check(str(folder / "rig.yaml"), str(folder / "p.yaml"), folder, with_devices=True)


def test_mistakes_of_rig_protocol_streams_and_clips_are_told_together(tmp_path: Path) -> None:
    found = checked(tmp_path, RIG.replace("line: 1", "line: 0, colour: red"), PROTOCOL)
    told = [str(problem).replace(f"{tmp_path}/", "") for problem in found.problems]
    expected = [
        "rig.yaml:6: cameras.VIS.colour: is an unknown key",
        "rig.yaml:6: cameras.VIS.line: 0 is used twice",
        "p.yaml:6: clips.other.sha256: 'wrong' is not allowed",
        "p.yaml:8: blocks.0.store: NIR is no stream of this rig; HS, VIS",
        "p.yaml:5: clips.film.file: nowhere.mp4 does not exist",
        "p.yaml:6: clips.other.file: no_such_package is no installed Python package",
    ]
    assert [message[: len(start)] for message, start in zip(told, expected, strict=True)] == expected
    assert found.warnings[-1] == "the devices were not looked at; mend what is wrong first, then check again"
    assert (found.rig, found.protocol, found.devices) == (None, None, None)


def test_a_rig_that_is_right_is_opened_and_named(tmp_path: Path) -> None:
    still = "schema: 1\nname: p\ntitle: t\nblocks:\n  - {kind: baseline, name: still, seconds: 1}\n"
    found = checked(tmp_path, RIG, still)
    assert found.problems == []
    assert found.devices is not None
    assert set(found.devices) == {"HS", "VIS", "box", "screen"}


STILL = "schema: 1\nname: p\ntitle: t\nblocks:\n  - {kind: baseline, name: still, seconds: 1}\n"


def check_still(folder: Path, out: Path) -> Checked:
    (folder / "rig.yaml").write_text(RIG)
    (folder / "p.yaml").write_text(STILL)
    return check(str(folder / "rig.yaml"), str(folder / "p.yaml"), out, with_devices=False)


@pytest.mark.parametrize("place", ["file", "file/below", "link", "link/below", "loop", "x" * 300])
def test_where_no_session_can_be_made_is_a_problem(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to("loop")
    found = check_still(tmp_path, tmp_path / place)
    (problem,) = found.problems
    assert str(tmp_path / place.split("/")[0]) in str(problem)
    assert found.plan is not None  # the rest is looked at all the same


def test_a_read_only_folder_is_a_problem() -> None:
    with without_root() as (folder, take_rights):
        (folder / "sessions").mkdir()
        take_rights(folder / "sessions", 0o555)
        (problem,) = check_still(folder, folder / "sessions" / "new").problems
        assert str(problem).startswith(f"{folder / 'sessions'}: may not be written to")


def test_room_is_counted_as_the_recorder_reserves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short run of small pictures is mostly tables."""
    reserved = []
    monkeypatch.setattr(host, "reserve", lambda fd, size: reserved.append(size))
    needed = check_still(tmp_path, tmp_path).reserved_bytes
    record(tmp_path, tmp_path / "rig.yaml", tmp_path / "p.yaml")
    assert sum(reserved) <= needed <= sum(reserved) + HEADER_ROOM  # the file and its journal
    needed += LEAST_FREE_BYTES
    monkeypatch.setattr(host, "free_bytes", lambda folder: needed)
    assert check_still(tmp_path, tmp_path).problems == []
    monkeypatch.setattr(host, "free_bytes", lambda folder: needed - 1)
    (problem,) = check_still(tmp_path, tmp_path).problems
    size = f"{needed / 1e6:.1f} MB"
    assert str(problem) == f"{tmp_path}: {size} free are too little; the longest possible session needs {size}"


@pytest.mark.parametrize("with_devices", [False, True])
def test_a_film_faster_than_the_screen_is_one_problem_with_and_without_devices(
    tmp_path: Path, with_devices: bool
) -> None:
    rig, film = tmp_path / "rig.yaml", make_film(tmp_path / "film.mp4", 10, fps=50)
    rig.write_text(RIG.replace("refresh_hz: 60", "refresh_hz: 30"))
    clip = f"clips:\n  film: {{file: film.mp4, sha256: {sha256_of(film)}, title: t, licence: l}}\n"
    (tmp_path / "p.yaml").write_text(STILL.replace("blocks:", clip + "blocks:"))
    found = check(str(rig), str(tmp_path / "p.yaml"), tmp_path, with_devices=with_devices)
    assert [str(problem).split(";")[0] for problem in found.problems] == [
        f"{film}: 50 fps has more film frames than the screen has refreshes"
    ]


def test_one_file_given_twice_tells_each_mistake_once(tmp_path: Path) -> None:
    (tmp_path / "both.yaml").write_text("a: [\n")
    both = str(tmp_path / "both.yaml")
    assert len(check(both, both, tmp_path).problems) == 1


REAL = """\
schema: 1
name: real
box: {port: /dev/ttyNOSUCH9, rate_hz: 100}
cameras:
  HS: {backend: basler, serial: "1", line: 0, divisor: 1, exposure_us: 4000, width: 640, height: 480}
  VIS: {backend: basler, user_id: left, line: 1, divisor: 4, exposure_us: 8000, width: 640, height: 480}
screen: {backend: psychopy, display: ":97", width: 960, height: 540, refresh_hz: 60}
"""


def test_every_device_that_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(REAL)
    told = commands.refused("check", "--rig", "./rig.yaml", cwd=tmp_path).splitlines()
    box, screen = "trigger box at /dev/ttyNOSUCH9: no such port", "screen (display: :97): "
    expected = ["rig: 4 problems:", screen, box, "camera HS (1): ", "camera VIS (left): "]
    assert [line.strip()[: len(start)] for line, start in zip(told, expected, strict=True)] == expected


def test_real_cameras_are_judged_with_their_computer_and_those_not_in_the_rig_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rig.yaml").write_text(REAL.replace(":97", "virtual"))

    def who(kind: type[DeviceInfo], serial: str, **can: str) -> SimpleNamespace:
        info = kind("camera", "Basler", "acA640-120um", serial, "1", simulated=False, capabilities={**can})
        return SimpleNamespace(describe=lambda: info)

    cameras = {"HS": who(CameraInfo, "1", interface="usb"), "VIS": who(CameraInfo, "2", interface="gige")}
    by_name = {**cameras, "box": who(DeviceInfo, "b"), "screen": who(DeviceInfo, "s")}
    devices = SimpleNamespace(by_name=by_name, close=lambda: None)
    found = [FoundCamera("basler", "Basler", "m", serial, "", "usb", is_simulated=False) for serial in "123"]
    asked = []
    monkeypatch.setattr(wiring, "open_those_there", lambda *_, **_more: (devices, []))
    monkeypatch.setattr(wiring, "find_cameras", lambda: found)
    monkeypatch.setattr(preflight, "computer_warnings", lambda interfaces: asked.append(interfaces) or ["slow"])
    checked = check(str(tmp_path / "rig.yaml"), None, tmp_path)
    assert checked.problems == []
    assert [camera.serial for camera in checked.others] == ["3"]
    assert asked == [{USB, NETWORK}]
    assert "slow" in checked.warnings


EMULATED = """\
schema: 1
name: emulated
box: {port: sim://emulated, rate_hz: 100}
cameras:
  HS: {backend: basler-emulation, serial: 0815-0000, line: 0, divisor: 1, exposure_us: 4000, width: 640, height: 480,
       trigger_source: Software, features: {AcquisitionFrameRate: 1000.0, Gian: 3, Gain: 99.0, ExposureAuto: Once}}
  NIR: {backend: basler-emulation, serial: "77", line: 1, divisor: 4, exposure_us: 4000, width: 640, height: 480,
        trigger_source: Software}
screen: {backend: psychopy, width: 960, height: 540, refresh_hz: 60, display: ":97"}
simulation: {seed: 1}
"""


def test_a_device_that_does_not_answer_hides_nothing_about_the_others(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(EMULATED)
    done = commands.run("check", "--rig", "./rig.yaml", cwd=tmp_path)
    told, rows = done.stderr.splitlines(), [line.split() for line in done.stdout.splitlines()]
    hs = "camera HS (0815-0000): "
    expected = [
        f"{hs}Gian: 3 does",
        f"{hs}Gain: 99 is out",
        f"{hs}ExposureAuto: Once is not",
        "screen (display: :97): ",
    ]
    expected = ["rig: 5 problems:", *expected, "camera NIR (77): is not there"]
    assert [line.strip()[: len(start)] for line, start in zip(told, expected, strict=True)] == expected
    assert [row[0] for row in rows if row[-1:] == ["SIMULATED"]] == ["HS", "box"]
    assert ["Gain", "99", "0", "0", "to", "48"] in rows
    text = " ".join(done.stdout.split())
    assert "what HS cannot do: has no timestamps, has no trigger counter, " in text
    assert "WARN camera HS (0815-0000) has neither timestamps nor a trigger counter" in text


def test_a_camera_that_is_lost_while_it_is_looked_at_is_told_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rig.yaml").write_text(RIG)
    open_them = wiring.open_those_there

    def lost() -> CameraInfo:
        raise DeviceLost("camera HS (a)", "is gone")

    def one_is_lost(*arguments: Any, **options: Any) -> tuple[Devices, list[RigError]]:
        devices, problems = open_them(*arguments, **options)
        monkeypatch.setattr(devices.cameras["HS"], "describe", lost)
        return devices, problems

    monkeypatch.setattr(wiring, "open_those_there", one_is_lost)
    found = check(str(tmp_path / "rig.yaml"), None, tmp_path)
    assert [str(problem) for problem in found.problems] == ["camera HS (a): is gone"]
    assert found.devices is not None
    assert set(found.devices) == {"VIS", "box", "screen"}


def test_refused_real_time_priority_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "real_time_refused", lambda priority: "real-time priority is refused")
    warning = "real-time priority is refused: late frames are likelier; they are never lost or misnumbered by it"
    assert check_still(tmp_path, tmp_path).warnings == [warning]
    monkeypatch.setattr(host, "real_time_refused", lambda priority: "")
    assert check_still(tmp_path, tmp_path).warnings == []


@pytest.mark.parametrize(
    ("screen", "told"),
    [
        ("display: ':97'", 1),
        ("display: ':97', sound: true", 0),
        ("display: virtual", 0),  # nobody sits there
    ],
)
def test_films_whose_sound_a_real_screen_would_not_play_are_a_warning(tmp_path: Path, screen: str, told: int) -> None:
    clips = ""
    for name, sound in {"loud": (0, 0.4), "still": None}.items():
        film = make_film(tmp_path / f"{name}.mp4", 10, sound=sound, size=(32, 24))
        clips += f"  {name}: {{file: {name}.mp4, sha256: {sha256_of(film)}, title: t, licence: l}}\n"
    (tmp_path / "p.yaml").write_text(STILL.replace("blocks:", f"clips:\n{clips}blocks:"))
    (tmp_path / "rig.yaml").write_text(
        RIG.replace("screen: {backend: simulated", f"screen: {{backend: psychopy, {screen}")
    )
    found = check(str(tmp_path / "rig.yaml"), str(tmp_path / "p.yaml"), tmp_path, with_devices=False)
    assert found.problems == []
    warning = "1 clip has sound, and nobody hears it: screen.sound in rig.yaml is false. Write sound: true there"
    assert [each for each in found.warnings if "sound" in each] == [warning] * told


def test_the_rigs_for_real_screens_that_are_shipped_play_sound() -> None:
    assert all(read_rig(find_rig(name)).rig.screen.sound for name in ("smic", "smic-sub"))


def test_sound_that_is_asked_for_and_not_heard_is_a_warning_with_its_reason(tmp_path: Path) -> None:
    """A simulated screen has none; the window of a real one tells why none of its devices opens."""
    (tmp_path / "rig.yaml").write_text(RIG.replace("screen: {", "screen: {sound: true, "))
    found = check(str(tmp_path / "rig.yaml"), None, tmp_path)
    assert "screen.sound is true, and it is silent: a simulated screen has no sound" in found.warnings
    (tmp_path / "rig.yaml").write_text(RIG)
    assert not [warning for warning in check(str(tmp_path / "rig.yaml"), None, tmp_path).warnings if "sound" in warning]
