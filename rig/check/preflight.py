"""Everything that can be known to go wrong before a participant sits down, in one list."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from rig import host, wiring
from rig.cameras.camera import CameraInfo
from rig.cameras.found import FoundCamera
from rig.check.booked import Booked, look_at_ledger
from rig.check.computer import NETWORK, USB, computer_warnings
from rig.check.disk import Measure, Speeds, judge, too_full
from rig.check.displays import Displayed, is_real, look_at_screen
from rig.check.films import Films, holes
from rig.check.visits import every_visit
from rig.check.words import word_problems
from rig.children import working_folder
from rig.clips.cadence import require_refresh
from rig.clips.manifest import clip_problems, find_each
from rig.clips.sound import has_sound
from rig.config.find import find_protocol, find_rig
from rig.config.model import Look
from rig.config.rig import Rig, RigFile, Screen, look_at_rig, rig_of
from rig.elicitation.protocol import (
    ElicitationProtocol,
    ProtocolFile,
    look_at_protocol,
    protocol_of,
    store_problems,
)
from rig.elicitation.steps import Step
from rig.elicitation.tailoring import unkeepable
from rig.elicitation.unroll import unroll
from rig.errors import ProblemList, RigError, StorageError
from rig.record.abilities import beyond_box, box_warnings
from rig.record.camera_rules import camera_infos, camera_warnings, unfit_cameras
from rig.record.plan import LEAST_FREE_BYTES, Lead, RunPlan, plan_run
from rig.record.replaying import read_replayed
from rig.record.resuming import Resumed
from rig.session.arming import reserved_bytes
from rig.session.as_rig import is_replay, look_at_replay, run_replayed
from rig.session.folder import folder_for
from rig.session.layout import spelled_size
from rig.streams import DeviceInfo

T = TypeVar("T")


@dataclass
class Checked:
    """What was found. `problems` stop a recording, `warnings` do not."""

    problems: list[RigError]
    warnings: list[str]
    rig: RigFile | None = None
    protocol: ProtocolFile | None = None
    films: Films = field(default_factory=Films)  # of the protocol
    booked: Booked | None = None  # what the ledger says of who comes next
    cut: Resumed | None = None  # the session that goes on
    plan: RunPlan | None = None  # of the subject's visit, or else of the one that needs most room
    devices: dict[str, DeviceInfo] | None = None  # those that answer
    others: tuple[FoundCamera, ...] = ()  # real cameras that answer and are none of this rig
    screen: Displayed | None = None
    reserved_bytes: int = 0  # on the disk, by the longest possible session
    speeds: Speeds | None = None  # of disk and cores, when they were measured
    load: str = ""  # what they have to bear, in words

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "problems": [str(problem) for problem in self.problems],
            "warnings": self.warnings,
            "clips": self.films.to_json(),
            "ledger": self.booked.to_json() if self.booked else None,
            "screen": self.screen.to_json() if self.screen else None,
            "devices": {name: asdict(info) for name, info in (self.devices or {}).items()},
            "seconds": self.plan.seconds if self.plan else None,
            "reserved_bytes": self.reserved_bytes,
            "speeds": asdict(self.speeds) if self.speeds else None,
            "load": self.load,
        }

    @property
    def cameras(self) -> dict[str, CameraInfo]:
        """The cameras among the devices, by stream."""
        return camera_infos(self.devices or {})


def check(
    rig_name: str | None,
    protocol_name: str | None,
    out: Path,
    *,
    with_devices: bool = True,
    measure: Measure | None = None,
    subject: str = "",
    find_cut: Callable[[ProtocolFile], Resumed] | None = None,
) -> Checked:
    """Check rig, protocol, clips, ledger, disk and devices; never raises a RigError: all are in `problems`.

    How fast disk and cores are is not looked at without `measure` (disk.py). With a `subject` the visit that comes next
    is looked at, and whether this subject can be recorded at all; with `find_cut`, which finds where a session that was
    cut goes on, what is left of that one.
    """
    found = Checked([], [])
    folder = _gather(found, partial(folder_for, out))
    rig_look = _find_rig(found, rig_name)
    is_known = protocol_name is None or _check_protocol(found, protocol_name, rig_look, find_cut)
    if found.rig:
        _gather(found, found.rig.keep)
        _check_films(found, found.rig.rig.screen)
    if found.protocol and folder and find_cut is None:
        found.booked = _gather(found, partial(look_at_ledger, found.protocol.protocol, out, subject))
    if found.rig and found.protocol and is_known and (find_cut is None or found.cut):
        _check_plan(found, found.rig, found.protocol.protocol, folder)
    if found.rig and folder and measure is not None:
        _check_speeds(found, found.rig, folder, measure)
    if refused := host.real_time_refused(host.Priority.RECORDER):
        found.warnings.append(f"{refused}: late frames are likelier; they are never lost or misnumbered by it")
    if with_devices and found.rig and is_known:
        found.devices, missing = _look_at_devices(found, found.rig)
        _judge_devices(found, found.rig, found.devices)
        found.problems += missing
    if found.rig:
        _tell_cadences(found, found.rig.rig.screen)
    if with_devices and not (found.rig and is_known):
        found.warnings.append("the devices were not looked at; mend what is wrong first, then check again")
    # The screen says again what is wrong with a clip, and one file given as rig and as protocol what is wrong in it.
    found.problems = list({str(problem): problem for problem in found.problems}.values())
    return found


def _find_rig(found: Checked, name: str | None) -> Look[Rig] | None:
    """The rig, its own rig.yaml or that of a recorded session."""
    if name is not None and is_replay(name):
        look, found.rig = _gather(found, partial(look_at_replay, name)) or (None, None)
        return look
    look = _gather(found, lambda: look_at_rig(find_rig(name)))
    found.rig = _gather(found, partial(rig_of, look)) if look else None
    return look


def _check_protocol(
    found: Checked, name: str, rig: Look[Rig] | None, find_cut: Callable[[ProtocolFile], Resumed] | None
) -> bool:
    """The protocol, its words, its clips, and what it wants to keep of which stream; whether all clips are known."""
    look = _gather(found, lambda: look_at_protocol(find_protocol(name)))
    if look is None:
        return False
    found.protocol = _gather(found, partial(protocol_of, look))
    if rig is not None and (streams := rig.names("cameras")):
        found.problems += store_problems(look, streams)
    protocol = found.protocol.protocol if found.protocol else None
    run_path = run_replayed(found.rig.rig) if found.rig else None
    if found.rig and run_path is None:
        found.problems += _gather(found, partial(word_problems, look, protocol, found.rig)) or []
    elif run_path is not None and not _is_own(found, run_path):
        found.protocol = None  # nothing else of it matters
        return False
    if found.protocol is None:
        found.problems += clip_problems(look)
        return False
    found.warnings += [*holes(found.protocol.protocol), *unkeepable(found.protocol.protocol)]
    return _find_films(found, found.protocol, find_cut)


def _find_films(found: Checked, protocol: ProtocolFile, find_cut: Callable[[ProtocolFile], Resumed] | None) -> bool:
    """The protocol's clips, and the session that goes on, which has counted them already; whether all are known."""
    if find_cut is not None:
        found.cut = _gather(found, partial(find_cut, protocol))
    found.films.clips, problems = find_each(protocol, found.cut.films if found.cut else {})
    found.warnings += found.films.far()
    found.problems += problems
    return not problems


