"""Tab-separated tables as BIDS has them: one row a line whatever a text holds, and back again.

Backslash, tab, line ends and other control characters are escaped with a backslash as in Python. A text that a
spreadsheet would compute, or that begins with ', has a ' before it. What is missing is `n/a`; of whoever typed just
that it is `\\x6e/a`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

MISSING = "n/a"  # BIDS 1.10, tabular files
FORMULA = "=+-@'"  # what a spreadsheet takes for a formula when it comes first, and the mark against it
_BREAKS = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029]")  # ends a line, or is one to some reader
_ESCAPE = re.compile(r"\\(\\|[tnr]|x[0-9a-f]{2}|u[0-9a-f]{4})?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_DIALECT = "excel-tab"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A head and rows as text. A row holds None (missing), bool, int, float (6 decimals) and str."""
    text = io.StringIO()
    lines = csv.writer(text, dialect=_DIALECT, lineterminator="\n")
    lines.writerow(head)
    lines.writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def lines_of(text: str) -> list[list[str]]:
    """The cells of each line, as they stand there. Raises ValueError for what is no such table."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), dialect=_DIALECT, strict=True))
    except csv.Error as exc:
        raise ValueError(str(exc)) from None


def text_of(cell: str) -> str:
    """The text that a cell was written for; "" of a missing one. Raises ValueError for a cell that nobody wrote so."""
    if cell == MISSING:
        return ""
    return _ESCAPE.sub(_letter, cell.removeprefix("'"))


def _letter(found: re.Match[str]) -> str:
    if found[1] is None:
        raise ValueError("has a backslash that is none of ours")
    return found[0].encode().decode("unicode_escape")


def _cell(value: object) -> str:
    match value:
        case None:
            return MISSING
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6f}"
        case str():
            return _escaped(value)
    return str(value)


def _escaped(text: str) -> str:
    if text == MISSING:
        return "\\x6e/a"
    text = _BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    is_formula = text[:1] in FORMULA and text and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text
