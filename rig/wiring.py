"""From rig.yaml to open devices: the one place that knows which driver belongs to which name.

Drivers and simulator are imported here, when a rig asks for them, and nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from rig.cameras.camera import Camera
from rig.cameras.found import FeatureRow, FoundCamera
from rig.clips.manifest import FilmClip
from rig.clock import Clock, HostClock, VirtualClock
from rig.config.backends import BASLER, EMULATED_SERIAL, EMULATION, REPLAY, REPLAYED
from rig.config.rig import Box, Rig
from rig.config.rig import Camera as CameraConfig
from rig.config.rules import SIMULATED_PORT, buffers_of
from rig.elicitation.steps import Step
from rig.errors import DeviceNotFound, DeviceNotReady, ProblemList, RigError, UserError, raise_all
from rig.pixels import Snapshot
from rig.session.playback import Playback
from rig.stimulus.no_window import NoWindow
from rig.stimulus.screen import WITHDRAWAL_KEY, Screen
from rig.trigger.box import TriggerBox

if TYPE_CHECKING:
    from rig.cameras.basler.emulation import EmulatedBaslerCamera
    from rig.sim.process import WorldProcess
    from rig.sim.screen import SimulatedScreen
    from rig.sim.world import World

T = TypeVar("T")
VIRTUAL_DISPLAY = "virtual"
CAMERAS = {  # by cameras.<STREAM>.backend; called with stream, configuration, clock and buffers
    BASLER: "rig.cameras.basler.camera:BaslerCamera",
    EMULATION: "rig.cameras.basler.emulation:EmulatedBaslerCamera",
}
DISCOVERIES = {  # by cameras.<STREAM>.backend: find(), and by serial number snapshot() and dump()
    BASLER: "rig.cameras.basler.discovery",
    EMULATION: "rig.cameras.basler.discovery",
}
REAL = DISCOVERIES.keys() - {EMULATION}  # backends of cameras that one can plug in
EMULATED_HINT = "So many cameras as PYLON_CAMEMU says are emulated: set it in the environment, e.g. PYLON_CAMEMU=1"
BOXES = {"serial": "rig.trigger.port:SerialBox"}  # by box.backend; called with the port, the clock and baud


@dataclass
class Devices:
    """The open devices of a rig; `close` gives all of them back, the last one first."""

    cameras: dict[str, Camera] = field(default_factory=dict)
    on_step: Callable[[Step], None] = lambda _: None  # a scripted participant is told what is on the screen
    playback: Playback | None = None  # of a rig that is replayed
    _closers: list[Callable[[], None]] = field(default_factory=list)
    _box: TriggerBox | None = None
    _screen: Screen | None = None

    @property
    def box(self) -> TriggerBox:
        """The trigger box."""
        assert self._box is not None
        return self._box

    @property
    def screen(self) -> Screen:
        """The participant's screen."""
        assert self._screen is not None
        return self._screen

    @property
    def by_name(self) -> dict[str, Camera | TriggerBox | Screen]:
        """Those that are open: cameras by stream, `box` and `screen`."""
        others = {"box": self._box, "screen": self._screen}
        return {**self.cameras, **{name: device for name, device in others.items() if device is not None}}

    def has_camera(self, camera: Camera) -> None:
        """Take over an open camera."""
        self.cameras[camera.name] = camera
        self.closing(camera.close)

    def has_box(self, box: TriggerBox) -> None:
        """Take over the open trigger box."""
        self._box = box
        self.closing(box.close)

    def has_screen(self, screen: Screen) -> None:
        """Take over the open screen."""
        self._screen = screen
        self.closing(screen.close)

    def closing(self, close: Callable[[], None]) -> None:
        """Call `close` when the devices are closed, before all that was given earlier."""
        self._closers.append(close)

    def close(self) -> None:
        """Close everything; never raises."""
        while self._closers:
            self._closers.pop()()


class Moving(Protocol):
    """What goes on by itself in virtual time. Times are host ns."""

    def next_host_ns(self) -> int | None:
        """When something is due next; None when nothing is."""

    def run_until(self, host_ns: int) -> None:
        """Do everything that is due by then."""


