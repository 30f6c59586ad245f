"""`liverush serve` as a command: wrong settings are told in a line, and nothing of it outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from sim import cli
from sim.engine.serve import _provider, _server_of
from sim.engine.settings import Settings
from sim.engine.stores.sqlite import SqliteStore
from tests.engine.client import serving
from tests.engine.databases import PostgresDatabase
from tests.engine.process import PATIENCE_S, SERVE, Running, environment, running
from tests.engine.served import children_of
from tests.paths import ROOT

BROKEN = ROOT / "tests" / "scenario" / "broken"
#: When 2100 begins: no test takes until the day after.
_IN_2100_US = 4_102_444_800_000_000
NO_KEYS = "not set: LIVERUSH_KEY_BUYER, LIVERUSH_KEY_MERCHANT, LIVERUSH_KEY_PSP, LIVERUSH_KEY_ADMIN"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a folder of its own, and no keys in its environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LIVERUSH_KEY") or name == "LIVERUSH_PSP_SECRET":
            monkeypatch.delenv(name)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Start an engine that must not start; return the one line that it says."""
    before = children_of(os.getpid())
    assert cli.run(["serve", "--port", "0", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert children_of(os.getpid()) == before
    return line


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], NO_KEYS),
        (["--host", "example.invalid"], NO_KEYS),
        (["--scenario", "nonsuch"], "no file and no shipped scenario is called 'nonsuch'"),
        (["--scenario", "nonsuch.yaml"], "nonsuch.yaml: no such file"),
        (["--database", "nowhere/engine.sqlite3"], "nowhere: no such folder for the database"),
        (["--database", "."], ". is a folder"),
        (["--database", "postgresql://ann:secret@host/name"], "--store sqlite takes a file, not a URL"),
        (["--store", "postgres", "--database", "engine.sqlite3"], "--store postgres takes a URL"),
        (["--store", "mysql"], "'mysql' is not one of 'sqlite', 'postgres'"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--speed", "0"], "0.0 is not in the range"),
        (["--speed", "nan"], "'--speed': 'nan' is no finite number"),
        (["--rate-limit", "nan"], "'--rate-limit': 'nan' is no finite number"),
        (["--psp-behaviour", '{"seed": 2}'], "give that too"),
        (["--psp", "--psp-behaviour", "{"], "--psp-behaviour: Input data was truncated"),
        (
            ["--psp", "--psp-behaviour", '{"lots": 1}'],
            "unknown field `lots`; a JSON object with any of: seed, latency_ms",
        ),
        (["--psp", "--psp-behaviour", '{"lost_share": 2}'], "--psp-behaviour: Expected `float` <= 1.0"),
        (["--psp", "--psp-url", "http://127.0.0.1:1"], "give one of them"),
        (["--psp-url", "localhost"], "--psp-url localhost: not a URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_settings_are_told_in_a_line(capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
    line = refused(capsys, *options)
    assert told in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"LIVERUSH_KEY_BUYER": "short"}, "shorter than 16 characters: LIVERUSH_KEY_BUYER"),
        ({"LIVERUSH_KEY_BUYER": "k" * 20, "LIVERUSH_KEY_ADMIN": "k" * 20}, "two roles have the same key"),
        ({"LIVERUSH_PSP_SECRET": "short"}, "LIVERUSH_PSP_SECRET: a webhook secret is whsec_"),
    ],
    ids=["short", "same", "secret"],
)
def test_wrong_keys_are_told_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert told in refused(capsys)


def test_another_machine_s_callers_need_keys_and_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("BUYER", "MERCHANT", "PSP", "ADMIN"):
        monkeypatch.setenv(f"LIVERUSH_KEY_{role}", f"a key for the {role}")
    assert "LIVERUSH_PSP_SECRET is not set" in refused(capsys, "--host", "0.0.0.0")


def test_a_broken_scenario_is_told_with_all_its_problems(capsys: pytest.CaptureFixture[str]) -> None:
    path = sorted(BROKEN.glob("*.yaml"))[0]
    assert cli.run(["serve", "--port", "0", "--scenario", str(path)]) == 2
    assert all(line.startswith(str(path)) for line in capsys.readouterr().err.splitlines())


def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refused(capsys, "--port", str(port)) == f"liverush: port {port} is in use; choose another with --port"


def test_a_file_that_is_no_database_is_told_and_left_alone(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "notes.txt").write_text("no database at all")
    assert refused(capsys, "--database", "notes.txt") == "liverush: notes.txt: file is not a database"
    assert (folder / "notes.txt").read_text() == "no database at all"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder where nobody can make a file")
