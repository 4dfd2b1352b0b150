"""Settings of the computer that lose frames of real cameras are warned of, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.check.computer import NETWORK, USB, computer_warnings
from rig.stimulus.blanking import blanking
from rig.stimulus.display import start_virtual

GOOD = {
    "sys/module/usbcore/parameters/usbfs_memory_mb": "1000",
    "sys/module/usbcore/parameters/autosuspend": "-1",
    "proc/sys/net/core/rmem_max": "4194304",
    "sys/class/net/lo/mtu": "65536",
    "sys/class/net/eth0/mtu": "1500",
    "sys/class/net/eth1/mtu": "9000",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance",
    "sys/power/state": "",
}
BAD = {  # setting: (kind of camera that it matters for, value, what the warning begins with)
    "sys/module/usbcore/parameters/usbfs_memory_mb": (USB, "16", "usbfs_memory_mb is 16: "),
    "sys/module/usbcore/parameters/autosuspend": (USB, "2", "USB autosuspend is after 2 s: "),
    "proc/sys/net/core/rmem_max": (NETWORK, "212992", "net.core.rmem_max is 212992: "),
    "sys/class/net/eth1/mtu": (NETWORK, "1500", "no network interface has jumbo frames (eth0 1500, eth1 1500): "),
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": ("", "powersave", "the CPU governor is powersave: "),
    "sys/power/state": ("", "freeze mem disk", "this computer may go to sleep by itself: "),
}


def computer(folder: Path, **other: str) -> Path:
    """A folder that holds what a system shows of itself, all of it good but `other`."""
    for name, value in {**GOOD, **other}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{value}\n")
    return folder


@pytest.mark.parametrize("interfaces", [{USB}, {NETWORK}, {USB, NETWORK}, {""}])
def test_nothing_is_said_of_a_good_computer(interfaces: set[str], tmp_path: Path) -> None:
    assert computer_warnings(interfaces, computer(tmp_path)) == []


@pytest.mark.parametrize("interfaces", [{USB}, {NETWORK}, {""}, set()])
@pytest.mark.parametrize("setting", BAD)
def test_each_setting_is_warned_of_where_it_matters(setting: str, interfaces: set[str], tmp_path: Path) -> None:
    matters_for, value, begins = BAD[setting]
    found = computer_warnings(interfaces, computer(tmp_path, **{setting: value}))
    matters = bool(interfaces) and matters_for in {"", *interfaces}
    assert [warning[: len(begins)] for warning in found] == [begins] * matters


def test_all_are_told_together_each_with_what_to_do(tmp_path: Path) -> None:
    found = computer_warnings({USB, NETWORK}, computer(tmp_path, **{name: bad[1] for name, bad in BAD.items()}))
    assert len(found) == len(BAD)
    assert all("sudo " in warning for warning in found)


def test_no_limit_of_usb_memory_is_good(tmp_path: Path) -> None:
    """0 stands for it."""
    assert computer_warnings({USB}, computer(tmp_path, **{"sys/module/usbcore/parameters/usbfs_memory_mb": "0"})) == []


def test_a_computer_whose_sleep_is_forbidden_is_good(tmp_path: Path) -> None:
    root = computer(tmp_path, **{"sys/power/state": "freeze mem"})
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/systemd/system/sleep.target").symlink_to("/dev/null")
    assert computer_warnings({USB}, root) == []


def test_a_system_that_shows_nothing_is_not_judged(tmp_path: Path) -> None:
    assert computer_warnings({USB, NETWORK}, tmp_path) == []


def test_a_screen_saver_is_told_with_its_time(tmp_path: Path) -> None:
    """An Xvfb has one after ten minutes, as every X server that nobody has told otherwise."""
    display = start_virtual(320, 240, tmp_path)
    try:
        assert blanking(display.name) == [f"the screen saver of {display.name} starts after 600 s"]
    finally:
        display.close()
