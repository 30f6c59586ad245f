"""Orders by content, listing, SKU, region or hour: how many came, what was sold, what it leaves."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from sim.arrays import Flags, Ints
from sim.demand.reach import offset_us, quarter_of
from sim.demand.regions import QUARTER_US
from sim.orders.states import FAILURES, REFUSALS
from sim.reports.review.facts import CANCELS, Facts
from sim.reports.run_files import Labels
from sim.scenario.schema import Scenario
from sim.scenario.tables import contents, sku_names, sku_table
from sim.scenario.units import US_PER_S

NO_CONTENT = "no content"
_REFUSALS = frozenset(reason.name for reason in REFUSALS)
_FAILURES = frozenset(reason.name for reason in FAILURES)
Group = dict[str, Any]


@dataclass(frozen=True)
class Grouping:
    """Names of the groups, the group of each order (-1: none), and the views of each group.

    `views_of`: contents; contents by the regions' shares of the audience; or product pages.
    """

    names: list[str]
    orders: Ints
    views: list[float]
    views_of: str


def grouping(facts: Facts, by: str, zone: ZoneInfo) -> Grouping:
    """How `by` groups the orders of a run; hours are hours of the day in `zone`."""
    scenario = facts.run.scenario
    if by == "hour":
        starts_us = facts.run.numbers("audience", ["time_s"])["time_s"].astype(np.int64) * US_PER_S
        names = [f"{hour:02d}:00" for hour in range(24)]
        views = _views(facts, "audience", local_hours(scenario, zone, starts_us), 24)
        return Grouping(names, local_hours(scenario, zone, facts.orders["arrived_us"]), views, "contents")
    if by == "content":
        names = [*contents(scenario), NO_CONTENT]
        own = _codes(facts.run.labels("audience", "content"), names)
        orders = _codes(facts.labels("content"), names, len(names) - 1)
        return Grouping(names, orders, _views(facts, "audience", own, len(names)), "contents")
    if by == "region":
        names, shares = [row.name for row in scenario.regions], [row.audience for row in scenario.regions]
        seen = float(facts.run.numbers("audience", ["views"])["views"].sum())
        views = [seen * share / sum(shares) for share in shares]
        return Grouping(names, _codes(facts.labels(by), names), views, "contents")
    skus = sku_names(scenario)
    orders, pages = _codes(facts.labels("sku"), skus), _codes(facts.run.labels("pages", "sku"), skus)
    if by == "sku":
        return Grouping(skus, orders, _views(facts, "pages", pages, len(skus)), "pages")
    listing = np.array([row.listing for row in sku_table(scenario)], np.int64)
    names = [row.name for row in scenario.catalogue]
    return Grouping(names, listing[orders], _views(facts, "pages", listing[pages], len(names)), "pages")


def _views(facts: Facts, table: str, group: Ints, size: int) -> list[float]:
    """Views of a table by group of its rows."""
    views, known = facts.run.numbers(table, ["views"])["views"], group >= 0
    return list(np.bincount(group[known], weights=views[known], minlength=size).tolist())


def _codes(labels: Labels, names: list[str], none: int = -1) -> Ints:
    """The labels' codes as positions in `names`."""
    number = {name: k for k, name in enumerate(names)}
    table = np.array([*(number.get(name, none) for name in labels.names), none], np.int64)
    return np.asarray(table[labels.codes])


def local_hours(scenario: Scenario, zone: ZoneInfo, time_us: Ints) -> Ints:
    """Hour of the day in `zone`, 0 to 23; clocks change at whole quarters of an hour."""
    if not len(time_us):
        return np.zeros(0, np.int64)
    offset = offset_us(scenario)
    quarter = quarter_of(time_us, offset)
    first, last = int(quarter.min()), int(quarter.max())
    table = np.zeros(last - first + 1, np.int64)
    for k in range(first, last + 1):
        moment = scenario.start + dt.timedelta(microseconds=k * QUARTER_US - offset)
        table[k - first] = moment.astimezone(zone).hour
    return np.asarray(table[quarter - first])


def groups(facts: Facts, by: str, zone: ZoneInfo) -> list[Group]:
    """One entry a group with views or intents, in the order of the file (hours: of the day)."""
    found = grouping(facts, by, zone)
    sums = _sums(facts, found)
    rows = [{"name": name, **{key: column[k] for key, column in sums.items()}} for k, name in enumerate(found.names)]
    kept = [_finished(row, facts, found.views_of) for row in rows if row["intents"] or row["views"]]
    if by == "content":
        kinds = {broadcast.name: "broadcast" for broadcast in facts.run.scenario.programme.broadcasts}
        for row in kept:
            row["kind"] = kinds.get(row["name"], "none" if row["name"] == NO_CONTENT else "video")
    if by in ("sku", "listing"):
        _add_units(facts, by, kept)
    return kept


