"""Named shops with every feature on, busy enough that all that can go wrong does, and traces for them."""

from __future__ import annotations

from random import Random
from typing import Any

from sim.demand.trace import NEVER, Trace
from sim.scenario.schema import Scenario
from sim.scenario.tables import deal_table, sku_table
from tests.oracle.build import ALWAYS, tiny_trace

SECOND_US = 1_000_000
_WORKERS = (6, 4, 1, 7, 2, 6, 1, 5) * 12
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat")


def _shifts(*servers: int) -> dict[str, Any]:
    """A number of servers for each half-hour from 10:00 on, UTC; one more by night."""
    starts = [600 + 30 * k for k in range(len(servers))]
    rows = [
        {"from": _clock(at), "to": _clock(at + 30), "servers": number}
        for at, number in zip(starts, servers, strict=True)
    ]
    return {"zone": "UTC", "constant": 1, "shifts": rows}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _warehouse(name: str, zone: str, capacity: int) -> dict[str, Any]:
    return {
        "name": name,
        "zone": zone,
        "pickers": _shifts(4, 6, 2, 5, 3, 6, 4, 2, 5, 3),
        "packers": _shifts(5, 3, 4, 2, 6, 4, 3, 5, 2, 4),
        "waves": {"every": "2m", "capacity": 8},
        "pick_ups": [{"at": _clock(60 * hour), "capacity": capacity} for hour in range(24)],
        "pick_up_days": _DAYS,
        "cut_off": "5m",
    }


_BASE: dict[str, Any] = {
    "name": "rush",
    "start": "2026-11-20T10:00:00+00:00",  # a Friday
    "horizon": "12h",
    "currencies": [{"currency": "USD", "rate": 0.7531, "date": "2026-11-01"}],
    "catalogue": [
        {"name": "mug", "price": "12.90 GBP", "cost": "5.17 GBP", "stock": {"north": 90, "south": 80}},
        {
            "name": "lamp",
            "price": "33.33 USD",
            "cost": "11.11 USD",
            "skus": [
                {"name": "red", "share": 0.5, "stock": {"north": 90, "south": 110}},
                {"name": "blue", "share": 0.5, "stock": {"north": 90, "south": 50}},
            ],
        },
        {"name": "set", "price": "40.05 GBP", "bundle": [{"sku": "mug"}, {"sku": "lamp/red", "units": 2}]},
        {
            "name": "card",
            "price": "3.05 GBP",
            "cost": "0.20 GBP",
            "stock": {"north": 400, "south": 400},
            "shelf": [{"on": 0, "off": "10m"}, {"on": "12m", "off": "12h"}],
        },
    ],
    "regions": [
        {"name": "here", "zone": "Asia/Tokyo", "nearest": ["north", "south"]},
        {
            "name": "there",
            "zone": "America/New_York",
            "currency": "USD",
            "nearest": ["south"],
            "holidays": ["2026-11-20"],
        },
    ],
    "programme": {
        "broadcasts": [
            {
                "name": "show",
                "start": 0,
                "length": "1h",
                "entries": [{"at": 0, "per_min": 1}],
                "deals": [
                    {"sku": "mug", "at": "3m", "countdown": "1m", "duration": "20m", "price": "9.99 GBP", "units": 60}
                    | {"per_buyer": 2},
                    {
                        "sku": "lamp/red",
                        "at": "1m",
                        "duration": "50m",
                        "price": "20.00 GBP",
                        "units": 80,
                        "per_buyer": 3,
                    },
                ],
            }
        ],
        "videos": [{"name": "clip", "listing": "mug", "publish": 0}],
    },
    "funnel": {
        "second_choice_delay": "2s",
        "voucher": {"off": 0.123457, "funded_by": "seller"},
        "feedback": {"period": "15s", "tolerated": "2s", "loss_per_s": 0.03, "most": 0.05, "sold_out": 0.1},
    },
    "engine": {
        "workers": 3,
        "changes": [{"at": f"{25 * (k + 1)}s", "servers": number} for k, number in enumerate(_WORKERS)],
        "queue_bound": 8,
        "client_timeout": "5s",
        "attempts": 3,
        "backoff": "1s",
        "store": {"a": "100ms", "b": "50ms", "max_group": 4, "linger": "300ms"},
        "outages": [{"at": f"{150 * k + 107}s", "length": "12s", "crash": k % 3 > 0} for k in range(16)],
    },
    "payment": {
        "tries": 3,
        "retry_delay": "9s",
        "hold_window": "90s",
        "sweep": "3s",
        "outages": [{"at": f"{k}m", "length": "70s"} for k in (8, 17, 33)],
    },
    "confirmation": {"mode": "staff", "on_hold": "2m", "staff": _shifts(12, 9, 14, 8, 10, 3, 6, 2)},
    "warehouses": [_warehouse("north", "Europe/London", 30), _warehouse("south", "Asia/Kolkata", 20)],
    "lanes": [
        {"warehouse": "north", "region": "here", "lead_time": {"dist": "exponential", "mean": "20m"}, "lost": 0.03}
        | {"cost": "2.31 GBP"},
        {
            "warehouse": "south",
            "region": "here",
            "lead_time": {"dist": "gamma", "mean": "30m", "shape": 3},
            "lost": 0.05,
        },
        {"warehouse": "north", "region": "there", "lead_time": {"dist": "uniform", "low": "1m", "high": "1h"}},
        {"warehouse": "south", "region": "there", "lead_time": {"dist": "lognormal", "median": "20m", "sigma": 0.7}}
        | {"lost": 0.06, "cost": "4.05 USD"},
    ],
    "after_sales": {
        "before_shipping_delay": {"dist": "exponential", "mean": "30m"},
        "return_delay": {"dist": "exponential", "mean": "10m"},
        "return_transit": {"dist": "gamma", "mean": "10m", "shape": 4},
        "return_window": "40m",
        "return_freight": "1.99 USD",
        "return_handling": "0.75 GBP",
    },
    "fees": {
        "platform": 0.050001,
        "creator": 0.333333,
        "payment": 0.02,
        "exchange": 0.010001,
        "payment_fixed": "0.30 USD",
    }
    | {"pick_pack": "0.55 GBP", "late_dispatch": "3.00 GBP"},
    "dispatch": {"dispatch_days": 0},
    "stock": {"policy": "s_S", "s": 4, "S": 30, "review": "50m", "lead_time": "35m"},
}


