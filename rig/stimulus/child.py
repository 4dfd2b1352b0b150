"""The stimulus process: shows one step after another and tells its parent what was on the screen, and when.

    parent --- {"config": .., "clips": .., "folder": .., "withdrawal_key": ..} ---> opens display and window
           <-- {"up": {..}} or {"error": {..}}
           --- {"show": step} or {"abort": true} -----------> one step, flip by flip
           <-- {"events": [..]} in batches, at once when a step begins, is answered, or ends

    parent --- {"config": .., "folder": .., "measures": true} -----> <-- {"refresh_hz": ..} or {"error": {..}}

It ends when its standard input ends, and takes its display with it. It writes nothing to the disk while it shows.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import host
from rig.children import Message, Parent
from rig.clips.decode import texture_size
from rig.clips.manifest import FilmClip
from rig.clock import HostClock
from rig.config.rig import Screen
from rig.errors import RigError
from rig.stimulus.display import require_display, start_virtual, x_screen
from rig.stimulus.messages import pack_error
from rig.stimulus.sound import open_sounds
from rig.stimulus.stage import Stage


def main() -> None:
    """Open the window, perform steps, and end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the recorder, which ends this process in order
    parent = Parent(int(sys.argv[1]))
    host.ask_real_time(host.Priority.SCREEN)  # before the display and the decoder, which inherit it
    setup = _first_message(parent)
    config = Screen.model_validate(setup["config"])
    try:
        with _display(config, Path(setup["folder"])) as (name, framebuffer):
            if "measures" in setup:
                _measure(parent, config)
            else:
                _perform_on(parent, config, setup, {"display": name, "framebuffer": framebuffer})
    except RigError as exc:
        parent.send({"error": pack_error(exc)})


def _first_message(parent: Parent) -> Message:
    while not (messages := parent.receive(1.0)):
        if messages is None:
            raise SystemExit(0)
    return messages[0]


@contextmanager
def _display(config: Screen, folder: Path) -> Iterator[tuple[str, str | None]]:
    """The name of the X display, now in DISPLAY, and the file that holds its picture if it is a virtual one."""
    if config.display != "virtual":
        require_display(config.display, config.width, config.height)
        os.environ["DISPLAY"] = config.display
        if x_screen(config.display):
            os.environ["PYGLET_SHADOW_WINDOW"] = "0"  # it opens on the first screen, and no other can draw beside it
        yield config.display, None
        return
    virtual = start_virtual(config.width, config.height, folder)
    try:
        os.environ["DISPLAY"] = virtual.name
        yield virtual.name, str(virtual.framebuffer)
    finally:
        virtual.close()


def _measure(parent: Parent, config: Screen) -> None:
    from rig.stimulus.window import Window

    window = Window(config, HostClock(), checks_rate=False)
    parent.send({"refresh_hz": window.measure_hz()})
    window.close()


def _perform_on(parent: Parent, config: Screen, setup: Message, display: Message) -> None:
    from rig.stimulus.window import Window

    clips = {name: FilmClip.from_json(data) for name, data in setup["clips"].items()}
    clock = HostClock()
    window = Window(config, clock)
    window.warm([texture_size((clip.width, clip.height), (config.width, config.height)) for clip in clips.values()])
    sounds, notes = open_sounds(clips, Path(setup["folder"]), clock, is_wanted=config.sound)
    # A collection of garbage during a film costs late flips: none of what lives now is looked at again, and what
    # comes later is collected between steps.
    gc.collect()
    gc.freeze()
    gc.disable()
    stage = Stage(parent, window, config, clips, clock, sounds, setup["withdrawal_key"])
    heard = {"sound": sounds.is_on, "silent": sounds.silent}
    parent.send({"up": {**display, "version": window.version, "renderer": window.renderer, **heard}})
    stage.tell(window.clock_pair(), *(notes if clips else []))
    stage.run()
    sounds.close()
    window.close()


if __name__ == "__main__":
    main()
