"""What is true of one physical rig: the model of `calibration/<rig>/rig.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rig.config.backends import Backend
from rig.config.limits import LIMITS_IN_WORDS, Tolerances
from rig.config.measured import Kept, keep
from rig.config.model import Beside, Look, Model, ShownText, look_at
from rig.config.rules import check_rules
from rig.config.yaml import Document
from rig.errors import ConfigError
from rig.pixels import IN_WORDS, PixelFormatName

TICK_NS = 500  # one tick of the trigger box's timer
MOST_CAMERAS = 8
MOST_PULSES = 10_000_000  # more than two hours at the fastest rate
NAME, NAME_IN_WORDS = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", "letters, digits, - and _; at most 64"
_STREAM = "a name such as HS: capitals and digits, first a capital, at most 16"
Stream = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,15}$", description=_STREAM)]
_SIGNAL = "photodiode, marker, or a camera's name for its ExposureActive line"
Signal = Annotated[str, Field(pattern=r"^(photodiode|marker|[A-Z][A-Z0-9]{0,15})$", description=_SIGNAL)]
Input = Annotated[int, Field(ge=0, le=7, description="number of an input of the box, 0 to 7, each used once")]

_FEATURE = "a GenICam name such as Gain: letters, digits and _, first no digit"
FeatureName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description=_FEATURE)]


class Box(Model):
    """The trigger box."""

    backend: Literal["serial"] = Field(default="serial", description="which driver: serial")
    port: ShownText = Field(min_length=1, description="serial port of the trigger box, e.g. /dev/ttyACM0 or sim://demo")
    baud: Literal[115_200, 250_000] = Field(
        default=115_200, description="rate of its serial line: 115200, or 250000 with the jumper on our firmware"
    )
    rate_hz: float = Field(ge=30.52, le=1000, description="base pulse rate in Hz, from 30.52 to 1000")
    inputs: dict[Signal, Input] = Field(
        default_factory=dict,
        description="what is wired to which input, 0 to 7: photodiode, marker, and a camera's name for its "
        "ExposureActive line; on our firmware 5 is the one stamped by hardware",
    )
    led_phase_us: int = Field(
        default=9000, ge=100, le=32000, description="when the sync LEDs change after a pulse, us, 100 to 32000"
    )

    @property
    def period_ticks(self) -> int:
        """The base period in box ticks of 0.5 us, rounded to the timer's resolution."""
        return _period_ticks(self.rate_hz)


def _period_ticks(rate_hz: float) -> int:
    return round(1e9 / rate_hz / TICK_NS)


class SimulatedLeds(Model):
    """The sync LEDs as lights in a simulated camera's scene: they have its blur and its noise."""

    in_view: bool = Field(default=True, description="whether the camera sees them: true or false")
    x: int = Field(default=4, ge=0, le=8192, description="left edge of LED A in the picture, px, 0 to 8192")
    y: int = Field(default=24, ge=0, le=8192, description="upper edge of the LEDs in the picture, px, 0 to 8192")
    size_px: int = Field(default=8, ge=1, le=200, description="side of each, px, 1 to 200")
    spacing_px: int = Field(
        default=16, ge=1, le=1000, description="from the left edge of one to that of the next, px, 1 to 1000"
    )
    contrast: float = Field(
        default=0.96, gt=0, le=1, description="by how much of full scale a lit one is brighter, above 0, at most 1"
    )


