"""The kinds of faults that seeded sessions have, one kind a session, in their order; and the clean ones between them.

Each kind chooses by its seed how much, where, and sometimes less than the tolerance, which nothing may find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from rig.session.layout import CLOCK_PAIRS
from rig.sim.faults import Fault
from tests.faulty import FILM_STEP, STREAMS, Place, Plan, Random, usual_plan

FIRST = 40  # pulses before it are the preamble's
SMALL, LARGE = (96, 64), ((160, 120), (200, 128), (320, 240))
FORMATS = ("Mono8", "Mono8", "BayerRG8", "Mono12p", "Mono12", "RGB8", "BayerGB12p")
HARMLESS: tuple[dict[str, Any], ...] = (
    {}, {}, {"late_frames": 3}, {"stalls": 1}, {"bumped_numbers": True}, {"kept_numbers": True},
    {"wrapping_numbers": True}, {"scribbles": True}, {"swallowed_starts": 1}, {"late_boot_s": 2},
    {"first_frame_delay_s": 0.3}, {"drift_ppm": 300}, {"drift_ppm": -300},
)  # fmt: skip
MAINS_LONG_S = 112  # four beats of 0.04 Hz and the film
Choose = Callable[[Plan, Random], None]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what is injected, and the tolerance above which it must be found."""

    name: str
    injected: str
    limit: str
    choose: Choose

    @property
    def is_clean(self) -> bool:
        """Whether nothing may be found."""
        return self.name == CLEAN


def plan_of(seed: int) -> tuple[Kind, Plan]:
    """The session of a seed."""
    kind, plan = ORDER[seed % len(ORDER)], usual_plan(seed)
    rng = np.random.default_rng((seed, 500))
    kind.choose(plan, rng)
    plan.faults.setdefault("first_pulse", FIRST)
    plan.faults.setdefault("last_pulse", plan.pulses - 100)  # a second before the end, as late frames need
    return kind, plan


# Clean ----------------------------------------------------------------------------------------------------------------


def _clean(plan: Plan, rng: Random) -> None:
    """Anything that a good rig may be."""
    size = SMALL if rng.random() < 0.6 else LARGE[int(rng.integers(len(LARGE)))]
    for name, camera in plan.rig["cameras"].items():
        camera |= {"width": size[0], "height": size[1], "pixel_format": str(rng.choice(FORMATS))}
        longest = 6000 if name == "HS" else 20_000
        camera["exposure_us"] = int(rng.integers(2000, longest))
        plan.sensor(name)["counter"] = str(rng.choice(["line", "frame"]))
        if rng.random() < 0.2:
            plan.sensor(name).update(shutter="rolling", row_time_us=10)
        if rng.random() < 0.3:
            camera["start_delay_us"] = int(rng.integers(0, 900))
    plan.rig["screen"]["refresh_hz"] = float(rng.choice([50, 59.94, 60, 75, 120, 144]))
    plan.film_fps = int(rng.choice([24, 25, 30]))
    plan.simulation.update(
        box_ppm=float(rng.uniform(-900, 900)),
        bridge=str(rng.choice(["ideal", "native", "16u2", "ftdi"])),
        display_latency_ms=float(rng.uniform(2, 150)),
        display_jitter_ms=float(rng.uniform(0, 1)),
        strobed_lamps=bool(rng.random() < 0.3),
    )
    plan.faults["clock_ppm"] = {name: float(rng.uniform(-5000, 5000)) for name in STREAMS}
    plan.faults["start_jitter_us"] = {name: float(rng.uniform(0, 30)) for name in STREAMS}
    plan.faults["timestamp_jitter_us"] = {name: float(rng.uniform(0, 100)) for name in STREAMS}
    plan.faults.update(HARMLESS[int(rng.integers(len(HARMLESS)))])
    plan.amount = f"{size[0]}x{size[1]}, {plan.faults}"


# At single pulses -----------------------------------------------------------------------------------------------------


