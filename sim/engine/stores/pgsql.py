"""The SQL that is PostgreSQL's own: the one function that writes a group, made from the tables, and `?` marks."""

from __future__ import annotations

import functools
import re
from typing import get_type_hints

from sim.engine.stores.tables import POSTGRES, TABLES, Mode, Table, sql_type

#: SQLSTATE of a write by an engine that another one has replaced.
TAKEN_OVER = "LR001"

#: Tables whose new rows may be sent short: an array of what differs, and one row for what is the same in all.
SHORT = tuple(table for table in TABLES.values() if table.unlike)

#: One call stores a group: the epoch, the names of the tables of which all rows are new, an array of rows a table, and
#: then two values for each that is sent short; NULL for a table that the group leaves alone.
WRITE = f"SELECT engine_write({', '.join(f'${number}' for number in range(1, len(TABLES) + 2 * len(SHORT) + 3))})"

#: Pages of the table of keys; and what deletes old ones from some of its pages.
KEY_PAGES = "SELECT pg_relation_size('idempotency') / current_setting('block_size')::bigint"
PURGE = (
    "DELETE FROM idempotency WHERE ctid >= $1::tid AND ctid < $2::tid AND created_us < $3 AND status <> 0 "
    "AND EXISTS (SELECT FROM meta WHERE epoch = $4)"
)
YOUNG = "SELECT EXISTS (SELECT FROM idempotency WHERE ctid >= $1::tid AND ctid < $2::tid AND created_us >= $3)"

#: Whatever stands in quotes, or a question mark outside of them.
_QUOTED_OR_MARK = re.compile(r"'[^']*'|\"[^\"]*\"|\?")


def write_function() -> list[str]:
    """The statements that make the function behind `WRITE`.

    Rows come as arrays of a table's own row type: of all ways to hand them over in one call the fastest by far (an
    array a column costs 1.5 times as much, JSON six times). Every value of a row costs both sides something, so those
    that all rows have in common come once. The epoch's row stays locked until the commit, so that nobody can take over
    in the middle of a group.
    """
    parameters = ", ".join(
        [f"_{name} {name}[]" for name in TABLES]
        + [f"_short_{table.name} short_{table.name}[], _same_{table.name} {table.name}" for table in SHORT]
    )
    steps = "\n".join(
        [f"  IF _{table.name} IS NOT NULL THEN {_step(table)} END IF;" for table in TABLES.values()]
        + [f"  IF _short_{table.name} IS NOT NULL THEN {_short_step(table)} END IF;" for table in SHORT]
    )
    return [
        "DROP FUNCTION IF EXISTS engine_write",
        *(f"DROP TYPE IF EXISTS short_{table.name}" for table in SHORT),
        *(f"CREATE TYPE short_{table.name} AS ({_short_columns(table)})" for table in SHORT),
        f"""CREATE FUNCTION engine_write(_epoch BIGINT, _fresh TEXT[], {parameters}) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM meta WHERE epoch = _epoch FOR SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'taken over by another engine' USING ERRCODE = '{TAKEN_OVER}'; END IF;
{steps}
END $$""",
    ]


@functools.cache
def numbered(sql: str) -> str:
    """A query with `$1`, `$2`, ... for its `?` marks; a `?` within quotes is a plain character."""
    numbers = iter(range(1, len(sql) + 1))
    return _QUOTED_OR_MARK.sub(lambda found: f"${next(numbers)}" if found[0] == "?" else found[0], sql)


@functools.cache
def select_by(table: str, column: str) -> str:
    """The query for the rows of a table whose `column` is one of an array, in the order of the key."""
    known = TABLES[table]
    order = ", ".join(known.key)
    return f"SELECT {', '.join(known.columns)} FROM {table} WHERE {column} = ANY ($1) ORDER BY {order}"


@functools.cache
def select_whole(table: str) -> str:
    """The query for all rows of a table, in the order of the key."""
    known = TABLES[table]
    return f"SELECT {', '.join(known.columns)} FROM {table} ORDER BY {', '.join(known.key)}"


def _short_columns(table: Table) -> str:
    """The columns of a table's short rows, with their types."""
    types = get_type_hints(table.record)
    return ", ".join(f"{column} {sql_type(types[column], POSTGRES)}" for column in table.unlike)


def _short_step(table: Table) -> str:
    """The statement that writes a table's new rows, sent short."""
    columns = ", ".join(table.columns)
    values = ", ".join(
        f"short.{column}" if column in table.unlike else f"(_same_{table.name}).{column}" for column in table.columns
    )
    return f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM unnest(_short_{table.name}) AS short;"


def _step(table: Table) -> str:
    """The statements that write a table's rows."""
    columns = ", ".join(table.columns)
    insert = f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM unnest(_{table.name})"
    if table.mode == Mode.APPEND:
        return f"{insert};"
    changed = [f"{column} = excluded.{column}" for column in table.columns if column not in table.key]
    upsert = f"{insert} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {', '.join(changed)}"
    # An upsert looks each key up beforehand, and logs each row a second time.
    return f"IF '{table.name}' = ANY (_fresh) THEN {insert}; ELSE {upsert}; END IF;"
