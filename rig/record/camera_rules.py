"""What a triggered recording needs of its cameras, held against what they say of themselves, before anything is armed.

Each rule stands for frames that labs lost without a word: an automatic that lengthens an exposure, a cap on the frame
rate, a pulse that an opto-coupler does not see. A camera that does not tell a setting is taken to have it right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rig.cameras.camera import CameraInfo, device_name
from rig.cameras.features import Feature, asked_of, feature_problems, same, spelled
from rig.config.rig import Camera, RigFile
from rig.config.rules import SOFTWARE
from rig.config.yaml import problem_at
from rig.errors import ConfigError, DeviceNotReady, RigError
from rig.streams import DeviceInfo

AUTOMATICS = ("ExposureAuto", "GainAuto", "BalanceWhiteAuto")
RESERVE = 0.95  # of the highest frame rate; the rest is for what two clocks differ by, and for USB and Ethernet
# Basler of its opto-coupled inputs: 100 us are long enough in most cases, and they fall within 40 to 60 us (ace GigE).
# The box sends no pulse shorter than 100 us: what is too short by the opto-coupler alone is the pause after it.
OPTO_US, OPTO_FALL_US = 100.0, 60.0
OF_A_LINE = ("LineInverter", "LineMode")  # of which there is one for each line


@dataclass(frozen=True)
class _Held:
    """One camera: what rig.yaml asks of it, and what it says."""

    name: str
    rig_file: RigFile
    info: CameraInfo

    @property
    def asked(self) -> Camera:
        return self.rig_file.rig.cameras[self.name]

    @property
    def device(self) -> str:
        return device_name(self.name, self.info.serial)

    @property
    def period_us(self) -> float:
        """From one of its pulses to the next."""
        return self.asked.divisor * 1e6 / self.rig_file.rig.box.rate_hz

    @property
    def present(self) -> dict[str, Feature]:
        """How its features read now; those of a line are those of the line that triggers, whichever is selected."""
        read = {feature.name: feature.got for feature in self.info.features if feature.got is not None}
        return {**read, **self.info.settings}

    @property
    def exposure_us(self) -> float:
        """As the camera has it."""
        return self.number("ExposureTime") or self.asked.exposure_us

    @property
    def start_delay_us(self) -> float:
        """From an edge to exposure, as rig.yaml declares it; 0 where it does not."""
        return self.asked.start_delay_us or 0.0

    @property
    def trigger_delay_us(self) -> float:
        """So long it waits on purpose."""
        return self.number("TriggerDelay") or 0.0

    def number(self, name: str) -> float | None:
        """A feature that is a number; None if it has none of this name."""
        value = self.present.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def refuse(self, feature: str, problem: str, *, value: str, allowed: str, hint: str) -> DeviceNotReady:
        return DeviceNotReady(f"{self.device}: {feature}", problem, value=value, allowed=allowed, hint=hint)


def camera_infos(devices: Mapping[str, DeviceInfo]) -> dict[str, CameraInfo]:
    """The cameras among the devices of a rig, by stream."""
    return {name: info for name, info in devices.items() if isinstance(info, CameraInfo)}


def inabilities(info: CameraInfo) -> list[str]:
    """What a camera says that it cannot do, in words."""
    can = info.capabilities
    lacks = {
        "has no timestamps": can.get("timestamps") is False,
        "has no trigger counter": can.get("counter_source") == "",
        "its clock cannot be read against the host's": can.get("clock_pairs") is False,
        "tells no events": can.get("events") == "",
        "does not say its highest frame rate": info.resulting_hz is None,
        "does not say its readout time": info.readout_us is None,
    }
    return [words for words, is_so in lacks.items() if is_so]


def camera_warnings(cameras: Mapping[str, CameraInfo]) -> list[str]:
    """What their drivers warn of, and what will not be known of these cameras' frames, in words."""
    blind = [
        device_name(name, info.serial)
        for name, info in cameras.items()
        if info.capabilities.get("timestamps") is False and info.capabilities.get("counter_source") == ""
    ]
    why = "has neither timestamps nor a trigger counter: which pulse a frame belongs to is only known from when it came"
    told = [warning for info in cameras.values() for warning in info.warnings]
    return told + [f"{device} {why}, and rig verify never calls its stream synchronised" for device in blind]