def _single(key: str, *struck: Fault, most: int = 6) -> Choose:
    """So many of one kind, by the seed of the simulated world."""

    def choose(plan: Plan, rng: Random) -> None:
        count = int(rng.integers(1, most + 1))
        plan.faults[key] = count
        plan.strikes, plan.amount = frozenset(struck), f"{key}: {count}"

    return choose


def _away(key: str, fault: Fault) -> Choose:
    """Cameras that go away for a moment, or for good."""

    def choose(plan: Plan, rng: Random) -> None:
        away_s = float(rng.choice([0.3, 0.8, 1.7]))
        plan.faults.update({key: 1, "away_s": away_s, "first_pulse": 150, "last_pulse": plan.pulses - 300})
        plan.strikes, plan.amount = frozenset({fault}), f"{key} for {away_s} s"

    return choose


def _late_arming(plan: Plan, rng: Random) -> None:
    """All cameras miss the first groups of pulses."""
    groups = int(rng.integers(1, 3))
    plan.faults.update(first_pulse=0, last_pulse=4 * groups - 1, lost_pulses=6 * groups)
    plan.strikes, plan.amount = frozenset({Fault.LOST_PULSE}), f"the first {4 * groups} pulses"


def _stale(plan: Plan, rng: Random) -> None:
    plan.faults["stale_frames"] = True
    plan.places, plan.amount = [Place(name, 0, 0) for name in STREAMS], "one of each camera"


def _dead_line(plan: Plan, rng: Random) -> None:
    name = _stream(rng)
    plan.faults["dead_line"] = name
    plan.places, plan.amount = [Place(name)], name


def _swapped(plan: Plan, rng: Random) -> None:
    plan.faults["swapped_cables"] = ["VIS", "NIR"] if rng.random() < 0.7 else ["HS", str(rng.choice(["VIS", "NIR"]))]
    plan.strikes = frozenset({Fault.SWAPPED_CABLES})
    plan.amount = " and ".join(plan.faults["swapped_cables"])


def _free_run(plan: Plan, rng: Random) -> None:
    """At a rate of its own, from arming or from a pulse on, that differs by 0.2 to 2 %, or as in SMIC."""
    name = _stream(rng)
    due_hz = 100 / STREAMS[name]
    off = float(rng.choice([-1, 1])) * float(rng.uniform(0.002, 0.02))
    hz = 25.0545 if name != "HS" and rng.random() < 0.3 else round(due_hz * (1 + off), 4)
    plan.faults.update(free_run=name, free_run_hz=hz)
    first = 0
    if rng.random() < 0.5:
        first = plan.faults["free_run_pulse"] = 200
    plan.places, plan.amount = [Place(name, first, first)], f"{name} at {hz} Hz from {first or 'arming'}"


# Clocks and delays ----------------------------------------------------------------------------------------------------


def _falling_edge(plan: Plan, rng: Random) -> None:
    name, width_us = _stream(rng), int(rng.integers(1500, 5000))
    plan.camera(name)["pulse_width_us"] = width_us
    plan.faults["falling_edge"] = name
    plan.places, plan.amount = [Place(name)], f"{name}, {width_us} us"


def _undeclared_delay(plan: Plan, rng: Random) -> None:
    name, is_above = _stream(rng), bool(rng.random() < 0.7)
    delay_us = float(rng.uniform(150, 6000) if is_above else rng.uniform(5, 60))
    plan.faults["undeclared_delay_us"] = {name: round(delay_us)}
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {delay_us:.0f} us"


def _start_jitter(plan: Plan, rng: Random) -> None:
    name, is_above = _stream(rng), bool(rng.random() < 0.7)
    jitter_us = float(rng.uniform(700, 1000) if is_above else rng.uniform(5, 100))
    plan.faults["start_jitter_us"] = {name: round(jitter_us)}
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {jitter_us:.0f} us rms"


def _timestamp_jitter(plan: Plan, rng: Random) -> None:
    name, is_above = _stream(rng), bool(rng.random() < 0.7)
    jitter_us = float(rng.uniform(500, 1000) if is_above else rng.uniform(5, 150))
    plan.faults["timestamp_jitter_us"] = {name: round(jitter_us)}
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {jitter_us:.0f} us rms"


