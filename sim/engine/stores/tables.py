"""The tables, once for every store: a table is a record type of `sim.orders` or of this module, and its keys.

Rows are tuples in the order of the record's fields; `ddl` writes them down in the dialect of a store. The checks and
unique indexes here are a second guard: should the order core ever be wrong, the database refuses to oversell.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, get_type_hints

import msgspec

from sim.orders import entities, money, stock


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """One event of an order: feed, history and outbox in one. `seq` numbers all, `order_seq` those of its order."""

    seq: int
    order_id: int
    order_seq: int
    type: str
    at_us: int
    from_state: int
    to_state: int
    data: str  # JSON


class IdempotencyRow(msgspec.Struct, frozen=True, gc=False):
    """The answer that a key got; status 0 while its request is still running."""

    key: bytes  # hash of caller, route and Idempotency-Key
    fingerprint: bytes  # hash of the request's body
    status: int
    body: bytes
    location: str
    created_us: int
    subject_id: int  # the payment that a running request drives, else 0


class ProviderEventRow(msgspec.Struct, frozen=True, gc=False):
    """A payment provider's event that was acted on; told again, it changes nothing."""

    id: str
    at_us: int
    order_id: int


class EndpointRow(msgspec.Struct, frozen=True, gc=False):
    """Somewhere that wants the events. `cursor` is the last event that was queued for it."""

    id: int
    url: str
    secret: str
    active: bool
    cursor: int
    created_us: int


class DeliveryRow(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to an endpoint. `status`: 1 waiting, 2 delivered, 3 given up."""

    endpoint_id: int
    event_seq: int
    order_id: int
    status: int
    attempts: int
    next_us: int
    failure: str


class Mode(Enum):
    """How rows are written."""

    UPSERT = "upsert"  # the last state of a record wins
    APPEND = "append"  # written once; a second row with the same key is a defect


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its record type, key columns, how it is written and what guards it."""

    name: str
    record: type[msgspec.Struct]
    key: tuple[str, ...]
    mode: Mode = Mode.UPSERT
    cached: bool = False  # small: the writer keeps all of it in memory
    checks: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()  # what follows CREATE [UNIQUE] INDEX name ON table
    added: tuple[str, ...] = ()  # columns that came later, in order: they stand last, and migrations make them
    unlike: tuple[str, ...] = ()  # columns in which new rows of one group differ (the others: nearly never), in order

    @property
    def columns(self) -> tuple[str, ...]:
        return self.record.__struct_fields__


_LIVE = "CHECK (held >= 0 AND committed >= 0 AND releasing >= 0 AND held + committed + releasing <= on_hand)"

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("shops", entities.Shop, ("id",), cached=True),
        Table("products", entities.Product, ("id",), cached=True),
        Table("skus", entities.Sku, ("id",), cached=True, indexes=("UNIQUE (shop_id, seller_sku)",)),
        Table("sku_parts", entities.Part, ("sku_id", "part_id"), cached=True, checks=("CHECK (units > 0)",)),
        Table("stocks", stock.Stock, ("sku_id",), cached=True, checks=(_LIVE,)),
        Table("rooms", entities.Room, ("id",), cached=True),
        Table("videos", entities.Video, ("id",), cached=True),
        Table(
            "deals",
            entities.Deal,
            ("id",),
            cached=True,
            checks=("CHECK (used >= 0 AND (quantity_limit = 0 OR used <= quantity_limit))",),
        ),
        Table("deal_buyers", entities.DealBuyer, ("buyer_id", "deal_id"), checks=("CHECK (units >= 0)",)),
        Table("endpoints", EndpointRow, ("id",), cached=True),
        Table(
            "orders",
            entities.Order,
            ("id",),
            checks=("CHECK (refunded_minor <= captured_minor AND captured_minor IN (0, total_minor))",),
            indexes=("(due_us) WHERE due_us > 0",),
            added=("replaces_id",),
            unlike=("id", "buyer_id", "currency", "total_minor", "room_id", "video_id", "creator_id", "address"),
        ),
        Table(
            "order_lines",
            entities.Line,
            ("order_id", "line_no"),
            unlike=("order_id", "line_no", "sku_id", "shop_id", "quantity", "price_minor", "deal_id"),
        ),
        Table(
            "payments",
            entities.Payment,
            ("id",),
            indexes=(
                "(order_id)",
                f"UNIQUE (order_id) WHERE status = {entities.PaymentStatus.CAPTURED.value}",
                f"(started_us) WHERE status = {entities.PaymentStatus.PENDING.value}",
            ),
        ),
        Table(
            "refunds",
            entities.Refund,
            ("id",),
            indexes=("(order_id)", f"(created_us) WHERE status = {entities.RefundStatus.PENDING.value}"),
        ),
        Table(
            "transfers",
            money.Transfer,
            ("id",),
            Mode.APPEND,
            checks=("CHECK (amount_minor > 0 AND debit <> credit)",),
            indexes=("(order_id)",),
        ),
        Table("packages", entities.Package, ("id",), indexes=("(order_id)",)),
        Table("cancellations", entities.Cancellation, ("id",), indexes=("(order_id)",)),
        Table(
            "returns",
            entities.Return,
            ("id",),
            indexes=("(order_id)",),
            added=("tracking_number", "shipped_us", "receive_by_us"),
        ),
        Table("stock_moves", entities.StockMove, ("id",), Mode.APPEND, indexes=("(sku_id)",)),
        Table(
            "events",
            EventRow,
            ("seq",),
            Mode.APPEND,
            indexes=("UNIQUE (order_id, order_seq)",),
            unlike=("seq", "order_id", "data"),
        ),
        Table("idempotency", IdempotencyRow, ("key",), unlike=("key", "fingerprint", "body", "location")),
        Table("provider_events", ProviderEventRow, ("id",), Mode.APPEND),
        Table(
            "deliveries",
            DeliveryRow,
            ("endpoint_id", "event_seq"),
            indexes=("(next_us) WHERE status = 1",),
        ),
    )
}

