"""Participants who come: one session each, from its folder to its end, as the ledger is told of it."""

from __future__ import annotations

from pathlib import Path

from rig.session.folder import new_session
from rig.subjects.ledger import Ledger, Place

ORDER = "smic", "order-1", 4


def come(directory: Path, subject: str, outcome: str = "finished", order: tuple[str, str, int | None] = ORDER) -> Place:
    """The place that was confirmed."""
    ledger = Ledger(directory)
    place = ledger.confirm(ledger.reserve(*order, new_session(directory, subject)))
    ledger.ended(place, outcome)
    return place