@dataclass(frozen=True)
class Virtual:
    """A rig in virtual time: its devices, and what moves them on."""

    devices: Devices
    clock: VirtualClock
    world: Moving
    next_screen_ns: Callable[[], int | None]


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
        return _open_replayed(rig, clock), clock
    opening = _Opening(
        rig, clips, folder, truth, scripted=scripted, withdrawal_key=withdrawal_key, has_window=has_window
    )
    _or_close(opening.devices, lambda: _take_all(opening.open_screen, opening.open_box_and_cameras))
    return opening.devices, opening.clock


def open_those_there(
    rig: Rig, clips: dict[str, FilmClip], folder: Path, *, has_window: bool = True
) -> tuple[Devices, list[RigError]]:
    """Open every device of a rig that can be opened, to look at it; and what keeps the others from being opened.

    `folder` and `has_window` as in open_devices.
    """
    if rig.box.backend == REPLAYED:
        return _open_replayed(rig, HostClock()), []
    opening = _Opening(rig, clips, folder, None, scripted=False, has_window=has_window)
    problems = _or_close(opening.devices, lambda: _try_all(opening.open_screen, opening.open_box_and_cameras))
    return opening.devices, problems


def _open_replayed(rig: Rig, clock: Clock, shift_ns: int | None = None) -> Devices:
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
    _or_close(opening.devices, opening.open_box_and_cameras if with_cameras else opening.open_box)
    return opening.devices, opening.clock


def open_port(port: str, *, baud: int) -> tuple[Devices, Clock]:
    """Open whatever trigger box is at a serial port, without any rig; `baud` as `box.baud` of a rig.

    Raises DeviceError naming the port.
    """
    from rig.trigger.port import SerialBox

    devices, clock = Devices(), HostClock()
    devices.has_box(SerialBox(port, clock, baud=baud))
    return devices, clock


def find_cameras() -> list[FoundCamera]:
    """The cameras that answer to any driver; simulated ones are not looked for. Blocks for some seconds at most.

    Raises DeviceNotReady when a driver cannot look.
    """
    return [camera for module in dict.fromkeys(DISCOVERIES.values()) for camera in import_module(module).find()]


def find_camera(serial: str) -> FoundCamera:
    """The camera with this serial number. Raises DeviceNotFound naming those that are there, or DeviceNotReady."""
    there = {camera.serial: camera for camera in find_cameras()}
    if serial not in there:
        allowed = f"found: {', '.join(there) or 'no camera'}"
        hint = EMULATED_HINT if serial.startswith(EMULATED_SERIAL) else ""
        raise DeviceNotFound(f"camera {serial or repr(serial)}", "is not there", allowed=allowed, hint=hint)
    return there[serial]


def snapshot(found: FoundCamera) -> Snapshot:
    """One picture of a camera, in free run and with its present features, which are as they were afterwards.

    Raises DeviceNotFound, or DeviceNotReady when no picture came.
    """
    taken: Snapshot = _discovery(found).snapshot(found.serial)
    return taken


def dump_features(found: FoundCamera) -> list[FeatureRow]:
    """All features of a camera that can be read, sorted by name. Raises DeviceNotFound or DeviceNotReady."""
    rows: list[FeatureRow] = _discovery(found).dump(found.serial)
    return rows


def _discovery(found: FoundCamera) -> ModuleType:
    """The module that can look at a camera without any rig."""
    return import_module(DISCOVERIES[found.backend])