class SimulatedSensor(Model):
    """What a simulated camera is made of."""

    spectrum: Literal["visible", "near_infrared"] = Field(
        default="visible", description="the light it sees: visible or near_infrared"
    )
    shutter: Literal["global", "rolling"] = Field(
        default="global", description="how its rows expose: global (all at once) or rolling (one after another)"
    )
    row_time_us: float = Field(
        default=8.0,
        ge=1,
        le=1000,
        description="time in which one row is read, us, 1 to 1000; the rows of a rolling shutter begin so far apart",
    )
    full_well_e: float = Field(
        default=10_000.0, ge=500, le=1e6, description="electrons at which a pixel is full and white, 500 to 1000000"
    )
    read_noise_e: float = Field(default=8.0, ge=0, le=200, description="noise of reading, electrons, 0 to 200")
    black_level: float = Field(
        default=4.0, ge=0, le=64, description="what a dark pixel reads, in grey values of 8 bits, 0 to 64"
    )
    white_exposure_us: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="exposure at which the light is just right, us, at most 1000000; without it that of the camera",
    )
    blur_px: float = Field(
        default=0.0, ge=0, le=20, description="how far out of focus it is: standard deviation of the blur, px, 0 to 20"
    )
    nir_leak_percent: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="near-infrared light that comes through its filter while those lamps are lit, in percent of its "
        "own light, 0 to 100",
    )
    leds: SimulatedLeds | None = Field(
        default=None, description="where it sees the sync LEDs; without it they are drawn over the lower left corner"
    )
    timestamps: bool = Field(default=True, description="whether it has a clock: true or false")
    pre_rendered: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="so many pictures are drawn beforehand and shown in turn, for a computer too slow to draw each, "
        "0 (none) to 1000; the face then makes no expressions",
    )
    counter: Literal["none", "line", "frame"] = Field(
        default="line", description="what its trigger counter counts: line (every edge), frame (exposures), or none"
    )


class Camera(Model):
    """One camera and the trigger line that exposes it."""

    backend: Backend = Field(
        description="which driver: simulated, basler, or basler-emulation (the maker's own emulated cameras)"
    )
    serial: ShownText | None = Field(default=None, min_length=1, max_length=64, description="serial number, text")
    user_id: ShownText | None = Field(
        default=None, min_length=1, max_length=64, description="DeviceUserID stored in the camera, instead of serial"
    )
    line: int = Field(ge=0, le=7, description="trigger line of the box, 0 to 7, each used once")
    divisor: int = Field(
        ge=1,
        le=255,
        description="a whole number from 1 to 255, for a frame at least every 0.255 s (at 100 Hz 25 at most); "
        "4 gives 25 fps at 100 Hz",
    )
    pulse_width_us: int = Field(
        default=1000,
        ge=100,
        le=32000,
        description="width of the pulse in us, 100 (what an opto-coupled input needs) to 32000",
    )
    exposure_us: float = Field(gt=0, le=1e6, description="exposure time in us, above 0, at most 1000000")
    start_delay_us: float | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="declared delay from a pulse to its exposure in us, 0 to 10000; left out: not known",
    )
    width: int = Field(ge=96, le=8192, description="width of the picture in pixels, 96 to 8192")
    height: int = Field(ge=64, le=8192, description="height of the picture in pixels, 64 to 8192")
    offset_x: int = Field(default=0, ge=0, le=8192, description="left edge of the picture on the sensor, px, 0 to 8192")
    offset_y: int = Field(
        default=0, ge=0, le=8192, description="upper edge of the picture on the sensor, px, 0 to 8192"
    )
    pixel_format: PixelFormatName = Field(default="Mono8", description=IN_WORDS)
    trigger_source: str = Field(
        default="Line1",
        pattern=r"^(Line[1-9]|Software)$",
        description="the camera's input that the trigger line is wired to, Line1 to Line9; Software: emulation only",
    )
    features: dict[FeatureName, ShownText | int | float | bool] = Field(
        default_factory=dict, description="GenICam features passed to the camera as they are, name: value"
    )
    compression: Literal["none", "bitshuffle-lz4"] = Field(
        default="none",
        description="none, or bitshuffle-lz4: its pictures are compressed, without loss; for a disk that is slower "
        "than the cameras, which rig check tells",
    )
    simulated: SimulatedSensor = Field(
        default_factory=SimulatedSensor, description="what a simulated camera is made of; only with backend simulated"
    )