def _camera_ppm(plan: Plan, rng: Random) -> None:
    """A lab that bought good clocks asks for 1000 ppm; without that all up to 6000 are good."""
    name, is_above = _stream(rng), bool(rng.random() < 0.7)
    ppm = float(rng.choice([-1, 1])) * float(rng.uniform(1150, 5000))
    plan.faults["clock_ppm"] = {name: round(ppm)}
    if is_above:
        plan.rig["tolerances"] = {"camera_ppm": 1000}
    limit = "of 1000" if is_above else "of 6000"
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {ppm:+.0f} ppm {limit}"


def _box_rate(plan: Plan, rng: Random) -> None:
    is_above = bool(rng.random() < 0.7)
    ppm = float(rng.choice([-1, 1])) * float(rng.uniform(1100, 5500) if is_above else rng.uniform(100, 900))
    if _round(plan) % 3 == 0:
        ppm, is_above = -5000.0 if _round(plan) % 2 else 5000.0, True
    plan.simulation["box_ppm"] = round(ppm)
    plan.is_above, plan.places, plan.amount = is_above, [Place("")], f"{ppm:+.0f} ppm"


def _box_reset(plan: Plan, rng: Random) -> None:
    pulse = int(rng.integers(120, plan.pulses - 120))
    plan.faults["reset_at_pulse"] = pulse
    plan.places, plan.amount = [Place("", pulse, pulse)], f"at pulse {pulse}"


def _lost_bytes(plan: Plan, rng: Random) -> None:
    """Of messages about pulses, the pulses themselves being sent."""
    count = int(rng.integers(3, 41))
    plan.faults["dropped_bytes"] = count
    plan.strikes, plan.amount = frozenset({Fault.BYTE_TO_HOST}), f"{count} bytes"


def _slew(plan: Plan, rng: Random) -> None:
    """The host clock against the raw one, which virtual time has not: six readings are written into the file.

    Every other time it begins in the middle of the run.
    """
    is_part, is_above = _round(plan) % 2 == 1, bool(rng.random() < 0.7)
    least, most = (80 if is_part else 120, 500) if is_above else (5, 40 if is_part else 90)
    ppm = float(rng.choice([-1, 1])) * float(rng.uniform(least, most))
    plan.edit, plan.is_above = lambda file: _add_raw_pairs(file, ppm, is_part=is_part), is_above
    plan.places, plan.amount = [Place("")], f"{ppm:+.0f} ppm {'from the middle on' if is_part else 'throughout'}"


