"""The benchmarks of the order engine run, in a tiny size; what they measure there is not looked at."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.engine_cells import engine_cells
from tests.bench.engine_disk import syncing
from tests.bench.engine_group import _row, cells_of
from tests.bench.engine_http import Size, measured_rows
from tests.bench.engine_servers import engine_server
from tests.bench.process import JobFailed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and waits with epoll")


def test_the_engine_writes_what_the_script_writes(tmp_path: Path) -> None:
    found = engine_cells(str(tmp_path), cells_of("sqlite", 3, orders=256, single_orders=4), rounds=1, seed=1)
    row = _row("make bench", found, "sqlite", 3)
    assert row["engine"]["script_ratio"] > 0
    assert len(row["met"]) == 2
    assert not list(tmp_path.iterdir())


def test_orders_are_placed_over_http_at_full_and_at_half_speed(tmp_path: Path) -> None:
    size = Size(rounds=1, paced_rounds=1, warm_s=0.05, seconds=0.15, connections=4, stores=("sqlite",), skus=1)
    (row,) = measured_rows(tmp_path, "make bench", size)
    assert row["orders"] > 0
    assert {"http", "store", "client"} == set(row["engine"]["cpu_us"])
    assert len(row["met"]) == 5
    assert row["engine"]["groups_per_s"] > 0
    assert len(row["repeats"]["echo_syncing_p99_ms"]) == 1
    assert row["engine"]["p99_synced_ratio"] > 0


def test_orders_one_after_the_other_are_groups_of_one(tmp_path: Path) -> None:
    with engine_server("sqlite", str(tmp_path / "engine.sqlite3"), skus=1) as server:
        before = server.groups()
        for _ in range(3):
            server.call("POST", "/v1/orders", json.loads(server.bodies[0]))
        assert server.groups() == before + 3


def test_a_process_syncs_until_the_block_ends(tmp_path: Path) -> None:
    log = tmp_path / "log.probe"
    with syncing(log, per_s=1000, limit_s=60) as syncs:
        _wait(lambda: log.read_bytes()[:1] == b"x")
    assert syncs["syncs"] > 0
    assert syncs["syncs_per_s"] < 1100  # the first is due at once
    assert not log.exists()


def test_a_process_that_syncs_does_not_outlive_a_block_that_fails(tmp_path: Path) -> None:
    log = tmp_path / "log.probe"
    with pytest.raises(ZeroDivisionError), syncing(log, per_s=1000, limit_s=60):
        _fail_beside(log)
    assert not log.exists()


def test_a_process_that_syncs_ends_by_itself_and_that_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log.probe"
    with pytest.raises(JobFailed, match="ended before"), syncing(log, per_s=1000, limit_s=0.01):
        _wait(lambda: not log.exists())


def _fail_beside(log: Path) -> None:
    assert log.exists()
    raise ZeroDivisionError


def _wait(until: Callable[[], bool]) -> None:
    while not until():
        time.sleep(0.01)
