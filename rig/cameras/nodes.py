"""A camera's node map, as GenICam has it: features by name, with what each may be now. Drivers fill it.

Some cameras know a feature by another name, such as older GigE ones (SFNC 1); here it has its present one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rig.cameras.features import Feature, FeatureState, same, spelled

OTHER_NAMES = {
    "AcquisitionFrameRate": ("AcquisitionFrameRateAbs",),
    "DeviceTemperature": ("TemperatureAbs",),
    "ExposureTime": ("ExposureTimeAbs",),
    "LineDebouncerTime": ("LineDebouncerTimeAbs", "BslInputFilterTime"),
    "ResultingFrameRate": ("BslResultingAcquisitionFrameRate", "ResultingFrameRateAbs"),
    "SensorReadoutTime": ("ReadoutTimeAbs",),
    "SensorShutterMode": ("ShutterMode",),
    "TriggerDelay": ("TriggerDelayAbs",),
}


class Refused(Exception):
    """A camera did not take a value; the text says why."""


@dataclass(frozen=True)
class Allowed:
    """What a feature may be now: a range, or one of several words; neither when the device does not say."""

    kind: type[Feature]
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In words; empty when the device does not say."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None or self.high is None:
            return "true or false" if self.kind is bool else ""
        steps = f" in steps of {spelled(self.step)}" if self.step and self.step != 1 else ""
        return f"{spelled(self.low)} to {spelled(self.high)}{steps}"

    def refusal(self, value: Feature) -> str:
        """Why this value cannot be taken, e.g. "is out of range"; empty if it can."""
        if self.kind is str:
            known = isinstance(value, str) and (not self.choices or value in self.choices)
            return "" if known else "is not one of its choices" if self.choices else "is no text"
        if self.kind is bool:
            return "" if isinstance(value, bool) else "is neither true nor false"
        if isinstance(value, bool | str) or (self.kind is int and int(value) != value):
            return "is no whole number" if self.kind is int else "is no number"
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            return "is out of range"
        between = self.kind is int and self.step and (value - (self.low or 0)) % self.step
        return "is between two steps" if between else ""


class Nodes(ABC):
    """The features of one open camera."""

    @abstractmethod
    def is_there(self, name: str) -> bool:
        """Whether the camera has such a feature."""

    @abstractmethod
    def is_writable(self, name: str) -> bool:
        """Whether it can be written now."""

    @abstractmethod
    def read(self, name: str) -> Feature | None:
        """Its value; None when it is not there, has no value, or cannot be read now."""

    @abstractmethod
    def write(self, name: str, value: Feature) -> None:
        """Write it. Raises Refused."""

    @abstractmethod
    def execute(self, name: str) -> None:
        """Do a command. Raises Refused."""

    @abstractmethod
    def allowed(self, name: str) -> Allowed:
        """What it may be now. It is there."""

    def spelled(self, name: str) -> str:
        """The name by which this camera knows a feature."""
        known = (each for each in (name, *OTHER_NAMES.get(name, ())) if self.is_there(each))
        return next(known, name)

    def value(self, name: str) -> Feature | None:
        """As `read`, by the present name of a feature."""
        return self.read(self.spelled(name))

    def number(self, name: str) -> float | None:
        """The value of a feature that is a number."""
        value = self.value(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def choices(self, name: str) -> tuple[str, ...]:
        """The words that a feature may be now; none when it is not there."""
        return self.allowed(name).choices if self.is_there(name) else ()

    def set(self, name: str, value: Feature) -> bool:
        """Give a feature a value if the camera has it and takes this; whether it reads so now, or was written."""
        name = self.spelled(name)
        if not self.is_there(name):
            return False
        if not self.is_writable(name):
            return self.is_at(name, value)
        if self.allowed(name).refusal(value):
            return False
        try:
            self.write(name, value)
        except Refused:
            return False
        return True

    def is_at(self, name: str, value: Feature) -> bool:
        """Whether a feature reads so now."""
        now = self.value(name)
        return now is not None and same(value, now)

    @contextmanager
    def selected(self, selector: str, choice: str) -> Iterator[bool]:
        """Within it a selector has this value, if it can; then it is as it was before."""
        before = self.read(selector)
        is_set = self.set(selector, choice)
        try:
            yield is_set
        finally:
            if is_set and before is not None:
                self.set(selector, before)


def ask(nodes: Nodes, name: str, value: Feature) -> FeatureState:
    """Write a feature as rig.yaml asks for it, and say what became of it."""
    here = nodes.spelled(name)
    if not nodes.is_there(here):
        return FeatureState(name, value, "", None, "does not exist")
    allowed = nodes.allowed(here)
    refusal = allowed.refusal(value)
    if not nodes.is_writable(here):
        refusal = "" if nodes.is_at(here, value) else "is not writable"
    elif not refusal:
        try:
            nodes.write(here, value)
        except Refused as error:
            refusal = str(error)
    return FeatureState(name, value, str(allowed), nodes.read(here), refusal)


def asked_again(nodes: Nodes, state: FeatureState) -> FeatureState:
    """The same feature as it reads now."""
    here = nodes.spelled(state.name)
    allowed = str(nodes.allowed(here)) if nodes.is_there(here) else ""
    return FeatureState(state.name, state.asked, allowed, nodes.read(here), state.refusal)
