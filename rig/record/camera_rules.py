"""What a triggered recording needs of its cameras, held against what they say of themselves, before anything is armed.

Each rule stands for frames that labs lost without a word: an automatic that lengthens an exposure, a cap on the frame
rate, a pulse that an opto-coupler does not see. A camera that does not tell a setting is taken to have it right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rig.cameras.camera import CameraInfo
from rig.cameras.features import Feature, asked_of, feature_problems, same, spelled
from rig.config.rig import Camera, RigFile
from rig.config.yaml import problem_at
from rig.errors import ConfigError, DeviceNotReady, RigError
from rig.streams import DeviceInfo

AUTOMATICS = ("ExposureAuto", "GainAuto", "BalanceWhiteAuto")
RESERVE = 0.95  # of the highest frame rate; the rest is for what two clocks differ by, and for USB and Ethernet
# Basler for its opto-coupled inputs: 100 us are enough in most cases. Theirs fall within 40 to 60 us at worst.
OPTO_US = 100.0


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
        return device_name(self.name, self.info)

    @property
    def period_us(self) -> float:
        """From one of its pulses to the next."""
        return self.asked.divisor * 1e6 / self.rig_file.rig.box.rate_hz

    @property
    def present(self) -> dict[str, Feature]:
        """How its features read now."""
        read = {feature.name: feature.got for feature in self.info.features if feature.got is not None}
        return {**self.info.settings, **read}

    def number(self, name: str) -> float | None:
        """A feature that is a number; None if it has none of this name."""
        value = self.present.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def refuse(self, feature: str, problem: str, *, value: str, allowed: str, hint: str) -> DeviceNotReady:
        return DeviceNotReady(f"{self.device}: {feature}", problem, value=value, allowed=allowed, hint=hint)


def device_name(stream: str, info: CameraInfo) -> str:
    """A camera in messages."""
    return f"camera {stream} ({info.serial})"


def camera_infos(devices: Mapping[str, DeviceInfo]) -> dict[str, CameraInfo]:
    """The cameras among the devices of a rig, by stream."""
    return {name: info for name, info in devices.items() if isinstance(info, CameraInfo)}


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
            yield DeviceNotReady(device_name(name, info), f"is the camera of {owner} too", hint=hint)


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
    }
    told = {feature.name for feature in held.info.features if feature.problem}
    for name, value in needed.items():
        found = held.present.get(name, value)
        if name not in told and not same(value, found):
            hint, allowed = _write(held, name, spelled(value)), spelled(value)
            yield held.refuse(name, "is not allowed", value=spelled(found), allowed=allowed, hint=hint)


def _write(held: _Held, name: str, value: str) -> str:
    """How to get a feature to a value."""
    own = asked_of(held.asked.model_copy(update={"features": {}}))
    if name in held.asked.features and name in own:
        return f"Take it out of cameras.{held.name}.features"
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
    """It must have exposed and read out before its next pulse."""
    exposure_us = held.number("ExposureTime") or held.asked.exposure_us
    readout_us = held.info.readout_us or 0.0
    if exposure_us + readout_us > held.period_us:
        allowed = f"at most {held.period_us - readout_us:g} us, as it reads out for {readout_us:g} us and a pulse "
        allowed += f"comes every {held.period_us:g} us"
        hint = "Shorten exposure_us, or lower height"
        yield held.refuse("ExposureTime", "is too long", value=f"{exposure_us:g} us", allowed=allowed, hint=hint)


def _pulse_long_enough(held: _Held) -> Iterator[RigError]:
    """An opto-coupler is slow, and a debouncer drops what is shorter than its time."""
    is_opto = held.present.get("LineFormat") == "OptoCoupled"
    input_us, debouncer_us = OPTO_US if is_opto else 0.0, held.number("LineDebouncerTime") or 0.0
    width_us = held.asked.pulse_width_us
    if width_us < input_us + debouncer_us:
        kind = "its opto-coupled input" if is_opto else "its input"
        allowed = f"at least {input_us + debouncer_us:g} us: {input_us:g} for {kind}, {debouncer_us:g} for its "
        allowed += f"LineDebouncerTime. Lengthen it, or lower LineDebouncerTime of {held.device}"
        place = ("cameras", held.name, "pulse_width_us")
        value, problem = f"{width_us} us", "is too short"
        yield problem_at(held.rig_file.document, place, problem, ConfigError, value=value, allowed=allowed)


_RULES: tuple[Callable[[_Held], Iterator[RigError]], ...] = (
    _automatics,
    _as_recorded,
    _fast_enough,
    _short_enough,
    _pulse_long_enough,
)
