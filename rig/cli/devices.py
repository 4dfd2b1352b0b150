"""How commands show devices: who they are, and of cameras what was asked of them, what they took and allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from rig.cameras.camera import CameraInfo
    from rig.cameras.features import FeatureState
    from rig.streams import DeviceInfo


STYLE: dict[str, Any] = {"box": None, "padding": (0, 2, 0, 0), "header_style": "dim"}


def devices_table(devices: Mapping[str, DeviceInfo]) -> Table:
    """Who each device is; of cameras also picture and highest frame rate."""
    from rich.table import Table

    from rig.cameras.camera import CameraInfo

    table = Table("device", "who", "serial", "picture", "at most", "", **STYLE)
    for name, info in devices.items():
        picture, rate = _picture(info) if isinstance(info, CameraInfo) else ("", "")
        simulated = "[bold yellow]SIMULATED[/]" if info.simulated else ""
        table.add_row(name, harmless(f"{info.vendor} {info.model}"), harmless(info.serial), picture, rate, simulated)
    return table


def replayed_from(devices: Mapping[str, DeviceInfo]) -> str:
    """The recorded run that these devices play; empty: none."""
    from rig.session.playback import REPLAYED_FROM

    return next((str(info.capabilities.get(REPLAYED_FROM, "")) for info in devices.values()), "")


def _picture(info: CameraInfo) -> tuple[str, str]:
    rate = "" if info.resulting_hz is None else f"{info.resulting_hz:.0f} Hz"
    return harmless(f"{info.width}x{info.height} {info.pixel_format}"), rate


def features_table(cameras: Mapping[str, CameraInfo]) -> Table:
    """What was asked of each camera, what it took, and what it allows; what was refused in red and in full."""
    from rich.table import Column, Table

    from rig.cameras.features import spelled

    table = Table("camera", Column("feature", no_wrap=True), "asked", "got", "allowed", **STYLE)
    for name, info in cameras.items():
        for index, feature in enumerate(info.features):
            row = feature.name, spelled(feature.asked), spelled(feature.got)
            style = "bold red" if feature.problem else ""
            table.add_row(name if index == 0 else "", *map(harmless, row), _allowed(feature), style=style)
    return table


def _allowed(feature: FeatureState) -> Text:
    """What it may be; where it is as asked no more than fits on the line."""
    from rich.text import Text

    from rig.cli.terminal import printable

    if feature.problem:
        return Text(printable(feature.allowed or feature.refusal), overflow="fold")
    return Text(printable(feature.allowed), no_wrap=True, overflow="ellipsis")


def harmless(text: str) -> str:
    """What a device said, so that it can upset neither rich nor the terminal."""
    from rich.markup import escape

    from rig.cli.terminal import printable

    return escape(printable(text))
