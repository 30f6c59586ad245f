"""Where a SQLite database has the answer to each idempotency key: an index that lives in memory.

Keys come in no order. An index of them in the file has every new key on another page, and each such page is written
twice, to the log and from there to the file: as much as all other rows of an order. So the table is only appended to,
and the index, a temporary table in memory, is made anew when the database is opened: about 50 bytes and a microsecond a
key. It is part of each transaction: a key that comes twice is refused, and what is rolled back was never there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sim.engine.stores.store import Rows
from sim.engine.stores.tables import TABLES

TABLE = "idempotency"
_COLUMNS = TABLES[TABLE].columns
_KEY = _COLUMNS.index("key")

_CREATE = "CREATE TEMP TABLE key_places (key BLOB PRIMARY KEY, place INTEGER NOT NULL) STRICT, WITHOUT ROWID"
_FILL = "INSERT INTO key_places SELECT key, place FROM idempotency ORDER BY key"
_ADD = "INSERT OR ROLLBACK INTO key_places SELECT key, place FROM idempotency WHERE place > ?"
_PLACE = "SELECT place FROM key_places WHERE key = ?"
_REPLACE = f"UPDATE idempotency SET ({', '.join(_COLUMNS)}) = ({', '.join('?' * len(_COLUMNS))}) WHERE place = ?"
_OLD = "FROM idempotency WHERE place > ? AND place <= ? AND created_us < ? AND status <> 0"
_YOUNG = "SELECT 1 FROM idempotency WHERE place > ? AND place <= ? AND created_us >= ? LIMIT 1"
_END = "SELECT MAX(place) FROM (SELECT place FROM idempotency WHERE place > ? ORDER BY place LIMIT ?)"
#: Keys that are looked at in one go when old ones are purged: a millisecond or two.
_PURGED_ROWS = 500

#: Appends rows to a table and returns the place of the last.
Append = Callable[[list[tuple[Any, ...]]], int]


class KeyPlaces:
    """The index on the connection that writes; only there it is known."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._purged = 0  # the row after which old keys are looked for next
        connection.execute(_CREATE)
        connection.execute(_FILL)

    def rows(self, keys: Sequence[bytes]) -> Rows:
        """The rows of keys."""
        padded = 1 << (len(keys) - 1).bit_length()  # few numbers of marks, so that the statements stay prepared
        query = (
            f"SELECT {', '.join(_COLUMNS)} FROM idempotency "
            f"WHERE place IN (SELECT place FROM key_places WHERE key IN ({', '.join('?' * padded)}))"
        )
        return self._connection.execute(query, [*keys, *[keys[-1]] * (padded - len(keys))]).fetchall()

    def write(self, rows: list[tuple[Any, ...]], append: Append, *, upsert: bool) -> None:
        """Write rows within the transaction, the last of several with one key."""
        new = self._replaced(rows) if upsert else rows
        if new:
            self._connection.execute(_ADD, (append(new) - len(new),))

    def _replaced(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Replace the rows whose keys are known, and return the others."""
        new = []
        for row in {row[_KEY]: row for row in rows}.values():
            place = self._connection.execute(_PLACE, (row[_KEY],)).fetchone()
            if place is None:
                new.append(row)
            else:
                self._connection.execute(_REPLACE, (*row, *place))
        return new

    def purge(self, before_us: int) -> int:
        """Delete old keys of the next part within the transaction; after the first part with young ones begin anew.

        Rows lie in the order in which they came, so behind young ones there are no old ones.
        """
        start = self._purged
        (end,) = self._connection.execute(_END, (start, _PURGED_ROWS)).fetchone()
        if end is None:  # behind the last row
            self._purged = 0
            return 0
        bounds = (start, end, before_us)
        self._connection.execute(f"DELETE FROM key_places WHERE key IN (SELECT key {_OLD})", bounds)
        deleted = self._connection.execute(f"DELETE {_OLD}", bounds).rowcount
        self._purged = 0 if self._connection.execute(_YOUNG, bounds).fetchone() else end
        return deleted