def _is_own(found: Checked, run_path: Path) -> bool:
    """Whether the protocol, if it can be read, is the one that the run was recorded with."""
    return found.protocol is None or _gather(found, partial(read_replayed, run_path, found.protocol)) is not None


def _gather(found: Checked, look: Callable[[], T]) -> T | None:
    """Call `look`; keep what it raises among the problems."""
    try:
        return look()
    except ProblemList as several:
        found.problems += several.problems
    except RigError as error:
        found.problems.append(error)
    return None


def _check_films(found: Checked, screen: Screen) -> None:
    """Whether the screen is fast enough for them, and whether their sound is forgotten."""
    films = found.films
    for clip in films.clips.values():
        _gather(found, partial(require_refresh, clip, screen.refresh_hz))
    if is_real(screen) and not screen.sound:
        films.unheard = tuple(
            name for name, clip in films.clips.items() if _gather(found, partial(has_sound, clip.path))
        )
    found.warnings += films.mute()


def _tell_cadences(found: Checked, screen: Screen) -> None:
    """How evenly each film will run, at the rate that was measured where one was."""
    found.films.run_on(found.screen.reckoned_hz if found.screen else screen.refresh_hz)
    found.warnings += found.films.uneven()


def _check_plan(found: Checked, rig: RigFile, protocol: ElicitationProtocol, folder: Path | None) -> None:
    """What the session will be, and whether the disk of `folder`, where there is one, has room for it."""
    visits = _gather(found, partial(_steps_of_visits, found, rig.rig, protocol))
    if not visits:
        return
    lead = Lead(first=found.cut.first) if found.cut else None
    plans = [plan_run(rig.rig, steps, lead) for steps in visits]
    found.plan = max(plans, key=lambda plan: reserved_bytes(plan.room))
    found.reserved_bytes = reserved_bytes(found.plan.room)
    needed = found.reserved_bytes + LEAST_FREE_BYTES  # with less than that left the recorder ends the run
    free = host.free_bytes(folder) if folder else needed
    if needed > free:
        found.problems.append(_too_little(str(folder), free, needed, found.cut))