def _driver(place: str) -> Callable[..., Any]:
    """The class at "module:class"."""
    module, name = place.split(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def _open_box(box: Box, port: str, clock: Clock) -> TriggerBox:
    """The trigger box of a rig, by its backend, at `port`, sending nothing. Raises DeviceError naming the port."""
    opened: TriggerBox = _driver(BOXES[box.backend])(port, clock, baud=box.baud)
    _or_close(opened, opened.end_left_over)
    return opened


def _open_camera(rig: Rig, name: str, config: CameraConfig, clock: Clock) -> Camera:
    """A camera by its backend. Raises DeviceError naming it."""
    buffers = buffers_of(rig.box.rate_hz, config.divisor)
    opened: Camera = _driver(CAMERAS[config.backend])(name, config, clock, buffers=buffers)
    return opened


def _or_close(opened: Devices | TriggerBox, use: Callable[[], T]) -> T:
    """What `use` returns; where it raises, what was opened is closed."""
    with ExitStack() as undo:
        undo.callback(opened.close)
        result = use()
        undo.pop_all()
    return result


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
        self.devices.has_box(_open_box(self._rig.box, port, self.clock))
        if not port.startswith(SIMULATED_PORT) and self._rig.simulation and self._rig.simulation.wires:
            self._open_world(port)

    def _open_cameras(self) -> None:
        """The cameras outside the simulated world, each by its driver; its trigger lines reach the emulated ones."""
        fires: dict[int, Callable[[], None]] = {}

        def open_camera(name: str, config: CameraConfig) -> None:
            camera = _open_camera(self._rig, name, config, self.clock)
            self.devices.has_camera(camera)
            if config.backend == EMULATION:
                fires[config.line] = cast("EmulatedBaslerCamera", camera).trigger

        outside = [(name, config) for name, config in self._rig.cameras.items() if config.backend in CAMERAS]
        _take_all(*(partial(open_camera, *each) for each in outside))
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


def open_virtual(
    rig: Rig, clips: dict[str, FilmClip], *, truth: Path | None, scripted: bool, has_window: bool = True
) -> Virtual:
    """Open all devices of a rig for `--speed max`, in this thread. Raises UserError for a rig that cannot.

    `has_window` as in open_devices.
    """
    if rig.box.backend == REPLAYED:
        return _replayed_virtually(rig)
    from rig.sim import protocol_sim
    from rig.sim.camera import SimulatedCamera
    from rig.sim.links import LocalLink
    from rig.sim.world import World, pool_shape

    screen_backend = rig.screen.virtual_time_backend or rig.screen.backend
    backends = {screen_backend if has_window else "simulated", *(camera.backend for camera in rig.cameras.values())}
    if backends != {"simulated"} or not rig.box.port.startswith(SIMULATED_PORT):
        allowed = "a rig whose box, cameras and screen are all simulated, or replay:SESSION"
        raise UserError("--speed", "is not possible with this rig", value="max", allowed=allowed)
    clock, devices = VirtualClock(), Devices()
    world = World(rig, clock.now_ns(), truth)
    screen = _virtual_screen(rig, clips, clock, world, scripted=scripted) if has_window else NoWindow(clock)
    devices.has_screen(screen)
    name = f"virtual-{secrets.token_hex(8)}"
    port = protocol_sim.register(name, protocol_sim.VirtualEndpoint(world.box, world, clock))
    devices.closing(lambda: protocol_sim.unregister(name))
    for camera in rig.cameras:
        devices.has_camera(SimulatedCamera(camera, LocalLink(camera, world, pool_shape(rig, camera)), clock))
    devices.has_box(_open_box(rig.box, port, clock))
    return Virtual(devices, clock, world, screen.next_host_ns)


def _replayed_virtually(rig: Rig) -> Virtual:
    """A recorded session, played on a clock that shows the host times of then."""
    clock = VirtualClock(0)
    devices = _open_replayed(rig, clock, 0)
    playback = devices.playback
    assert playback is not None
    clock.sleep_until(playback.start_host_ns)
    return Virtual(devices, clock, playback, lambda: None)


def _virtual_screen(
    rig: Rig, clips: dict[str, FilmClip], clock: VirtualClock, world: World, *, scripted: bool
) -> SimulatedScreen:
    """The simulated screen, whose light the world sees."""
    from rig.sim.film_faults import FilmFaults
    from rig.sim.light import Display
    from rig.sim.screen import SimulatedScreen
    from rig.sim.world import simulation_of

    simulation = simulation_of(rig)
    display = Display(simulation.display_latency_ms, simulation.display_jitter_ms, simulation.seed)
    return SimulatedScreen(
        rig.screen,
        clips,
        clock,
        seed=simulation.seed,
        scripted=scripted,
        light=lambda host_ns, level: world.light(display.patch_ns(host_ns), level),
        glow=lambda host_ns, brightness: world.glow(display.shines_ns(host_ns), brightness),
        faults=FilmFaults(simulation.faults, simulation.seed, world.truth),
        withdraws_in_step=simulation.withdraws_in_step,
    )
