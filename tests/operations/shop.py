"""A shop with round numbers, for examples that can be checked in the head."""

from __future__ import annotations

from typing import Any

from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

#: A cart that pays a minute after checkout.
PAID_IN_A_MINUTE: dict[str, Any] = {"pay_delay_us": MINUTE_US}

_TEXT = """
name: shop
start: 2026-06-01T00:00:00+00:00 # a Monday
horizon: 20d
catalogue:
  - {name: mug, price: 10.00 GBP, cost: 4.00 GBP, salvage: 1.00 GBP, stock: {main: 100}}
  - {name: pot, price: 20.00 GBP, cost: 5.00 GBP, stock: {main: 10}}
programme:
  broadcasts:
    - {name: show, start: 0, length: 1h, entries: [{at: 0, per_min: 10}], pitches: [{listing: mug, at: 0}]}
confirmation: {on_hold: 1h}
warehouses:
  - {name: main, pick_ups: [{at: "18:00", capacity: 5}], cut_off: 0, pick_up_days: [mon, tue, wed, thu, fri]}
lanes:
  - {warehouse: main, region: all, lead_time: 1d, cost: 3.00 GBP}
after_sales: {return_freight: 2.00 GBP, return_handling: 1.00 GBP, return_delay: 1d, return_transit: 1d}
fees:
  platform: 5 %
  creator: 10 %
  payment: 2 %
  payment_fixed: 0.20 GBP
  pick_pack: 0.50 GBP
  holding_per_day: 1 %
  late_dispatch: 1.50 GBP
slos:
  - {endpoint: checkout, percentile: 90, at_most: 1s}
"""


def shop(*overrides: str) -> Scenario:
    """The shop, with overrides `dotted.path=value`."""
    return scenario_from_text(_TEXT, overrides=overrides)