#: Rows by table name, to be written in one transaction. They may hold members of enumerations.
Changes = dict[str, list[tuple[Any, ...]]]


_astuple = msgspec.structs.astuple


@dataclass(frozen=True, slots=True)
class Dialect:
    """What two databases call the same things."""

    integer: str
    text: str
    blob: str
    boolean: str
    suffix: str = ""  # after a table's closing bracket
    keyed_suffix: str = ""  # the same, where the key is more than one column


SQLITE = Dialect("INTEGER", "TEXT", "BLOB", "INTEGER", " STRICT", " STRICT, WITHOUT ROWID")
#: Text is ordered by its bytes, as SQLite does, whatever the language of the database.
POSTGRES = Dialect("BIGINT", 'TEXT COLLATE "C"', "BYTEA", "BOOLEAN")


def ddl(dialect: Dialect) -> list[str]:
    """The statements that create every table and index, as the first version had them."""
    return [statement for table in TABLES.values() for statement in _create(table, dialect)]


def add_columns(dialect: Dialect, table: str, *names: str) -> list[str]:
    """The statements that add columns to a table; its rows have nothing in them."""
    types = get_type_hints(TABLES[table].record)
    return [
        f"ALTER TABLE {table} ADD COLUMN {name} {sql_type(types[name], dialect)} NOT NULL "
        f"DEFAULT {0 if issubclass(types[name], int) else repr('')}"
        for name in names
    ]


def row(record: msgspec.Struct) -> tuple[Any, ...]:
    """A record as the row that is written, with plain numbers and words for enumerations."""
    return plain_row(type(record), _astuple(record))


def plain_row(kind: type[msgspec.Struct], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a record of a kind, with plain numbers and words for enumerations."""
    plain_values = [*values]
    for position, plain in enumerations(kind):
        plain_values[position] = plain(values[position])
    return tuple(plain_values)


def rows_of(records: Iterable[msgspec.Struct]) -> list[tuple[Any, ...]]:
    """Records, all of one type, as rows; enumerations stay what they are: numbers and words by birth."""
    return [*map(_astuple, records)]


@functools.cache
def enumerations(kind: type[msgspec.Struct]) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """The positions of a record's enumerations, and what makes them plain."""
    return tuple(
        (position, operator.index if issubclass(enum, IntEnum) else str)
        for position, enum in _enums(kind)
        if issubclass(enum, Enum)
    )


def record(table: str, values: tuple[Any, ...]) -> Any:
    """The record that a row was written from."""
    kind = TABLES[table].record
    enums = _enums(kind)
    if not enums:
        return kind(*values)
    fields = list(values)
    for position, enum in enums:
        fields[position] = enum(fields[position])
    return kind(*fields)


@functools.cache
def _enums(kind: type[msgspec.Struct]) -> tuple[tuple[int, type], ...]:
    """The positions of a record's fields that a database knows as plain numbers or words."""
    types = get_type_hints(kind)
    return tuple(
        (position, types[name])
        for position, name in enumerate(kind.__struct_fields__)
        if types[name] is bool or issubclass(types[name], Enum)
    )


def _create(table: Table, dialect: Dialect) -> list[str]:
    types = get_type_hints(table.record)
    first = [name for name in table.columns if name not in table.added]
    columns = [f"{name} {sql_type(types[name], dialect)} NOT NULL" for name in first]
    body = ",\n  ".join([*columns, f"PRIMARY KEY ({', '.join(table.key)})", *table.checks])
    suffix = dialect.keyed_suffix if len(table.key) > 1 else dialect.suffix
    statements = [f"CREATE TABLE {table.name} (\n  {body}\n){suffix}"]
    for number, index in enumerate(table.indexes, 1):
        unique = "UNIQUE " if index.startswith("UNIQUE ") else ""
        target = index.removeprefix("UNIQUE ")
        statements.append(f"CREATE {unique}INDEX {table.name}_{number} ON {table.name} {target}")
    return statements


def sql_type(kind: type, dialect: Dialect) -> str:
    """What a dialect calls the type of a field."""
    if kind is bool:
        return dialect.boolean
    if kind is bytes:
        return dialect.blob
    if issubclass(kind, (IntEnum, int)):
        return dialect.integer
    return dialect.text