def test_a_place_where_no_file_can_be_made_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "/proc/engine.sqlite3: unable to open database file" in refused(capsys, "--database", "/proc/engine.sqlite3")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write whatever the mode says")
def test_a_read_only_file_is_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "old.sqlite3")) as connection:
        connection.execute("CREATE TABLE t (x)")
    (folder / "old.sqlite3").chmod(0o444)
    assert "readonly database" in refused(capsys, "--database", "old.sqlite3")


def test_a_newer_schema_is_refused_and_not_touched(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    path = folder / "newer.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT")
        connection.execute("INSERT INTO meta VALUES (99, 7)")
        connection.commit()
    assert "the database has schema 99" in refused(capsys, "--database", str(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM meta").fetchall() == [(99, 7)]


def test_a_postgresql_that_is_not_there_is_told_without_the_password(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "--store", "postgres", "--database", "postgresql://ann:secret@127.0.0.1:1/name")
    assert line.startswith("liverush: PostgreSQL 127.0.0.1/name: cannot connect")
    assert "secret" not in line


def test_a_second_engine_on_a_database_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, postgres_database: PostgresDatabase
) -> None:
    for options in (["--database", "engine.sqlite3"], ["--store", "postgres", "--database", postgres_database.url]):
        with running(folder, *options) as engine:
            assert "in use by another engine; stop that first" in refused(capsys, *options)
            assert engine.ask("GET", "/readyz", role="").status == 200


@pytest.mark.parametrize(
    ("module", "options", "told"),
    [
        ("asyncpg", ["--store", "postgres"], "asyncpg is missing; install 'liverush[postgres]'"),
        ("uvicorn", [], "uvicorn is missing; install 'liverush[engine]'"),
    ],
)
def test_a_part_that_is_not_installed_is_named(module: str, options: list[str], told: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from sim.cli import main; main({['serve', *options]!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_private_postgresql_its_absence_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.engine.stores.pgserver.available", lambda: False)
    assert "give the URL of a database" in refused(capsys, "--store", "postgres")


@contextlib.contextmanager
def buying(engine: Running) -> Iterator[list[str]]:
    """Let four buyers order as fast as they can until the engine no longer answers; give the acknowledged orders."""
    shop = engine.made("/v1/shops", {"name": "shop", "currency": "GBP"})["id"]
    skus = [{"seller_sku": "mug", "price": {"amount": "1290", "currency": "GBP"}, "on_hand": 1_000_000}]
    sku = engine.made(f"/v1/shops/{shop}/products", {"title": "mug", "skus": skus})["skus"][0]["id"]
    body = {"buyer_id": "ann", "lines": [{"sku_id": sku, "quantity": 1}]}
    acknowledged: list[str] = []

    def buy(buyer: int) -> None:
        with contextlib.suppress(OSError):
            for number in range(10**6):
                heard = engine.ask("POST", "/v1/orders", body, {"idempotency-key": f"{buyer}-{number}"})
                if heard.status == 201:
                    acknowledged.append(heard.json["id"])

    buyers = [threading.Thread(target=buy, args=(number,)) for number in range(4)]
    for buyer in buyers:
        buyer.start()
    try:
        yield acknowledged
    finally:
        engine.process.kill()
        for buyer in buyers:
            buyer.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_in_mid_load_ends_it_with_all_that_it_acknowledged(folder: Path, number: signal.Signals) -> None:
    options = ("--database", "engine.sqlite3", "--psp")
    with running(folder, *options) as engine:
        with buying(engine) as acknowledged:
            time.sleep(0.3)
            children = children_of(engine.process.pid)
            assert engine.stop(number) == 0
            assert not [child for child in children if alive(child)]
        assert (folder / "complained").read_text() == ""
    assert acknowledged
    with contextlib.closing(sqlite3.connect(folder / "engine.sqlite3")) as connection:
        stored = {str(order_id) for (order_id,) in connection.execute("SELECT id FROM orders")}
    assert set(acknowledged) <= stored


def test_a_signal_while_it_starts_ends_it_too(folder: Path) -> None:
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--database", "engine.sqlite3", "--psp"], env=environment(), stderr=subprocess.PIPE
    )
    while not (children := children_of(process.pid)):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, complained = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, complained) == (0, b"")
    assert not [child for child in children if alive(child)]


def test_a_killed_engine_leaves_nobody_behind(folder: Path) -> None:
    with running(folder, "--database", "engine.sqlite3", "--psp") as engine:
        children = children_of(engine.process.pid)
        assert len(children) == 2
        engine.process.kill()
        engine.process.wait()
        deadline = time.monotonic() + 10
        while any(alive(child) for child in children):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_killed_store_process_is_replaced(folder: Path) -> None:
    with running(folder, "--database", "engine.sqlite3") as engine:
        engine.made("/v1/shops", {"name": "shop", "currency": "GBP"})
        (store,) = children_of(engine.process.pid)
        os.kill(store, signal.SIGKILL)
        while engine.ask("GET", "/readyz", role="").status != 503:
            time.sleep(0.01)
        heard = engine.ask("POST", "/v1/shops", {"name": "other", "currency": "GBP"})
        assert (heard.status, heard.code, heard.headers["retry-after"]) == (503, "store_unavailable", "1")
        deadline = time.monotonic() + 20
        while engine.ask("GET", "/readyz", role="").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        names = [shop["name"] for shop in engine.ask("GET", "/v1/shops").json["items"]]
        assert names == ["shop"]
        engine.made("/v1/shops", {"name": "third", "currency": "GBP"})
    assert (folder / "complained").read_text().splitlines() == [
        "the store process has ended; starting another",
        "the store process is back",
    ]


def test_the_ready_engine_says_where_it_is_and_what_it_uses(folder: Path) -> None:
    with running(folder, "--database", "engine.sqlite3", "--psp", "--scenario", "flash_drop") as engine:
        filled, answers, provider, keys = engine.said.splitlines()
        assert filled.startswith(
            "flash_drop: 1 shop, 1 product, 1 SKU, 1 live room, 1 flash sale, filled; the show starts "
        )
        assert answers == f"{engine.url} answers; data in engine.sqlite3; documentation at {engine.url}/docs"
        assert provider == f"Payment provider at {engine.psp_url}"
        assert keys.startswith("Development keys, on loopback only: dev-buyer-key-0000, ")
        assert json.loads(engine.ask("GET", "/openapi.json", role="").body)["openapi"] == "3.1.0"


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_date_of_answers_is_the_time_of_orders(folder: Path) -> None:
    """Whatever the wall clock says meanwhile: who catches up asks for what has changed since that date."""

    async def main() -> None:
        async with serving(SqliteStore(folder / "engine.sqlite3")) as client:
            client.engine.executor.clock.carry_on_from(_IN_2100_US)
            server = _server_of(client.engine)
            await server.on_tick(0)
            sku = await client.sku(await client.shop())
            placed = (await client.get(f"/v1/orders/{await client.order(sku)}")).json["created_at"]
            ((name, date),) = server.server_state.default_headers
            assert (name, placed[:10]) == (b"date", f"{parsedate_to_datetime(date.decode()):%Y-%m-%d}")

    asyncio.run(main())


def test_the_provider_s_connections_are_closed_at_the_end() -> None:
    async def main() -> None:
        async with _provider(Settings(psp_url="http://127.0.0.1:9"), "") as (provider, _secret):
            assert provider is not None
            session = provider._connect()
        assert session.closed

    asyncio.run(main())


def test_an_engine_without_scenario_endpoints_and_provider_loads_nothing_for_them() -> None:
    code = (
        "import sys; import sim.engine.serve, sim.engine.storing;"
        "print(sorted({'aiohttp', 'pydantic', 'asyncpg', 'numpy', 'sim.scenario'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="finds the store process in /proc")
def test_a_full_queue_is_shed_at_once_and_the_engine_says_that_it_lives(folder: Path) -> None:
    cart = {"buyer_id": "ann", "lines": [{"sku_id": "5", "quantity": 1}]}
    with running(folder, "--database", "engine.sqlite3", "--queue-bound", "1") as engine, ThreadPoolExecutor(1) as one:
        (store,) = children_of(engine.process.pid)
        os.kill(store, signal.SIGSTOP)
        try:
            first = one.submit(engine.ask, "POST", "/v1/orders", cart, {"idempotency-key": "first"})
            deadline = time.monotonic() + PATIENCE_S
            while b"liverush_queue_length 1.0" not in engine.ask("GET", "/metrics").body:
                assert time.monotonic() < deadline
            shed = engine.ask("POST", "/v1/orders", cart, {"idempotency-key": "second"})
            assert (shed.status, shed.code, shed.headers["retry-after"]) == (503, "overloaded", "1")
            assert engine.ask("GET", "/healthz", role="").status == 200
        finally:
            os.kill(store, signal.SIGCONT)
        assert first.result(PATIENCE_S).code == "unknown_sku"
        again = engine.ask("POST", "/v1/orders", cart, {"idempotency-key": "second"})
        assert (again.code, again.headers.get("idempotent-replayed")) == ("unknown_sku", None), "nothing was kept"
