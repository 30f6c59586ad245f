"""Builds the front's arrays of `allocation`: order of warehouses, reserves, pre-sale and who waits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.flow.pages import pages
from sim.operations.front import state as fs
from sim.scenario.allocation_tables import asked_warehouses, choice_of, may_wait, presale_table, reserve_table
from sim.scenario.schema import Scenario

_OTHERWISE = {"split": fs.OTHERWISE_SPLIT, "refuse": fs.OTHERWISE_REFUSE, "wait": fs.OTHERWISE_WAIT}


def allocation_arrays(
    scenario: Scenario, lines: dict[str, npt.NDArray[Any]], carts: int, rows_a_cart: int
) -> dict[str, npt.NDArray[Any]]:
    """The fields of `Front` that `allocation` fills; columns by cart or line are empty where nothing uses them."""
    presale = np.array(presale_table(scenario), dtype=np.int64)
    skus, regions, waiting = len(presale), range(len(scenario.regions)), may_wait(scenario)
    asked = asked_warehouses(scenario)
    most = max(len(houses) for houses in asked)
    rules = [choice_of(scenario, region).otherwise for region in regions]
    content = lines["content"].astype(np.int16) if scenario.allocation.reserves else np.zeros(0, dtype=np.int16)
    return {
        "asked": np.array([houses + [-1] * (most - len(houses)) for houses in asked], dtype=np.int32),
        "otherwise": np.array([_OTHERWISE[rule] for rule in rules], dtype=np.uint8),
        **_reserves(scenario, skus, rows_a_cart),
        "line_content": content,
        "presale_units": presale[:, 0].copy(),
        "lead_us": presale[:, 1].copy(),
        "waiting": np.zeros((skus, len(scenario.warehouses)), dtype=np.int64),
        "queue": pages(carts if waiting else 0, np.int32),
        **{name: pages(carts if waiting else 0, np.int64) for name in ("promised_us", "allocated_us", "ready_us")},
        "woken": np.zeros(skus, dtype=np.uint8),
        "woken_sku": np.zeros(skus, dtype=np.int32),
    }


def reserve_rows(scenario: Scenario) -> list[tuple[int, int, int, int, int, int, int]]:
    """The rows of `Front.reserve`, each with the number of its reserve in the file."""
    rows = [
        (kept.sku, house, kept.first, kept.end, units, units, number)
        for number, kept in enumerate(reserve_table(scenario))
        for house, units in kept.units
    ]
    return sorted(rows, key=lambda row: row[0])


def _reserves(scenario: Scenario, skus: int, rows_a_cart: int) -> dict[str, npt.NDArray[Any]]:
    rows = reserve_rows(scenario)
    count = np.bincount([row[fs.R_SKU] for row in rows], minlength=skus) if rows else np.zeros(skus, dtype=np.int64)
    return {
        "reserve": np.array([row[:6] for row in rows], dtype=np.int64).reshape(-1, 6),
        "reserve_first": np.concatenate([[0], np.cumsum(count)]).astype(np.int32),
        "taken": np.zeros((rows_a_cart * int(count.max(initial=0)), 2), dtype=np.int64),
    }
