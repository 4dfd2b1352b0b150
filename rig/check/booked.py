"""What the ledger says of who comes next: the row of the order, the visit, and the films that were chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig.elicitation.protocol import ElicitationProtocol
from rig.elicitation.unroll import rows_of, variant_of
from rig.record.preparing import fitting_clips, order_key
from rig.subjects.ledger import Ledger


@dataclass(frozen=True)
class Booked:
    """What a session would begin with now."""

    subject: str  # empty: whoever comes next
    visit: int  # from 1
    row: int  # of the order, from 0
    rows: int | None  # how many there are; None: each is a new draw
    variant: str  # empty: the protocol has none
    chosen: dict[str, list[str]] = field(default_factory=dict)  # by questionnaire: the clips that fit this subject

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """In words."""
        who = f"subject {self.subject}, visit {self.visit}" if self.subject else "the next new subject"
        rows = f" of the order, which has {self.rows}" if self.rows else " of the order, a draw of its own"
        variant = f", variant {self.variant}" if self.variant else ""
        films = [f"   films chosen by {by}: {', '.join(names)}" for by, names in self.chosen.items()]
        return [f"ledger: {who} gets row {self.row}{rows}{variant}", *films]


def look_at_ledger(protocol: ElicitationProtocol, out: Path, subject: str) -> Booked:
    """What `rig record` would reserve now, for this subject or for a new one; nothing is reserved.

    Raises StorageError when the ledger cannot be read, or settled; UserError or SessionExists for a subject who cannot
    be recorded, ProtocolError when the answers that choose the films of this visit are missing.
    """
    ledger = Ledger(out)
    ledger.settle()
    visit = ledger.visit_of(subject, protocol.name) if subject else 1
    rows = rows_of(protocol)
    row = ledger.expect(protocol.name, order_key(protocol), rows, subject)
    chosen = fitting_clips(protocol, out, subject, visit) if subject else {}
    return Booked(subject, visit, row, rows, variant_of(protocol, row), chosen)
