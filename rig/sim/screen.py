"""A participant's screen without any window: the same steps and the same film frames, at the clock's own speed.

clock moves on --> flips on the grid of refreshes, up to now --> events
                                                            +--> light(host_ns, level): the patch, for the photodiode
                                                            +--> glow(host_ns, brightness): all of it, on the face
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from rig.clips.cadence import require_refresh
from rig.clips.decode import decoded, fitted, scaled
from rig.clips.manifest import FilmClip
from rig.clock import NS, Clock
from rig.config import rig as config_of
from rig.elicitation.steps import Step
from rig.errors import RigError
from rig.sim.film_faults import FilmFaults
from rig.sim.script import Deed, script
from rig.stimulus.acts import Act, KeyDown, KeyUp, Pointer, Withdrawal, take
from rig.stimulus.pages.boxes import Box
from rig.stimulus.pages.colours import BACKGROUND
from rig.stimulus.pages.page import Page, look_of
from rig.stimulus.screen import WITHDRAWAL_KEY, Screen, ScreenEvent, ScreenNote, Withdrawn
from rig.stimulus.showing import FlipLog, Showing, not_read, unread
from rig.streams import ClockPair, DeviceInfo

NEUTRAL = BACKGROUND[0] / 255  # brightness of the grey around a film, of pages and between: 0 black, 1 white
SAMPLED = (16, 9)  # the size at which a film picture is measured

SILENT = "a simulated screen has no sound"

Light = Callable[[int, int], None]
Glow = Callable[[int, float], None]


class SimulatedScreen(Screen):
    """A screen that shows perfectly, but for its faults: every flip exactly on its refresh, film frames in time."""

    def __init__(
        self,
        config: config_of.Screen,
        clips: dict[str, FilmClip],
        clock: Clock,
        *,
        seed: int,
        scripted: bool,
        light: Light,
        glow: Glow,
        faults: FilmFaults | None = None,
        withdraws_in_step: str | None = None,
    ) -> None:
        """`light(host_ns, level)` is called for each change of the patch, level 1 white, 0 black, before the event.

        So is `glow(host_ns, brightness)` for each change of the whole screen's mean brightness, 0 black to 1 white.
        `scripted`: a scripted participant, by `seed`, answers; otherwise nobody does, and steps end by their time.
        `faults`: None: it has none. `withdraws_in_step`: name of the step in which the participant withdraws. Raises
        ClipError for a clip faster than the screen.
        """
        for clip in clips.values():
            require_refresh(clip, config.refresh_hz)
        self._config, self._clips, self._clock = config, clips, clock
        self._light, self._glow, self._faults = light, glow, faults
        self._seed, self._scripted = seed, scripted
        self._origin_ns = clock.now_ns()
        self._refresh = 0  # number of the next flip's refresh, counted from the origin
        self._flips = FlipLog(round(NS / config.refresh_hz), has_patch=config.patch_px > 0)
        self._showing: Showing | None = None
        self._size, self._look = (config.width, config.height), look_of(config)
        self._withdraws_in, self._withdrawal = withdraws_in_step, Withdrawal(WITHDRAWAL_KEY)
        self._acts: list[Act] = []  # that are still to come, in their order
        self._film: _FilmLight | None = None
        self._level, self._brightness = 0, NEUTRAL
        glow(self._origin_ns, NEUTRAL)
        self._told: list[ScreenEvent] = [
            self._clock_pair(self._origin_ns),
            ScreenNote(self._origin_ns, f"silent: {SILENT}", is_alarm=config.sound and bool(clips)),
        ]

    def describe(self) -> DeviceInfo:
        """A simulated screen."""
        config = self._config
        return DeviceInfo(
            kind="screen",
            vendor="rig",
            model=f"simulated screen {config.width}x{config.height} px",
            serial=f"SIM-{self._seed}",
            version="1",
            simulated=True,
            capabilities={"refresh_hz": config.refresh_hz, "vertical_sync": True, "sound": False, "silent": SILENT},
        )

    def next_host_ns(self) -> int | None:
        """When `events` will next have something, host clock ns; None while nothing is shown."""
        if self._told:
            return self._clock.now_ns()
        return self._due_ns(self._showing) if self._showing else None

    def show(self, step: Step) -> None:
        """Begin a step, at the first refresh after now."""
        clip = self._clips[step.clip] if step.clip and not self._withdrawal.leaves_out(step) else None
        step, boxes = self._laid_out(step)
        self._showing = Showing(step, clip, self._flips.period_ns, boxes)
        if self._withdrawal.leaves_out(step):
            self._showing.withdraw()
        self._script = self._script_of(step, boxes)
        if self._faults:
            self._faults.begin(self._showing)
        self._end_film()
        self._film = _FilmLight(clip, (self._config.width, self._config.height)) if clip else None
        since_ns = self._clock.now_ns() - self._origin_ns
        self._refresh = max(self._refresh, int(since_ns * self._config.refresh_hz / NS) + 1)
        self._flips.rest()

    def _laid_out(self, step: Step) -> tuple[Step, Sequence[Box]]:
        """The step and what can be pointed at; one whose page cannot be drawn is answered by nobody."""
        if not (step.items and self._scripted):
            return step, ()
        try:
            return step, Page(step, self._size, self._look).boxes
        except RigError as error:
            self._told.append(not_read(step, error, self._clock.now_ns()))
            return unread(step), ()

    def events(self, timeout_s: float) -> list[ScreenEvent]:
        """What has happened by now on the clock; sleeps on the clock until something has, at most `timeout_s`."""
        latest = self._clock.now_ns() + round(timeout_s * NS)
        due = self.next_host_ns()
        self._clock.sleep_until(latest if due is None else min(due, latest))
        now = self._clock.now_ns()
        while self._showing and (due_ns := self._due_ns(self._showing)) <= now:
            self._flip(self._showing, due_ns)
            self._refresh += 1
        told, self._told = self._told, []
        return told

    def abort(self) -> None:
        """End the step at the next refresh."""
        if self._showing:
            self._showing.abort()

    def close(self) -> None:
        """Close the film."""
        self._showing = None
        self._end_film()

    def _end_film(self) -> None:
        if self._film:
            self._film.close()
        self._film = None

    def _refresh_ns(self, refresh: int) -> int:
        return self._origin_ns + round(refresh * NS / self._config.refresh_hz)

    def _due_ns(self, showing: Showing) -> int:
        """When the next flip comes, which a fault may drop or delay."""
        due_ns, faults = self._refresh_ns(self._refresh), self._faults
        if faults is None or showing.ended_by:
            return due_ns
        if faults.drops(showing, due_ns):
            self._refresh += 1
            due_ns = self._refresh_ns(self._refresh)
        return due_ns + round(faults.late_share(showing, due_ns) * self._flips.period_ns)

    def _flip(self, showing: Showing, host_ns: int) -> None:
        if showing.is_over(host_ns):
            flip = self._flips.between_steps(host_ns, host_ns / NS)
            self._shine(flip.patch, NEUTRAL, host_ns)
            self._end_film()
            self._told += [flip, *showing.ended(host_ns), self._clock_pair(host_ns)]
            self._showing = None
            return
        film_frame = self._faults.shown(showing, host_ns) if self._faults else showing.target(host_ns)
        flip = self._flips.of_step(showing, film_frame, host_ns, host_ns, host_ns / NS, underrun=False)
        self._shine(flip.patch, self._film.brightness(film_frame) if self._film else NEUTRAL, host_ns)
        began = showing.flipped(flip)
        self._told += [*began, flip]
        if began:
            self._acts = acts_of(self._script, host_ns)
        self._act_if_due(showing, host_ns)

    def _shine(self, level: int, brightness: float, host_ns: int) -> None:
        if level != self._level:
            self._level = level
            self._light(host_ns, level)
        if brightness != self._brightness:
            self._brightness = brightness
            self._glow(host_ns, brightness)

    def _script_of(self, step: Step, boxes: Sequence[Box]) -> tuple[Deed, ...]:
        if not self._scripted:
            return ()
        withdraws_by = WITHDRAWAL_KEY if step.name == self._withdraws_in else ""
        return script(step, self._seed, boxes, withdraws_by=withdraws_by).deeds

    def _act_if_due(self, showing: Showing, host_ns: int) -> None:
        """The participant is looked after at each flip, as on the real screen, and heard of then."""
        while self._acts and self._acts[0].host_ns <= host_ns:
            act = replace(self._acts.pop(0), host_ns=host_ns)
            if not self._withdrawal.watch(act):
                self._told += take(showing, act)
        if self._withdrawal.is_due(host_ns):
            showing.withdraw()
            self._told.append(Withdrawn(showing.step.index, host_ns))

    def _clock_pair(self, host_ns: int) -> ClockPair:
        """The screen's own clock is the host clock here."""
        return ClockPair("screen", host_ns, host_ns, host_ns, host_ns)


