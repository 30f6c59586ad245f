"""How much one page of a list takes: things are measured before they are read, and a page ends when it is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.engine.stores.store import Store

#: What a row of a thing takes in an answer, about, in characters; long texts take what they have besides.
ROW_CHARACTERS = 256
#: Characters from which on a page takes nothing further: reading and encoding it stops all others, for 20 ms or so.
PAGE_CHARACTERS = 256 * 1024
#: Things that are measured at once: an address is as long as a request, and a database may look at all of it.
_PORTION = 50


def marks(values: Sequence[Any]) -> str:
    """A place for each of the values, for `IN (...)`."""
    return ", ".join("?" * len(values))


async def fitting(store: Store, table: str, characters: str, ids: list[int]) -> list[int]:
    """Those of the ids (growing) that are on one page: they end with the thing that fills it.

    `characters` is what a row `c` of the table and all that is read with it take, in SQL.
    """
    taken = 0
    for start in range(0, len(ids), _PORTION):
        portion = ids[start : start + _PORTION]
        query = f"SELECT c.id, {characters} FROM {table} c WHERE c.id IN ({marks(portion)}) ORDER BY c.id"
        for place, (_, length) in enumerate(await store.select(query, portion), start + 1):
            taken += length
            if taken >= PAGE_CHARACTERS:
                return ids[:place]
    return ids
