"""Scenarios and traces by hand: a part or a cart is a dict, and all that it does not say has a plain default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.demand.trace import BUY, CART_COLUMNS, LINE_COLUMNS, Trace
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table

#: The carrier comes 100 us after the start, and it is midnight there and then in UTC+6.
START = "2026-11-20T17:59:59.999900Z"
_SCENARIO: dict[str, Any] = {
    "name": "tiny",
    "start": START,
    "horizon": "1ms",
    "catalogue": [{"name": "mug", "price": "10.00 GBP", "cost": "4.00 GBP", "stock": {"main": 10}}],
    "programme": {"videos": [{"name": "clip", "listing": "mug", "publish": 0}]},
    "engine": {"workers": 1, "client_timeout": 0, "attempts": 1, "backoff": "1us", "store": "immediate"},
    "payment": {"tries": 3, "retry_delay": "10us", "hold_window": "50us", "sweep": "1us"},
    "confirmation": {"on_hold": "5us"},
    "warehouses": [{"name": "main", "cut_off": 0, "pick_ups": [{"at": "18:00"}]}],
    "lanes": [{"warehouse": "main", "region": "all", "lead_time": "10us"}],
    "after_sales": {
        "before_shipping_delay": "1us",
        "return_delay": "5us",
        "return_transit": "7us",
        "return_window": "20us",
    },
    "fees": {"platform": 0, "payment": 0},
}


def tiny_scenario(**parts: Any) -> Scenario:
    """One SKU, one warehouse, one worker, everything a few microseconds.

    A part that is a dict changes only the keys that it names; any other part replaces the default. A plain cart at 0
    is placed at 1, paid at 2, confirmed at 8 (due at 7), picked at 9, packed at 10, collected at 100, delivered at 110
    and completed at 130.
    """
    merged = {
        name: {**_SCENARIO[name], **part} if isinstance(part, dict) and name in _SCENARIO else part
        for name, part in parts.items()
    }
    return Scenario.model_validate({**_SCENARIO, **merged})


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
