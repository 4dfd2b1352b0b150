"""The preflight lists everything that is wrong with rig, protocol and clips at once."""

from __future__ import annotations

from pathlib import Path

from rig.check import Checked, check

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
        "clip film (nowhere.mp4): does not exist",
        "clip other: no_such_package is no installed Python package",
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
