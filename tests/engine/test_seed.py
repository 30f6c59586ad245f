"""Filling a store from a scenario: every SKU, show and flash sale, once, under the trace's numbers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sim.engine.catalogue.seed import Seeded, rules_of, seed
from sim.engine.clock import steady_clock
from sim.engine.core import Engine
from sim.engine.handlers import HANDLERS
from sim.engine.stores.sqlite import SqliteStore
from sim.errors import UsageError
from sim.orders.entities import RoomStatus
from sim.scenario import load_scenario
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario
from sim.scenario.tables import deal_table, sku_table
from tests.engine.client import serving
from tests.engine.databases import Database
from tests.paths import SCENARIOS

TEXT = """
name: small
reporting_currency: GBP
fees: {platform: 7 %}
payment: {hold_window: 9m}
confirmation: {mode: staff, on_hold: 5m}
after_sales: {return_window: 3d}
shops: [{name: one}, {name: two}]
warehouses: [{name: north}, {name: south}]
catalogue:
  - {name: set, price: 20.00 GBP, bundle: [{sku: mug/red, units: 2}, {sku: spoon}]}
  - name: mug
    shop: two
    price: 12.90 GBP
    stock: {north: 10}
    skus: [{name: red, stock: {south: 1}}, {name: blue}]
  - {name: spoon, price: 3.00 GBP, stock: {north: 2, south: 3}, shelf: [{on: 1h, off: 2h}]}
programme:
  broadcasts:
    - name: evening
      start: 10m
      length: 1h
      entries: [{at: 0, per_min: 1}]
      bag: [set]
      deals:
        - {sku: mug/blue, at: 20m, countdown: 1m, duration: 5m, price: 9.00 GBP, units: 4, per_buyer: 2}
        - {sku: mug/blue, at: 5m, countdown: 1m, duration: 5m, price: 8.00 GBP, units: 3}
  videos: [{name: clip, listing: spoon, publish: 0}]
