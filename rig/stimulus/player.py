"""Plays a film clip: a thread decodes ahead, and each flip takes the film frame that is due, none left out.

    decode thread --> 25 frames ahead, at the size of the texture --> FilmPlayer.take(target) --> window

Decoding runs without the interpreter's lock, so it does not hold up the flips.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rig.clips.decode import Size, decoded, scaled
from rig.clips.manifest import FilmClip
from rig.errors import ClipError

AHEAD = 25  # film frames; a second of film covers every stall measured


class FilmPlayer:
    """A clip being decoded in order. All methods but the thread's own are for the window's thread."""

    def __init__(self, clip: FilmClip, size: Size) -> None:
        """Start decoding `clip` at `size` (width, height) of the texture."""
        self.clip, self.size = clip, size
        self.film_frame = -1  # the one taken last
        self.fault = ""  # why no more pictures come before the last one
        self._ready: deque[Any] = deque()
        self._room = threading.Semaphore(AHEAD)
        self._stopping = False
        self._is_decoded = False
        self._thread = threading.Thread(target=self._decode, name=f"decode-{clip.name}")
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether enough is decoded to begin."""
        return self._is_decoded or len(self._ready) >= min(AHEAD, self.clip.frames)

    def take(self, target: int) -> Any | None:
        """The picture of film frame `target`, or of the nearest before it that is decoded (`av.VideoFrame`, BGRA).

        None when the screen keeps what it shows. Pictures in between are dropped. Does not block.
        """
        picture = None
        while self.film_frame < target and self._ready:
            picture = self._ready.popleft()
            self.film_frame += 1
            self._room.release()
        return picture

    @property
    def has_failed(self) -> bool:
        """Whether the film cannot go on: no picture is left, and it was not the last."""
        return self._is_decoded and not self._ready and self.film_frame < self.clip.frames - 1

    def close(self) -> None:
        """End the thread. Blocks for the picture that it is decoding: never between two flips of a film."""
        self._stopping = True
        self._room.release()
        self._thread.join()

    def _decode(self) -> None:
        clip = self.clip
        try:
            for frame in decoded(clip.path, clip.first, clip.frames, clip.jump_s, is_left=lambda: self._stopping):
                self._room.acquire()
                if self._stopping:
                    return
                self._ready.append(scaled(frame, self.size, "bgra"))
        except ClipError as exc:
            self.fault = str(exc)
        finally:
            self._is_decoded = True