def unfit_cameras(rig_file: RigFile, cameras: Mapping[str, CameraInfo]) -> list[RigError]:
    """Everything that keeps these cameras, by stream, from being triggered as rig.yaml says.

    Each problem names camera, feature or key, value, what is allowed, and what to do.
    """
    problems: list[RigError] = list(_shared(cameras))
    for name, info in cameras.items():
        held = _Held(name, rig_file, info)
        problems += _refused(held)
        for rule in _RULES:
            problems += rule(held)
    return problems


def _shared(cameras: Mapping[str, CameraInfo]) -> Iterator[RigError]:
    """Two streams of one camera: possible when one names its serial number, and the other its user id."""
    owners: dict[tuple[str, str, str], str] = {}
    for name, info in cameras.items():
        owner = owners.setdefault((info.vendor, info.model, info.serial), name)
        if owner != name:
            hint = f"Correct serial or user_id of {name} or {owner}"
            yield DeviceNotReady(device_name(name, info.serial), f"is the camera of {owner} too", hint=hint)


def _refused(held: _Held) -> Iterator[RigError]:
    """Features that were not taken as asked."""
    for error in feature_problems(held.device, held.info.features):
        hint = error.hint or f"Correct it in rig.yaml: cameras.{held.name}"
        yield DeviceNotReady(error.subject, error.problem, value=error.value, allowed=error.allowed, hint=hint)


def _automatics(held: _Held) -> Iterator[RigError]:
    """Automatics change exposure or colours in mid-session."""
    for name in AUTOMATICS:
        value = held.present.get(name, "Off")
        if value != "Off":
            yield held.refuse(
                name, "is not allowed", value=spelled(value), allowed="Off", hint=_write(held, name, "Off")
            )


def _as_recorded(held: _Held) -> Iterator[RigError]:
    """What the recorder relies on must not have been set otherwise by `features`, or by somebody else."""
    needed = {
        **asked_of(held.asked.model_copy(update={"features": {}})),
        "TriggerActivation": "RisingEdge",  # at the falling one it would expose at the pulse's end
        "ExposureMode": "Timed",
        "AcquisitionMode": "Continuous",
        "LineMode": "Input",
        "LineInverter": False,  # as at the falling edge
    }
    told = {feature.name for feature in held.info.features if feature.problem}
    for name, value in needed.items():
        found = held.present.get(name, value)
        if name not in told and not same(value, found):
            hint, allowed = _write(held, name, spelled(value)), spelled(value)
            yield held.refuse(name, "is not allowed", value=spelled(found), allowed=allowed, hint=hint)


def _write(held: _Held, name: str, value: str) -> str:
    """How to get a feature to a value."""
    line = held.asked.trigger_source
    if name in OF_A_LINE and line != SOFTWARE:
        return f"Write {{LineSelector: {line}, {name}: {value}}} in cameras.{held.name}.features"
    return f"Write {name}: {value} in cameras.{held.name}.features"


def _fast_enough(held: _Held) -> Iterator[RigError]:
    """A camera that is not ready swallows the trigger."""
    rate_hz, cap_hz = 1e6 / held.period_us, held.number("AcquisitionFrameRate")
    least = f"at least {rate_hz / RESERVE:.1f} Hz for {rate_hz:g} pulses a second"
    if held.present.get("AcquisitionFrameRateEnable") is True and cap_hz is not None and cap_hz * RESERVE < rate_hz:
        hint = _write(held, "AcquisitionFrameRateEnable", "false")
        yield held.refuse("AcquisitionFrameRate", "caps its rate", value=f"{cap_hz:g} Hz", allowed=least, hint=hint)
    elif held.info.resulting_hz is not None and held.info.resulting_hz * RESERVE < rate_hz:
        hint = "Shorten exposure_us, lower height, or give it more of its USB or network link"
        value = f"{held.info.resulting_hz:.1f} Hz"
        yield held.refuse("its highest frame rate", "is too low", value=value, allowed=least, hint=hint)


