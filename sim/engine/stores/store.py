"""What the engine asks of a database, the same of every kind.

The order core decides; a store only fetches rows by key and writes rows, all of a group in one durable transaction. One
engine at a time writes to a database: `open` takes a lock and raises the epoch, and every `write` checks the epoch, so
that an engine that was replaced cannot write any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from sim.engine.stores.tables import Changes
from sim.errors import LiveRushError, UsageError

Rows = list[tuple[Any, ...]]


class StoreUnavailable(LiveRushError):
    """The database cannot take writes now (disk full, read-only, gone); nothing of the group was stored."""


class OutcomeUnknown(StoreUnavailable):
    """The connection was lost while a group was being committed: all of it was stored, or nothing.

    Whoever holds a copy of what is stored must read it again (`all_rows`, `select`) before the next group. That read
    waits until the lost group is decided: it fails as long as the old connection may still commit.
    """


class StoreRefused(UsageError):
    """The database must not be used as it is: weaker durability, a newer schema, or another engine has it."""


class Store(Protocol):
    """A database. `open` first, `close` last; one group is written at a time."""

    name: str
    place: str  # where it is, for people; without secrets

    async def open(self) -> None:
        """Lock, check durability, migrate. Raises StoreRefused."""

    async def open_reader(self) -> None:
        """Only connect for reading, beside an engine that has the store open in another process."""

    async def close(self) -> None:
        """Finish and let go of the database."""

    async def all_rows(self, table: str) -> Rows:
        """A whole table, in the order of its key."""

    async def rows(self, table: str, column: str, keys: Sequence[Any]) -> Rows:
        """The rows whose `column` is one of `keys`, in the order of the table's key; the writer's own view."""

    async def write(self, changes: Changes, fresh: Collection[str] = ()) -> None:
        """Store the rows durably in one transaction, the last of several with one key.

        No key of the `fresh` tables' rows is in the store or comes twice: they cost a third less. One that is there
        after all is a defect of the rows.

        Raises StoreUnavailable with nothing stored, or OutcomeUnknown with everything stored or nothing; StoreRefused
        when another engine has taken over. Any other exception is a defect of the rows, with nothing stored.
        """

    async def rest(self) -> None:
        """Use a moment in which nobody waits for a group, for a millisecond at most; nothing that is stored changes."""

    async def purge_keys(self, before_us: int) -> int:
        """Delete answers kept before an instant from a bounded part of the idempotency keys; return how many.

        Calls look at one part after the other, and begin anew after the last. Keys of running requests stay.
        """

    async def select(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Read committed rows; `?` marks a parameter in either dialect."""

    async def scan(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Like `select`, where much may have to be looked at: nobody else waits meanwhile, but other scans may."""

    async def select_all(self, queries: Iterable[str]) -> list[Rows]:
        """Run queries on one consistent snapshot: the audit."""