"""


@pytest.fixture(scope="module")
def small() -> Scenario:
    return scenario_from_text(TEXT)


def engine_on(path: Path, scenario: Scenario, speed: float = 1.0) -> Engine:
    return Engine(SqliteStore(path / "e.db"), steady_clock(), rules=rules_of(scenario), handlers=HANDLERS, speed=speed)


def seeded_engine(
    path: Path, scenario: Scenario, speed: float = 1.0, show_us: int | None = None
) -> tuple[Engine, Seeded]:
    """An engine, closed again, whose cache can be looked at, and what became of the scenario."""

    async def main() -> tuple[Engine, Seeded]:
        engine = engine_on(path, scenario, speed)
        await engine.open()
        try:
            return engine, await seed(engine, scenario, show_us=show_us)
        finally:
            await engine.close()

    return asyncio.run(main())


def test_skus_stand_under_the_numbers_of_the_trace(tmp_path: Path, small: Scenario) -> None:
    engine, seeded = seeded_engine(tmp_path, small)
    cache = engine.executor.cache
    rows = sku_table(small)
    assert [cache.skus[sku_id].seller_sku for sku_id in seeded.skus] == [row.name for row in rows]
    assert [cache.skus[sku_id].price_minor for sku_id in seeded.skus] == [row.price_minor for row in rows]
    for row, sku_id in zip(rows, seeded.skus, strict=True):
        parts = {part.part_id: part.units for part in cache.parts[sku_id]}
        assert parts == {seeded.skus[number]: units for number, units in row.components}
    assert {
        row.name: cache.stocks[i].on_hand for row, i in zip(rows, seeded.skus, strict=True) if i in cache.stocks
    } == {
        "mug/red": 6,
        "mug/blue": 5,
        "spoon": 5,
    }


def test_shops_shelves_shows_and_videos_are_as_the_scenario_says(tmp_path: Path, small: Scenario) -> None:
    engine, seeded = seeded_engine(tmp_path, small)
    cache = engine.executor.cache
    assert {cache.shops[i].name: cache.shops[i].commission_ppm for i in seeded.shops.values()} == {
        "one": 70_000,
        "two": 70_000,
    }
    assert cache.products[seeded.products["mug"]].shop_id == seeded.shops["two"]
    active = {name: cache.products[i].active for name, i in seeded.products.items()}
    assert active == {"set": True, "mug": True, "spoon": False}
    assert cache.rooms[seeded.rooms["evening"]].status == RoomStatus.LIVE
    assert cache.videos[seeded.videos["clip"]].product_id == seeded.products["spoon"]


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_flash_sales_open_when_the_show_is_so_far(tmp_path: Path, small: Scenario, speed: float) -> None:
    show_us = 2_000_000_000_000_000
    engine, seeded = seeded_engine(tmp_path, small, speed, show_us)
    deals = [engine.executor.cache.deals[deal_id] for deal_id in seeded.deals]
    for row, deal in zip(deal_table(small), deals, strict=True):
        assert deal.sku_id == seeded.skus[row.sku]
        assert (deal.begin_us, deal.end_us) == (
            show_us + round(row.open_us / speed),
            show_us + round(row.close_us / speed),
        )
        assert (deal.price_minor, deal.quantity_limit, deal.quantity_per_user) == (
            row.price_minor,
            row.units,
            row.per_buyer,
        )
        assert deal.room_id == seeded.rooms["evening"]


def test_a_store_that_is_filled_is_left_alone(tmp_path: Path, small: Scenario) -> None:
    _, first = seeded_engine(tmp_path, small)
    engine, again = seeded_engine(tmp_path, small)
    assert first.made > 0
    assert again.made == 0
    assert (again.skus, again.deals, again.rooms, again.show_us) == (
        first.skus,
        first.deals,
        first.rooms,
        first.show_us,
    )
    assert len(engine.executor.cache.stocks) == 3
    assert "found as filled before" in again.summary()


def test_a_seeding_that_was_cut_short_is_completed(tmp_path: Path, small: Scenario) -> None:
    async def main() -> None:
        engine = engine_on(tmp_path, small)
        await engine.open()
        submit = engine.writer.submit
        left = iter((True, True, False))

        def dying(call: object) -> object:
            if not next(left):
                raise ConnectionError
            return submit(call)  # type: ignore[arg-type]

        engine.writer.submit = dying  # type: ignore[method-assign,assignment]
        with pytest.raises(ConnectionError):
            await seed(engine, small)
        engine.writer.submit = submit  # type: ignore[method-assign]
        assert len((await seed(engine, small)).skus) == 4
        assert len(engine.executor.cache.products) == 3
        await engine.close()

    asyncio.run(main())


def test_a_listing_with_too_many_skus_is_refused(tmp_path: Path) -> None:
    variants = ", ".join(f"{{name: v{n}}}" for n in range(101))
    text = f"""
name: wide
catalogue: [{{name: mug, price: 1.00 GBP, skus: [{variants}]}}]
programme: {{videos: [{{name: clip, listing: mug, publish: 0}}]}}
"""
    with pytest.raises(UsageError, match="101 SKUs"):
        seeded_engine(tmp_path, scenario_from_text(text))


def test_the_rules_are_those_of_the_scenario(small: Scenario) -> None:
    rules = rules_of(small)
    minute_us = 60_000_000
    assert (rules.pay_window_us, rules.on_hold_us, rules.confirms_itself) == (9 * minute_us, 5 * minute_us, False)
    assert rules.return_window_us == 3 * 24 * 60 * minute_us


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_show_fills_a_store(tmp_path: Path, path: Path) -> None:
    scenario = load_scenario(path)
    _, seeded = seeded_engine(tmp_path, scenario)
    assert len(set(seeded.skus)) == len(sku_table(scenario))
    assert len(set(seeded.deals)) == len(deal_table(scenario))


def test_a_load_generator_finds_every_sku_by_name(database: Database, small: Scenario) -> None:
    async def main() -> None:
        async with serving(database.store(), rules_of(small)) as client:
            seeded = await seed(client.engine, small)
            listed = (await client.get("/v1/skus?limit=500")).json["items"]
            assert {sku["seller_sku"]: int(sku["id"]) for sku in listed} == dict(
                zip((row.name for row in sku_table(small)), seeded.skus, strict=True)
            )
            (found,) = (await client.get("/v1/skus?seller_sku=mug/red")).json["items"]
            await client.order(found["id"])

    asyncio.run(main())
