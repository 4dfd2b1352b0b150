"""The drivers of cameras by their names in rig.yaml: the one place where these are spelled."""

from typing import Literal, get_args

Backend = Literal["simulated", "basler", "basler-emulation"]
SIMULATED, BASLER, EMULATION = get_args(Backend)  # the last: the cameras that Basler's pylon emulates
# Of every device of a recorded session that is replayed as a rig; no name that anybody writes in rig.yaml.
REPLAYED: str = "replayed"
REPLAY = "replay:"  # so begins the name of such a rig, and the port of its box: the path of the session follows
EMULATED_SERIAL = "0815-"  # so begin the serial numbers of cameras that pylon emulates
