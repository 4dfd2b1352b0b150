"""The parent's handle on the participant's screen: starts the stimulus process and passes steps and events."""

from __future__ import annotations

import os
from pathlib import Path

from rig.children import Child, Message
from rig.clips.cadence import require_refresh
from rig.clips.manifest import FilmClip
from rig.config import rig as config_of
from rig.elicitation.steps import Step
from rig.errors import DeviceLost, DeviceNotReady
from rig.stimulus.messages import unpack, unpack_error
from rig.stimulus.screen import WITHDRAWAL_KEY, Screen, ScreenEvent
from rig.streams import DeviceInfo

START_S = 60  # 2 to 4 s when all is cached; a cold disk needs 10
WAIT_S = 0.5


class PsychoPyScreen(Screen):
    """A PsychoPy window in a process of its own.

    The process is ended by the system when the thread that made this object is gone, so make it in a thread that
    lives as long as the recording.
    """

    display: str  # X display of the window, e.g. :0
    framebuffer: Path | None  # file that holds the screen's picture (XWD), for a virtual display only

    def __init__(
        self,
        config: config_of.Screen,
        clips: dict[str, FilmClip],
        folder: Path,
        *,
        withdrawal_key: str = WITHDRAWAL_KEY,
    ) -> None:
        """Start the process and block until its window is up and warm.

        `clips` by their names in the protocol; `folder` a private folder that exists, for the window's HOME, log
        and screen file. `withdrawal_key`: ends what is shown when it is held for a second. Raises ClipError for a
        clip faster than the screen, DeviceNotFound when there is no display, DeviceNotReady when the window does not
        come up.
        """
        for clip in clips.values():
            require_refresh(clip, config.refresh_hz)
        self._config = config
        self._child = Child("rig.stimulus.child", folder / "stimulus.log", env=_environment(folder))
        try:
            films = {name: clip.to_json() for name, clip in clips.items()}
            about = {"clips": films, "withdrawal_key": withdrawal_key}
            self._child.send({"config": config.model_dump(), "folder": str(folder), **about})
            messages = _answered(self._child, "up")
        except BaseException:  # whatever it was, Ctrl-C too: no process stays behind
            self._child.close()
            raise
        self._child.is_up()
        self._up: Message = messages[0]["up"]
        self._early = _unpacked(messages)  # told together with it
        self.display = self._up["display"]
        self.framebuffer = Path(self._up["framebuffer"]) if self._up["framebuffer"] else None

    def describe(self) -> DeviceInfo:
        """A window on a virtual display is simulated: nobody can see it."""
        config, is_virtual = self._config, self.framebuffer is not None
        return DeviceInfo(
            kind="screen",
            vendor="PsychoPy",
            model=f"window {config.width}x{config.height} px",
            serial=self.display,
            version=self._up["version"],
            simulated=is_virtual,
            capabilities={
                "refresh_hz": config.refresh_hz,
                "vertical_sync": not is_virtual,
                "renderer": self._up["renderer"],
                "sound": self._up["sound"],
                **({"silent": self._up["silent"]} if self._up["silent"] else {}),
            },
        )

    def show(self, step: Step) -> None:
        """Begin a step."""
        self._child.send({"show": step.to_json()})

    def events(self, timeout_s: float) -> list[ScreenEvent]:
        """What happened since the last call, oldest first; flips come in batches of up to half a second."""
        early, self._early = self._early, []
        return early or _unpacked(self._child.receive(timeout_s))

    def abort(self) -> None:
        """End the step that is shown."""
        try:
            self._child.send({"abort": True})
        except DeviceLost:
            pass  # `events` tells

    def close(self) -> None:
        """End the process and its display."""
        self._child.close()


def measured_refresh(config: config_of.Screen, folder: Path) -> float:
    """How many refreshes a second the screen has, counted by a window that is shown for a second, Hz.

    `folder` as for PsychoPyScreen. Not for a virtual display, which has none. Blocks. Raises DeviceNotFound when there
    is no display, DeviceNotReady when it is another size or the window does not come up.
    """
    child = Child("rig.stimulus.child", folder / "stimulus.log", env=_environment(folder))
    try:
        child.send({"config": config.model_dump(), "folder": str(folder), "measures": True})
        return float(_answered(child, "refresh_hz")[0]["refresh_hz"])
    finally:
        child.close()


def _answered(child: Child, name: str) -> list[Message]:
    """Wait for the message that has this in it; it, and what came with it. Raises what the child tells."""
    try:
        for _ in range(int(START_S / WAIT_S)):
            messages = child.receive(WAIT_S)
            for index, message in enumerate(messages):
                if "error" in message:
                    raise unpack_error(message["error"])
                if name in message:
                    return messages[index:]
    except DeviceLost as exc:
        raise DeviceNotReady("screen", f"the window did not open: {exc}") from None
    raise DeviceNotReady("screen", f"the window is not up after {START_S} s", hint=f"Try again; see {child.log}")


def _unpacked(messages: list[Message]) -> list[ScreenEvent]:
    return [unpack(packed) for message in messages for packed in message.get("events", [])]


def _environment(folder: Path) -> dict[str, str]:
    """PsychoPy keeps preferences in HOME and rewrites PATH for what it may install: neither is wanted here."""
    env = {"HOME": str(folder), "PSYCHOPYNOPACKAGES": "1", "SDL_AUDIODRIVER": "dummy"}
    if "XAUTHORITY" not in os.environ and "HOME" in os.environ:
        # The key to a real screen lies in the HOME that the child no longer sees.
        env["XAUTHORITY"] = str(Path(os.environ["HOME"]) / ".Xauthority")
    return env
