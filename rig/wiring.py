"""From rig.yaml to open devices: the one place that knows which driver belongs to which name.

Drivers and simulator are imported here, when a rig asks for them, and nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rig.cameras.camera import Camera
from rig.clips.manifest import FilmClip
from rig.clock import Clock, HostClock, VirtualClock
from rig.config.rig import Rig
from rig.elicitation.steps import Step
from rig.errors import DeviceNotReady, UserError
from rig.stimulus.screen import Screen
from rig.trigger.box import TriggerBox

if TYPE_CHECKING:
    from rig.sim.world import World

SIMULATED_PORT = "sim://"


@dataclass
class Devices:
    """The open devices of a rig; `close` gives all of them back, the last one first."""

    cameras: dict[str, Camera] = field(default_factory=dict)
    on_step: Callable[[Step], None] = lambda _: None  # a scripted participant is told what is on the screen
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

    def close(self) -> None:
        """Close everything; never raises."""
        while self._closers:
            self._closers.pop()()


@dataclass(frozen=True)
class Virtual:
    """A rig in virtual time: its devices, and what moves them on."""

    devices: Devices
    clock: VirtualClock
    world: World
    next_screen_ns: Callable[[], int | None]


def open_devices(
    rig: Rig, clips: dict[str, FilmClip], folder: Path, *, truth: Path | None, scripted: bool
) -> tuple[Devices, Clock]:
    """Open all devices of a rig for a session in real time. `folder`: private, for logs and the window's HOME.

    Raises DeviceError naming the device; nothing stays open then.
    """
    clock, devices = HostClock(), Devices()
    try:
        framebuffer = _open_screen(devices, rig, clips, folder, clock, scripted=scripted)
        _open_hardware(devices, rig, clock, truth=truth, framebuffer=framebuffer, log=folder / "world.log")
    except BaseException:
        devices.close()
        raise
    return devices, clock


def _open_screen(
    devices: Devices, rig: Rig, clips: dict[str, FilmClip], folder: Path, clock: Clock, *, scripted: bool
) -> Path | None:
    """Open the screen of the rig; the memory it draws into, if there is any."""
    if rig.screen.backend == "simulated":
        return None  # opened with the world, which sees its light
    from rig.stimulus.process import PsychoPyScreen

    screen = PsychoPyScreen(rig.screen, clips, folder)
    devices._screen = screen
    devices._closers.append(screen.close)
    if scripted:
        _open_participant(devices, rig, screen.display, is_own=screen.framebuffer is not None, folder=folder)
    del clock
    return screen.framebuffer


def _open_participant(devices: Devices, rig: Rig, display: str, *, is_own: bool, folder: Path) -> None:
    """A scripted participant presses real keys, so only ever on a display that the rig started itself."""
    from rig.sim.participant import ScriptedParticipant

    if not is_own:
        raise UserError("--participant", "is not allowed on a real screen", value="scripted", allowed="human")
    participant = ScriptedParticipant(display, rig.simulation.seed if rig.simulation else 1, folder)
    devices._closers.append(participant.close)
    devices.on_step = participant.began


def _open_hardware(
    devices: Devices, rig: Rig, clock: Clock, *, truth: Path | None, framebuffer: Path | None, log: Path
) -> None:
    """Open box and cameras, and the simulated world behind those that are simulated."""
    from rig.sim import protocol_sim
    from rig.sim.camera import SimulatedCamera
    from rig.sim.process import WorldProcess
    from rig.sim.screen import SimulatedScreen
    from rig.trigger.port import SerialBox

    _require_simulation(rig)
    world = WorldProcess(rig, truth=truth, framebuffer=framebuffer, log=log)
    devices._closers.append(world.close)
    if rig.screen.backend == "simulated":
        seed = rig.simulation.seed if rig.simulation else 1
        devices._screen = SimulatedScreen(rig.screen, {}, clock, seed=seed, scripted=True, light=world.light)
    name = rig.box.port.removeprefix(SIMULATED_PORT)
    protocol_sim.register(name, protocol_sim.SocketEndpoint(world.box))
    devices._closers.append(lambda: protocol_sim.unregister(name))
    devices._box = SerialBox(rig.box.port, clock)
    devices._closers.append(devices._box.close)
    for name_, link in world.links.items():
        camera = SimulatedCamera(name_, link, clock)
        devices.cameras[name_] = camera
        devices._closers.append(camera.close)


def _require_simulation(rig: Rig) -> None:
    if not rig.box.port.startswith(SIMULATED_PORT):
        problem = "drives no simulated cameras; a rig is simulated as a whole"
        raise DeviceNotReady(f"trigger box {rig.box.port}", problem, allowed="port: sim://NAME")


def open_virtual(rig: Rig, clips: dict[str, FilmClip], *, truth: Path | None, scripted: bool) -> Virtual:
    """Open all devices of a rig for `--speed max`, in this thread. Raises UserError for a rig that cannot."""
    from rig.sim import protocol_sim
    from rig.sim.camera import SimulatedCamera
    from rig.sim.links import LocalLink
    from rig.sim.screen import SimulatedScreen
    from rig.sim.world import World, pool_shape, simulation_of
    from rig.trigger.port import SerialBox

    if (rig.screen.virtual_time_backend or rig.screen.backend) != "simulated" or not rig.box.port.startswith(
        SIMULATED_PORT
    ):
        allowed = "a rig whose box, cameras and screen are all simulated"
        raise UserError("--speed", "is not possible with this rig", value="max", allowed=allowed)
    simulation, clock, devices = simulation_of(rig), VirtualClock(), Devices()
    world = World(rig, clock.now_ns(), truth)
    latency_ns = round(simulation.display_latency_ms * 1e6)
    screen = SimulatedScreen(
        rig.screen,
        clips,
        clock,
        seed=simulation.seed,
        scripted=scripted,
        light=lambda host_ns, level: world.light(host_ns + latency_ns, level),
    )
    devices._screen = screen
    name = f"virtual-{secrets.token_hex(8)}"
    port = protocol_sim.register(name, protocol_sim.VirtualEndpoint(world.box, world, clock))
    devices._closers.append(lambda: protocol_sim.unregister(name))
    for camera in rig.cameras:
        devices.cameras[camera] = SimulatedCamera(camera, LocalLink(camera, world, pool_shape(rig, camera)), clock)
    devices._box = SerialBox(port, clock)
    devices._closers.append(devices._box.close)
    return Virtual(devices, clock, world, screen.next_host_ns)
