"""The pulses of frames whose own evidence is weaker than the sync LEDs: what `rig.open` then goes by."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from rig.errors import SessionError
from rig.session.run import Run, Stream
from rig.session.timeline import map_box
from rig.streams import NO_PULSE, Evidence
from rig.verify.findings import Numbers
from rig.verify.pixels.sync_leds import SURE, Told, told_by_leds


def pairing_by_leds(run: Run) -> dict[str, Numbers]:
    """Of each stream with weaker evidence and LEDs in view: the pulse of each frame, int64 (frames,), or NO_PULSE.

    A stream that cannot be read has none: what is wrong with it stands in the verdict.
    """
    found = {}
    for name, stream in run.streams.items():
        with suppress(SessionError):
            is_weak = np.asarray(stream.frames["evidence"] < Evidence.LED)
            told = told_by_leds(run, stream) if is_weak.any() else None
            if told is not None:
                found[name] = _once(np.where(is_weak, _pulses(run, stream, told), stream.pulse_numbers))
    return found


def _pulses(run: Run, stream: Stream, told: Told) -> Numbers:
    """What the LEDs are sure of; of the numbers that look alike, hours apart, the one nearest to the arrival."""
    period = int(run.plan["period_ticks"])
    came = map_box(run).back(stream.frames["arrived_host_ns"].astype(np.int64)) // period - _first_pulse(run, period)
    laps = np.round((came - told.numbers) / told.repeats).astype(np.int64).clip(min=0)
    is_sure = (told.numbers != NO_PULSE) & (told.confidence >= SURE)
    return np.where(is_sure, told.numbers + laps * told.repeats, NO_PULSE)


def _first_pulse(run: Run, period: int) -> int:
    """When pulse 0 was sent, in periods of the box's clock."""
    return int(run.pulses["box_ticks"][0]) // period if len(run.pulses) else 0


def _once(pulses: Numbers) -> Numbers:
    """Each pulse once, at its first frame: one that was delivered twice is not two."""
    _, first = np.unique(pulses, return_index=True)
    is_first = np.zeros(len(pulses), bool)
    is_first[first] = True
    return np.where(is_first, pulses, NO_PULSE)
