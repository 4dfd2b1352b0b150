"""What of this computer's settings loses frames of real cameras or darkens the participant's screen: warnings.

Simulated cameras need none of it. On a system that does not show its settings as files nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from rig import host

USB, NETWORK = "usb", "network"
USBFS_MB = 1000  # Basler's own set-up for Linux writes this much
SOCKET_BYTES = 2 << 20  # six pictures of 640x480: about as long as a busy computer leaves a socket alone
JUMBO_BYTES = 8192
NEVER = "-1"  # seconds, of USB's autosuspend
_USBCORE = "sys/module/usbcore/parameters"
_RMEM = "proc/sys/net/core/rmem_max"


class Advice(NamedTuple):
    """A setting that is not as it should be."""

    found: str
    means: str
    mend: str

    def __str__(self) -> str:
        return f"{self.found}: {self.means}. {self.mend}"


def computer_warnings(interfaces: Collection[str], root: Path = Path("/")) -> list[str]:
    """Advice for real cameras on these interfaces (USB, NETWORK); none without any. `root` has /proc and /sys in it."""
    advice: list[Advice] = []
    if USB in interfaces:
        advice += _usb_memory(root) + _usb_suspend(root)
    if NETWORK in interfaces:
        advice += _socket_buffer(root) + _jumbo_frames(root)
    if interfaces:
        advice += _governor(root) + _sleep(root)
    return [str(each) for each in advice]


def _number(pattern: str, root: Path) -> int | None:
    """A setting that is a number; None when it is not there."""
    text = next(iter(host.settings(pattern, root).values()), "")
    return int(text) if text.removeprefix("-").isdecimal() else None


def _usb_memory(root: Path) -> list[Advice]:
    megabytes = _number(f"{_USBCORE}/usbfs_memory_mb", root)
    if megabytes is None or megabytes == 0 or megabytes >= USBFS_MB:  # 0: no limit
        return []
    mend = f"Write it: echo {USBFS_MB} | sudo tee /{_USBCORE}/usbfs_memory_mb"
    return [Advice(f"usbfs_memory_mb is {megabytes}", "too little for USB cameras, frames may be lost", mend)]


def _usb_suspend(root: Path) -> list[Advice]:
    seconds = host.settings(f"{_USBCORE}/autosuspend", root)
    if not seconds or NEVER in seconds.values():
        return []
    mend = f"Write it: echo {NEVER} | sudo tee /{_USBCORE}/autosuspend, and plug the cameras in again"
    (after,) = seconds.values()
    return [Advice(f"USB autosuspend is after {after} s", "a camera or the box may be put to sleep", mend)]


def _socket_buffer(root: Path) -> list[Advice]:
    size = _number(_RMEM, root)
    if size is None or size >= SOCKET_BYTES:
        return []
    mend = f"Write it: sudo sysctl -w net.core.rmem_max={SOCKET_BYTES}"
    return [Advice(f"net.core.rmem_max is {size}", "too little for network cameras, packets may be lost", mend)]


def _jumbo_frames(root: Path) -> list[Advice]:
    """Which interface has the cameras is not known here, so one with jumbo frames is enough."""
    found = {Path(name).parent.name: int(mtu) for name, mtu in host.settings("sys/class/net/*/mtu", root).items()}
    found.pop("lo", None)
    if not found or max(found.values()) >= JUMBO_BYTES:
        return []
    listed = ", ".join(f"{name} {mtu}" for name, mtu in found.items())
    mend = "Write it for that of the cameras: sudo ip link set NAME mtu 9000"
    return [Advice(f"no network interface has jumbo frames ({listed})", "six times as many packets to handle", mend)]


def _governor(root: Path) -> list[Advice]:
    found = set(host.settings("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", root).values())
    slow = sorted(found - {"performance"})
    if not slow:
        return []
    mend = "Write it: sudo cpupower frequency-set -g performance"
    return [Advice(f"the CPU governor is {', '.join(slow)}", "a sleepy processor takes frames later", mend)]


def _sleep(root: Path) -> list[Advice]:
    """The system sleeps when it can, unless its sleep target is masked: a link that leads to /dev/null."""
    can = [state for text in host.settings("sys/power/state", root).values() for state in text.split()]
    if not can or host.is_masked("sleep.target", root):
        return []
    mend = "Forbid it: sudo systemctl mask sleep.target suspend.target hibernate.target hybrid-sleep.target"
    return [Advice("this computer may go to sleep by itself", "a session would end there", mend)]