def _with_carriers(name: str, zone: str, choice: str) -> dict[str, Any]:
    """A warehouse of three carriers, small ones, and overtime whenever a little waits."""
    overtime = {"length": "7m", "backlog": 3, "pickers": 3, "packers": 4, "wage_per_h": "19.07 USD"}
    customs = {"held": 0.3, "delay": {"dist": "exponential", "mean": "15m"}, "cost": "1.11 USD"}
    near: dict[str, Any] = {"lead_time": {"dist": "gamma", "mean": "30m", "shape": 3}, "cost": "2.31 GBP", "lost": 0.08}
    far: dict[str, Any] = {"lead_time": "20m", "cost": "4.05 USD", "customs": customs, "lost": 0.06}
    pick_ups = [{"at": _clock(60 * hour + 20), "capacity": 9} for hour in range(24)]
    return {
        **_warehouse(name, zone, 30),
        "pickers": 1,
        "packers": 1,
        "wage_per_h": "11.44 GBP",
        "overtime": [{"at": _clock(10 * k), **overtime} for k in range(144)],
        "carrier_choice": choice,
        "carriers": [
            {"name": "swift", "share": 0.5, "to": {"here": far, "there": near}, "pick_ups": pick_ups},
            {"name": "post", "share": 0.2, "to": {"here": near}},
            {"name": "barrow", "share": 0.3, "to": {"there": far}, "pick_ups": [{"at": "11:30"}, {"at": "16:30"}]},
        ],
    }


