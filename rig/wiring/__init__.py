"""From rig.yaml to open devices: the one room that knows which driver belongs to which name.

    drivers.py --> opening.py    in real time    --> devices.py
               --> virtual.py    for --speed max

Drivers and simulator are imported here, when a rig asks for them, and nowhere else.
"""

from rig.wiring.devices import Devices, Virtual
from rig.wiring.drivers import BOXES, REAL, dump_features, find_camera, find_cameras, snapshot
from rig.wiring.opening import VIRTUAL_DISPLAY, open_bench, open_devices, open_port, open_those_there
from rig.wiring.virtual import open_virtual

__all__ = [
    "BOXES",
    "REAL",
    "VIRTUAL_DISPLAY",
    "Devices",
    "Virtual",
    "dump_features",
    "find_camera",
    "find_cameras",
    "open_bench",
    "open_devices",
    "open_port",
    "open_those_there",
    "open_virtual",
    "snapshot",
]