def _add_raw_pairs(file: h5py.File, ppm: float, *, is_part: bool) -> None:
    rows = file[CLOCK_PAIRS][:]
    added = rows[np.linspace(0, len(rows) - 1, 6).astype(int)].copy()
    host_ns = added["host_after_ns"].astype(np.int64)
    passed_ns = host_ns - host_ns[0]
    slewed_ns = np.maximum(0, passed_ns - passed_ns[-1] // 2) if is_part else passed_ns
    reading = 700_000_000 + passed_ns - np.rint(slewed_ns * (1 - 1 / (1 + ppm * 1e-6))).astype(np.int64)
    added["clock"], added["reading"], added["reading_end"] = b"raw", reading, reading
    added["host_before_ns"] = host_ns - 500
    added["seq"] = len(rows) + 1 + np.arange(len(added))
    file[CLOCK_PAIRS].resize(len(rows) + len(added), axis=0)
    file[CLOCK_PAIRS][:] = np.concatenate([rows, added])


# Pictures -------------------------------------------------------------------------------------------------------------


def _no_leds(plan: Plan, rng: Random) -> None:
    name = _stream(rng)
    plan.sensor(name)["leds"] = {"in_view": False}
    plan.places, plan.amount = [Place(name)], name


def _saturation(plan: Plan, rng: Random) -> None:
    _light(plan, rng, above=(3.0, 8.0), below=(1.0, 1.1))


def _darkness(plan: Plan, rng: Random) -> None:
    _light(plan, rng, above=(1 / 60, 1 / 15), below=(0.9, 1.0))


def _light(plan: Plan, rng: Random, *, above: tuple[float, float], below: tuple[float, float]) -> None:
    """So many times the light that is just right."""
    name, is_above = _stream(rng), bool(rng.random() < 0.7)
    times = float(rng.uniform(*(above if is_above else below)))
    plan.sensor(name)["white_exposure_us"] = round(plan.camera(name)["exposure_us"] / times)
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {times:.2f} x the light"


def _defocus(plan: Plan, rng: Random) -> None:
    """In pictures large enough that an edge so blurred is still one."""
    name, is_above = _stream(rng), bool(rng.random() < 0.7)
    blur_px = float(rng.uniform(2.6, 6) if is_above else rng.uniform(0.3, 1.3))
    blur_px = 3.0 if _round(plan) % 2 == 0 and is_above else blur_px
    plan.camera(name).update(width=200, height=128)
    plan.sensor(name)["blur_px"] = round(blur_px, 2)
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {blur_px:.2f} px"


def _leak(plan: Plan, rng: Random) -> None:
    name, is_above = str(rng.choice(["HS", "VIS"])), bool(rng.random() < 0.7)
    percent = float(rng.uniform(3, 25) if is_above else rng.uniform(0.1, 1.2))
    plan.simulation["strobed_lamps"] = True
    plan.sensor(name)["nir_leak_percent"] = round(percent, 2)
    plan.is_above, plan.places, plan.amount = is_above, [Place(name)], f"{name}, {percent:.2f} %"


def _ripple(plan: Plan, rng: Random) -> None:
    """HS sees it all but 4 ms of it; every third time so slow a beat that it takes two minutes."""
    is_long, is_above = _round(plan) % 3 == 1, bool(rng.random() < 0.7)
    percent = 5.0 if is_long else float(rng.uniform(3, 12) if is_above else rng.uniform(0.3, 2))
    mains_hz = 49.98 if is_long else round(float(rng.uniform(49.2, 49.6)), 2)
    if is_long:
        plan.seconds = MAINS_LONG_S
    plan.simulation.update(ripple_percent=round(percent, 2), mains_hz=mains_hz)
    plan.is_above, plan.places = is_above or is_long, [Place("HS")]
    plan.amount = f"{percent:.2f} % at {mains_hz} Hz"


def _picture_changed(plan: Plan, rng: Random) -> None:
    """Single bytes of stored pictures."""
    name, frames = _stream(rng), rng.choice(np.arange(10, plan.pulses // 4 - 10), 3, replace=False)

    def edit(file: h5py.File) -> None:
        for frame in frames.tolist():
            picture = file[f"acquisition/{name}/data"][frame]
            picture[30, 40] ^= 8
            file[f"acquisition/{name}/data"][frame] = picture

    pulses = [int(frame) * STREAMS[name] for frame in sorted(frames)]
    plan.edit, plan.places = edit, [Place(name, pulse, pulse) for pulse in pulses]
    plan.amount = f"{name}, a bit of {len(pulses)} pictures"


def _stamp_changed(plan: Plan, rng: Random) -> None:
    """A chunk of a frame with a wrong timestamp, as when a camera's chunk data are damaged."""
    name, frame = _stream(rng), int(rng.integers(20, plan.pulses // 4 - 20))

    def edit(file: h5py.File) -> None:
        rows = file[f"acquisition/{name}/frames"][:]
        rows["camera_ticks"][frame] += np.uint64(rng.integers(5_000_000, 9_000_000))
        file[f"acquisition/{name}/frames"][:] = rows

    pulse = frame * STREAMS[name]
    plan.edit, plan.places, plan.amount = edit, [Place(name, pulse, pulse)], f"{name} at pulse {pulse}"


def _rows_changed(plan: Plan, rng: Random) -> None:
    """A recorder that counted wrong: its gap rows name pulses that have a frame, and these are the places."""
    plan.faults["lost_frames"] = 4

    def edit(file: h5py.File) -> None:
        for name in STREAMS:
            rows = file[f"acquisition/{name}/gaps"][:]
            rows["first_pulse"] += 4
            rows["last_pulse"] += 4
            file[f"acquisition/{name}/gaps"][:] = rows
            plan.places += [Place(name, int(row["first_pulse"]), int(row["last_pulse"])) for row in rows]

    plan.edit, plan.amount = edit, "4 lost frames told at other pulses"


# The screen -----------------------------------------------------------------------------------------------------------


def _flips(key: str) -> Choose:
    """Refreshes of the film that come late or not at all; one in a hundred of all is tolerated."""

    def choose(plan: Plan, rng: Random) -> None:
        is_above = bool(rng.random() < 0.7)
        plan.film_frames, plan.seconds = 150, 1.0
        count = int(rng.integers(6, 16)) if is_above else int(rng.integers(1, 4))
        plan.faults[key] = count
        plan.is_above, plan.places = is_above, [Place("", FILM_STEP, FILM_STEP)]
        plan.amount = f"{key}: {count} of about 420"

    return choose


def _photodiode_off(plan: Plan, rng: Random) -> None:
    plan.faults["photodiode_off"] = True
    plan.places, plan.amount = [Place("")], "not connected"


def _display_jitter(plan: Plan, rng: Random) -> None:
    is_above = bool(rng.random() < 0.7)
    jitter_ms = float(rng.uniform(2.7, 12) if is_above else rng.uniform(0.1, 1.5))
    plan.simulation["display_jitter_ms"] = round(jitter_ms, 2)
    plan.is_above, plan.places, plan.amount = is_above, [Place("")], f"SD {jitter_ms:.2f} ms"


def _display_latency(plan: Plan, rng: Random) -> None:
    """Light that comes evenly late can be taken off: nothing may be found, whatever the rates of film and screen."""
    latency_ms = float(rng.uniform(1, 150))
    plan.film_fps, plan.rig["screen"]["refresh_hz"] = int(rng.choice([24, 25, 30])), float(rng.choice([50, 60, 75]))
    plan.simulation["display_latency_ms"] = round(latency_ms, 1)
    plan.is_above = False
    plan.amount = f"{latency_ms:.1f} ms, {plan.film_fps} fps at {plan.rig['screen']['refresh_hz']:g} Hz"


def _round(plan: Plan) -> int:
    """How many sessions of its kind come before it."""
    return plan.seed // len(ORDER)


def _stream(rng: Random) -> str:
    return str(rng.choice(list(STREAMS)))


CLEAN = "clean"
STEPS = "0.5 base periods"
KINDS = (
    Kind("frame lost after exposure", "1 to 6", "0", _single("lost_frames", Fault.LOST_FRAME)),
    Kind("frame lost, ids consecutive", "1 to 6", "0", _single("unnumbered_frames", Fault.UNNUMBERED_FRAME)),
    Kind("trigger swallowed", "1 to 6", "0", _single("lost_pulses", Fault.LOST_PULSE)),
    Kind("late arming", "4 or 8 pulses", "0", _late_arming),
    Kind("ghost trigger", "1 to 6", "0", _single("ghost_frames", Fault.GHOST_FRAME)),
    Kind("ghost + swallow", "1 or 2", "0",
         _single("ghost_swallows", Fault.GHOST_FRAME, Fault.LOST_PULSE, most=2)),
    Kind("frame delivered twice", "1 to 6", "0", _single("duplicate_frames", Fault.DUPLICATE_FRAME)),
    Kind("frame of a former arm", "1 of each camera", "0", _stale),
    Kind("picture delivered in part", "1 to 6", "0", _single("damaged_frames", Fault.DAMAGED_FRAME)),
    Kind("frames in a row lost", "1 or 2 x 12", "0", _single("timeouts", Fault.TIMEOUT, most=2)),
    Kind("camera too hot", "1 or 2 x 12 frames", "0", _single("overheatings", Fault.OVERHEATED, most=2)),
    Kind("exposure > period", "1 or 2 x 8", "0", _single("long_exposures", Fault.SWALLOWED, most=2)),
    Kind("camera away", "0.3 to 1.7 s", "0", _away("disconnects", Fault.DISCONNECTED)),
    Kind("two cameras away", "0.3 to 1.7 s", "0", _away("bus_resets", Fault.BUS_RESET)),
    Kind("no trigger at all", "a camera's line", "0", _dead_line),
    Kind("swapped cables", "two of three", "0", _swapped),
    Kind("free run", "0.2 to 2 % off", "half a period", _free_run),
    Kind("clock set forward", "0.02 to 10 s", STEPS, _single("clock_steps", Fault.CLOCK_STEP, most=2)),
    Kind("clock set back", "0.02 to 10 s", STEPS, _single("clock_steps_back", Fault.CLOCK_STEP_BACK, most=2)),
    Kind("camera's clock off", "1150 to 5000 ppm", "1000 or 6000 ppm", _camera_ppm),
    Kind("timestamps off", "0.005 to 0.15, 0.5 to 1 ms rms", "1 ms", _timestamp_jitter),
    Kind("starts jitter", "0.005 to 0.1, 0.7 to 1 ms rms", "1 ms", _start_jitter),
    Kind("wrong edge", "1.5 to 5 ms", "0.1 ms", _falling_edge),
    Kind("undeclared delay", "0.005 to 0.06, 0.15 to 6 ms", "0.1 ms", _undeclared_delay),
    Kind("box rate off", "100 to 900, 1100 to 5500, +-5000 ppm", "1000 ppm", _box_rate),
    Kind("box reset", "1", "0", _box_reset),
    Kind("bytes lost on the serial line", "3 to 40 each way", "0", _lost_bytes),
    Kind("NTP slew", "5 to 90, 120 to 500 ppm; in half 5 to 40, 80 to 500", "100; change 50 ppm", _slew),
    Kind("LEDs out of view", "of one camera", "0", _no_leds),
    Kind("frozen frames", "1 to 6", "0", _single("frozen_frames", Fault.FROZEN_FRAME)),
    Kind("saturation", "1 to 1.1, 3 to 8 x the light", "1 % of pixels", _saturation),
    Kind("underexposure", "1/60 to 1/15, 0.9 to 1 x the light", "50 % of pixels", _darkness),
    Kind("defocus", "0.3 to 1.3, 2.6 to 6, 3.00 px", "2 px", _defocus),
    Kind("NIR leak", "0.1 to 1.2, 3 to 25 %", "2 %", _leak),
    Kind("mains ripple", "0.3 to 2, 3 to 12 % at 49.2 to 49.6 Hz; 5 % at 49.98", "2 %", _ripple),
    Kind("picture changed on disk", "3 bits", "0", _picture_changed),
    Kind("chunk with a wrong timestamp", "5 to 9 ms", "1 ms", _stamp_changed),
    Kind("recorder's count wrong", "1 to 4 gap rows", "0", _rows_changed),
    Kind("film frames skipped", "1 to 6", "0", _single("skipped_film_frames", Fault.SKIPPED_FILM_FRAME)),
    Kind("film frames held", "1 to 6", "1 refresh", _single("held_film_frames", Fault.HELD_FILM_FRAME)),
    Kind("flips dropped", "1 to 3, 6 to 15 of 420", "1 %", _flips("dropped_flips")),
    Kind("flips late", "1 to 3, 6 to 15 of 420", "1 %", _flips("late_flips")),
    Kind("display latency", "1 to 150 ms", "300 ms", _display_latency),
    Kind("display jitter", "SD 0.1 to 1.5, 2.7 to 12 ms", "2 ms", _display_jitter),
    Kind("no photodiode", "not connected", "0", _photodiode_off),
)  # fmt: skip
CLEAN_KIND = Kind(CLEAN, "sizes, formats, exposures, clocks", "", _clean)
CLEAN_EACH = 5  # kinds of fault to one clean session
ORDER = tuple(
    kind for place, wrong in enumerate(KINDS) for kind in ((wrong, CLEAN_KIND) if place % CLEAN_EACH == 0 else (wrong,))
)