#: What differs from the first: `grid` counts in whole seconds, so that ties abound; `corner` is a plain shop without a
#: store, staff or waves, whose shelves stay empty; `ahead` sells what it does not have, and keeps some of what it has;
#: `market` has carriers, overtime and a platform's rules of dispatch; `torn` has its goods apart, so that many orders
#: are split, and loses a third of its parcels.
_SHOPS: dict[str, tuple[dict[str, Any], int, int]] = {
    "rush": ({}, 1200, 1),
    "grid": (
        {
            "engine": {"backoff": "2s", "store": {"a": "1s", "b": 0, "max_group": 3, "linger": "1s"}},
            "stock": {
                "policy": "r_Q",
                "r": 6,
                "Q": 20,
                "lead_time": {"dist": "uniform", "low": "10m", "high": "1h"},
                "capacity": 60,
                "capacity_every": "20m",
                "emergency": {"level": 2, "up_to": 9, "lead_time": 0, "surcharge": "0.40 GBP"},
            },
            "funnel": {"voucher": {"off": 0.5, "funded_by": "platform"}},
        },
        1000,
        SECOND_US,
    ),
    "corner": (
        {
            "engine": {"workers": 3, "store": "immediate", "queue_bound": 3, "attempts": 4},
            "confirmation": {"mode": "automatic", "on_hold": 0},
            "warehouses": [
                {"name": "north", "pickers": 5, "packers": 4, "pick_ups": [{"at": "15:00", "capacity": 120}]},
                {"name": "south", "pickers": 4, "packers": 5, "pick_ups": [{"at": "16:00"}], "cut_off": 0},
            ],
            "stock": {"policy": "none"},
            "funnel": {"feedback": {"period": "40s", "tolerated": 0, "loss_per_s": 0.2, "most": 0.5, "sold_out": 0.5}},
        },
        700,
        1,
    ),
    "ahead": (
        {
            "catalogue": [
                {"name": "mug", "price": "12.90 GBP", "cost": "5.17 GBP", "stock": {"north": 40, "south": 50}},
                {"name": "lamp", "price": "33.33 USD", "cost": "11.11 USD", "stock": {"north": 40, "south": 30}},
                {"name": "set", "price": "40.05 GBP", "bundle": [{"sku": "mug"}, {"sku": "lamp", "units": 2}]},
                {"name": "card", "price": "3.05 GBP", "cost": "0.20 GBP", "stock": {"north": 3, "south": 300}},
                {"name": "cup", "price": "4.00 GBP", "cost": "1.00 GBP", "stock": {"north": 300, "south": 3}},
            ],
            "programme": {
                "broadcasts": [
                    {"name": "show", "start": 0, "length": "20m", "entries": [{"at": 0, "per_min": 1}]},
                    {"name": "next", "start": "30m", "length": "10m", "entries": [{"at": 0, "per_min": 1}]},
                ]
            },
            "regions": [
                {"name": "here", "zone": "Asia/Tokyo", "allocation": {"choice": "cheapest", "otherwise": "wait"}},
                {"name": "there", "zone": "America/New_York", "holidays": ["2026-11-20"]},
            ],
            "payment": {"hold_window": "60s"},
            "stock": {"s": 2, "S": 30, "review": "20m", "lead_time": "40m"},
            "allocation": {
                "choice": "central_first",
                "warehouse": "south",
                "otherwise": "refuse",
                "max_wait": "50m",
                "presale": [{"sku": "mug", "units": 60, "lead": "1d"}, {"sku": "lamp", "units": 90, "lead": "30m"}],
                "reserves": [
                    {"sku": "mug", "units": {"north": 20, "south": 30}, "broadcast": "show"},
                    {"sku": "lamp", "units": {"north": 20}, "broadcast": "next"},
                    {"sku": "lamp", "units": {"north": 5, "south": 12}, "release": "5m"},
                    {"sku": "card", "units": {"north": 2, "south": 150}, "release": "35m"},
                    {"sku": "cup", "units": {"north": 40, "south": 2}, "broadcast": "next"},
                ],
            },
        },
        800,
        SECOND_US,
    ),
    "torn": (
        {
            "catalogue": [
                {"name": "mug", "price": "12.90 GBP", "cost": "5.17 GBP", "stock": {"north": 900, "south": 9}},
                {"name": "lamp", "price": "33.33 USD", "cost": "11.11 USD"}
                | {"skus": [{"name": "red", "share": 1, "stock": {"south": 900}}]},
                {"name": "set", "price": "40.05 GBP", "bundle": [{"sku": "mug", "units": 2}, {"sku": "lamp/red"}]},
                {"name": "card", "price": "3.05 GBP", "cost": "0.20 GBP", "stock": {"west": 900, "north": 90}},
            ],
            "regions": [
                {"name": "here", "zone": "Asia/Tokyo", "nearest": ["north", "south", "west"]},
                {"name": "there", "zone": "America/New_York", "currency": "USD", "nearest": ["west", "south", "north"]},
            ],
            "warehouses": [
                {"name": "north", "pick_ups": [{"at": _clock(60 * hour + 9)} for hour in range(24)]},
                {**_with_carriers("south", "Asia/Kolkata", "share"), "overtime": [], "pickers": 5, "packers": 5},
                {"name": "west", "pick_ups": [{"at": "13:30"}, {"at": "20:30"}], "cut_off": 0},
            ],
            "lanes": [
                {"warehouse": house, "region": region, "lead_time": {"dist": "exponential", "mean": "40m"}, "lost": 0.3}
                | {"cost": "2.31 GBP"}
                for house in ("north", "south", "west")
                for region in ("here", "there")
            ],
            "confirmation": {"mode": "automatic", "on_hold": 0},
            "funnel": {"feedback": None, "voucher": {"off": 0.123457, "funded_by": "platform"}},
            "after_sales": {"before_shipping_delay": {"dist": "exponential", "mean": "3h"}},
            "dispatch": {"dispatch_days": 0, "deliver_days": 0, "cut_off": "17:00"},
            "engine": {"workers": 12, "changes": [], "outages": []},
            "stock": {"policy": "none"},
        },
        600,
        1,
    ),
    "market": (
        {
            "warehouses": [
                _with_carriers("north", "Europe/London", "cheapest"),
                _with_carriers("south", "Asia/Kolkata", "share"),
            ],
            "dispatch": {
                "calendar": {"zone": "UTC", "public_holidays": "US"},
                "cut_off": "10:25",
                "daily_capacity": 150,
                "auto_cancel_days": 0,
                "auto_cancel_event": "carrier_scan",
            },
            "confirmation": {"mode": "staff", "on_hold": "2m", "staff": _shifts(6, 6, 6, 3, 3, 3, 3, 3)},
            "lanes": [],
            "engine": {"workers": 12, "changes": [], "outages": []},
            "payment": {"outages": []},
        },
        1800,
        1,
    ),
}
NAMES = tuple(_SHOPS)


