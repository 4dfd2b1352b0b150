"""A participant's screen without any window: the same steps and the same film frames, at the clock's own speed.

clock moves on --> flips on the grid of refreshes, up to now --> events
                                                            +--> light(host_ns, level): the patch, for the photodiode
"""

from __future__ import annotations

from collections.abc import Callable

from rig.clips.cadence import require_refresh
from rig.clips.manifest import FilmClip
from rig.clock import NS, Clock
from rig.config import rig as config_of
from rig.elicitation.steps import Step
from rig.sim.participant import script
from rig.stimulus.screen import Screen, ScreenEvent, ScreenNote
from rig.stimulus.showing import FlipLog, Showing
from rig.streams import ClockPair, DeviceInfo

Light = Callable[[int, int], None]


class SimulatedScreen(Screen):
    """A screen that shows perfectly: every flip exactly on its refresh, every film frame in time."""

    def __init__(
        self,
        config: config_of.Screen,
        clips: dict[str, FilmClip],
        clock: Clock,
        *,
        seed: int,
        scripted: bool,
        light: Light,
    ) -> None:
        """`light(host_ns, level)` is called for each change of the patch, level 1 white, 0 black, before the event.

        `scripted`: a scripted participant, by `seed`, answers; otherwise nobody does, and steps end by their time.
        Raises ClipError for a clip faster than the screen.
        """
        for clip in clips.values():
            require_refresh(clip, config.refresh_hz)
        self._config, self._clips, self._clock, self._light = config, clips, clock, light
        self._seed, self._scripted = seed, scripted
        self._origin_ns = clock.now_ns()
        self._refresh = 0  # number of the next flip's refresh, counted from the origin
        self._flips = FlipLog(round(NS / config.refresh_hz), has_patch=config.patch_px > 0)
        self._showing: Showing | None = None
        self._press: tuple[int, str] | None = None  # host clock ns, key
        self._level = 0
        self._told: list[ScreenEvent] = [
            self._clock_pair(self._origin_ns),
            ScreenNote(self._origin_ns, "silent: a simulated screen has no sound"),
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
            capabilities={"refresh_hz": config.refresh_hz, "vertical_sync": True, "sound": False},
        )

    def next_host_ns(self) -> int | None:
        """When `events` will next have something, host clock ns; None while nothing is shown."""
        if self._told:
            return self._clock.now_ns()
        return self._refresh_ns(self._refresh) if self._showing else None

    def show(self, step: Step) -> None:
        """Begin a step, at the first refresh after now."""
        clip = self._clips[step.clip] if step.clip else None
        self._showing = Showing(step, clip, self._flips.period_ns)
        since_ns = self._clock.now_ns() - self._origin_ns
        self._refresh = max(self._refresh, int(since_ns * self._config.refresh_hz / NS) + 1)
        self._flips.rest()

    def events(self, timeout_s: float) -> list[ScreenEvent]:
        """What has happened by now on the clock; sleeps on the clock until something has, at most `timeout_s`."""
        latest = self._clock.now_ns() + round(timeout_s * NS)
        due = self.next_host_ns()
        self._clock.sleep_until(latest if due is None else min(due, latest))
        now = self._clock.now_ns()
        while self._showing and self._refresh_ns(self._refresh) <= now:
            self._flip(self._showing, self._refresh_ns(self._refresh))
            self._refresh += 1
        told, self._told = self._told, []
        return told

    def abort(self) -> None:
        """End the step at the next refresh."""
        if self._showing:
            self._showing.abort()

    def close(self) -> None:
        """Nothing to give back."""
        self._showing = None

    def _refresh_ns(self, refresh: int) -> int:
        return self._origin_ns + round(refresh * NS / self._config.refresh_hz)

    def _flip(self, showing: Showing, host_ns: int) -> None:
        if showing.is_over(host_ns):
            flip = self._flips.between_steps(host_ns, host_ns / NS)
            self._shine(flip.patch, host_ns)
            self._told += [flip, showing.ended(host_ns), self._clock_pair(host_ns)]
            self._showing, self._press = None, None
            return
        film_frame = showing.target(host_ns)
        flip = self._flips.of_step(showing, film_frame, host_ns, host_ns, host_ns / NS, underrun=False)
        self._shine(flip.patch, host_ns)
        began = showing.flipped(flip)
        self._told += [*began, flip]
        if began:
            self._plan_press(showing.step, host_ns)
        self._press_if_due(showing, host_ns)

    def _shine(self, level: int, host_ns: int) -> None:
        if level != self._level:
            self._level = level
            self._light(host_ns, level)

    def _plan_press(self, step: Step, began_ns: int) -> None:
        choice = script(step, self._seed) if self._scripted else None
        self._press = (began_ns + round(choice[1] * NS), choice[0]) if choice else None

    def _press_if_due(self, showing: Showing, host_ns: int) -> None:
        """Keys are looked at after each flip, as on the real screen."""
        if self._press and self._press[0] <= host_ns:
            self._told += showing.pressed(self._press[1], host_ns)
            self._press = None

    def _clock_pair(self, host_ns: int) -> ClockPair:
        """The screen's own clock is the host clock here."""
        return ClockPair("screen", host_ns, host_ns, host_ns, host_ns)
