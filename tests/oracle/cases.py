"""Small scenarios with everything on: from a seed, some features and seeds of carts, a scenario and a trace.

Every part of a scenario and every cart has a generator of its own. So a feature can be switched off, or a cart left
out, and all others stay as they were: what fails can be made smaller.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sim.demand.trace import NEVER, Trace
from sim.scenario.schema import Scenario
from sim.scenario.tables import deal_table, sku_table
from tests.oracle.build import ALWAYS, tiny_trace

#: TICKS: all times are a few microseconds, and the schedules of shifts and carriers fall among them.
#: MINUTES: all times are whole minutes, as schedules are. ODD: as MINUTES, but nothing is round.
TICKS, MINUTES, ODD = "ticks", "minutes", "odd"
MODES = (TICKS, MINUTES, ODD)

FEATURES = (
    "carriers", "customs",
    "regions", "warehouses", "catalogue", "bundle", "multi", "shelf", "deals", "buyers", "seconds", "scarce", "factors",
    "changes", "bound", "timeout", "group", "linger", "outages", "crash",
    "provider", "declines", "holds", "staff", "shifts", "waves", "cut_off", "carrier", "loss",
    "cancels", "returns", "restock", "policy", "supplier", "emergency", "planned", "money", "voucher",
    "overtime", "ready", "calendar", "clock", "capacity", "dropping", "feedback",
    "choice", "region choice", "no split", "reserves", "presale", "apart",
)  # fmt: skip
ZONES = ("UTC", "Asia/Tokyo", "Asia/Kolkata", "America/New_York")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE_US = 60_000_000


class Case:
    """The makings of one scenario: `on(feature)`, durations in the mode's unit, a generator for each part."""

    def __init__(self, seed: int, features: frozenset[str], mode: str) -> None:
        self.seed, self.features, self.mode = seed, features, mode
        self.unit_us = 1 if mode == TICKS else MINUTE_US
        r = self.random("time")
        day, hour = 16 + r.randrange(7), r.choice((14, 18, 22, 23, 23))
        minute = dt.datetime(2026, 11, day, hour, r.choice((0, 30, 59)), tzinfo=dt.UTC)
        if mode == TICKS:  # schedules change at `base`, a little after the start
            self.base = minute if r.random() < 0.5 else minute.replace(hour=0, minute=0)
            before_us = r.randint(20, 90)
            self.start = self.base - dt.timedelta(microseconds=before_us)
            self.horizon_us = before_us + r.choice((r.randint(1, 20), 100, 250))
        else:
            self.base = minute
            self.start = minute - dt.timedelta(microseconds=r.choice((0, r.randrange(1, MINUTE_US))) * (mode == ODD))
            odd_us = r.randrange(MINUTE_US) * (mode == ODD)
            self.horizon_us = r.choice((r.randint(20, 200), 300, 400)) * MINUTE_US - odd_us

    def on(self, feature: str) -> bool:
        """Whether a feature is switched on."""
        return feature in self.features

    def random(self, part: object) -> Random:
        """The generator of one part."""
        return Random(f"{self.seed}/{part}")

    def units(self, r: Random, low: int, high: int) -> int:
        """Microseconds: low to high units, whole ones unless the mode is ODD."""
        if self.mode == ODD:
            return r.randint(low * self.unit_us, high * self.unit_us)
        return r.randint(low, high) * self.unit_us

    def text(self, r: Random, low: int, high: int) -> str:
        """The same, as scenarios write it; at least 1 us where low is above 0."""
        return f"{self.units(r, low, high)}us"

    def law(self, r: Random, low: int, high: int) -> Any:
        """A random law of about low to high units."""
        kind = r.choice(("constant", "uniform", "exponential", "lognormal", "gamma"))
        mean = f"{max(1, self.units(r, low, high))}us"
        laws: dict[str, Any] = {
            "constant": self.text(r, low, high),
            "uniform": {"dist": "uniform", "low": f"{low * self.unit_us}us", "high": f"{high * self.unit_us}us"},
            "exponential": {"dist": "exponential", "mean": mean},
            "lognormal": {"dist": "lognormal", "median": mean, "sigma": 0.5},
            "gamma": {"dist": "gamma", "mean": mean, "shape": 3},
        }
        return laws[kind]

    def clock(self, zone: str, minutes: int) -> int:
        """The local time of day, in minutes, `minutes` after the base."""
        local = (self.base + dt.timedelta(minutes=minutes)).astimezone(ZoneInfo(zone))
        return local.hour * 60 + local.minute

    def marks(self, r: Random, number: int) -> list[int]:
        """Minutes after the base at which schedules change; with TICKS only the base itself is inside the run."""
        return [0] if self.mode == TICKS else sorted(r.sample(range(1, 200), number))

    def servers(self, r: Random, zone: str) -> Any:
        """A constant number, or shifts, with gaps and overlaps."""
        if not self.on("shifts") or r.random() < 0.3:
            return r.choice((1, 1, 2, 3))
        edges = [-300, *self.marks(r, 3), 500]
        shifts: list[dict[str, Any]] = []
        for from_min, to_min in pairwise(edges):
            shifts += self._shift(zone, from_min, to_min, r.randint(0, 3))
        return {"shifts": shifts, "zone": zone, "constant": r.choice((0, 0, 1))}

    def _shift(self, zone: str, from_min: int, to_min: int, servers: int) -> list[dict[str, Any]]:
        begins, ends = self.clock(zone, from_min), self.clock(zone, to_min) or 1440
        if begins < ends:
            return [{"from": _day_time(begins), "to": _day_time(ends), "servers": servers}]
        before = {"from": _day_time(begins), "to": "24:00", "servers": servers}
        return [before, {"from": "00:00", "to": _day_time(ends), "servers": servers}]

    def windows(self, r: Random, most: int) -> list[tuple[int, int]]:
        """Some windows one after another, sometimes touching: (begin, length) in us."""
        found, begin_us = [], self.units(r, 0, 15)
        for _ in range(r.randint(1, most)):
            length_us = max(1, self.units(r, 1, 8))
            found.append((begin_us, length_us))
            begin_us += length_us + self.units(r, 0, 12) * r.choice((0, 1, 1))
        return found