def named(name: str) -> tuple[Scenario, Trace]:
    """The shop of that name, and what its buyers want."""
    parts, carts, grain_us = _SHOPS[name]
    changed = {key: {**_BASE.get(key, {}), **part} if isinstance(part, dict) else part for key, part in parts.items()}
    if changed.get("stock") == {"policy": "none"}:
        changed["stock"] = {"policy": "none"}
    scenario = Scenario.model_validate({**_BASE, **changed, "name": name})
    r = Random(name)
    rows = [_cart(scenario, r, grain_us) for _ in range(carts)]
    return scenario, tiny_trace(scenario, rows, [ALWAYS * 9 // 10] + [ALWAYS] * (len(sku_table(scenario)) - 1))


def _cart(scenario: Scenario, r: Random, grain_us: int) -> dict[str, Any]:
    def time_us(low_s: float, high_s: float) -> int:
        return max(grain_us, round(r.uniform(low_s, high_s) * SECOND_US) // grain_us * grain_us)

    cart: dict[str, Any] = {
        "time_us": time_us(0, 2400) if r.random() < 0.8 else time_us(0, 6 * 3600),
        "region": r.randrange(2),
        "content": r.choice((-1, 0, 1)),
        "buyer": r.randrange(400),
        "go_u32": r.getrandbits(32),
        "pay_delay_us": NEVER if r.random() < 0.08 else time_us(0, r.choice((20, 20, 89))),
        "provider_us": time_us(0, 8),
        "declines": r.choice((0, 0, 0, 0, 0, 1, 2, 3)),
        "voucher": int(r.random() < 0.3),
        "after": r.choice((0, 0, 0, 0, 0, 1, 2, 3, 3, 4)),
        "restock": int(r.random() < 0.8),
        "checkout_us": time_us(0.2, 2),
        "payment_us": time_us(0.2, 1.5),
        "confirmation_us": time_us(0.1, 1),
        "confirm_work_us": time_us(5, 20),
        "pick_us": time_us(10, 60),
        "pack_us": time_us(10, 50),
        "lines": [_line(scenario, r) for _ in range(r.choice((1, 1, 1, 2, 3)))],
    }
    return cart | {name: r.getrandbits(32) for name in ("transit_u32", "loss_u32", "after_u32", "back_u32")}


def _line(scenario: Scenario, r: Random) -> dict[str, int]:
    skus = len(sku_table(scenario))
    sku = r.randrange(skus)
    offers = [number for number, deal in enumerate(deal_table(scenario)) if deal.sku == sku]
    return {
        "sku": sku,
        "quantity": r.choice((1, 1, 2, 3)),
        "deal": r.choice(offers) if offers and r.random() < 0.6 else -1,
        "second_sku": r.randrange(skus) if r.random() < 0.5 else -1,
    }
