"""Traces by hand: a cart is a dict, and all that it does not say has a plain default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.demand.trace import BUY, CART_COLUMNS, LINE_COLUMNS, Trace
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table

ALWAYS = 1 << 32  # a factor that no intent exceeds

_LINE = {"sku": 0, "quantity": 1, "deal": -1, "second_sku": -1}
_HEAD = {"time_us": 0, "content": -1, "region": 0}
_CART = {
    "go_u32": 0,
    "checkout_us": 1,
    "payment_us": 1,
    "confirmation_us": 1,
    "pay_delay_us": 0,
    "method": 0,
    "provider_us": 0,
    "declines": 0,
    "voucher": 0,
    "confirm_work_us": 1,
    "pick_us": 1,
    "pack_us": 1,
    "transit_u32": 1 << 31,
    "loss_u32": (1 << 32) - 1,
    "after": 0,
    "after_u32": 1 << 31,
    "back_u32": 1 << 31,
    "restock": 0,
}


def tiny_trace(scenario: Scenario, carts: Sequence[dict[str, Any]], factors: Sequence[int] | None = None) -> Trace:
    """The trace of `carts`, which are sorted by `time_us` first (equal times keep their order).

    A cart has keys of the carts' columns, `time_us`, `content`, `region`, `buyer` (default: its own) and either the
    keys of its one line (`sku`, `quantity`, `deal`, `second_sku`) or `lines`, a list of dicts with those. `factors`
    are by SKU; by default every intent goes ahead.
    """
    lines: dict[str, list[int]] = {name: [] for name in LINE_COLUMNS}
    columns: dict[str, list[int]] = {name: [] for name in CART_COLUMNS}
    for number, cart in enumerate(sorted(carts, key=lambda cart: cart.get("time_us", 0))):
        unknown = set(cart) - {*_HEAD, *_LINE, *_CART, "buyer", "lines"}
        if unknown:
            raise ValueError(f"a cart has no {', '.join(sorted(unknown))}")
        head = {**{name: cart.get(name, value) for name, value in _HEAD.items()}, "kind": BUY, "cart": number}
        head["buyer"] = cart.get("buyer", number)
        for line in cart.get("lines", [cart]):
            row = {**head, **{name: line.get(name, value) for name, value in _LINE.items()}}
            for name, column in lines.items():
                column.append(row[name])
        for name, value in _CART.items():
            columns[name].append(cart.get(name, value))
    factors = [ALWAYS] * len(sku_table(scenario)) if factors is None else factors
    return Trace(
        {name: np.array(lines[name], dtype=kind) for name, kind in LINE_COLUMNS.items()},
        {name: np.array(columns[name], dtype=kind) for name, kind in CART_COLUMNS.items()},
        np.array(factors, dtype=np.uint64),
        {"scenario": scenario.name},
    )
