"""What new rows of one group have in common is handed to a database once: every value of a row costs both sides."""

from __future__ import annotations

import functools
from collections.abc import Collection
from itertools import chain
from typing import Any

from sim.engine.stores.tables import TABLES, Mode, Table

#: The columns in which rows differ, in the order of `Table.unlike`; and a row that has the rest of all of them.
Alike = tuple[list[list[Any]], tuple[Any, ...]]


def is_new(table: Table, fresh: Collection[str]) -> bool:
    """Whether all of a group's rows of a table are new to the store. `fresh`: see `Store.write`."""
    return table.mode == Mode.APPEND or table.name in fresh


def alike(table: Table, rows: list[tuple[Any, ...]]) -> Alike | None:
    """New rows of a table as what differs and what does not; None where there is more that differs."""
    if len(rows) < 2 or not table.unlike:
        return None
    first, count, width = rows[0], len(rows), len(rows[0])
    values = [*chain.from_iterable(rows)]
    for place in like_places(table.name):
        if values[place::width].count(first[place]) < count:
            return None
    return [values[place::width] for place in unlike_places(table.name)], first


@functools.cache
def unlike_places(name: str) -> tuple[int, ...]:
    """Where the columns are in which a table's new rows differ, in the order of `Table.unlike`."""
    table = TABLES[name]
    return tuple(map(table.columns.index, table.unlike))


@functools.cache
def like_places(name: str) -> tuple[int, ...]:
    """Where the other columns are."""
    return tuple(place for place in range(len(TABLES[name].columns)) if place not in unlike_places(name))
