"""A short recording before a session, judged as the session will be, and thrown away.

sweep --> starts of exposure --> delay result --+
                                                v
pulses, frames, a still screen --> recording that carries it --> verdict
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rig import wiring
from rig.children import working_folder
from rig.config.rig import RigFile
from rig.elicitation.protocol import ProtocolFile, read_protocol
from rig.record.recording import Recording, Request, Status
from rig.selftest.starts import Bench, Start, measure_starts
from rig.session.folder import folder_for
from rig.session.reader import Session
from rig.verify.verdict import Verdict, verify_run

SUBJECT = "rehearsal"
_PROTOCOL = """\
schema: 1
name: rehearsal
title: A still screen, before a session
tolerances: {tolerances}
blocks:
  - {{kind: baseline, name: still, seconds: {seconds}}}
"""
IsEnded = Callable[[], bool]


def sweep_rig(rig_file: RigFile, *, is_ended: IsEnded) -> tuple[list[Start], bool]:
    """The starts of exposure of all cameras of a rig, and whether any device of it is simulated.

    Blocks for some 10 to 30 s, or until `is_ended()`. Raises DeviceError naming the device.
    """
    with working_folder() as folder:
        devices, clock = wiring.open_bench(rig_file.rig, folder, with_cameras=True)
        with closing(devices):
            bench = Bench(rig_file.rig, devices.cameras, devices.box, clock)
            infos = [bench.box.describe(), *(camera.describe() for camera in bench.cameras.values())]
            return measure_starts(bench, is_ended=is_ended), any(info.simulated for info in infos)


def rehearse(
    rig_file: RigFile,
    protocol: ProtocolFile | None,
    out: Path,
    seconds: float,
    *,
    is_ended: IsEnded,
    virtual: bool = False,
) -> Verdict | None:
    """Record a still screen for so many seconds and judge it, by the limits of `protocol`; None when it was ended.

    It lies in a hidden folder on the disk of `out` as long as this takes. Raises UserError, DeviceError, StorageError.
    """
    with TemporaryDirectory(prefix=".rig-check-", dir=folder_for(out)) as name:
        folder = Path(name)
        request = Request(rig_file, _still(folder, protocol, seconds), SUBJECT, folder, virtual=virtual)
        recording: Recording

        def on_status(_: Status) -> None:
            if is_ended():
                recording.stop()

        recording = Recording(request, on_status)
        recorded = recording.record()
        if is_ended():
            return None
        with Session(recorded.path.parent) as session:
            return verify_run(session.runs[-1])


def _still(folder: Path, protocol: ProtocolFile | None, seconds: float) -> ProtocolFile:
    """A protocol of a still screen, with the limits of another one. What that requires may need its films."""
    limits: dict[str, Any] = protocol.protocol.tolerances.model_dump(exclude_none=True) if protocol else {}
    path = folder / "rehearsal.yaml"
    path.write_text(_PROTOCOL.format(tolerances=json.dumps(limits), seconds=seconds))
    return read_protocol(path)
