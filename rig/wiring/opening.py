"""Opens the devices of a rig in real time, one after another; what is missing is told all at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rig.clips.manifest import FilmClip
from rig.clock import Clock, HostClock
from rig.config.backends import EMULATION, REPLAY, REPLAYED
from rig.config.rig import Camera as CameraConfig
from rig.config.rig import Rig
from rig.config.rules import SIMULATED_PORT, buffers_of
from rig.errors import DeviceNotReady, ProblemList, RigError, UserError, raise_all
from rig.session.playback import Playback
from rig.stimulus.no_window import NoWindow
from rig.stimulus.screen import WITHDRAWAL_KEY
from rig.wiring.devices import Devices
from rig.wiring.drivers import CAMERAS, open_box, open_camera, or_close

if TYPE_CHECKING:
    from rig.cameras.basler.emulation import EmulatedBaslerCamera
    from rig.sim.process import WorldProcess

VIRTUAL_DISPLAY = "virtual"


def open_devices(
    rig: Rig,
    clips: dict[str, FilmClip],
    folder: Path,
    *,
    truth: Path | None,
    scripted: bool,
    withdrawal_key: str = WITHDRAWAL_KEY,
    has_window: bool = True,
) -> tuple[Devices, Clock]:
    """Open all devices of a rig for a session in real time. `folder`: private, for logs and the window's HOME.

    `withdrawal_key`: the one with which the participant withdraws. `has_window`: False for a protocol that shows
    nothing. Raises DeviceError naming the device, or a
    ProblemList of all that are missing; nothing stays open then.
    """
    if rig.box.backend == REPLAYED:
        clock = HostClock()
        return open_replayed(rig, clock), clock
    opening = _Opening(
        rig, clips, folder, truth, scripted=scripted, withdrawal_key=withdrawal_key, has_window=has_window
    )
    or_close(opening.devices, lambda: _take_all(opening.open_screen, opening.open_box_and_cameras))
    return opening.devices, opening.clock


def open_those_there(
    rig: Rig, clips: dict[str, FilmClip], folder: Path, *, has_window: bool = True, with_screen: bool = True
) -> tuple[Devices, list[RigError]]:
    """Open every device of a rig that can be opened, to look at it; and what keeps the others from being opened.

    `folder` and `has_window` as in open_devices; `with_screen`: False leaves the screen out.
    """
    if rig.box.backend == REPLAYED:
        return open_replayed(rig, HostClock()), []
    opening = _Opening(rig, clips, folder, None, scripted=False, has_window=has_window)
    steps = [opening.open_screen] if with_screen else []
    problems = or_close(opening.devices, lambda: _try_all(*steps, opening.open_box_and_cameras))
    return opening.devices, problems


def open_replayed(rig: Rig, clock: Clock, shift_ns: int | None = None) -> Devices:
    """The devices of a recorded session, which all play it on one clock; `shift_ns` as in Playback.

    Raises SessionError.
    """
    from rig.cameras.replayed import ReplayedCamera
    from rig.stimulus.replayed import ReplayedScreen
    from rig.trigger.replayed import ReplayedBox

    playback = Playback(Path(rig.box.port.removeprefix(REPLAY)), clock, shift_ns)
    devices = Devices(playback=playback)
    devices.closing(playback.close)
    devices.has_screen(ReplayedScreen(playback))
    for name, config in rig.cameras.items():
        devices.has_camera(ReplayedCamera(name, playback, buffers=buffers_of(rig.box.rate_hz, config.divisor)))
    devices.has_box(ReplayedBox(playback))
    return devices


def open_bench(rig: Rig, folder: Path, *, with_cameras: bool) -> tuple[Devices, Clock]:
    """Open the box of a rig, and its cameras if asked, but no screen, to test them. `folder` as in open_devices.

    Raises DeviceError naming the device; nothing stays open then.
    """
    if rig.box.backend == REPLAYED:
        hint = "Only the protocol that it was recorded with can be run on it: rig record"
        raise UserError(rig.box.port, "is a recorded session, whose devices cannot be tested", hint=hint)
    opening = _Opening(rig, {}, folder, None, scripted=False)
    or_close(opening.devices, opening.open_box_and_cameras if with_cameras else opening.open_box)
    return opening.devices, opening.clock


def open_port(port: str, *, baud: int) -> tuple[Devices, Clock]:
    """Open whatever trigger box is at a serial port, without any rig; `baud` as `box.baud` of a rig.

    Raises DeviceError naming the port.
    """
    from rig.trigger.port import SerialBox

    devices, clock = Devices(), HostClock()
    devices.has_box(SerialBox(port, clock, baud=baud))
    return devices, clock


def _take_all(*steps: Callable[[], None]) -> None:
    """Take every step, also after one that failed: somebody under a table wants to know of all loose cables at once.

    Raises the RigError of the one that failed, or a ProblemList of them all.
    """
    raise_all(_try_all(*steps))


def _try_all(*steps: Callable[[], None]) -> list[RigError]:
    """Take every step; the errors of those that failed."""
    problems: list[RigError] = []
    for step in steps:
        try:
            step()
        except ProblemList as several:
            problems += several.problems
        except RigError as error:
            problems.append(error)
    return problems


class _Opening:
    """The devices of a rig in real time, opened one after another."""

    def __init__(
        self,
        rig: Rig,
        clips: dict[str, FilmClip],
        folder: Path,
        truth: Path | None,
        *,
        scripted: bool,
        withdrawal_key: str = WITHDRAWAL_KEY,
        has_window: bool = True,
    ) -> None:
        self.devices, self.clock, self._has_window = Devices(), HostClock(), has_window
        self._rig, self._clips, self._folder, self._truth = rig, clips, folder, truth
        self._scripted, self._withdrawal_key = scripted, withdrawal_key
        self._seed = rig.simulation.seed if rig.simulation else 1
        self._withdraws_in = rig.simulation.withdraws_in_step if rig.simulation else None
        self._world: WorldProcess | None = None
        self._framebuffer: Path | None = None  # the memory that a virtual display draws into

    def open_screen(self) -> None:
        """The window; a simulated screen opens with the world, which sees its light."""
        if not self._has_window:
            self.devices.has_screen(NoWindow(self.clock))
            return
        if self._rig.screen.backend == "simulated":
            return
        if self._scripted and self._rig.screen.display != VIRTUAL_DISPLAY:  # keys go to whatever has the focus there
            raise UserError("--participant", "is not allowed on a real screen", value="scripted", allowed="human")
        from rig.stimulus.process import PsychoPyScreen

        screen = PsychoPyScreen(self._rig.screen, self._clips, self._folder, withdrawal_key=self._withdrawal_key)
        self.devices.has_screen(screen)
        self._framebuffer = screen.framebuffer
        if self._scripted:
            self._open_participant(screen.display)

    def _open_participant(self, display: str) -> None:
        """A scripted participant presses real keys, so only ever on a display that the rig started itself."""
        from rig.sim.participant import ScriptedParticipant

        participant = ScriptedParticipant(
            display,
            self._rig.screen,
            self._seed,
            self._folder,
            withdraws_in_step=self._withdraws_in,
            withdrawal_key=self._withdrawal_key,
        )
        self.devices.closing(participant.close)
        self.devices.on_step = participant.began

    def open_box_and_cameras(self) -> None:
        """The box, the cameras, and the simulated world behind those that are simulated."""
        _take_all(self.open_box, self._open_cameras)
        if not self.devices.cameras:
            problem = "cannot fire simulated cameras; they are on the wires of a simulated box"
            raise DeviceNotReady(
                f"trigger box {self._rig.box.port}", problem, allowed="port: sim://NAME, or simulation.wires"
            )

    def open_box(self) -> None:
        """The box; a simulated one with the world that it is in, and its cameras.

        A box outside that world comes before it: only who has its port may take its wires.
        """
        port = self._rig.box.port
        if port.startswith(SIMULATED_PORT):
            self._open_world(port)
        self.devices.has_box(open_box(self._rig.box, port, self.clock))
        if not port.startswith(SIMULATED_PORT) and self._rig.simulation and self._rig.simulation.wires:
            self._open_world(port)

    def _open_cameras(self) -> None:
        """The cameras outside the simulated world, each by its driver; its trigger lines reach the emulated ones."""
        fires: dict[int, Callable[[], None]] = {}

        def open_outside(name: str, config: CameraConfig) -> None:
            camera = open_camera(self._rig, name, config, self.clock)
            self.devices.has_camera(camera)
            if config.backend == EMULATION:
                fires[config.line] = cast("EmulatedBaslerCamera", camera).trigger

        outside = [(name, config) for name, config in self._rig.cameras.items() if config.backend in CAMERAS]
        _take_all(*(partial(open_outside, *each) for each in outside))
        if fires and self._world is not None:
            from rig.sim.wires import WireThread

            self.devices.closing(WireThread(self._world.pulses, fires).close)

    def _open_world(self, port: str) -> None:
        """The simulated world, with the box in it that has this port; a box outside it has a real one."""
        from rig.sim import protocol_sim
        from rig.sim.camera import SimulatedCamera
        from rig.sim.faults import Truth
        from rig.sim.film_faults import FilmFaults
        from rig.sim.process import WorldProcess
        from rig.sim.screen import SimulatedScreen
        from rig.sim.world import simulation_of

        log = self._folder / "world.log"
        self._world = world = WorldProcess(self._rig, truth=self._truth, framebuffer=self._framebuffer, log=log)
        self.devices.closing(world.close)
        if port.startswith(SIMULATED_PORT):
            name = port.removeprefix(SIMULATED_PORT)
            protocol_sim.register(name, protocol_sim.SocketEndpoint(world.box))
            self.devices.closing(lambda: protocol_sim.unregister(name))
        for camera, link in world.links.items():
            self.devices.has_camera(SimulatedCamera(camera, link, self.clock))
        if self._rig.screen.backend == "simulated" and self._has_window:
            screen = SimulatedScreen(
                self._rig.screen,
                self._clips,
                self.clock,
                seed=self._seed,
                scripted=self._scripted,
                light=world.light,
                glow=world.glow,
                faults=FilmFaults(simulation_of(self._rig).faults, self._seed, Truth(self._truth)),
                withdraws_in_step=self._withdraws_in,
            )
            self.devices.has_screen(screen)
