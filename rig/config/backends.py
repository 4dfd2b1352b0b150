"""The drivers of cameras by their names in rig.yaml: the one place where these are spelled."""

from typing import Literal, get_args

Backend = Literal["simulated", "basler", "basler-emulation"]
SIMULATED, BASLER, EMULATION = get_args(Backend)  # the last: the cameras that Basler's pylon emulates
EMULATED_SERIAL = "0815-"  # so begin the serial numbers of cameras that pylon emulates