def _pairs(edges: list[int]) -> list[tuple[int, int]]:
    return list(zip(edges[::2], edges[1::2], strict=True))


def _day_time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def make_case(seed: int, features: frozenset[str], mode: str, carts: Sequence[int]) -> tuple[Scenario, Trace]:
    """A scenario and a trace; `carts` are the carts' own seeds."""
    case = Case(seed, features, mode)
    scenario = Scenario.model_validate(scenario_dict(case))
    skus, deals = len(sku_table(scenario)), [deal.sku for deal in deal_table(scenario)]
    rows = [_cart(case, scenario, skus, deals, case.random(f"cart/{cart}")) for cart in carts]
    return scenario, tiny_trace(scenario, rows, _factors(case, skus))


def scenario_dict(case: Case) -> dict[str, Any]:
    """The scenario as a file would have it."""
    r = case.random("rest")
    houses = [f"w{i}" for i in range(case.random("houses").randint(2, 3) if case.on("warehouses") else 1)]
    regions = [f"r{i}" for i in range(2 if case.on("regions") else 1)]
    listings = _catalogue(case, houses)
    return {
        "name": "case",
        "start": case.start.isoformat(),
        "horizon": f"{case.horizon_us}us",
        "currencies": [{"currency": "USD", "rate": 0.7531, "date": "2026-11-01"}],
        "catalogue": listings,
        "regions": [_region(case, name, houses) for name in regions],
        "programme": _programme(case, listings),
        "funnel": {
            "second_choice_delay": case.text(r, 0, 4),
            "voucher": {"off": r.choice((0.1, 0.123457, 0.5)), "funded_by": r.choice(("seller", "platform"))},
            "feedback": _feedback(case),
            "questions": {"moderators": r.randint(1, 7), "wage_per_hour": "13.37 USD"} if case.on("money") else None,
        },
        "engine": _engine(case),
        "payment": _payment(case),
        "confirmation": _confirmation(case),
        "warehouses": [_warehouse(case, name) for name in houses],
        "lanes": [_lane(case, house, region) for house in houses for region in regions],
        "after_sales": _after_sales(case),
        "fees": _fees(case),
        "dispatch": {"dispatch_days": r.choice((0, 0, 0, 1)), **_dispatch(case)},
        "stock": _policy(case),
        "allocation": _allocation(case, listings, houses),
    }


