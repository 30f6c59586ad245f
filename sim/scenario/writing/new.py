"""A first scenario for a new show: commented YAML text from a few answers, ready to be edited."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sim.errors import UsageError
from sim.scenario.units import MAX_DURATION_US, US_PER_MIN, US_PER_S, parse_duration_us
from sim.scenario.writing.human import duration_text
from sim.scenario.writing.yaml_text import scalar_text

MAX_LISTINGS = 1_000
MAX_PITCHES = 1_000
MAX_VIEWERS = 1_000_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_PRICES = (1290, 2400, 950, 3900, 1790)
_SHORTEST_PITCH_US = 10 * US_PER_S


def new_scenario(
    name: str = "my_show",
    listings: int = 5,
    pitches: int = 5,
    viewers: int = 5_000,
    length: str = "2h",
    deal: bool = True,
    file: str | None = None,
) -> str:
    """A scenario as YAML text that loads as it is; raises UsageError for answers that make no show.

    `file`: what it will be called, if not after the show.
    """
    length_us = _checked(name, listings, pitches, viewers, length)
    lines = [*_head(name, file or f"{name}.yaml"), *_catalogue(listings, viewers), *_broadcast(length_us, viewers)]
    lines += _pitches(listings, pitches, length_us)
    if deal:
        lines += _deal(length_us, viewers, listings)
    return "\n".join([*lines, *_TAIL]) + "\n"


def _checked(name: str, listings: int, pitches: int, viewers: int, length: str) -> int:
    """The broadcast's length in microseconds, when all answers make sense."""
    if not _NAME.match(name):
        raise UsageError(f"a name has letters, digits, - and _ (at most 64); found {name!r}")
    for what, count, most in (
        ("listings", listings, MAX_LISTINGS),
        ("pitches", pitches, MAX_PITCHES),
        ("viewers", viewers, MAX_VIEWERS),
    ):
        if not 1 <= count <= most:
            raise UsageError(f"a show has 1 to {most:,} {what}; found {count:,}")
    try:
        length_us = parse_duration_us(length)
    except ValueError as error:
        raise UsageError(f"length: {error}; found {length!r}") from None
    shortest_us = 2 * _SHORTEST_PITCH_US * pitches
    if not shortest_us <= length_us <= MAX_DURATION_US // 200:
        allowed = f"{duration_text(shortest_us)} to {duration_text(MAX_DURATION_US // 200)}"
        raise UsageError(f"length: a show with {pitches} pitches lasts {allowed}; found {length!r}")
    return length_us


def _head(name: str, file: str) -> list[str]:
    return [
        f"# {name}: a live show. Every key that is not written has a default; docs/scenario.md lists them all",
        "# (`liverush --help` says where that is).",
        f"# Check it with `liverush validate {file}`, run it with `liverush simulate {file}`.",
        f"name: {scalar_text(name)}",
        "start: 2026-11-20T18:00:00+00:00 # time 0, with its offset from UTC; all times below count from here",
        "horizon: 30d # how long to simulate: parcels arrive and come back within it",
        "reporting_currency: GBP",
        "",
        "regions: # where buyers are",
        "  - {name: home, zone: Europe/London}",
        "",
        "catalogue: # one entry a product page; or the path of a .csv or .xlsx table with one row a SKU",
    ]


def _stock(listings: int, viewers: int) -> int:
    """About what the show will sell of each listing, in round numbers."""
    return max(20, round(0.04 * viewers / listings / 10) * 10)


def _catalogue(listings: int, viewers: int) -> Iterator[str]:
    stock = _stock(listings, viewers)
    for i in range(listings):
        price = _PRICES[i % len(_PRICES)]
        money = f"price: {_money(price)}, cost: {_money(price * 3 // 10)}, salvage: {_money(price // 5)}"
        yield f"  - {{name: product-{i + 1}, category: general, {money}, stock: {{main: {stock}}}}}"


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d} GBP"


