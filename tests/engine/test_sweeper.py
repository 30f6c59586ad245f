"""The sweep: how often it comes, and that it finds out by itself whether the store takes writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sim.engine.clock import steady_clock
from sim.engine.core import Engine
from sim.engine.stores.postgres import PostgresStore
from sim.engine.stores.sqlite import SqliteStore
from sim.engine.sweeper import LEAST_PAUSE_US, pause_us
from tests.engine.client import Client, serving
from tests.engine.databases import PostgresDatabase
from tests.engine.relay import Relay, Wire
from tests.engine.rig import until


@pytest.mark.parametrize(
    ("sweep_us", "speed", "expected_us"),
    [(1_000_000, 1, 1_000_000), (1_000_000, 50, 20_000), (1_000_000, 3600, 10_000), (1, 1, 10_000)],
)
def test_no_speed_makes_the_sweep_spin(sweep_us: int, speed: float, expected_us: int) -> None:
    assert pause_us(sweep_us, speed) == expected_us


def test_an_engine_at_high_speed_sweeps_no_oftener_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Noted:
        def __init__(self, _engine: Engine, every_us: int) -> None:
            asked.append(every_us)

        def start(self) -> None:
            """Do nothing."""

        async def close(self) -> None:
            """Do nothing."""

    async def main() -> None:
        monkeypatch.setattr("sim.engine.core.Sweeper", Noted)
        engine = Engine(SqliteStore(tmp_path / "engine.sqlite3"), steady_clock(), speed=3600)
        await engine.open()
        await engine.close()

    asyncio.run(main())
    assert asked == [LEAST_PAUSE_US]


def test_an_engine_whose_database_is_gone_is_not_ready_though_nobody_orders_and_ready_when_it_is_back(
    postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    async def main() -> None:
        async with (
            Relay(postgres_database.url, tmp_path).running() as relay,
            serving(PostgresStore(relay.url), sweep_us=20_000) as client,
        ):
            await client.order(await client.sku(await client.shop()))
            assert await ready_status(client) == 200
            relay.state, relay.refusing = Wire.CUT_BEFORE, True
            await until(lambda: is_status(client, 503))
            assert (await client.get("/readyz", role="")).code == "store_unavailable"
            assert (await client.get("/healthz", role="")).status == 200
            assert "liverush_held_units" not in await metrics(client)
            relay.state, relay.refusing = Wire.WHOLE, False
            await until(lambda: is_status(client, 200))
            assert "liverush_held_units 1.0" in await metrics(client)

    asyncio.run(asyncio.wait_for(main(), 120))


async def ready_status(client: Client) -> int:
    return (await client.get("/readyz", role="")).status


async def is_status(client: Client, status: int) -> bool:
    return await ready_status(client) == status


async def metrics(client: Client) -> str:
    """The metrics, which come whatever the store does."""
    answer = await client.get("/metrics", role="")
    assert answer.status == 200
    return answer.body.decode()
