"""The serial line between host and simulated box: how long bytes take, by the kind of bridge between the two.

    host --USB, up to `up_ns`--> bridge --UART at `baud`--> box
    host <--USB, up to `down_ns`-- bridge <--UART at `baud`-- box

A box that is a USB device of its own has no UART. Bytes never overtake each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rig.clock import NS

MS = 1_000_000
BITS_A_BYTE = 10  # 8N1


@dataclass(frozen=True)
class Bridge:
    """What sits between USB and box. A latency is anything up to the one given, each equally likely."""

    up_ns: int  # most from the host to the bridge
    down_ns: int  # most from the bridge to the host: how long it gathers bytes
    has_uart: bool


BRIDGES = {
    "ideal": Bridge(0, 0, has_uart=False),
    "native": Bridge(1 * MS, 1 * MS, has_uart=False),
    "16u2": Bridge(1 * MS, 4_100_000, has_uart=True),
    "ftdi": Bridge(1 * MS, 16 * MS, has_uart=True),
}


class SerialLine:
    """When bytes that are written at one end have come to the other. Host ns, which never go back."""

    def __init__(self, bridge: Bridge, baud: int, start_host_ns: int, random: Random) -> None:
        self.baud = baud if bridge.has_uart else 0
        self._bridge, self._random = bridge, random
        self._read_host_ns = self._arrived_host_ns = start_host_ns
        self.free_host_ns = start_host_ns  # when the box can write again

    def to_box(self, size: int, host_ns: int) -> int:
        """When the box has read the last of `size` bytes that the host writes at `host_ns`."""
        at_bridge = host_ns + self._random.randint(0, self._bridge.up_ns)
        self._read_host_ns = max(self._read_host_ns, at_bridge) + self._wire_ns(size)
        return self._read_host_ns

    def to_host(self, size: int, host_ns: int) -> int:
        """When the host has the last of `size` bytes that the box begins to write at `host_ns`, the line being free."""
        self.free_host_ns = host_ns + self._wire_ns(size)
        arrives = self.free_host_ns + self._random.randint(0, self._bridge.down_ns)
        self._arrived_host_ns = max(self._arrived_host_ns, arrives)
        return self._arrived_host_ns

    def _wire_ns(self, size: int) -> int:
        return -(-size * BITS_A_BYTE * NS // self.baud) if self.baud else 0