class Screen(Model):
    """The participant's screen."""

    backend: Literal["psychopy", "simulated"] = Field(description="which driver: psychopy or simulated")
    virtual_time_backend: Literal["simulated"] | None = Field(
        default=None, description="driver used by --speed max: simulated; without it --speed max is refused"
    )
    display: str = Field(
        default="virtual",
        pattern=r"^(virtual|:[0-9]+(\.[0-9]+)?)$",
        description="X display such as :0, or virtual for one that the rig starts itself",
    )
    width: int = Field(ge=320, le=7680, description="width of the screen in pixels, 320 to 7680")
    height: int = Field(ge=240, le=4320, description="height of the screen in pixels, 240 to 4320")
    refresh_hz: float = Field(ge=24, le=240, description="refresh rate of the screen in Hz, 24 to 240")
    width_mm: float = Field(
        default=530, ge=50, le=5000, description="width of the picture on the screen, mm, 50 to 5000"
    )
    distance_mm: float = Field(
        default=600, ge=100, le=10_000, description="from the participant's eyes to the screen, mm, 100 to 10000"
    )
    font: Beside | None = Field(
        default=None,
        min_length=1,
        description="path beside rig.yaml of a TrueType or OpenType file with all letters of the texts; without it "
        "DejaVu Sans",
    )
    patch_px: int = Field(
        default=40, ge=0, le=400, description="side of the photodiode patch, lower right corner, px, 0 (off) to 400"
    )
    sound: bool = Field(
        default=False, description="whether clips are heard, on the computer's sound device: true or false"
    )


_PPM = Field(ge=-6000, le=6000, description="ppm, -6000 to 6000")
_JITTER = Field(ge=0, le=1000, description="us, 0 to 1000")
_DELAY = Field(ge=0, le=10_000, description="us, 0 to 10000")