def _short_enough(held: _Held) -> Iterator[RigError]:
    """It must have waited, exposed and read out before its next pulse."""
    others_us = {
        "TriggerDelay": held.trigger_delay_us,
        "start_delay_us": held.start_delay_us,
        "its readout": held.info.readout_us or 0.0,
    }
    most_us = held.period_us - sum(others_us.values())
    if held.exposure_us > most_us:
        allowed = f"at most {most_us:g} us of the {held.period_us:g} us from pulse to pulse"
        taken = ", ".join(f"{what} {us:g} us" for what, us in others_us.items() if us)
        hint = "Shorten exposure_us, or lower height"
        if held.trigger_delay_us:
            hint = _write(held, "TriggerDelay", "0.0")
        allowed = f"{allowed}, besides {taken}" if taken else allowed
        if most_us <= 0:  # no exposure is short enough
            allowed = f"{taken} leave nothing of the {held.period_us:g} us from pulse to pulse"
            hint = "Lower height or box.rate_hz, or raise divisor"
        value = f"{held.exposure_us:g} us"
        yield held.refuse("ExposureTime", "is too long", value=value, allowed=allowed, hint=hint)


def _before_the_leds(held: _Held) -> Iterator[RigError]:
    """The sync LEDs change while no camera exposes that takes every pulse; rig.yaml does not tell TriggerDelay."""
    delay_us, led_us = held.trigger_delay_us, held.rig_file.rig.box.led_phase_us
    most_us = led_us - held.start_delay_us - held.exposure_us
    if held.asked.divisor == 1 and delay_us > 0 and most_us <= delay_us:
        allowed = f"less than {most_us:g} us, as the sync LEDs change {led_us} us after each pulse"
        hint = _write(held, "TriggerDelay", "0.0")
        yield held.refuse("TriggerDelay", "is too long", value=f"{delay_us:g} us", allowed=allowed, hint=hint)


def _pulse_seen(held: _Held) -> Iterator[RigError]:
    """An opto-coupler is slow, and a debouncer drops what is shorter than its time: pulse and pause alike."""
    is_opto = held.present.get("LineFormat") == "OptoCoupled"
    high_us, low_us = (OPTO_US, OPTO_FALL_US) if is_opto else (0.0, 0.0)
    debouncer_us, width_us = held.number("LineDebouncerTime") or 0.0, held.asked.pulse_width_us
    least_us, most_us = high_us + debouncer_us, held.period_us - low_us - debouncer_us
    if width_us < least_us:
        yield _pulse(held, "is too short", f"at least {least_us:g} us: {high_us:g} for", "Lengthen it")
    elif width_us > most_us:
        allowed = f"at most {most_us:g} us, and then low until the next: {low_us:g} for"
        yield _pulse(held, "is too long", allowed, "Shorten it")


def _pulse(held: _Held, problem: str, allowed: str, mend: str) -> RigError:
    """A pulse that the camera's input does not see."""
    kind = "its opto-coupled input" if held.present.get("LineFormat") == "OptoCoupled" else "its input"
    allowed += f" {kind}, {held.number('LineDebouncerTime') or 0.0:g} for its LineDebouncerTime"
    hint = f"{mend}, or lower LineDebouncerTime of {held.device}"
    place, value = ("cameras", held.name, "pulse_width_us"), f"{held.asked.pulse_width_us} us"
    document = held.rig_file.document
    return problem_at(document, place, problem, ConfigError, value=value, allowed=allowed, hint=hint)


_RULES: tuple[Callable[[_Held], Iterator[RigError]], ...] = (
    _automatics,
    _as_recorded,
    _fast_enough,
    _short_enough,
    _before_the_leds,
    _pulse_seen,
)
