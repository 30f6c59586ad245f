"""What a store promises, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from sim.engine.stores.migrations import MIGRATIONS
from sim.engine.stores.store import OutcomeUnknown, Store, StoreRefused, StoreUnavailable
from sim.engine.stores.tables import TABLES, Mode, record, row
from tests.engine.databases import FORBIDDEN, Database
from tests.engine.samples import SKU, dump, sample, samples, shelf

pytestmark = pytest.mark.anyio


async def test_every_table_gives_back_the_rows_that_were_written(store: Store) -> None:
    await store.write(samples())
    for name, rows in samples().items():
        assert await store.all_rows(name) == rows, name
        assert [row(record(name, values)) for values in await store.all_rows(name)] == rows, name


async def test_values_have_the_types_that_records_have(store: Store) -> None:
    await store.write(samples())
    for name in TABLES:
        for values in await store.all_rows(name):
            assert type(values) is tuple
            assert {type(value) for value in values} <= {int, str, bytes, bool}, name


async def test_rows_of_a_key_are_those_asked_for_in_the_order_of_the_table(store: Store) -> None:
    await store.write(samples(20))
    for name, table in TABLES.items():
        place = table.columns.index(table.key[0])
        written = samples(20)[name]
        keys = [values[place] for values in (written[17], written[2], written[5])]
        absent = {int: 999, str: "absent", bytes: b"absent"}[type(keys[0])]
        found = await store.rows(name, table.key[0], [*keys, absent])
        assert sorted(found) == sorted([written[2], written[5], written[17]]), name
        assert isinstance(keys[0], bytes) or found == sorted(found, key=lambda values: values[place]), name


async def test_no_keys_give_no_rows(store: Store) -> None:
    assert await store.rows("orders", "id", []) == []


async def test_a_row_written_again_replaces_the_first(store: Store) -> None:
    await store.write(samples())
    changed = {name: [_changed(name)] for name, table in TABLES.items() if table.mode == Mode.UPSERT}
    await store.write(changed)
    for name, rows in changed.items():
        assert await store.all_rows(name) == [rows[0], *samples()[name][1:]], name


async def test_rows_of_a_fresh_table_are_written_and_one_that_was_there_is_refused(store: Store) -> None:
    fresh = ("orders", "order_lines", "idempotency")
    for name in fresh:
        await store.write({name: [sample(name, number) for number in (1, 2)]}, fresh)
        before = await dump(store)
        with pytest.raises(FORBIDDEN):
            await store.write({"shops": [(9, "new", "GBP", 0, 1)], name: [sample(name, 3), sample(name, 2)]}, fresh)
        assert await dump(store) == before
        assert len(await store.all_rows(name)) == 2


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.unlike])
async def test_new_rows_are_stored_as_they_are_however_alike(store: Store, name: str) -> None:
    table = TABLES[name]
    first = dict(zip(table.columns, sample(name, 1), strict=True))
    second, third = (dict(zip(table.columns, sample(name, number), strict=True)) for number in (2, 3))
    alike = [first, first | {column: second[column] for column in table.unlike}]
    other = next(column for column in reversed(table.columns) if column not in table.unlike)
    unlike = [third, first | {column: sample(name, 4)[table.columns.index(column)] for column in table.unlike}]
    assert third[other] != first[other]
    for rows in (alike, unlike):
        await store.write({name: [tuple(row.values()) for row in rows]}, [name])
    assert await store.all_rows(name) == [tuple(row.values()) for row in (*alike, *unlike)]


async def test_of_two_rows_with_one_key_in_a_group_the_last_is_kept(store: Store) -> None:
    first, last = (1, "first", "GBP", 0, 1), (1, "last", "GBP", 0, 2)
    await store.write({"shops": [first, (2, "other", "GBP", 0, 1), last], "events": [sample("events", 1)]})
    assert await store.all_rows("shops") == [last, (2, "other", "GBP", 0, 1)]
    assert len(await store.all_rows("events")) == 1


@pytest.mark.parametrize("table", [name for name, table in TABLES.items() if table.mode == Mode.APPEND])
async def test_what_is_written_once_cannot_be_written_again_and_nothing_of_the_group_is(
    store: Store, table: str
) -> None:
    await store.write(shelf() | {table: [sample(table, 1)]})
    before = await dump(store)
    with pytest.raises(FORBIDDEN):
        await store.write({"shops": [(9, "new", "GBP", 0, 1)], table: [sample(table, 2), sample(table, 1)]})
    assert await dump(store) == before


@pytest.mark.parametrize(
    ("held", "committed", "releasing"), [(31, 0, 0), (10, 11, 10), (-1, 0, 0), (0, -1, 0), (0, 5, -1)]
)
async def test_the_database_itself_refuses_to_oversell(store: Store, held: int, committed: int, releasing: int) -> None:
    await store.write(shelf(on_hand=30))
    with pytest.raises(FORBIDDEN):
        await store.write(
            {"orders": [sample("orders", 1)], "stocks": [(SKU, 30, held, committed, releasing, 2)]},
        )
    assert await store.all_rows("orders") == []
    assert await store.all_rows("stocks") == [(SKU, 30, 0, 0, 0, 1)]


async def test_the_database_itself_refuses_a_second_captured_payment(store: Store) -> None:
    captured = [(number, 5, 2, 100, "GBP", "card", "", 1, 1, "") for number in (1, 2)]
    await store.write({"payments": captured[:1]})
    with pytest.raises(FORBIDDEN):
        await store.write({"payments": captured[1:]})
    assert await store.all_rows("payments") == captured[:1]


async def test_large_and_odd_sized_groups_are_stored_whole(store: Store) -> None:
    rows = [sample("events", number) for number in range(1, 1400)]
    await store.write({"events": rows})
    assert await store.all_rows("events") == rows


async def test_an_engine_that_was_replaced_cannot_write(database: Database, store: Store) -> None:
    await database.run("UPDATE meta SET epoch = epoch + 1")
    with pytest.raises(StoreRefused, match="taken over by another engine"):
        await store.write(shelf())
    assert await store.all_rows("shops") == []


async def test_a_second_engine_is_refused_while_the_first_runs(database: Database, store: Store) -> None:
    second = database.store()
    with pytest.raises(StoreRefused, match="in use by another engine"):
        await second.open()
    await store.write(shelf())


async def test_the_next_engine_finds_what_the_last_one_left(database: Database) -> None:
    async with database.opened() as first:
        await first.write(samples())
    async with database.opened() as second:
        assert await dump(second) == samples()
        await second.write({"shops": [(9, "new", "GBP", 0, 1)]})
    assert await database.run("SELECT version, epoch FROM meta") == [(len(MIGRATIONS), 2)]


async def test_a_newer_schema_is_refused_and_not_touched(database: Database) -> None:
    async with database.opened():
        pass
    await database.run("UPDATE meta SET version = 99")
    with pytest.raises(StoreRefused, match=f"schema 99, this program knows up to {len(MIGRATIONS)}"):
        await database.store().open()
    assert await database.run("SELECT version, epoch FROM meta") == [(99, 1)]


async def test_a_database_that_takes_no_writes_is_unavailable_and_recovers(database: Database, store: Store) -> None:
    await store.write(shelf())
    before = await dump(store)
    await database.stop_writes(store)
    many = {"shops": [(9, "new", "GBP", 0, 1)], "events": [sample("events", number) for number in range(1, 400)]}
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as failure:
            await store.write(many)
        assert not isinstance(failure.value, OutcomeUnknown)
        assert await dump(store) == before
    await database.allow_writes(store)
    await store.write(many)
    assert len(await store.all_rows("events")) == 399


async def test_select_reads_what_is_durable_with_parameters_of_either_kind(store: Store) -> None:
    await store.write(shelf() | {"shops": [(1, "what?", "GBP", 5, 1), (2, "other", "EUR", 5, 1)]})
    found = await store.select("SELECT name, '?', \"currency\" FROM shops WHERE name = ? AND id < ?", ("what?", 9))
    assert found == [("what?", "?", "GBP")]
    assert await store.select("SELECT id FROM shops WHERE name = 'what?'") == [(1,)]
    assert await store.select("SELECT id FROM shops ORDER BY id LIMIT ?", (1,)) == [(1,)]


async def test_sums_are_whole_numbers_and_averages_are_not(store: Store) -> None:
    await store.write({"shops": [(number, "", "GBP", 2**40, 1) for number in range(1, 5)]})
    ((total, mean, count, nothing),) = await store.select(
        "SELECT SUM(commission_ppm), AVG(commission_ppm), COUNT(*), SUM(id) FILTER (WHERE id > 99) FROM shops"
    )
    assert (total, mean, count, nothing) == (2**42, 2.0**40, 4, None)
    assert (type(total), type(mean)) == (int, float)


async def test_text_is_ordered_by_its_bytes(store: Store) -> None:
    names = ["Zoë", "alan", "Ärger", "_", "B", "a-b", "ab"]
    await store.write({"shops": [(number, name, "GBP", 0, 1) for number, name in enumerate(names)]})
    found = await store.select("SELECT name FROM shops ORDER BY name")
    assert [name for (name,) in found] == sorted(names)


async def test_selects_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match=r"read.?only"):
        await store.select("DELETE FROM shops")


async def test_select_all_sees_one_state_of_all_tables(store: Store) -> None:
    await store.write(shelf())
    assert await store.select_all(["SELECT COUNT(*) FROM shops", "SELECT id FROM skus WHERE currency <> '?'"]) == [
        [(1,)],
        [(SKU,)],
    ]


def _changed(name: str) -> tuple[object, ...]:
    table = TABLES[name]
    first, second = sample(name, 1), dict(zip(table.columns, sample(name, 50), strict=True))
    if name == "skus":
        second["seller_sku"] = "new"
    return tuple(
        value if column in table.key else second[column] for column, value in zip(table.columns, first, strict=True)
    )
