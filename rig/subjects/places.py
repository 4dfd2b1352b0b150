"""Which row of an order a participant gets: the one that the fewest have, and never twice the same place.

    reserve --> reserved --consent--> confirmed --excluded, dropped out--> freed
                   |                                                         ^
                   +--------consent refused, the process is gone-------------+

A place is (row, repeat): each time a row is given once more, it is another repeat. Whoever gets a row next gets one
that the fewest hold for certain, and of those the one that is promised to the fewest. So with two sessions begun at
once the rows stay balanced within one, whichever of the two comes to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from sqlite3 import Connection, Row

from rig import host

HELD = "state != 'freed'"  # as SQL
_OF_ORDER = f"FROM places WHERE protocol = ? AND order_key = ? AND {HELD}"


def take(db: Connection, protocol: str, order_key: str, rows: int | None, subject: str, wanted: int | None) -> int:
    """Reserve a place in this order for a subject, or find the one that is held already; its id.

    `rows`: how many there are, None: one for each who comes; `wanted`: the row that it has to be.
    """
    _free_abandoned(db, protocol, order_key)
    own = db.execute(f"SELECT id {_OF_ORDER} AND subject = ?", (protocol, order_key, subject)).fetchone()
    if own is not None:
        return int(own["id"])
    row = wanted if wanted is not None else _next_row(db, protocol, order_key, rows, ())
    place = (protocol, order_key, row, _next_repeat(db, protocol, order_key, row), subject)
    put = "INSERT INTO places (protocol, order_key, row, repeat, subject, state) VALUES (?, ?, ?, ?, ?, 'reserved')"
    return int(db.execute(put, place).lastrowid or 0)


def peek(db: Connection, protocol: str, order_key: str, rows: int | None, subject: str) -> int:
    """The row that `take` would give, or that the subject holds already; nothing is changed."""
    gone = _abandoned(db, protocol, order_key)
    own = db.execute(f"SELECT id, row {_OF_ORDER} AND subject = ?", (protocol, order_key, subject)).fetchone()
    if own is not None and own["id"] not in gone:
        return int(own["row"])
    return _next_row(db, protocol, order_key, rows, gone)


def _next_row(db: Connection, protocol: str, order_key: str, rows: int | None, without: Sequence[int]) -> int:
    """The row for whoever comes next; `without`: places that do not count."""
    counts = f"""SELECT row, sum(state = 'confirmed') AS sure, sum(state = 'reserved') AS promised {_OF_ORDER}
        AND id NOT IN ({", ".join(map(str, without))}) GROUP BY row"""
    held = {found["row"]: (found["sure"], found["promised"]) for found in db.execute(counts, (protocol, order_key))}
    return min(range(rows if rows is not None else len(held) + 1), key=lambda row: (*held.get(row, (0, 0)), row))


def _next_repeat(db: Connection, protocol: str, order_key: str, row: int) -> int:
    taken = {found[0] for found in db.execute(f"SELECT repeat {_OF_ORDER} AND row = ?", (protocol, order_key, row))}
    return next(repeat for repeat in count() if repeat not in taken)


def _free_abandoned(db: Connection, protocol: str, order_key: str) -> None:
    """Free what was reserved by processes that are gone."""
    for place in _abandoned(db, protocol, order_key):
        free(db, place)


def _abandoned(db: Connection, protocol: str, order_key: str) -> list[int]:
    """The places that were reserved by processes that are gone."""
    found = db.execute(f"SELECT id {_OF_ORDER} AND state = 'reserved'", (protocol, order_key)).fetchall()
    visits = "SELECT * FROM visits WHERE place = ?"
    return [one["id"] for one in found if not any(is_under_way(visit) for visit in db.execute(visits, (one["id"],)))]


def is_under_way(visit: Row) -> bool:
    """Whether a visit has not ended and the process that records it still runs."""
    return visit["ended_utc"] is None and host.process_mark(visit["pid"]) == visit["process"]


def free(db: Connection, place: int) -> None:
    """Let the next participant have this place."""
    db.execute("UPDATE places SET state = 'freed' WHERE id = ?", (place,))


def confirm(db: Connection, place: int) -> None:
    """The subject of this place takes part. Had it been freed, it stays with its row, if need be in another repeat."""
    own = db.execute("SELECT * FROM places WHERE id = ?", (place,)).fetchone()
    order, subject, repeat = (own["protocol"], own["order_key"]), own["subject"], own["repeat"]
    if own["state"] == "freed":
        if db.execute(f"SELECT 1 {_OF_ORDER} AND subject = ?", (*order, subject)).fetchone():
            return  # a later session of the same subject holds another one
        if db.execute(f"SELECT 1 {_OF_ORDER} AND row = ? AND repeat = ?", (*order, own["row"], repeat)).fetchone():
            repeat = _next_repeat(db, *order, own["row"])
    db.execute("UPDATE places SET state = 'confirmed', repeat = ? WHERE id = ?", (repeat, place))