class Faults(Model):
    """Faults that the simulated world commits, placed by its seed. Zero on every real rig."""

    lost_frames: int = Field(default=0, ge=0, le=1000, description="frames exposed but never delivered, 0 to 1000")
    lost_pulses: int = Field(default=0, ge=0, le=1000, description="pulses lost on a camera's wire, 0 to 1000")
    ghost_frames: int = Field(default=0, ge=0, le=1000, description="frames without a pulse, 0 to 1000")
    unnumbered_frames: int = Field(
        default=0, ge=0, le=1000, description="frames lost whose number is given to the next one, 0 to 1000"
    )
    duplicate_frames: int = Field(default=0, ge=0, le=1000, description="frames delivered twice, 0 to 1000")
    late_frames: int = Field(default=0, ge=0, le=1000, description="frames delivered 300 ms late, 0 to 1000")
    damaged_frames: int = Field(default=0, ge=0, le=1000, description="frames delivered only in part, 0 to 1000")
    frozen_frames: int = Field(
        default=0, ge=0, le=1000, description="frames that show the picture of the frame before, 0 to 1000"
    )
    stalls: int = Field(
        default=0,
        ge=0,
        le=100,
        description="times that a camera delivers nothing for 0.5 s, then all at once, 0 to 100",
    )
    timeouts: int = Field(default=0, ge=0, le=100, description="times that 12 frames in a row are lost, 0 to 100")
    long_exposures: int = Field(
        default=0,
        ge=0,
        le=100,
        description="times that 8 exposures last one and a half periods, each swallowing a pulse, 0 to 100",
    )
    overheatings: int = Field(
        default=0, ge=0, le=100, description="times that a camera gets too hot and loses 12 frames, 0 to 100"
    )
    clock_steps: int = Field(
        default=0, ge=0, le=100, description="times that a camera's clock jumps forward by 0.02 to 10 s, 0 to 100"
    )
    clock_steps_back: int = Field(
        default=0, ge=0, le=100, description="times that a camera's clock jumps back by 0.02 to 10 s, 0 to 100"
    )
    ghost_swallows: int = Field(
        default=0,
        ge=0,
        le=100,
        description="times that a ghost comes and the pulse after it is lost, so that counts stay equal, 0 to 100",
    )
    disconnects: int = Field(default=0, ge=0, le=100, description="times that a camera goes away, 0 to 100")
    bus_resets: int = Field(default=0, ge=0, le=100, description="times that two cameras go away together, 0 to 100")
    away_s: float = Field(
        default=1, ge=0, le=600, description="so long a camera that went away is gone, s, 0 to 600; 0: for good"
    )
    first_frame_delay_s: float = Field(
        default=0,
        ge=0,
        le=0.4,  # the recorder waits half a second for what the line walk has to show
        description="so late the first frame after each arming is delivered, s, 0 to 0.4",
    )
    bumped_numbers: bool = Field(
        default=False, description="whether frame numbers begin above the one that a camera announces: true or false"
    )
    kept_numbers: bool = Field(
        default=False, description="whether frame numbers go on when a camera is armed anew: true or false"
    )
    wrapping_numbers: bool = Field(
        default=False, description="whether frame numbers run from 1 to 65535 and wrap in the run: true or false"
    )
    stale_frames: bool = Field(
        default=False, description="whether the last frame of the arming before comes first: true or false"
    )
    rounded_features: bool = Field(
        default=False, description="whether cameras round their exposure to 17 us without a word: true or false"
    )
    scribbles: bool = Field(
        default=False, description="whether a buffer is overwritten as soon as it is released: true or false"
    )
    dropped_bytes: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="bytes lost on the serial line, so many in each direction, 0 to 1000",
    )
    swallowed_starts: int = Field(
        default=0, ge=0, le=100, description="requests to start that never reach the box, 0 to 100"
    )
    dead_line: Stream | None = Field(default=None, description="name of a camera whose trigger line never rises")
    swapped_cables: list[Stream] = Field(
        default_factory=list, max_length=2, description="two cameras, each on the trigger line of the other"
    )
    falling_edge: Stream | None = Field(
        default=None, description="name of a camera that exposes at the falling edge of its pulses"
    )
    undeclared_delay_us: dict[Stream, Annotated[float, _DELAY]] = Field(
        default_factory=dict,
        description="so much later than it says a camera begins to expose, us by name, 0 to 10000",
    )
    start_jitter_us: dict[Stream, Annotated[float, _JITTER]] = Field(
        default_factory=dict,
        description="by how much its exposures begin late, each by another time, us rms by name, 0 to 1000",
    )
    timestamp_jitter_us: dict[Stream, Annotated[float, _JITTER]] = Field(
        default_factory=dict, description="by how much its timestamps are off, us rms by name, 0 to 1000"
    )
    clock_ppm: dict[Stream, Annotated[float, _PPM]] = Field(
        default_factory=dict,
        description="error of a camera's clock, ppm by name, -6000 to 6000; without it by the seed, at most 50",
    )
    free_run: Stream | None = Field(
        default=None, description="name of a camera that exposes at a rate of its own, whatever its trigger line does"
    )
    free_run_hz: float = Field(default=25.0545, ge=1, le=1000, description="that rate, Hz, 1 to 1000")
    free_run_pulse: int | None = Field(
        default=None,
        ge=0,
        le=MOST_PULSES,
        description="the pulse from which it does so, 0 to 10000000; without it from each arming on",
    )
    photodiode_off: bool = Field(default=False, description="whether the photodiode is not connected: true or false")
    skipped_film_frames: int = Field(
        default=0, ge=0, le=1000, description="film frames of each film that are never shown, 0 to 1000"
    )
    held_film_frames: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="film frames of each film that stay until the one after the next is due, 0 to 1000",
    )
    dropped_flips: int = Field(
        default=0, ge=0, le=1000, description="refreshes of each film that bring no flip, 0 to 1000"
    )
    late_flips: int = Field(
        default=0, ge=0, le=1000, description="flips of each film 0.6 to 0.9 of a refresh late, 0 to 1000"
    )
    late_boot_s: float = Field(
        default=0, ge=0, le=60, description="the box answers only so long after its port was opened, s, 0 to 60"
    )
    reset_at_pulse: int | None = Field(
        default=None, ge=1, le=MOST_PULSES, description="the box restarts instead of this pulse, 1 to 10000000"
    )
    drift_ppm: float = Field(
        default=0, ge=-1000, le=1000, description="change of the box clock's rate in 10 min, ppm, -1000 to 1000"
    )
    first_pulse: int = Field(default=40, ge=0, le=MOST_PULSES, description="no fault before this pulse, 0 to 10000000")
    last_pulse: int = Field(default=1000, ge=1, le=MOST_PULSES, description="no fault after this pulse, 1 to 10000000")


