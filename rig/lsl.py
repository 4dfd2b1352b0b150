"""Tells other recorders in the laboratory of a recording: markers and pulses, by the lab streaming layer (LSL).

    the recorder --channel--> Relay --"rig markers", "rig pulses"--> LSL --> LabRecorder, beside EEG, EDA, eye tracker

Each sample is stamped with when it happened, not with when it was sent: its time on the host clock, brought to LSL's
own clock by a reading of the one between two of the other. The host clock is in the sample, too, so that both clocks
can be fitted afterwards. `pylsl` is an extra (`rig[lsl]`) and is imported here alone, when it is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.channel import Client, Message
from rig.clock import NS, Clock
from rig.errors import DeviceLost, DeviceNotReady, UserError
from rig.session.folder import folder_named

INSTALL = "pip install 'rig[lsl]'"
READINGS = 8  # of both clocks, of which the tightest counts
WAIT_S = 1.0
LINGER_S = 1.0  # from the last sample to the end, so that it reaches who listens
PULSE_FIELDS = (  # exact up to 2**53
    ("run_id", "none"), ("pulse", "count"), ("host_ns", "ns"), ("box_ticks", "0.5 us"), ("within_ns", "ns"),
)  # fmt: skip


def library() -> Any:
    """The module pylsl. Raises UserError when it is not installed, DeviceNotReady when its library does not load."""
    try:
        import pylsl
    except ImportError:
        hint = f"Install it: {INSTALL}"
        raise UserError("rig lsl", "needs pylsl, which is not installed", hint=hint) from None
    except (OSError, RuntimeError) as exc:  # it loads liblsl when it is imported
        hint = f"It brings its own for most systems: {INSTALL}"
        raise DeviceNotReady("liblsl", f"cannot be loaded: {exc}", hint=hint) from None
    return pylsl


@dataclass(frozen=True)
class Offset:
    """LSL's clock less the host clock, s, by one reading of LSL's between two of the host's."""

    seconds: float
    within_s: float  # how far it can be off: half of what lay between the two

    @classmethod
    def read(cls, lsl: Any, clock: Clock) -> Offset:
        """The tightest of several readings."""
        return min((cls._read_once(lsl, clock) for _ in range(READINGS)), key=lambda offset: offset.within_s)

    @classmethod
    def _read_once(cls, lsl: Any, clock: Clock) -> Offset:
        before_ns = clock.now_ns()
        reading_s = float(lsl.local_clock())
        after_ns = clock.now_ns()
        return cls(reading_s - (before_ns + after_ns) / 2 / NS, (after_ns - before_ns) / 2 / NS)


class Relay:
    """The two streams of one recording, and what goes into them."""

    def __init__(self, lsl: Any, folder: Path, clock: Clock) -> None:
        """Make the streams known on the network. `lsl`: the module pylsl. `folder`: of the session."""
        self._lsl, self._clock = lsl, clock
        self.markers = self.pulses = 0  # sent
        self.is_cut = False  # the recorder is gone, and has not said that the recording is over
        self._is_over = False
        self.offset = Offset.read(lsl, clock)
        session = _name(folder)
        markers = lsl.StreamInfo("rig markers", "Markers", 1, lsl.IRREGULAR_RATE, "string", f"rig-markers-{session}")
        pulses = lsl.StreamInfo(
            "rig pulses", "Pulses", len(PULSE_FIELDS), lsl.IRREGULAR_RATE, "double64", f"rig-pulses-{session}"
        )
        channels = pulses.desc().append_child("channels")
        for label, unit in PULSE_FIELDS:
            channels.append_child("channel").append_child_value("label", label).append_child_value("unit", unit)
        for info in (markers, pulses):
            info.desc().append_child_value("session", session)
        self._markers, self._pulses = lsl.StreamOutlet(markers), lsl.StreamOutlet(pulses)

    def take(self, message: Message) -> None:
        """Send what the recorder has told, if it is an event."""
        self._is_over |= message.get("state", {}).get("state") == "closed"
        event = message.get("event")
        if event is None:
            return
        if event["kind"] == "pulse":
            self._take_pulse(event)
            return
        self._markers.push_sample([json.dumps(event)], self._stamp_s(event))
        self.markers += 1

    def _take_pulse(self, event: Message) -> None:
        """One comes every second: time to read the clocks anew."""
        self.offset = Offset.read(self._lsl, self._clock)
        self._pulses.push_sample([float(event[label]) for label, _ in PULSE_FIELDS], self._stamp_s(event))
        self.pulses += 1

    def _stamp_s(self, event: Message) -> float:
        return int(event["host_ns"]) / NS + self.offset.seconds

    def run(self, client: Client) -> None:
        """Send until the recorder is gone; blocks."""
        try:
            while True:
                for message in client.receive(WAIT_S):
                    self.take(message)
        except DeviceLost:
            self.is_cut = not self._is_over
            self._clock.sleep_until(self._clock.now_ns() + int(LINGER_S * NS))


def _name(folder: Path) -> str:
    """What a session is called on the network; the same when it goes on after a crash."""
    found = folder_named(folder.absolute())
    return f"sub-{found.subject}_ses-{found.number:02d}" if found else folder.absolute().name
