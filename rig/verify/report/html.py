"""Makes HTML of elements, so that whatever a session holds stays text: nothing of it can become a part of the page."""

from __future__ import annotations

from base64 import b64encode
from xml.etree.ElementTree import Element, tostring

MOST_LETTERS = 3000  # of one text: a damaged or hostile file may hold any number of them


def element(tag: str, *children: Element | str, **attributes: str) -> Element:
    """One element; texts among its children are escaped. `kind` is written as class, `http_equiv` as http-equiv."""
    names = {"kind": "class", "http_equiv": "http-equiv"}
    made = Element(tag, {names.get(name, name): harmless(value) for name, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + harmless(child)
        else:
            made.text = (made.text or "") + harmless(child)
    return made


def image(png: bytes, text: str) -> Element:
    """A picture that lies in the page itself, and the words that stand for it."""
    shown = element("img", alt=text)
    shown.set("src", f"data:image/png;base64,{b64encode(png).decode()}")  # longer than any text may be
    return shown


def style(sheet: str) -> Element:
    """A style sheet of our own, which is not escaped."""
    made = Element("style")
    made.text = sheet
    return made


def harmless(text: str) -> str:
    """A text without letters that could hide or turn round what stands beside them; cut where it has no end."""
    cut = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} ... ({len(text)} letters)"
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in cut)


def document(*parts: Element) -> str:
    """A whole page of the parts of <html>."""
    return "<!DOCTYPE html>\n" + tostring(element("html", *parts, lang="en"), encoding="unicode", method="html") + "\n"