def _catalogue(case: Case, houses: list[str]) -> list[dict[str, Any]]:
    r = case.random("catalogue")
    most = r.choice((5, 15)) if case.on("scarce") else 60
    if case.on("presale"):
        most //= 3

    def stock() -> dict[str, int]:
        units = {house: r.randint(0 if len(houses) > 1 else 1, most) for house in houses}
        return {**dict.fromkeys(houses, 0), r.choice(houses): most} if case.on("apart") else units

    listings: list[dict[str, Any]] = [{"name": "mug", "price": "12.90 GBP", "cost": "5.17 GBP", "stock": stock()}]
    if case.on("catalogue"):
        variants = [{"name": name, "share": 0.5, "stock": stock()} for name in ("red", "blue")]
        listings.append({"name": "lamp", "price": "33.33 USD", "cost": "11.11 USD", "skus": variants})
    if case.on("bundle"):
        parts = [{"sku": "mug", "units": r.randint(1, 2)}]
        if case.on("catalogue"):
            parts.append({"sku": r.choice(("lamp/red", "lamp/blue")), "units": r.randint(1, 2)})
        listings.insert(r.randint(0, 1), {"name": "set", "price": "40.05 GBP", "bundle": parts})
    if case.on("shelf"):  # on but for some gaps
        edges = [0, *(edge for at, length in case.windows(r, 2) for edge in (at, at + length)), case.horizon_us]
        shelf = [{"on": f"{on}us", "off": f"{off}us"} for on, off in _pairs(edges) if on < off]

        if shelf:
            r.choice(listings)["shelf"] = shelf
    return listings


def _region(case: Case, name: str, houses: list[str]) -> dict[str, Any]:
    r = case.random(name)
    nearest = r.sample(houses, r.randint(0, len(houses)))
    days = sorted(r.sample(DAYS, r.randint(4, 7)), key=DAYS.index)
    holidays = [str(case.base.date())] if r.random() < 0.2 else []
    zone = r.choice(ZONES)
    region = {"name": name, "zone": zone, "nearest": nearest, "business_days": days, "holidays": holidays}
    region["currency"] = r.choice(("", "GBP", "USD"))
    return region | ({"allocation": _choice(case, r, houses)} if case.on("region choice") and r.random() < 0.6 else {})


def _choice(case: Case, r: Random, houses: list[str]) -> dict[str, Any]:
    """A choice of warehouses, as a scenario or a region has it."""
    choices = ("nearest", "cheapest", "central", "central_first", "regional") if case.on("choice") else ("nearest",)
    rule = {
        "choice": r.choice(choices),
        "otherwise": r.choice(("refuse", "wait", "wait")) if case.on("no split") else "split",
    }
    return rule | ({"warehouse": r.choice(houses)} if rule["choice"].startswith("central") else {})