def _broadcast(length_us: int, viewers: int) -> list[str]:
    top = viewers / (0.6 * length_us / US_PER_MIN)  # the curve below covers 0.6 x top x length
    rise_us = _rounded(length_us * 15 // 100)
    return [
        "",
        "programme:",
        "  broadcasts:",
        "    - name: show",
        "      start: 1h",
        f"      length: {duration_text(length_us)}",
        f"      entries: # viewers who enter a minute, straight lines between; {viewers:,} in all",
        f"        - {{at: 0, per_min: {0.2 * top:.6g}}}",
        f"        - {{at: {duration_text(rise_us)}, per_min: {top:.6g}}}",
        f"        - {{at: {duration_text(length_us)}, per_min: {0.2 * top:.6g}}}",
        "      stay: # 5 % leave within 3 s, the rest stay 3 minutes on average, some much longer",
        "        bounce: 5 %",
        "        law: {dist: lognormal, median: 70s, sigma: 1.4, at_most: 12h}",
        "      pitches: # when the host presents what; the listing is pinned meanwhile",
    ]


def _rounded(time_us: int) -> int:
    """Down to a whole second, but never to nothing."""
    return max(time_us // US_PER_S, 1) * US_PER_S


def _pitches(listings: int, pitches: int, length_us: int) -> Iterator[str]:
    slot_us = length_us // pitches
    for i in range(pitches):
        at, length = duration_text(_rounded(i * slot_us + slot_us // 10)), duration_text(_rounded(slot_us * 7 // 10))
        yield f"        - {{listing: product-{i % listings + 1}, at: {at}, length: {length}}}"


def _deal(length_us: int, viewers: int, listings: int) -> list[str]:
    countdown_us = min(US_PER_MIN, _rounded(length_us // 10))
    duration_us = min(5 * US_PER_MIN, _rounded(length_us // 5))
    units = max(1, min(_stock(listings, viewers) // 2, viewers // 100))
    return [
        "      deals: # a LIVE flash deal: a share `intent` of those present reacts within seconds of the opening",
        "        - sku: product-1",
        f"          at: {duration_text(_rounded(length_us // 2))}",
        f"          countdown: {duration_text(countdown_us)}",
        f"          duration: {duration_text(duration_us)}",
        f"          price: {_money(_PRICES[0] * 7 // 10)}",
        f"          units: {units}",
        "          per_buyer: 1",
        "          intent: 5 %",
        "          reaction: {dist: exponential, mean: 3s}",
    ]


_TAIL = [
    "",
    "funnel: # from viewer to order",
    "  clicks_per_viewer_hour: 8",
    "  order_given_click: 5 %",
    "  second_choice: 20 % # of those who find a SKU sold out",
    "",
    "engine: # the shop's order engine",
    "  workers: 8",
    "  service: {checkout: 5ms, payment: 3ms, confirmation: 2ms}",
    "",
    "payment:",
    "  pays: 90 %",
    "  hold_window: 15m # unpaid units go back on sale after this",
    "",
    "warehouses:",
    "  - name: main",
    "    zone: Europe/London",
    "    pickers: 4",
    "    packers: 4",
    '    pick_ups: [{at: "18:00", capacity: 2000}]',
    "",
    "lanes: # what it takes and costs to send a parcel; without a cost it is free",
    "  - {warehouse: main, region: home, lead_time: 2d, cost: 3.00 GBP}",
    "",
    "after_sales: # what a parcel costs that comes back",
    "  return_freight: 3.00 GBP",
    "  return_handling: 0.50 GBP",
    "",
    "fees: {platform: 9 %, payment: 2 %, pick_pack: 0.60 GBP}",
    "stock: {policy: none} # or s_S with s, S, review and lead_time",
    "slos:",
    "  - {endpoint: checkout, percentile: 99, at_most: 500ms, errors: 1 %}",
]
