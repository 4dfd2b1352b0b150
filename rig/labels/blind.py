"""Whose labels may be seen by whom: nobody is to be led by what another has seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rig.errors import SessionError
from rig.labels.coding import Coded, Coding, coders

if TYPE_CHECKING:
    from rig.labels.label import Label
    from rig.session.reader import Session


def of_others(session: Session, coder: str | None) -> tuple[dict[str, tuple[Label, ...]], list[str]]:
    """Labels that may be seen by `coder`, or by somebody who only looks (None), by their coders; and what is wrong.

    A coder who is still open sees none, one who has closed those of all who have closed. Who only looks sees nothing
    until all who have begun have closed.
    """
    if coder is not None and not Coding(session, coder).read().is_closed:
        return {}, []
    found, problems = _read(session, (name for name in coders(session) if name != coder))
    closed = {name: coded.labels for name, coded in found.items() if coded.is_closed}
    if coder is None and (problems or len(closed) < len(found)):
        closed = {}
    return closed, problems


def _read(session: Session, names: Iterable[str]) -> tuple[dict[str, Coded], list[str]]:
    found: dict[str, Coded] = {}
    problems: list[str] = []
    for name in names:
        try:
            found[name] = Coding(session, name).read()
        except SessionError:  # which tells what is in the file
            problems.append(f"the labels of {name} cannot be read: rig annotate --coder {name} says why")
    return found, problems