def _allocation(case: Case, listings: list[dict[str, Any]], houses: list[str]) -> dict[str, Any]:
    """Choice, what is sold ahead and what is kept for live rooms; waits end within the run."""
    r = case.random("allocation")
    stocked = {row["name"]: row["stock"] for row in listings if "stock" in row}
    stocked |= {f"{row['name']}/{sku['name']}": sku["stock"] for row in listings for sku in row.get("skus", [])}
    allocation = _choice(case, r, houses) | {"max_wait": f"{max(1, case.units(r, 3, r.choice((10, 90))))}us"}
    if case.on("presale"):
        allocation["presale"] = [
            {"sku": sku, "units": r.choice((1, 3, 8, 40)), "lead": case.text(r, 0, 40)}
            for sku in stocked
            if r.random() < 0.7
        ]
    if case.on("reserves"):
        allocation["reserves"] = [
            {"sku": sku, "units": {house: r.randint(0, units) // parts for house, units in stock.items()}}
            | {"broadcast": r.choice(("", "show"))}
            | {"release": case.text(r, 0, r.choice((20, 80)))}
            for sku, stock in stocked.items()
            for parts in r.choice(((), (1,), (2, 2)))
        ]
    return allocation


def _programme(case: Case, listings: list[dict[str, Any]]) -> dict[str, Any]:
    r = case.random("programme")
    skus = [f"{row['name']}/{sku['name']}" for row in listings for sku in row.get("skus", [])]
    skus += [row["name"] for row in listings if "skus" not in row]
    deals = []
    for sku in r.sample(skus, r.randint(1, min(2, len(skus)))) if case.on("deals") else []:
        stretch = r.choice((1, 15, 15))  # long ones do not leave time for a second
        for at_us, length_us in case.windows(r, 2)[: 2 if stretch == 1 else 1]:
            countdown_us = min(at_us, case.units(r, 0, 3))
            deals.append(
                {
                    "sku": sku,
                    "at": f"{at_us - countdown_us}us",
                    "countdown": f"{countdown_us}us",
                    "duration": f"{length_us * stretch}us",
                    "price": r.choice(("9.99 GBP", "3.07 GBP")),
                    "units": r.randint(1, 12),
                    "per_buyer": r.randint(1, 5),
                }
            )
    show = {"name": "show", "start": case.text(r, 0, 3), "length": "1d", "entries": [{"at": 0, "per_min": 1}]}
    shows = [{**show, "deals": deals}]
    if case.on("planned"):
        shows += [{**show, "name": f"show{k}", "start": case.text(r, 0, 60)} for k in range(r.randint(0, 3))]
    return {"broadcasts": shows, "videos": [{"name": "clip", "listing": "mug", "publish": 0}]}


def _feedback(case: Case) -> dict[str, Any] | None:
    r = case.random("feedback")
    if not case.on("feedback"):
        return None
    return {
        "period": f"{max(1, case.units(r, 1, 12))}us",
        "tolerated": case.text(r, 0, 4),
        "loss_per_s": 1 if case.mode == TICKS else r.choice((0.001, 0.01)),
        "most": r.choice((0.3, 0.9, 1)),
        "sold_out": r.choice((0, 0.333333, 1)),
    }


def _engine(case: Case) -> dict[str, Any]:
    r = case.random("engine")
    tight = r.random() < 0.4  # otherwise most orders get through, so that there is something to pick and pack
    engine: dict[str, Any] = {"workers": r.choice((1, 2)) if tight else r.randint(3, 9), "store": "immediate"}
    engine |= {"client_timeout": 0, "attempts": r.randint(1, 4), "backoff": f"{max(1, case.units(r, 1, 4))}us"}
    if case.on("bound"):
        engine["queue_bound"] = r.choice((0, 1, 2, 3, 6) if tight else (2, 5, 9))
    if case.on("timeout"):
        engine["client_timeout"] = f"{max(1, case.units(r, 1, 9) if tight else case.units(r, 5, 25))}us"
    if case.on("group"):
        a, b = r.choice(((0, 1), (1, 0), (1, 1), (2, 1), (3, 0), (0, 0)))
        engine["store"] = {"a": f"{a * case.unit_us}us", "b": f"{b * case.unit_us}us", "max_group": r.randint(1, 4)}
        if case.on("linger"):
            engine["store"]["linger"] = case.text(r, 1, 6)
    if case.on("changes"):
        times = sorted({case.units(r, 0, 60) for _ in range(r.randint(1, 3))})
        engine["changes"] = [{"at": f"{at}us", "servers": r.randint(0, 4)} for at in times]
    if case.on("outages"):
        crash = case.on("crash")
        engine["outages"] = [
            {"at": f"{at}us", "length": f"{length}us", "crash": crash and r.random() < 0.7}
            for at, length in case.windows(r, 3)
        ]
    return engine


def _payment(case: Case) -> dict[str, Any]:
    r = case.random("payment")
    payment: dict[str, Any] = {"tries": r.randint(1, 3), "retry_delay": f"{max(1, case.units(r, 1, 4))}us"}
    payment["hold_window"] = f"{max(1, case.units(r, 4, 25) if case.on('holds') else case.units(r, 20, 40))}us"
    payment["sweep"] = f"{max(1, case.units(r, 1, 7))}us"
    if case.on("provider"):
        payment["outages"] = [{"at": f"{at}us", "length": f"{length}us"} for at, length in case.windows(r, 3)]
    return payment


def _confirmation(case: Case) -> dict[str, Any]:
    r = case.random("confirmation")
    on_hold = case.text(r, 0, 8) if r.random() < 0.8 else 0
    mode = "staff" if case.on("staff") else "automatic"
    return {"mode": mode, "on_hold": on_hold, "staff": case.servers(r, r.choice(ZONES))}


def _warehouse(case: Case, name: str) -> dict[str, Any]:
    r = case.random(name)
    zone = r.choice(ZONES)
    house: dict[str, Any] = {"name": name, "zone": zone, "pick_up_days": DAYS, "cut_off": 0}
    house |= {"pickers": case.servers(r, zone), "packers": case.servers(r, zone)}
    marks = case.marks(r, r.randint(1, 6))
    capacity = r.choice((0, 1, 2, 3)) if case.on("carrier") else 0
    times = sorted(case.clock(zone, mark) for mark in marks)
    house["pick_ups"] = [{"at": _day_time(time), "capacity": capacity} for time in times]
    if case.on("waves"):
        house["waves"] = {"every": f"{max(1, case.units(r, 1, 9))}us", "capacity": r.choice((0, 1, 2, 4))}
    if case.on("carriers") and r.random() < 0.8:
        house["carrier_choice"] = r.choice(("cheapest", "fastest", "share"))
        house["carriers"] = [_carrier(case, zone, f"c{k}", r) for k in range(r.randint(1, 3))]
    if case.on("overtime"):
        house["wage_per_h"] = r.choice(("11.44 GBP", "12.21 USD"))
        house["overtime"] = [
            {
                "at": _day_time(case.clock(zone, mark)),
                "length": f"{max(1, case.units(r, 1, 60))}us",
                "wage_per_h": "19.07 USD",
            }
            | {"backlog": r.choice((0, 0, 1, 3)), "pickers": r.randint(0, 3), "packers": r.randint(0, 3)}
            for mark in case.marks(r, r.randint(1, 8))
        ]
    if case.on("cut_off"):
        house["cut_off"] = case.text(r, 0, 6)
    return house


def _carrier(case: Case, zone: str, name: str, r: Random) -> dict[str, Any]:
    carrier: dict[str, Any] = {"name": name}
    if r.random() < 0.8:
        times = sorted(case.clock(zone, mark) for mark in case.marks(r, r.randint(1, 6)))
        capacity = r.choice((0, 1, 1, 2, 3)) if case.on("carrier") else 0
        carrier["pick_ups"] = [{"at": _day_time(time), "capacity": capacity} for time in times]
    regions = ["r0", "r1"] if case.on("regions") else ["r0"]
    carrier["to"] = {region: _carriage(case, r) for region in regions if r.random() < 0.7}
    return carrier


def _carriage(case: Case, r: Random) -> dict[str, Any]:
    terms: dict[str, Any] = {"lead_time": case.law(r, 0, 12)}
    if case.on("loss"):
        terms["lost"] = r.choice((0.0, 0.2, 0.5))
    if case.on("money"):
        terms["cost"] = r.choice(("2.31 GBP", "4.05 USD", "1.00 GBP"))
    if case.on("customs"):
        terms["customs"] = {"held": r.choice((0.0, 0.3, 1.0)), "delay": case.law(r, 0, 9), "cost": "1.11 USD"}
    return terms


def _lane(case: Case, house: str, region: str) -> dict[str, Any]:
    r = case.random(f"{house}/{region}")
    return {"warehouse": house, "region": region, **_carriage(case, r)}


def _after_sales(case: Case) -> dict[str, Any]:
    r = case.random("after")
    sales: dict[str, Any] = {
        "before_shipping_delay": case.law(r, 0, r.choice((20, 90))),
        "return_delay": case.law(r, 0, 8),
        "return_transit": case.law(r, 0, 8),
        "return_window": case.text(r, 0, 10),
    }
    if case.on("money"):
        sales |= {"return_freight": "1.99 USD", "return_handling": "0.75 GBP"}
    sales["late_cancels"] = r.choice(("return", "return", "keep"))
    return sales


def _fees(case: Case) -> dict[str, Any]:
    r = case.random("fees")
    if not case.on("money"):
        return {}
    rates = {name: r.choice((0, 0.02, 0.050001, 0.333333)) for name in ("platform", "creator", "payment", "exchange")}
    rates["holding_per_day"] = r.choice((0, 0.7))
    return {**rates, "payment_fixed": "0.30 USD", "pick_pack": "0.55 GBP", "late_dispatch": "3.00 GBP"}


def _dispatch(case: Case) -> dict[str, Any]:
    r = case.random("dispatch")
    rules: dict[str, Any] = {
        "event": r.choice(("carrier_scan", "ready_to_ship")) if case.on("ready") else "carrier_scan"
    }
    zone = r.choice(ZONES)
    if case.on("calendar"):
        days = sorted(r.sample(DAYS, r.randint(5, 7)), key=DAYS.index)
        rules["calendar"] = {"zone": zone, "business_days": days, "public_holidays": r.choice(("", "US", "JP"))}
    if case.on("clock"):
        rules["cut_off"] = _day_time(case.clock(zone, r.choice(case.marks(r, 3))))
    if case.on("capacity"):
        rules |= {"daily_capacity": r.choice((1, 3, 10)), "capacity_days": r.choice((0, 1, 1, 2))}
    if case.on("dropping"):
        rules["auto_cancel_days"] = r.choice((0, 0, 1))
        rules["auto_cancel_event"] = r.choice(("carrier_scan", "ready_to_ship"))
    return rules


def _policy(case: Case) -> dict[str, Any]:
    r = case.random("policy")
    if not case.on("policy"):
        return {"policy": "none"}
    s, review = r.randint(0, 4), f"{max(1, case.units(r, 1, 9))}us"
    plan: dict[str, Any] = {"policy": r.choice(("s_S", "base_stock", "r_Q", "none", "none", "none")), "s": s}
    plan |= {"S": s + r.randint(1, 6), "r": r.randint(0, 5), "Q": r.randint(1, 6)}
    plan |= {"review": r.choice((review, review, 0)), "lead_time": case.text(r, 0, 60 if case.on("presale") else 8)}
    plan |= {"order_cost": "0.45 GBP", "levels": {"mug": {"S": s + 9, "r": 7}}} if r.random() < 0.4 else {}
    if case.on("supplier"):
        plan |= {"offset": case.text(r, 0, 9), "lead_time": case.law(r, 0, 9), "minimum_order": r.randint(0, 7)}
        plan |= {"capacity": r.choice((0, 3, 9)), "capacity_every": f"{max(1, case.units(r, 1, 20))}us"}
    if case.on("planned"):
        plan |= _plans(case, r, plan)
    if case.on("emergency") and r.random() < 0.5:
        level = r.randint(0, 4)
        plan["emergency"] = {"level": level, "up_to": level + r.randint(1, 5), "surcharge": "1.10 USD"}
        plan["emergency"]["lead_time"] = r.choice((0, case.text(r, 1, 3), case.law(r, 0, 3)))
    return plan


def _plans(case: Case, r: Random, plan: dict[str, Any]) -> dict[str, Any]:
    """Planned orders, and allotments: demand is given, so that nothing need be fitted."""
    laws = ("normal", "poisson", "lognormal", "negative_binomial")
    given = {name: {"mean": r.choice((0, 3, 7.5, 12)), "sd": r.choice((0, 1, 4.2))} for name in ("mug", "lamp")}
    return {
        "policy": r.choice(("newsvendor", "newsvendor", "wagner_whitin", plan["policy"])),
        "forecast": {"law": r.choice(laws), "given": given},
        "rule": r.choice(("fractile", "fractile", "min_max")),
        "count_on_returns": r.random() < 0.5,
        "allocation": r.choice(("none", "none", "proportional", "equal_fractile")),
        "initial_allocation": "none" if case.on("reserves") else r.choice(("none", "proportional", "equal_fractile")),
    }


def _factors(case: Case, skus: int) -> list[int]:
    r = case.random("factors")
    return [r.choice((ALWAYS, ALWAYS, ALWAYS // 2, 3 << 30)) if case.on("factors") else ALWAYS for _ in range(skus)]


def _cart(case: Case, scenario: Scenario, skus: int, deals: list[int], r: Random) -> dict[str, Any]:
    after = [0, 0] + [1, 2, 2, 2] * case.on("cancels") + [3, 3, 3, 4] * case.on("returns")
    cart: dict[str, Any] = {
        "time_us": case.units(r, 0, 150 if r.random() < 0.3 else 40),
        "region": r.randrange(len(scenario.regions)),
        "content": r.choice((-1, 0, 1)),
        "go_u32": r.getrandbits(32),
        "pay_delay_us": NEVER if r.random() < 0.1 else case.units(r, 0, 9),
        "provider_us": case.units(r, 0, 3) * case.on("provider"),
        "declines": r.choice((0, 0, 0, 0, 0, 1, 2, 3)) * case.on("declines"),
        "voucher": int(r.random() < 0.5) * case.on("voucher"),
        "after": r.choice(after),
        "restock": int(r.random() < 0.8) * case.on("restock"),
        "lines": [_line(case, skus, deals, r) for _ in range(r.choice((1, 1, 2, 3)) if case.on("multi") else 1)],
    }
    if case.on("buyers"):
        cart["buyer"] = r.randrange(4)
    for work in ("checkout_us", "payment_us", "confirmation_us", "confirm_work_us", "pick_us", "pack_us"):
        cart[work] = max(1, case.units(r, 1, 4))
    for uniform in ("transit_u32", "loss_u32", "after_u32", "back_u32"):
        cart[uniform] = r.choice((0, (1 << 32) - 1, r.getrandbits(32), r.getrandbits(32)))
    return cart


def _line(case: Case, skus: int, deals: list[int], r: Random) -> dict[str, int]:
    sku = r.randrange(skus)
    offers = [i for i, deal_sku in enumerate(deals) if deal_sku == sku]
    return {
        "sku": sku,
        "quantity": r.choice((1, 1, 2, 3)),
        "deal": r.choice(offers) if offers and r.random() < 0.8 else -1,
        "second_sku": r.randrange(skus) if case.on("seconds") and r.random() < 0.7 else -1,
    }
