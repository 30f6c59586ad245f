"""A small show that runs in a moment: some hundred orders, few units of one listing, three days."""

from __future__ import annotations

from sim.scenario.load import Loaded, load_with_source

TEXT = """
name: small
start: 2026-06-01T10:00:00+00:00
horizon: 4d
reporting_currency: GBP
catalogue:
  - {name: mug, category: home, price: 10.00 GBP, cost: 4.00 GBP, salvage: 1.00 GBP, stock: {north: 60, south: 30}}
  - name: shirt
    category: apparel
    price: 25.00 GBP
    cost: 9.00 GBP
    stock: {north: 200, south: 100}
    skus: [{name: s, share: 40 %}, {name: m, share: 60 %}]
  - {name: set, category: home, price: 40.00 GBP, bundle: [{sku: mug, units: 2}, {sku: shirt/s}]}
regions:
  - {name: near, audience: 60 %, nearest: [north, south]}
  - {name: far, audience: 40 %, zone: America/New_York, nearest: [south, north]}
programme:
  broadcasts:
    - name: evening
      start: 0
      length: 30m
      entries: [{at: 0, per_min: 200}, {at: 30m, per_min: 50}]
      pitches: [{listing: mug, at: 2m}, {listing: shirt, at: 10m}, {listing: set, at: 20m}]
      deals: [{sku: mug, at: 5m, price: 7.00 GBP, units: 20, intent: 10 %}]
  videos:
    - {name: clip, listing: shirt, publish: 10m, exposure: {tiers: [300, 2000], tier_time: 2h}}
funnel: {clicks_per_viewer_hour: 8, order_given_click: 20 %, lines_per_cart: 1.3, second_choice: 30 %, views_per_buy: 1}
engine: {workers: 1, service: {checkout: 200ms}, queue_bound: 6, client_timeout: 2s}
confirmation: {on_hold: 10m}
warehouses:
  - {name: north, pick_ups: [{at: "18:00", capacity: 100}]}
  - {name: south}
lanes:
  - {warehouse: north, region: near, lead_time: 1d, cost: 3.00 GBP}
  - {warehouse: south, region: far, lead_time: {dist: gamma, mean: 1d, shape: 4}, cost: 4.00 GBP, lost: 5 %}
fees: {creator: 10 %, holding_per_day: 0.1 %, late_dispatch: 1.00 GBP, pick_pack: 0.80 GBP}
slos:
  - {endpoint: checkout, percentile: 95, at_most: 2s, errors: 10 %}
"""


def load(folder: object, *overrides: str) -> Loaded:
    """The show from a file in `folder`, as the command line loads it."""
    from pathlib import Path

    path = Path(str(folder)) / "small.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return load_with_source(path, overrides)