def totals(facts: Facts) -> Group:
    """The same measures over all orders; views are those of contents."""
    everybody = np.zeros(len(facts.orders["arrived_us"]), np.int64)
    seen = float(facts.run.numbers("audience", ["views"])["views"].sum())
    sums = _sums(facts, Grouping(["all"], everybody, [seen], "contents"))
    return _finished({"name": "all", **{key: column[0] for key, column in sums.items()}}, facts, "contents")


def _sums(facts: Facts, found: Grouping) -> dict[str, list[Any]]:
    """Every measure by group."""
    size = len(found.names)
    known = found.orders >= 0

    def count(flags: Flags) -> list[int]:
        return list(np.bincount(found.orders[known & flags], minlength=size).tolist())

    def amount(column: Ints) -> list[int]:
        total = np.zeros(size, np.int64)
        np.add.at(total, found.orders[known], column[known])
        return list(total.tolist())

    orders, everybody = facts.orders, np.ones(len(found.orders), np.bool_)
    sold_out, first = facts.reason("SOLD_OUT"), facts.labels("first_refusal")
    return {
        "views": found.views,
        "intents": count(everybody),
        "going": count(facts.going),
        "placed": count(facts.placed),
        "paid": count(facts.paid),
        "refused": count(facts.refused),
        "failed": count(facts.failed),
        "sold_out": count(sold_out & facts.never),
        "deal_sold_out": count(facts.reason("DEAL_SOLD_OUT") & facts.never),
        "first_refused": count((orders["second"] == 1) & ~first.where("NOTHING")),
        "second_placed": count(facts.placed & (orders["second"] == 1)),
        "expired": count(facts.reason("EXPIRED")),
        "cancelled": count(facts.reason(*CANCELS)),
        "delivered": count(orders["delivered_us"] >= 0),
        "returned": count(facts.reason("RETURNED", "REFUNDED")),
        "gmv_minor": amount(orders["gmv_minor"]),
        "refunded_minor": amount(orders["refunded_minor"]),
        "freight_minor": amount(orders["freight_minor"]),
        "contribution_minor": amount(facts.contribution),
        "missed_minor": amount(orders["missed_margin_minor"]),
    }


def _finished(row: Group, facts: Facts, views_of: str) -> Group:
    """A group's sums with what follows from them; a ratio without a base is null.

    Views of pages are those that lead to intents: where there are fewer than checkouts they are no base.
    """
    views = round(row.pop("views"), 3)
    base = views if views_of == "contents" or views >= row["going"] else 0.0
    lost = row.pop("missed_minor") * facts.paid_share
    return {
        "name": row.pop("name"),
        "views": views,
        "views_of": views_of,
        **row,
        "conversion_share": _ratio(row["paid"], base),
        "paid_share": _ratio(row["paid"], row["going"]),
        "gpm_minor": _ratio(1000 * row["gmv_minor"], base),
        "contribution_per_order_minor": _ratio(row["contribution_minor"], row["paid"]),
        "lost_to_stockouts_minor": int(lost),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _add_units(facts: Facts, by: str, rows: list[Group]) -> None:
    """Units and stock of `skus.parquet`: they count every line of a cart."""
    scenario = facts.run.scenario
    table = facts.run.numbers("skus")
    names = [str(name) for name in sku_names(scenario)]
    if by == "listing":
        names = [scenario.catalogue[row.listing].name for row in sku_table(scenario)]
    for row in rows:
        mine = [k for k, name in enumerate(names) if name == row["name"]]
        for key in ("units_wanted", "units_placed", "units_paid", "initial_units", "received_units", "on_hand_units"):
            row[key] = int(table[key][mine].sum())
        row["cost_left_minor"] = int((table["on_hand_units"][mine] * table["cost_minor"][mine]).sum())


def reasons(facts: Facts) -> list[Group]:
    """Refusals and failures by reason: of first choices, and for good, with the value asked where it is known."""
    final, first = facts.labels("reason"), facts.labels("first_refusal")
    second = facts.orders["second"] == 1
    told = [name for name in dict.fromkeys((*final.names, *first.names)) if name in _REFUSALS or name in _FAILURES]
    rows = [
        {
            "reason": name,
            "for_good": int(np.count_nonzero(final.where(name) & facts.never)),
            "first_choices": int(np.count_nonzero(first.where(name) & second)),
            "second_choice_placed": int(np.count_nonzero(first.where(name) & second & facts.placed)),
            "is_failure": name in _FAILURES,
        }
        for name in told
    ]
    kept = [row for row in rows if row["for_good"] or row["first_choices"]]
    return sorted(kept, key=lambda row: (-row["for_good"] - row["first_choices"], str(row["reason"])))
