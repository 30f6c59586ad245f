"""The lines of every cart, and the views, refreshes and quotes that lead to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.arrays import Column
from sim.demand.bags import Options
from sim.demand.choices import ChoiceTable, choice_table, geometric_weights
from sim.demand.columns import Uniform, drawn, filled
from sim.demand.drawing import chosen, draw_us, tabulate, threshold_u32
from sim.demand.laws import from_duration
from sim.demand.trace import BUY, LINE_COLUMNS, QUOTE, REFRESH, VIEW
from sim.scenario.schema import Scenario

NamedStream = Callable[[str], np.random.Generator]
MOST_LINES, MOST_UNITS = 20, 100


@dataclass(frozen=True)
class Offers:
    """What lines may hold: option k of group g is SKU `skus[table.firsts[g] + k]`."""

    table: ChoiceTable
    skus: Column

    def pick(self, group: Column, uniform: Uniform) -> Column:
        """A SKU for each row of `group`, int32."""
        return np.asarray(self.skus[self.table.firsts[group] + self.table.pick(group, uniform)])

    def other(self, group: Column, own: Column, uniform: Uniform) -> Column:
        """Like `pick`, but another SKU than `own`: the next one of the group instead, -1 if there is none."""
        sizes = np.diff(np.append(self.table.firsts, len(self.skus)))
        place = self.table.pick(group, uniform)
        first, size = self.table.firsts[group], sizes[group]
        found = self.skus[first + place]
        found = np.where(found == own, self.skus[first + (place + 1) % size], found)
        return np.where(found == own, -1, found)


def offers(groups: list[Options]) -> Offers:
    """From the (SKU, weight) of each group."""
    table = choice_table([[weight for _, weight in options] for options in groups])
    return Offers(table, np.array([sku for options in groups for sku, _ in options], np.int32))


def buy_lines(
    scenario: Scenario, named: NamedStream, carts: dict[str, Column], first_sku: Column, bags: Offers
) -> dict[str, Column]:
    """The buy rows, cart after cart: `carts` has time_us, content, region, deal by cart in order of time."""
    size = len(first_sku)
    count = _line_counts(scenario, named("lines"), size)
    first = _content_of_line(scenario, named, "", first_sku, carts["content"], carts["deal"], bags)
    if count is None:
        number = np.arange(size, dtype=np.int32)
        return _complete(carts, first, number, _buyers(scenario, named, number), None)
    number = np.repeat(np.arange(size, dtype=np.int32), count)
    starts = np.cumsum(count) - count
    more = np.ones(len(number), np.bool_)
    more[starts] = False
    content = carts["content"][number[more]]
    sku = drawn(named("sku/more"), len(content), "i4", lambda rows, u: bags.pick(content[rows], u))
    no_deal = np.full(len(content), -1, np.int16)
    extra = _content_of_line(scenario, named, "/more", sku, content, no_deal, bags)
    merged = {}
    for name, values in first.items():
        merged[name] = np.empty(len(number), values.dtype)
        merged[name][starts], merged[name][more] = values, extra[name]
    buyer = _buyers(scenario, named, np.arange(size, dtype=np.int32))[number]
    return _complete(carts, merged, number, buyer, number)


def _line_counts(scenario: Scenario, rng: np.random.Generator, size: int) -> Column | None:
    """Lines of each cart, uint8; None where every cart has one."""
    mean = scenario.funnel.lines_per_cart
    if mean <= 1:
        return None
    table = choice_table([geometric_weights(mean, MOST_LINES)])
    return drawn(rng, size, "u1", lambda _, u: table.pick(0, u) + 1)


def _content_of_line(
    scenario: Scenario, named: NamedStream, suffix: str, sku: Column, content: Column, deal: Column, bags: Offers
) -> dict[str, Column]:
    """SKU, deal, quantity and second choice; nobody puts more of a deal into a cart than a buyer may have."""
    table = choice_table([geometric_weights(scenario.funnel.units_per_line, MOST_UNITS)])
    limits = [d.per_buyer for b in scenario.programme.broadcasts for d in b.deals]
    most = np.array([*limits, MOST_UNITS], np.int64)  # deal -1 reads the last
    quantity = drawn(
        named("quantity" + suffix), len(sku), "i2", lambda rows, u: np.minimum(table.pick(0, u) + 1, most[deal[rows]])
    )
    return {
        "sku": sku,
        "quantity": quantity,
        "deal": deal,
        "second_sku": _second(scenario, named, suffix, sku, content, bags),
    }


def _second(scenario: Scenario, named: NamedStream, suffix: str, sku: Column, content: Column, bags: Offers) -> Column:
    share = scenario.funnel.second_choice
    if share == 0:
        return np.full(len(sku), -1, np.int32)
    second = drawn(
        named("second_sku" + suffix), len(sku), "i4", lambda rows, u: bags.other(content[rows], sku[rows], u)
    )
    never = np.uint64(threshold_u32(share))
    second[drawn(named("second" + suffix), len(sku), "?", lambda _, u: u >= never)] = -1
    return second


def _buyers(scenario: Scenario, named: NamedStream, number: Column) -> Column:
    """Buyer ids by cart: the cart's own number, or one of `funnel.buyers` ids."""
    pool = np.uint64(scenario.funnel.buyers)
    if not pool:
        return number
    return drawn(named("buyer"), len(number), "i4", lambda _, u: (u.astype(np.uint64) * pool) >> np.uint64(32))