def _too_little(folder: str, free: int, needed: int, cut: Resumed | None) -> StorageError:
    what, hint = "the longest possible session", ""
    if cut is not None:
        what = "what is left of the session"
        hint = f"This frees what the run that was cut did not use: rig recover {quote(str(cut.folder.path))}"
    value, allowed = f"{spelled_size(free)} free", f"{what} needs {spelled_size(needed)}"
    return StorageError(folder, "are too little", value=value, allowed=allowed, hint=hint)


def _steps_of_visits(found: Checked, rig: Rig, protocol: ElicitationProtocol) -> list[list[Step]]:
    """The steps of the subject's visit or of the session that goes on; of every visit when no subject is known.

    Raises ProtocolError when that visit is empty, or the order of the clips chosen for it cannot be kept.
    """
    if found.cut is not None:
        return [list(found.cut.steps)]
    streams, booked = list(rig.cameras), found.booked
    seconds = {name: clip.seconds for name, clip in found.films.clips.items()}
    if booked is None or not booked.subject:
        return list(every_visit(protocol, streams, seconds))
    return [unroll(protocol, streams, seconds, row=booked.row, visit=booked.visit, chosen=booked.chosen)]


def _check_speeds(found: Checked, rig: RigFile, folder: Path, measure: Measure) -> None:
    """Whether disk and cores keep up with the cameras."""
    if why := too_full(folder):
        found.warnings.append(why)
        return
    found.speeds = _gather(found, partial(measure, folder, rig.rig))
    if found.speeds is not None:
        judged = judge(rig.rig, found.speeds, str(rig.document.path))
        found.load = judged.text
        found.warnings += judged.warnings
        found.problems += judged.problems


def _judge_devices(found: Checked, rig: RigFile, devices: dict[str, DeviceInfo]) -> None:
    """What keeps the devices that answer from recording, and what of this computer may lose frames of theirs."""
    if "box" in devices:
        found.problems += beyond_box(rig, devices["box"])
        found.warnings += box_warnings(rig, devices["box"])
    found.problems += unfit_cameras(rig, found.cameras)
    found.warnings += camera_warnings(found.cameras)
    if any(camera.backend in wiring.REAL for camera in rig.rig.cameras.values()):
        serials = {info.serial for info in found.cameras.values()}
        answering = _gather(found, wiring.find_cameras) or []
        found.others = tuple(camera for camera in answering if camera.serial not in serials)
    real = [info for info in found.cameras.values() if not info.simulated]
    found.warnings += computer_warnings({_interface(info) for info in real})
    screen = rig.rig.screen
    if "screen" in devices:
        found.warnings += _silence(screen, devices["screen"])
    if found.screen and is_real(screen):
        from rig.stimulus.blanking import blanking  # python-xlib is there on Linux only

        found.warnings += [f"{reason}. Switch it off: xset s off -dpms" for reason in blanking(screen.display)]


def _silence(screen: Screen, info: DeviceInfo) -> list[str]:
    """What is wanted and not heard; the window has tried the sound device, and the sound of every film."""
    silent = info.capabilities.get("silent")
    return [f"screen.sound is true, and it is silent: {silent}"] if screen.sound and silent else []


def _interface(info: CameraInfo) -> str:
    """How a real camera is connected, as far as it says."""
    told = str(info.capabilities.get("interface", "")).lower()
    return USB if "usb" in told else NETWORK if "gige" in told else ""


def _look_at_devices(checked: Checked, rig: RigFile) -> tuple[dict[str, DeviceInfo], list[RigError]]:
    """Open every device of the rig once and ask who it is; who answers, and what is said of those that do not."""
    found = Checked([], [])
    with working_folder() as folder:
        has_window = checked.protocol is None or checked.protocol.protocol.window
        if has_window:
            checked.screen = look_at_screen(rig.rig.screen, folder, partial(_gather, found))
        is_fit = not found.problems  # an unfit screen is not opened again, to say and to measure the same once more
        devices, missing = wiring.open_those_there(
            rig.rig, checked.films.clips, folder, has_window=has_window, with_screen=is_fit
        )
        found.problems += missing
        with closing(devices):
            infos = {name: _gather(found, device.describe) for name, device in devices.by_name.items()}
    return {name: info for name, info in infos.items() if info is not None}, found.problems
