"""Opens the devices of a rig in virtual time, for `--speed max`: simulated or replayed, in one thread."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rig.clips.manifest import FilmClip
from rig.clock import VirtualClock
from rig.config.backends import REPLAYED
from rig.config.rig import Rig
from rig.config.rules import SIMULATED_PORT
from rig.errors import UserError
from rig.stimulus.no_window import NoWindow
from rig.wiring.devices import Devices, Virtual
from rig.wiring.drivers import open_box
from rig.wiring.opening import open_replayed

if TYPE_CHECKING:
    from rig.sim.box import SimulatedBox
    from rig.sim.links import LocalLink
    from rig.sim.screen import SimulatedScreen
    from rig.sim.world import World


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
    links = {camera: LocalLink(camera, world, pool_shape(rig, camera)) for camera in rig.cameras}
    for camera, link in links.items():
        devices.has_camera(SimulatedCamera(camera, link, clock))
    devices.has_box(open_box(rig.box, port, clock))
    return Virtual(devices, clock, world, screen.next_host_ns, lambda: _is_telling(world.box, links.values()))


def _is_telling(box: SimulatedBox, links: Iterable[LocalLink]) -> bool:
    return box.is_telling or any(link.is_telling for link in links)


def _replayed_virtually(rig: Rig) -> Virtual:
    """A recorded session, played on a clock that shows the host times of then."""
    clock = VirtualClock(0)
    devices = open_replayed(rig, clock, 0)
    playback = devices.playback
    assert playback is not None
    clock.sleep_until(playback.start_host_ns)
    return Virtual(devices, clock, playback, lambda: None, lambda: True)


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