class Simulation(Model):
    """The simulated world behind a `sim://` box and simulated cameras."""

    seed: int = Field(default=1, ge=0, description="seed of everything random in it, 0 or more")
    scene: Literal["face", "chart"] = Field(
        default="face", description="what the cameras look at: face, or chart (grey steps and a moving edge)"
    )
    bridge: Literal["ideal", "native", "16u2", "ftdi"] = Field(
        default="native",
        description="what is between USB and the box: 16u2 (Uno), ftdi, native (it is a USB device itself), or ideal "
        "(no latency)",
    )
    loop_back: int | None = Field(
        default=None, ge=0, le=5, description="input of the box that line 0 is wired to, 0 to 5, for rig box selftest"
    )
    wires: ShownText | None = Field(
        default=None,
        min_length=1,
        description="path of a Unix socket where a box outside the simulation has the wires; with its port as box.port",
    )
    box_ppm: float = Field(default=80.0, ge=-6000, le=6000, description="box clock error in ppm, -6000 to 6000")
    display_latency_ms: float = Field(
        default=12.0, ge=0, le=200, description="from flip to light on the simulated screen, ms, 0 to 200"
    )
    display_jitter_ms: float = Field(
        default=0.0,
        ge=0,
        le=50,
        description="how much that differs from one patch to the next: standard deviation, ms, 0 to 50",
    )
    ripple_percent: float = Field(
        default=0.0, ge=0, le=50, description="by how much visible lamps rise and fall with the mains, percent, 0 to 50"
    )
    mains_hz: float = Field(
        default=50.0, ge=40, le=70, description="frequency of the mains, Hz, 40 to 70; lamps ripple twice as fast"
    )
    withdraws_in_step: ShownText | None = Field(
        default=None, min_length=1, description="name of the step in which the scripted participant withdraws"
    )
    strobed_lamps: bool = Field(
        default=False,
        description="whether near-infrared lamps are lit only while a near-infrared camera exposes: true or false",
    )
    faults: Faults = Field(default_factory=Faults, description="faults to commit")


class Rig(Model):
    """A rig: its box, its cameras, its screen."""

    schema_version: int = Field(alias="schema", ge=1, le=1, description="1, the version of this file's layout")
    name: str = Field(pattern=NAME, description=NAME_IN_WORDS)
    box: Box = Field(description="the trigger box")
    cameras: dict[Stream, Camera] = Field(
        min_length=1, max_length=MOST_CAMERAS, description="one to eight cameras, named in capitals, e.g. HS, VIS, NIR"
    )
    screen: Screen = Field(description="the participant's screen")
    tolerances: Tolerances = Field(default_factory=Tolerances, description=LIMITS_IN_WORDS)
    simulation: Simulation | None = Field(default=None, description="the simulated world; only for sim:// rigs")

    @property
    def group(self) -> int:
        """Pulses in one group: the slowest common period of all cameras, in base periods."""
        return lcm(*(c.divisor for c in self.cameras.values()))


@dataclass(frozen=True)
class RigFile:
    """A rig and the file it was read from."""

    rig: Rig
    document: Document
    kept: Kept | None = None  # of a rig that is replayed, what its session keeps; else it is looked for

    @property
    def folder(self) -> Path:
        """The folder of the rig, where what was measured on it lies too."""
        return self.document.path.parent

    def keep(self) -> Kept:
        """What a session keeps of its files. Raises ConfigError naming one that cannot be kept."""
        return self.kept or keep(self.document.path, self.rig.name)


def look_at_rig(path: Path, text: str | None = None) -> Look[Rig]:
    """Read rig.yaml and find all that is wrong in it. Raises ConfigError when it cannot be read to its end.

    `text`: its text, where it is kept in another file at `path`.
    """
    look = look_at(path, Rig, ConfigError, text)
    rate_hz = look.get(float, "box", "rate_hz")
    check_rules(look, None if rate_hz is None else _period_ticks(rate_hz) * TICK_NS / 1000)
    return look


def rig_of(look: Look[Rig]) -> RigFile:
    """The rig, if nothing is wrong in its file. Raises ConfigError, or a ProblemList of all problems in it."""
    return RigFile(look.require(), look.document)


def read_rig(path: Path) -> RigFile:
    """Read rig.yaml. Raises ConfigError, or a ProblemList of all problems in it, with file:line."""
    return rig_of(look_at_rig(path))
