"""What a terminal sends for the keys, as the names of keys: letters as they are, others in words."""

from __future__ import annotations

import codecs

from rig.operate.asking import BACKSPACE, ESCAPE, INTERRUPT, RETURN

NAMES = {
    "\r": RETURN,
    "\n": RETURN,
    "\x7f": BACKSPACE,
    "\b": BACKSPACE,
    "\x03": INTERRUPT,
    " ": "space",
    "\x1b": ESCAPE,
}
ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}  # after escape and [ or O: ECMA-48, xterm


class Keys:
    """Bytes of a terminal, cut anywhere but within what one key sends, to keys."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> list[str]:
        """The keys that were pressed, in their order; what no key of ours sends is left out."""
        text, keys = self._decoder.decode(data), []
        while text:
            key, text = _next(text)
            keys += [key] if key else []
        return keys


def _next(text: str) -> tuple[str, str]:
    """The first key, and the rest."""
    if text[:2] in ("\x1b[", "\x1bO"):
        end = next((i for i, letter in enumerate(text[2:], 2) if "@" <= letter <= "~"), len(text) - 1)
        return ARROWS.get(text[end], "") if end == 2 else "", text[end + 1 :]
    first = text[0]
    return NAMES.get(first, first if first.isprintable() else ""), text[1:]
