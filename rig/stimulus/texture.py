"""Pictures on the graphics card, drawn over the middle of the window. Import it only where PsychoPy's window is."""

from __future__ import annotations

import ctypes

from pyglet import gl

from rig.clips.decode import Size

# How the bytes of a picture lie in memory.
BGRA, RGB = gl.GL_BGRA, gl.GL_RGB


class Texture:
    """One picture that can be changed, whole or in part. Used by the window's thread, with its context."""

    def __init__(self) -> None:
        self._name = gl.GLuint()
        gl.glGenTextures(1, self._name)

    def make(self, size: Size, pixels: int) -> None:
        """Make room for a picture of `size` (width, height) px in the layout `pixels`; black until it is put."""
        self._bind()
        for setting in (gl.GL_TEXTURE_MIN_FILTER, gl.GL_TEXTURE_MAG_FILTER):
            gl.glTexParameteri(gl.GL_TEXTURE_2D, setting, gl.GL_LINEAR)
        for setting in (gl.GL_TEXTURE_WRAP_S, gl.GL_TEXTURE_WRAP_T):
            gl.glTexParameteri(gl.GL_TEXTURE_2D, setting, gl.GL_CLAMP_TO_EDGE)
        black = ctypes.c_char_p(bytes(size[0] * size[1] * 4))
        gl.glTexImage2D(gl.GL_TEXTURE_2D, 0, gl.GL_RGBA8, *size, 0, pixels, gl.GL_UNSIGNED_BYTE, black)
        gl.glDisable(gl.GL_TEXTURE_2D)

    def put(self, address: int, size: Size, line_px: int, pixels: int, at: tuple[int, int] = (0, 0)) -> None:
        """Change `size` px of it, from `at` (px from the left, px from above), to what lies at `address`.

        A line is `line_px` long in memory. The bytes are read before this returns.
        """
        self._bind()
        gl.glPixelStorei(gl.GL_UNPACK_ALIGNMENT, 1)
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, line_px)
        where = ctypes.c_void_p(address)
        gl.glTexSubImage2D(gl.GL_TEXTURE_2D, 0, *at, *size, pixels, gl.GL_UNSIGNED_BYTE, where)
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, 0)
        gl.glDisable(gl.GL_TEXTURE_2D)

    def draw(self, x: float, y: float) -> None:
        """Draw it over the middle of the window: `x` and `y` are the shares of its width and height, 0 to 1."""
        gl.glUseProgram(0)
        self._bind()
        gl.glColor4f(1, 1, 1, 1)
        gl.glDisable(gl.GL_BLEND)
        for matrix in (gl.GL_PROJECTION, gl.GL_MODELVIEW):
            gl.glMatrixMode(matrix)
            gl.glPushMatrix()
            gl.glLoadIdentity()
        gl.glBegin(gl.GL_QUADS)
        for u, v, left, up in ((0, 1, -x, -y), (1, 1, x, -y), (1, 0, x, y), (0, 0, -x, y)):
            gl.glTexCoord2f(u, v)
            gl.glVertex2f(left, up)
        gl.glEnd()
        for matrix in (gl.GL_PROJECTION, gl.GL_MODELVIEW):
            gl.glMatrixMode(matrix)
            gl.glPopMatrix()
        gl.glEnable(gl.GL_BLEND)
        gl.glDisable(gl.GL_TEXTURE_2D)

    def _bind(self) -> None:
        gl.glActiveTexture(gl.GL_TEXTURE0)
        gl.glEnable(gl.GL_TEXTURE_2D)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self._name)