def acts_of(deeds: Iterable[Deed], began_host_ns: int) -> list[Act]:
    """What is done in a step that began then, in its order."""
    return sorted((act for deed in deeds for act in _acts_of(deed, began_host_ns)), key=lambda act: act.host_ns)


def _acts_of(deed: Deed, began_host_ns: int) -> Iterator[Act]:
    host_ns = began_host_ns + round(deed.after_s * NS)
    if deed.pointer:
        yield Pointer(*deed.pointer, host_ns)
        return
    yield KeyDown(deed.key, deed.text, host_ns)
    yield KeyUp(deed.key, host_ns + round(deed.hold_s * NS))


class _FilmLight:
    """How bright the screen is with each picture of a film, decoded as they are shown."""

    def __init__(self, clip: FilmClip, screen: tuple[int, int]) -> None:
        self._frames = decoded(clip.path, clip.first, clip.frames, clip.jump_s)
        width, height = fitted((clip.width, clip.height), screen)
        self._share = width * height / (screen[0] * screen[1])  # of the screen, that the film covers
        self._next, self._brightness = 0, NEUTRAL

    def brightness(self, film_frame: int) -> float:
        """The mean of the screen while it shows this picture, 0 to 1; later ones only from then on. Decodes."""
        for frame in islice(self._frames, max(0, film_frame + 1 - self._next)):
            picture = scaled(frame, SAMPLED, "gray").to_ndarray()
            self._brightness = float(picture.mean()) / 255 * self._share + NEUTRAL * (1 - self._share)
            self._next += 1
        return self._brightness

    def close(self) -> None:
        """Close the film's file."""
        self._frames.close()
