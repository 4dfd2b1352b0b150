"""`rig clips` as one types it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rig.clips.decode import pictures
from rig.clips.demo import make_clip
from tests import commands
from tests.films import demo_number_of, make_film, sha256_of, turned
from tests.rigs import write_rig

SAID = "title: t, edition: first, licence: bought, valence: positive, target: happiness, norms: {valence: 7.1}"
BLOCKS = "blocks:\n  - {kind: baseline, name: neutral, seconds: 1}\n"


def _protocol(folder: Path, **clips: Path) -> Path:
    """A protocol with these clips, of which its manifest says everything."""
    lines = [f"  {name}: {{file: {path.name}, sha256: '{sha256_of(path)}', {SAID}}}\n" for name, path in clips.items()]
    path = folder / "study.yaml"
    path.write_text(f"schema: 1\nname: study\ntitle: t\nclips:\n{''.join(lines)}{BLOCKS}")
    return path


def _checked(folder: Path, *options: object, code: int) -> dict[str, dict[str, Any]]:
    done = commands.run("clips", "check", "study.yaml", "--json", *options, cwd=folder)
    assert done.returncode == code, (done.stdout, done.stderr)
    return {clip["name"]: clip for clip in json.loads(done.stdout)["clips"]}


def test_check_tells_codec_rate_sound_and_cadence_of_every_clip(tmp_path: Path) -> None:
    """Truth: what the films were made of."""
    peak = 10 ** (-23 / 20)
    protocol = _protocol(
        tmp_path,
        far=make_film(tmp_path / "far.mp4", 80, fps=1),
        pal=make_film(tmp_path / "pal.mp4", 100, sound=(0, 4), peak=peak),
        ntsc=make_film(tmp_path / "ntsc.mkv", 48, fps=Fraction(24000, 1001)),
        longer=make_film(tmp_path / "longer.mp4", 50, sound=(0, 3.5), peak=peak),
        shorter=make_film(tmp_path / "shorter.mp4", 50, sound=(0, 0.5), peak=peak),
        late=make_film(
            tmp_path / "late.mkv", 50, times_ms=[480 + 40 * i for i in range(50)], sound=(0, 2.48), peak=0.9
        ),
    )
    protocol.write_text(protocol.read_text().replace("file: far.mp4", "in_s: 65, out_s: 70, file: far.mp4"))
    found = _checked(tmp_path, "--rig", write_rig(tmp_path), code=0)
    pal = found["pal"]
    assert [pal[key] for key in ("codec", "width", "height", "frames", "first")] == ["h264", 160, 120, 100, 0]
    assert (pal["fps"], pal["seconds"]) == pytest.approx((25, 4))
    assert pal["sha256"] == sha256_of(tmp_path / "pal.mp4")
    assert pal["sound"]["loudness_lufs"] == pytest.approx(-23, abs=0.1)
    assert pal["sound"]["begins_s"] == pytest.approx(0, abs=0.03)
    assert (pal["cadence"]["pattern"], pal["cadence"]["even"]) == ("2-3-2-3-2", False)
    assert pal["cadence"]["film_frames_by_flips"] == {"2": 60, "3": 40}
    assert found["ntsc"]["fps"] == pytest.approx(24000 / 1001, rel=1e-3)
    assert found["ntsc"]["sound"] is None
    far = found.pop("far")
    assert (far["first"], far["frames"], far["cadence"]["pattern"]) == (65, 5, "60")
    assert far["notes"] == ["it has no sound"]  # the screen jumps to it
    assert {name: clip["notes"] for name, clip in found.items()} == {
        "pal": [],
        "ntsc": ["it has no sound"],
        "longer": ["its sound goes on for 1.52 s after the pictures; it ends with them"],
        "shorter": ["its sound ends 1.49 s before the pictures"],
        "late": [
            "its sound begins 0.48 s before the pictures; it is heard from their beginning on",
            "-0.9 LUFS, not -23: see rig clips normalise",
        ],
    }
    assert all(clip["holes"] == [] and clip["problems"] == [] for clip in found.values())


def test_check_names_what_cannot_be_shown_and_shows_the_rest(tmp_path: Path) -> None:
    good = make_film(tmp_path / "good.mp4", 25)
    protocol = _protocol(tmp_path, good=good, lying=turned(make_film(tmp_path / "lying.mp4", 5)), other=good)
    fast = make_film(tmp_path / "fast.mp4", 25, fps=100)
    more = f"  none: {{title: t, licence: ''}}\n  fast: {{file: fast.mp4, sha256: '{sha256_of(fast)}', {SAID}}}\n"
    text = ("0" * 64).join(protocol.read_text().rsplit(sha256_of(good), 1))
    protocol.write_text(text.replace("blocks:", more + "blocks:"))
    found = _checked(tmp_path, "--rig", write_rig(tmp_path), code=2)
    assert found["good"]["problems"] == []
    assert found["none"]["holes"] == ["edition", "licence", "norms", "valence", "target"]
    wrong = {
        "lying": "rotated by",
        "other": "another film than the protocol names",
        "none": "rig clips import",
        "fast": "more film frames than the screen has refreshes",
    }
    for name, problem in wrong.items():
        assert len(found[name]["problems"]) == 1 and problem in found[name]["problems"][0]
    assert (found["lying"]["codec"], found["lying"]["width"], found["lying"]["fps"]) == ("h264", 160, None)
    done = commands.run("clips", "check", "study.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("rig: 3 problems:\n") and "Traceback" not in done.stderr
    assert {"good", "lying", "none"} <= {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert "the protocol does not say the norms of: none" in done.stdout


def test_import_pins_a_film_that_the_preflight_then_finds(tmp_path: Path) -> None:
    """`rig check` refuses before, is content afterwards, and refuses again when the film has changed."""
    (tmp_path / "study.yaml").write_text(
        "schema: 1\nname: study\ntitle: t\nclips:\n  happy: {title: t, licence: l}\n"
        "blocks:\n  - {kind: clip, name: clip1, clip: happy}\n"
    )
    rig = write_rig(tmp_path)
    check = ("check", "study.yaml", "--rig", rig, "--no-devices", "--no-speed")
    assert "rig clips import PROTOCOL happy FILE" in commands.refused(*check, cwd=tmp_path)
    make_clip(tmp_path / "film.mp4", 0, frames=25)
    done = commands.run("clips", "import", "study.yaml", "happy", "film.mp4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "study.yaml: happy is film.mp4: 25 film frames at 25.000 a second, 1.00 s" in done.stdout
    assert commands.run(*check, cwd=tmp_path).returncode == 0
    make_film(tmp_path / "film.mp4", 25)
    assert "is another film than the protocol names" in commands.refused(*check, cwd=tmp_path)


def test_normalise_says_what_it_changed(tmp_path: Path) -> None:
    make_clip(tmp_path / "demo.mp4", 1, frames=30)
    done = commands.run("clips", "normalise", "demo.mp4", "out.mp4", "--in-s", 0.4, "--fps", "50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "25.000 -> 50.000 film frames a second" in done.stdout
    assert "20 film frames in, 40 out, 20 more than before" in done.stdout
    assert [demo_number_of(shown) for shown in pictures(tmp_path / "out.mp4")] == [10 + k // 2 for k in range(40)]


@pytest.mark.parametrize("fps", ["0", "x", "1/0", "1000", "-25", "nan"])
def test_rate_that_is_none_is_refused(tmp_path: Path, fps: str) -> None:
    assert "--fps" in commands.refused("clips", "normalise", "a.mp4", "b.mp4", "--fps", fps, cwd=tmp_path)


def test_make_demo_writes_clips_and_overwrites_none(tmp_path: Path) -> None:
    done = commands.run("clips", "make-demo", "films", "--count", 1, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "wrote films/demo-01.mp4, licence CC0 1.0\n")
    assert "is there already" in commands.refused("clips", "make-demo", "films", cwd=tmp_path)