def _complete(
    carts: dict[str, Column], line: dict[str, Column], number: Column, buyer: Column, rows: Column | None
) -> dict[str, Column]:
    spread = {name: carts[name] if rows is None else carts[name][rows] for name in ("time_us", "content", "region")}
    kind = np.full(len(number), BUY, np.uint8)
    columns = {**spread, **line, "kind": kind, "cart": number, "buyer": buyer}
    return {name: columns[name] for name in LINE_COLUMNS}


def with_browsing(scenario: Scenario, named: NamedStream, buys: dict[str, Column]) -> dict[str, Column]:
    """All rows in order of time: buys, and the rows that lead to them a browse time earlier (but not before 0)."""
    funnel = scenario.funnel
    wanted = ((VIEW, funnel.views_per_buy), (REFRESH, funnel.refreshes_per_buy), (QUOTE, funnel.quotes_per_buy))
    if not any(mean for _, mean in wanted):
        return buys
    starts = np.flatnonzero(np.diff(buys["cart"], prepend=-1)).astype(np.int32)
    table = tabulate(from_duration(funnel.browse_time))
    source, times, kinds = [], [], []
    for kind, mean in wanted:
        rows = np.repeat(starts, _browse_counts(named(f"browse/{kind}"), mean, len(starts)))
        before_us = draw_us(named(f"browse/{kind}/time"), table, len(rows))
        times.append(np.maximum(buys["time_us"][rows] - before_us, 0))
        source.append(rows)
        kinds.append(np.full(len(rows), kind, np.uint8))
    return _merged(buys, np.concatenate(source), np.concatenate(times), np.concatenate(kinds))


def _browse_counts(rng: np.random.Generator, mean: float, size: int) -> Column:
    whole = int(mean)
    return chosen(rng, mean - whole, size) + np.int64(whole)


def _merged(buys: dict[str, Column], source: Column, time_us: Column, kind: Column) -> dict[str, Column]:
    """Browse rows (copies of the buy rows `source` at `time_us`) and buys; at one instant browsing comes first."""
    time_us = np.concatenate((time_us, buys["time_us"]))
    order = np.argsort(time_us, kind="stable").astype(np.uint32)
    browsed = len(source)
    merged = {"time_us": time_us[order], "kind": np.concatenate((kind, buys["kind"]))[order]}
    del time_us
    is_buy = order >= browsed
    from_row = filled(len(order), "u4", lambda rows: _origin(order[rows], source))
    for name in LINE_COLUMNS:
        if name not in merged:
            merged[name] = buys[name][from_row]
    merged["second_sku"][~is_buy] = -1
    return {name: merged[name] for name in LINE_COLUMNS}


def _origin(order: Column, source: Column) -> Column:
    """The buy row behind each merged row."""
    if not len(source):
        return order
    return np.where(order < len(source), source[np.minimum(order, len(source) - 1)], order - np.uint32(len(source)))
