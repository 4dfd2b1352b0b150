"""The sound of a film clip: its track as samples that begin with the clip's film frame 0, and the device that plays it.

    film file --> sound_track --> .wav --> prepare --> schedule(at the flip that will show film frame 0) --> began

The device's clock is psychtoolbox's. It is read between two readings of the host clock whenever the two are compared.
A sound that is longer than its film is cut off with the last picture; one that is shorter ends in silence: the
pictures alone say when a clip is over.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from rig.clips.decode import due_s
from rig.clips.encode import AUDIO_HZ
from rig.clips.manifest import FilmClip
from rig.clock import NS, Clock
from rig.errors import ClipError, DeviceNotReady
from rig.stimulus.screen import ScreenNote

CHANNELS = 2
LEAD_S = 0.2  # a device needs to know so early when to begin; psychtoolbox's slowest class asks for less
PLAYBACK, LOW_LATENCY = 1, 1  # in PsychPortAudio's numbers
FULL_SCALE = 32767
OUT_OF_SYNC_MS = 40.0  # one film frame at 25 fps

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

    Decodes the whole clip: blocks. Raises ClipError when the sound cannot be decoded.
    """
    began_s = due_s(clip.path, clip.first)
    samples = np.zeros((round(clip.seconds * AUDIO_HZ), CHANNELS), np.float32)
    try:
        with av.open(str(clip.path)) as container:
            if not container.streams.audio:
                return None
            for after_s, part in _parts(container):
                _lay(samples, round((after_s - began_s) * AUDIO_HZ), part)
    except (av.error.FFmpegError, OSError) as exc:
        raise ClipError(str(clip.path), f"its sound cannot be decoded: {exc.strerror}") from None
    return samples


def _parts(container: Any) -> Iterator[tuple[float, Samples]]:
    """The sound in pieces, each with the time of its first sample on the clock of the file, s."""
    resampler = av.AudioResampler(format="flt", layout="stereo", rate=AUDIO_HZ)
    for frame in chain(container.decode(audio=0), [None]):
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


def account(name: str, asked_ns: int, began_ns: int | None, film_began_ns: int | None) -> str:
    """How the sound of a clip began against its film frame 0, in words for the session's log. Host clock, ns."""
    if began_ns is None or film_began_ns is None:
        return f"sound of {name}: NEVER BEGAN; asked for at {asked_ns} ns, film frame 0 at {film_began_ns} ns"
    late_ms = (began_ns - film_began_ns) / 1e6
    fault = "" if abs(late_ms) <= OUT_OF_SYNC_MS else "; OUT OF SYNC"
    return (
        f"sound of {name}: began at {began_ns} ns, {late_ms:+.1f} ms from film frame 0 at {film_began_ns} ns, "
        f"asked for at {asked_ns} ns{fault}"
    )


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
        self._asked = (clip, host_ns)
        self._speaker.schedule(host_ns)

    def end(self, film_began_ns: int | None) -> list[str]:
        """Be silent; how the sound began, for the log. Nothing when none was scheduled."""
        if self._speaker is None or self._asked is None:
            return []
        (clip, asked_ns), self._asked = self._asked, None
        began_ns = self._speaker.began_host_ns()
        self._speaker.stop()
        return [account(clip, asked_ns, began_ns, film_began_ns)]

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
