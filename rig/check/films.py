"""What is told of a protocol's films: how evenly the screen will show each, and what a report on them will lack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rig.clips.cadence import Cadence, cadence
from rig.clips.examine import HOLES, wait_notes
from rig.clips.manifest import FilmClip
from rig.elicitation.protocol import ElicitationProtocol


@dataclass
class Films:
    """The clips of a protocol that can be shown, by name, and how each will run on the rig's screen."""

    clips: dict[str, FilmClip] = field(default_factory=dict)
    cadences: dict[str, Cadence] = field(default_factory=dict)  # of the same clips, once a screen is known
    refresh_hz: float = 0.0  # of that screen
    unheard: tuple[str, ...] = ()  # those with a sound that the rig does not play

    def run_on(self, refresh_hz: float) -> None:
        """Find the cadence of each on a screen with this refresh rate."""
        self.refresh_hz = refresh_hz
        self.cadences = {name: cadence(clip.frames, clip.fps, refresh_hz) for name, clip in self.clips.items()}

    def uneven(self) -> list[str]:
        """A warning for each whose film frames are not all shown equally long."""
        return [
            f"clip {name}: {self._spelled(name)}, uneven" for name, found in self.cadences.items() if not found.is_even
        ]

    def far(self) -> list[str]:
        """A warning for each that the screen takes long to come to, in its file."""
        return [f"clip {name}: {note}" for name, clip in self.clips.items() for note in wait_notes(clip)]

    def mute(self) -> list[str]:
        """A warning when films have a sound, and rig.yaml asks for none."""
        one = len(self.unheard) == 1
        told = f"{len(self.unheard)} {'clip has' if one else 'clips have'} sound, and nobody hears it"
        return [f"{told}: screen.sound in rig.yaml is false. Write sound: true there"] if self.unheard else []

    def lines(self) -> list[str]:
        """Those that will run evenly, in words."""
        return [f"clip {name}: {self._spelled(name)}, even" for name, found in self.cadences.items() if found.is_even]

    def _spelled(self, name: str) -> str:
        fps, pattern = self.clips[name].fps, self.cadences[name].pattern
        return f"{round(fps, 3):g} fps on {round(self.refresh_hz, 2):g} Hz, a film frame stays for {pattern} flips"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: self._plain(name, clip) for name, clip in self.clips.items()}

    def _plain(self, name: str, clip: FilmClip) -> dict[str, Any]:
        found = self.cadences.get(name)
        told = {"pattern": found.pattern, "even": found.is_even} if found else None
        return {"path": str(clip.path), "fps": clip.fps, "frames": clip.frames, "cadence": told}


def holes(protocol: ElicitationProtocol) -> Iterator[str]:
    """What a study of clips has to report, and the protocol does not say."""
    for key in HOLES:
        if silent := [name for name, clip in protocol.clips.items() if not getattr(clip, key)]:
            yield f"the protocol does not say the {key} of: {', '.join(silent)}"
