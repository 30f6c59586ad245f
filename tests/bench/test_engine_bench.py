"""The benchmarks of the order engine run, in a tiny size; what they measure there is not looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.engine_cells import engine_cells
from tests.bench.engine_group import _row, cells_of
from tests.bench.engine_http import Size, measured_rows

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
    assert len(row["met"]) == 4
