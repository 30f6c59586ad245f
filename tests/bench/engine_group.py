"""The order engine without HTTP: groups of checkouts, against a script that writes the same rows."""

from __future__ import annotations

from statistics import median
from typing import Any

from tests.bench.process import Bench
from tests.bench.rows import Target, make_row

Row = dict[str, Any]

STORES, SKUS, GROUPS = ("sqlite", "postgres"), (1, 1000), (256, 64)
#: Orders of a cell and round: of one that writes groups, and of one that commits each order.
ORDERS, SINGLE_ORDERS = 10_240, 512
ROUNDS, SEED = 7, 20261120

#: What a single row of a database was updated per second, as published (AliSQL, 2020).
RECORD = Target("orders_per_s", 31_000, at_least=True, goal=True)
FLOORS = (Target("script_ratio", 0.8, at_least=True), Target("single_ratio", 5, at_least=True))


def cells_of(store: str, skus: int, orders: int = ORDERS, single_orders: int = SINGLE_ORDERS) -> list[Row]:
    """The cells that are compared with each other."""
    cells = [
        {"store": store, "skus": skus, "writer": writer, "group": group, "orders": orders}
        for group in GROUPS
        for writer in ("engine", "script")
    ]
    return [*cells, {"store": store, "skus": skus, "writer": "engine", "group": 1, "orders": single_orders}]


def engine_group(bench: Bench) -> list[Row]:
    """Orders a second in groups of 256 and 64, by the engine and by the script; and a commit for each order."""
    cells = [cell for store in STORES for skus in SKUS for cell in cells_of(store, skus)]
    folder = bench.folder / "engine_group"
    folder.mkdir()
    found = bench.job("engine_cells", folder=str(folder), cells=cells, rounds=ROUNDS, seed=SEED)["cells"]
    return [_row(bench.command, found, store, skus) for store in STORES for skus in SKUS]


def _row(command: str, cells: list[Row], store: str, skus: int) -> Row:
    named = {
        f"{cell['writer']}_{cell['group']}": cell for cell in cells if (cell["store"], cell["skus"]) == (store, skus)
    }
    per_s = {name: _rate(cell, "seconds") for name, cell in named.items()}
    per_cpu_s = {name: _rate(cell, "cpu_seconds") for name, cell in named.items()}
    best = named["engine_256"]
    return make_row(
        "engine_group",
        f"{store}, {'one hot SKU' if skus == 1 else f'{skus:,} SKUs'}; rows equal to the script's",
        command,
        (*FLOORS, RECORD) if skus == 1 else FLOORS,
        orders=best["orders"],
        seconds=median(best["seconds"]),
        cpu_seconds=median(best["cpu_seconds"]),
        orders_per_s=per_s["engine_256"],
        orders_per_cpu_s=per_cpu_s["engine_256"],
        engine={
            "script_ratio": _script_ratio(named, 256, "seconds"),
            "single_ratio": per_s["engine_256"] / per_s["engine_1"],
            "script_ratio_64": _script_ratio(named, 64, "seconds"),
            "script_cpu_ratio": _script_ratio(named, 256, "cpu_seconds"),
            "per_s": per_s,
            "cpu_us": {name: 1e6 / rate for name, rate in per_cpu_s.items()},
        },
        repeats={name: cell["seconds"] for name, cell in named.items()},
    )


def _script_ratio(named: dict[str, Row], group: int, seconds: str) -> float:
    """The engine's rate by the script's: the median over rounds, in each of which one follows the other."""
    engine, script = (named[f"{writer}_{group}"][seconds] for writer in ("engine", "script"))
    return float(median(theirs / ours for ours, theirs in zip(engine, script, strict=True)))


def _rate(cell: Row, seconds: str) -> float:
    return float(cell["orders"] / median(cell[seconds]))
