"""The sound of a film clip: its track as samples that begin with the clip's film frame 0, and the device that plays it.

    film file --> sound_track --> .wav --> prepare --> schedule(at the flip that will show film frame 0) --> began

The device's clock is psychtoolbox's. It is read between two readings of the host clock whenever the two are compared.
A sound that is longer than its film is cut off with the last picture; one that is shorter ends in silence: the
pictures alone say when a clip is over.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Mapping
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from rig.clips.decode import opened
from rig.clips.encode import AUDIO_HZ
from rig.clips.manifest import FilmClip
from rig.clock import NS, Clock
from rig.errors import ClipError, DeviceNotReady
from rig.session.heard import OUT_OF_SYNC_MS, Heard, spelled
from rig.stimulus.screen import ScreenNote

CHANNELS = 2
SETTLE_S = 1.0  # so much sound is decoded before a clip's own
LEAD_S = 0.2  # a device needs to know so early when to begin; psychtoolbox's slowest class asks for less
PLAYBACK, LOW_LATENCY = 1, 1  # in PsychPortAudio's numbers
FULL_SCALE = 32767
BEGUN_S = 0.5  # so long after film frame 0 its sound has begun, or is told not to have: within a second

Samples = NDArray[np.float32]  # (samples, channels), -1 to 1


class Speaker(Protocol):
    """What plays sounds."""

    def prepare(self, wav: Path) -> None:
        """Take this sound into the device. May block for 0.1 s."""

    def schedule(self, host_ns: int) -> None:
        """Begin the sound that is prepared then, host clock. Does not block."""

    def began_host_ns(self) -> int | None:
        """When the sound scheduled last began, host clock; None: not yet."""

    def stop(self) -> None:
        """Be silent at once. Does nothing when nothing plays."""

    def close(self) -> None:
        """Give the device back."""


def sound_track(clip: FilmClip) -> Samples | None:
    """The clip's sound, as long as its pictures; sample 0 is heard with film frame 0. None: the film has no sound.

    Decodes what lies beside the clip: blocks. Raises ClipError when the sound cannot be decoded.
    """
    samples = np.zeros((round(clip.seconds * AUDIO_HZ), CHANNELS), np.float32)
    try:
        with opened(clip.path) as container:
            if not container.streams.audio:
                return None
            for at_s, part in _parts(container, clip):
                _lay(samples, round((at_s - clip.at_s) * AUDIO_HZ), part)
    except (av.error.FFmpegError, OSError) as exc:
        raise ClipError(str(clip.path), f"its sound cannot be decoded: {exc.strerror}") from None
    return samples


def _parts(container: Any, clip: FilmClip) -> Iterator[tuple[float, Samples]]:
    """The sound beside the clip in pieces, each with the time of its first sample on the clock of the file, s.

    Some before and behind it as well: a decoder that begins in the middle needs some to settle.
    """
    resampler = av.AudioResampler(format="flt", layout="stereo", rate=AUDIO_HZ)
    track, begins_s, ends_s = container.streams.audio[0], clip.at_s - SETTLE_S, clip.at_s + clip.seconds
    if clip.may_jump:
        container.seek(round(begins_s / track.time_base), stream=track)
    wanted = takewhile(lambda frame: frame.time is None or frame.time < ends_s, container.decode(track))
    for frame in chain(wanted, [None]):
        for part in resampler.resample(frame):
            yield float(part.time), part.to_ndarray().reshape(-1, CHANNELS)


def _lay(samples: Samples, at: int, part: Samples) -> None:
    """Put a piece where it belongs; what lies outside the clip is left out."""
    begin, end = max(at, 0), min(at + len(part), len(samples))
    if begin < end:
        samples[begin:end] = part[begin - at : end - at]


def write_wav(path: Path, samples: Samples) -> None:
    """Keep a sound in a file: 16 bits, so that the clips of a session fit on the disk and into its cache."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(CHANNELS)
        file.setsampwidth(2)
        file.setframerate(AUDIO_HZ)
        file.writeframes((np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes())


def read_wav(path: Path) -> Samples:
    """The sound that `write_wav` kept."""
    with wave.open(str(path), "rb") as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return data.reshape(-1, CHANNELS).astype(np.float32) / np.float32(FULL_SCALE)


def lead_flips(period_ns: int) -> int:
    """How many flips before film frame 0 its sound is scheduled."""
    return int(-(-LEAD_S * NS // period_ns))


def account(heard: Heard, asked_ns: int, now_ns: int) -> list[ScreenNote]:
    """How a sound began, for the session; an alarm where it was off. Nothing where it is too soon to tell."""
    if heard.began_ns is None and now_ns <= heard.film_began_ns + OUT_OF_SYNC_MS * 1e6:
        return []
    return [ScreenNote(now_ns, spelled(heard, asked_ns, now_ns), is_alarm=bool(heard.fault))]


class Loudspeaker:
    """The computer's sound device, by psychtoolbox."""

    def __init__(self, clock: Clock) -> None:
        """Open it. Blocks. Raises DeviceNotReady when there is none, in the device's own words."""
        try:
            from psychtoolbox import GetSecs, audio  # needs the system's sound library, and prints what it finds

            self._clock, self._device_time = clock, GetSecs
            self._stream = audio.Stream(mode=PLAYBACK, latency_class=LOW_LATENCY, freq=AUDIO_HZ, channels=CHANNELS)
        except Exception as exc:  # it raises nothing more exact
            raise DeviceNotReady("sound device", f"does not open: {exc}") from None

    def prepare(self, wav: Path) -> None:
        """Take this sound into the device."""
        self._stream.fill_buffer(read_wav(wav))

    def schedule(self, host_ns: int) -> None:
        """Begin the sound that is prepared then."""
        self._stream.start(repetitions=1, when=self._device_s(host_ns), wait_for_start=0)

    def began_host_ns(self) -> int | None:
        """When it began, as the device reckons it; None: not yet."""
        start_s = float(self._stream.status["StartTime"])
        return self._clock.now_ns() + round((start_s - self._now_s()) * NS) if start_s > 0 else None

    def stop(self) -> None:
        """Be silent at once."""
        self._stream.stop(block_until_stopped=0)

    def close(self) -> None:
        """Give the device back."""
        self._stream.close()

    def _now_s(self) -> float:
        return float(self._device_time())

    def _device_s(self, host_ns: int) -> float:
        """A time of the host clock on the device's clock."""
        return self._now_s() + (host_ns - self._clock.now_ns()) / NS


class Sounds:
    """The sounds of all clips, on the device or on none."""

    def __init__(self, speaker: Speaker | None, files: Mapping[str, Path] | None = None, *, silent: str = "") -> None:
        """`files`: the sound of each clip that has one, as .wav. `silent`: why something is not heard."""
        self.silent = silent  # empty: whatever has a sound is heard
        self._speaker, self._files = speaker, dict(files or {})
        self._asked: tuple[str, int] | None = None  # clip, host clock ns
        self._is_told = False  # how that one began

    @property
    def is_on(self) -> bool:
        """Whether there is a device."""
        return self._speaker is not None

    def has(self, clip: str) -> bool:
        """Whether this clip is heard."""
        return clip in self._files

    def prepare(self, clip: str) -> None:
        """This clip is shown next. May block for 0.1 s."""
        assert self._speaker is not None
        self._speaker.prepare(self._files[clip])

    def schedule(self, clip: str, host_ns: int) -> None:
        """Its film frame 0 will be shown then."""
        assert self._speaker is not None
        self._asked, self._is_told = (clip, host_ns), False
        self._speaker.schedule(host_ns)

    def began(self, film_began_ns: int | None, now_ns: int) -> list[ScreenNote]:
        """How the sound began, for the session: once, when it must have begun. Nothing when none was scheduled."""
        is_due = film_began_ns is not None and now_ns >= film_began_ns + BEGUN_S * NS
        return self._told(film_began_ns, now_ns) if is_due else []

    def end(self, film_began_ns: int | None, now_ns: int) -> list[ScreenNote]:
        """Be silent; how the sound began, if that is not told yet. Nothing of one whose film has not begun."""
        if self._speaker is None or self._asked is None:
            return []
        notes = self._told(film_began_ns, now_ns)
        self._asked = None
        self._speaker.stop()
        return notes

    def _told(self, film_began_ns: int | None, now_ns: int) -> list[ScreenNote]:
        if self._is_told or self._speaker is None or self._asked is None or film_began_ns is None:
            return []
        self._is_told, (clip, asked_ns) = True, self._asked
        return account(Heard(clip, film_began_ns, self._speaker.began_host_ns()), asked_ns, now_ns)

    def close(self) -> None:
        """Give the device back."""
        if self._speaker is not None:
            self._speaker.close()


def open_sounds(
    clips: dict[str, FilmClip], folder: Path, clock: Clock, *, is_wanted: bool
) -> tuple[Sounds, list[ScreenNote]]:
    """The sounds of the clips, and notes for the session: which there are; alarms for what was wanted and is not heard.

    `folder`: private, for their tracks. Blocks while it decodes them.
    """
    if not is_wanted:
        why = "rig.yaml asks for no sound (screen.sound); clips play without it"
        return Sounds(None, silent=why), [_silent(clock, why, is_alarm=False)]
    try:
        speaker = Loudspeaker(clock)
    except DeviceNotReady as error:
        why = f"no sound device is used; clips play without their sound: {error}"
        return Sounds(None, silent=why), [_silent(clock, why, is_alarm=True)]
    files, faults = extract(clips, folder)
    notes = [ScreenNote(clock.now_ns(), f"clips with sound: {', '.join(files) or 'none'}")]
    notes += [_silent(clock, fault, is_alarm=True) for fault in faults]
    return Sounds(speaker, files, silent="; ".join(faults)), notes


def _silent(clock: Clock, why: str, *, is_alarm: bool) -> ScreenNote:
    return ScreenNote(clock.now_ns(), f"silent: {why}", is_alarm)


def extract(clips: dict[str, FilmClip], folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The sound of each clip that has one, in a file; and of which it cannot be decoded, and why. Blocks."""
    files: dict[str, Path] = {}
    faults: list[str] = []
    for name, clip in clips.items():
        try:
            track = sound_track(clip)
        except ClipError as error:
            faults.append(f"clip {name} plays without its sound: {error}")
            continue
        if track is not None:
            files[name] = folder / f"{name}.wav"
            write_wav(files[name], track)
    return files, faults
