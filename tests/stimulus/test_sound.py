"""The sound of a clip: where its tone lies against the pictures, however the file has them; how its start is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from rig.clips.encode import AUDIO_HZ
from rig.clips.manifest import read_clip
from rig.clock import NS, HostClock
from rig.errors import DeviceNotReady
from rig.session.heard import Heard, heard_in
from rig.stimulus.sound import (
    CHANNELS,
    LEAD_S,
    Samples,
    Sounds,
    account,
    extract,
    lead_flips,
    open_sounds,
    read_wav,
    sound_track,
)
from tests.films import clip_of, make_film

NEAR_S = 0.002  # containers round times to ms


def _tone_s(samples: Samples) -> tuple[float, float]:
    """When the tone of the film begins and ends, s after film frame 0."""
    loud = np.flatnonzero(np.abs(samples[:, 0]) > 0.05)
    return loud[0] / AUDIO_HZ, loud[-1] / AUDIO_HZ


@pytest.mark.parametrize(
    ("tone", "heard"),
    [
        ((0.0, 1.0), (0.0, 1.0)),
        ((0.4, 0.5), (0.4, 0.9)),  # the sound begins later than the pictures
        ((0.5, 3.0), (0.5, 2.0)),  # it is longer: cut off with the last picture
        ((0.0, 0.3), (0.0, 0.3)),  # it is shorter: silence
    ],
)
def test_sample_0_is_heard_with_film_frame_0(
    tone: tuple[float, float], heard: tuple[float, float], tmp_path: Path
) -> None:
    clip = clip_of(make_film(tmp_path / "film.mkv", 50, sound=tone))
    samples = sound_track(clip)
    assert samples is not None
    assert samples.shape == (2 * AUDIO_HZ, CHANNELS)
    assert _tone_s(samples) == pytest.approx(heard, abs=NEAR_S)
    assert np.abs(samples).max() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("may_jump", [True, False])
def test_sound_of_a_clip_from_the_middle_of_a_film_begins_there(tmp_path: Path, *, may_jump: bool) -> None:
    clip = read_clip("film", make_film(tmp_path / "film.mp4", 75, sound=(1.2, 0.6)), 1.0, 2.0)
    assert clip.may_jump
    samples = sound_track(replace(clip, may_jump=may_jump))
    assert samples is not None
    assert len(samples) == AUDIO_HZ
    assert _tone_s(samples) == pytest.approx((0.2, 0.8), abs=NEAR_S)


def test_pictures_that_begin_late_take_their_sound_with_them(tmp_path: Path) -> None:
    """The picture begins 0.48 s after the file, the tone 0.6 s after it."""
    times_ms = [480 + 40 * i for i in range(25)]
    clip = clip_of(make_film(tmp_path / "film.mkv", 25, times_ms=times_ms, sound=(0.6, 0.2)))
    samples = sound_track(clip)
    assert samples is not None
    assert _tone_s(samples) == pytest.approx((0.12, 0.32), abs=NEAR_S)


def test_film_without_sound_has_none(tmp_path: Path) -> None:
    assert sound_track(clip_of(make_film(tmp_path / "film.mp4"))) is None


def test_tracks_are_kept_as_wav_that_any_program_plays(tmp_path: Path) -> None:
    loud = clip_of(make_film(tmp_path / "loud.mp4", sound=(0.2, 0.5)), "loud")
    mute = clip_of(make_film(tmp_path / "mute.mp4"), "mute")
    files, faults = extract({"loud": loud, "mute": mute}, tmp_path)
    assert faults == []
    assert files == {"loud": tmp_path / "loud.wav"}
    with av.open(str(files["loud"])) as sound:
        assert (sound.streams[0].codec.name, sound.streams[0].rate, sound.streams[0].channels) == (
            "pcm_s16le",
            48000,
            2,
        )
        assert sound.duration == 1_000_000  # us
    track = sound_track(loud)
    assert track is not None
    assert read_wav(files["loud"]) == pytest.approx(track, abs=1 / 32000)


@pytest.mark.parametrize("refresh_hz", [24.0, 59.94, 144.0])
def test_device_knows_long_enough_before(refresh_hz: float) -> None:
    period_ns = round(NS / refresh_hz)
    flips = lead_flips(period_ns)
    assert (flips - 1) * period_ns < LEAD_S * NS <= flips * period_ns


@pytest.mark.parametrize(
    ("late_ms", "text", "is_alarm"),
    [
        (-1.5, "began at 4998500000 ns, -1.5 ms from film frame 0 at 5000000000 ns, asked for at 5000000000 ns", False),
        (40.0, "began at 5040000000 ns, +40.0 ms from film frame 0 at", False),
        (-41.0, "; OUT OF SYNC", True),
        (None, "NOT BEGUN 500.0 ms after film frame 0 at 5000000000 ns, asked for at 5000000000 ns", True),
    ],
)
def test_sound_that_was_off_is_an_alarm_that_says_by_how_much(late_ms: float | None, text: str, is_alarm: bool) -> None:
    began_ns = None if late_ms is None else 5 * NS + round(late_ms * 1e6)
    (note,) = account(Heard("joy", 5 * NS, began_ns), 5 * NS, 5 * NS + NS // 2)
    assert note.text.startswith("sound of joy: ") and text in note.text
    assert note.is_alarm == is_alarm


def test_of_a_film_that_ended_at_once_nobody_can_tell_whether_its_sound_began() -> None:
    assert account(Heard("joy", 5 * NS, None), 5 * NS, 5 * NS + 20_000_000) == []


@pytest.mark.parametrize("late_ms", [-1.5, 80.0, None])
def test_the_log_gives_back_how_a_sound_began(late_ms: float | None) -> None:
    heard = Heard("a: b", 5 * NS, None if late_ms is None else 5 * NS + round(late_ms * 1e6))
    (note,) = account(heard, 5 * NS, 6 * NS)
    entry = {"kind": "alarm", "text": note.text} if note.is_alarm else {"kind": "note", "text": f"screen: {note.text}"}
    assert list(heard_in(SimpleNamespace(log=[{"kind": "note"}, entry]))) == [heard]  # type: ignore[arg-type]


def test_what_early_versions_wrote_of_a_sound_is_understood() -> None:
    told = "screen: sound of joy: NEVER BEGAN; asked for at 7 ns, film frame 0 at {}"
    log = [{"kind": "note", "text": told.format("8 ns")}, {"kind": "note", "text": told.format("None ns")}]
    assert list(heard_in(SimpleNamespace(log=log))) == [Heard("joy", 8, None)]  # type: ignore[arg-type]


def test_sound_is_silent_unless_rig_yaml_asks_for_it(tmp_path: Path) -> None:
    sounds, (note,) = open_sounds({}, tmp_path, HostClock(), is_wanted=False)
    assert not sounds.is_on
    assert note.text.startswith("silent: rig.yaml asks for no sound (screen.sound)")
    assert not note.is_alarm
    assert sounds.end(NS, 2 * NS) == []
    sounds.close()


def test_sound_that_is_wanted_and_finds_no_device_is_an_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(clock: HostClock) -> None:
        raise DeviceNotReady("sound device", "does not open: none")

    monkeypatch.setattr("rig.stimulus.sound.Loudspeaker", fail)
    sounds, (note,) = open_sounds({}, tmp_path, HostClock(), is_wanted=True)
    assert note.is_alarm
    assert note.text == f"silent: {sounds.silent}"
    assert "does not open: none" in note.text


def test_a_sound_that_cannot_be_decoded_silences_its_own_clip_and_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rig.stimulus.sound.Loudspeaker", lambda clock: DeadSpeaker())
    sound = make_film(tmp_path / "sound.mp4", sound=(0.2, 0.5))
    clips = {"torn": replace(clip_of(sound), path=_torn(sound)), "loud": clip_of(sound)}
    sounds, (heard, silent) = open_sounds(clips, tmp_path, HostClock(), is_wanted=True)
    assert (sounds.has("torn"), sounds.has("loud"), sounds.is_on) == (False, True, True)
    assert (heard.text, heard.is_alarm) == ("clips with sound: loud", False)
    assert silent.is_alarm
    assert silent.text.startswith("silent: clip torn plays without its sound: ")


def _torn(film: Path) -> Path:
    """A copy without its second half: its index, which stands at the end, is gone."""
    torn = film.with_name("torn.mp4")
    torn.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    return torn


class DeadSpeaker:
    """A device that never begins."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def prepare(self, wav: Path) -> None:
        self.said.append(f"prepare {wav}")

    def schedule(self, host_ns: int) -> None:
        self.said.append(f"schedule {host_ns}")

    def began_host_ns(self) -> int | None:
        return None

    def stop(self) -> None:
        self.said.append("stop")

    def close(self) -> None:
        self.said.append("close")


def test_sound_that_never_began_is_told_within_a_second_and_stopped_once() -> None:
    speaker = DeadSpeaker()
    sounds = Sounds(speaker, {"joy": Path("joy.wav")})
    assert sounds.has("joy") and not sounds.has("fear")
    sounds.prepare("joy")
    sounds.schedule("joy", 7)
    assert sounds.began(8, 8 + NS // 2 - 1) == []
    assert [note.is_alarm for note in sounds.began(8, 8 + NS // 2)] == [True]
    assert sounds.began(8, 2 * NS) == sounds.end(8, 3 * NS) == sounds.end(9, 4 * NS) == []
    sounds.close()
    assert speaker.said == ["prepare joy.wav", "schedule 7", "stop", "close"]
