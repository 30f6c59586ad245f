"""From the carts of a trace that are chosen to a replay's schedule: what is sent when, and what the target begins with.

`share` scales stock and deal limits, `speed` divides every duration. A curve of the user's own has no show, so that all
is on the shelf for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loadtests import schedule as sc
from loadtests.choosing import Choice, cart_times, curve_length_us, duplicated, going, stretch
from loadtests.schedule import DealPlan, Offer, Schedule, ShelfPlan
from sim.arrays import Column, Ints
from sim.demand.trace import AFTER, BUY, NEVER, QUOTE, REFRESH, VIEW, Trace
from sim.errors import UsageError
from sim.orders.rules import SECOND_US
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, contents, deal_table, sku_table

_KIND = {VIEW: sc.VIEW, REFRESH: sc.REFRESH, QUOTE: sc.QUOTE, BUY: sc.PLACE}


class Left(NamedTuple):
    """What a simulation has left when the replay begins: units by SKU, int64[skus], and by deal, int64[deals]."""

    stock: Ints
    deals: Ints

    def differs(self, other: Left) -> bool:
        """Whether anything was sold, or came, in between."""
        return not (np.array_equal(self.stock, other.stock) and np.array_equal(self.deals, other.deals))


def whole_of(scenario: Scenario) -> Left:
    """What a scenario begins with."""
    return Left(
        np.array([sum(row.stock) for row in sku_table(scenario)], np.int64),
        np.array([row.units for row in deal_table(scenario)], np.int64),
    )


class _Chosen(NamedTuple):
    """The carts that are replayed: their numbers, and which lines of the trace are theirs."""

    numbers: Column
    lines: dict[str, Column]  # of the whole trace
    own: Column  # bool [line]: a line that one of them buys
    first: Column  # of each cart's lines among those
    line_counts: Column

    @property
    def heads(self) -> Column:
        """The trace's line that is the first of each cart."""
        return np.flatnonzero(self.own)[self.first]


def plan_schedule(scenario: Scenario, trace: Trace, choice: Choice, left: Left | None = None) -> Schedule:
    """The schedule of a replay; without `left` stock and deals begin as the scenario's do.

    Raises UsageError where nothing would be sent.
    """
    lines = trace.lines
    buys = lines["kind"] == BUY
    cart_time = cart_times(trace)
    from_us, length_us = stretch(scenario, trace, choice)
    until_us = from_us + length_us
    chosen = going(trace, choice) & (cart_time >= from_us) & (cart_time < until_us)
    numbers = np.flatnonzero(chosen)
    if not len(numbers):
        raise UsageError(
            f"no checkout falls into {_s(from_us)} to {_s(until_us)} of {scenario.name}; choose --from and --for"
        )
    row_of = np.full(trace.orders, -1, np.int32)
    row_of[numbers] = np.arange(len(numbers), dtype=np.int32)
    pace = choice.speed * choice.multiple
    cart_lines = buys & chosen[lines["cart"]]
    own = _Chosen(numbers, lines, cart_lines, *_spans(row_of[lines["cart"][cart_lines]], len(numbers)))
    arrivals = _arrivals(own, row_of, from_us, pace)
    table = sku_table(scenario)
    carts = _carts(scenario, trace, own, choice)
    late = _cut_tail(carts, arrivals, choice.tail_us)
    return Schedule(
        arrivals,
        carts,
        {"sku": lines["sku"][cart_lines].astype("i4"), "quantity": lines["quantity"][cart_lines].astype("i4")},
        _offers(scenario, table, choice.share, left),
        _deals(scenario, choice, from_us, pace, left),
        contents(scenario),
        [] if curve_length_us(trace) is not None else _shelf(table, from_us, until_us, pace),
        {
            "scenario": scenario.name,
            "seed": trace.header.get("seed"),
            "from_us": from_us,
            "until_us": until_us,
            "share": choice.share,
            "speed": choice.speed,
            "multiple": choice.multiple,
            "trace_carts": int(trace.orders),
            "fingerprint": trace.fingerprint(),
            "left_out": late,
        },
    )


def scaled_units(units: int, share: float) -> int:
    """A stock or a limit scaled with the share, at least 1 where there was any."""
    return units if share >= 1 else max(1, round(units * share)) if units else 0


def _spans(rows: npt.NDArray[np.int32], carts: int) -> tuple[Column, Column]:
    """The first line and the number of lines of each cart; `rows` are the carts of the lines, ascending."""
    count = np.bincount(rows, minlength=carts).astype("i4")
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype("i4")
    return first, count


def _arrivals(chosen: _Chosen, row_of: Column, from_us: int, pace: float) -> dict[str, Column]:
    """The arrivals of the chosen carts: their looks, and one checkout each at the time of its first line."""
    lines = chosen.lines
    row = row_of[lines["cart"]]
    looks = (lines["kind"] != BUY) & (row >= 0) & (lines["time_us"] >= from_us)
    keep = np.sort(np.concatenate([np.flatnonzero(looks), chosen.heads]))
    kind = np.array([_KIND[k] for k in range(len(_KIND))], "u1")[lines["kind"][keep]]
    due = np.floor((lines["time_us"][keep] - from_us) / pace).astype("i8")
    return {
        "due_us": due,
        "kind": kind,
        "cart": row[keep].astype("i4"),
        "sku": lines["sku"][keep].astype("i4"),
        "quantity": lines["quantity"][keep].astype("i4"),
    }


def _carts(scenario: Scenario, trace: Trace, chosen: _Chosen, choice: Choice) -> dict[str, Column]:
    numbers, lines, heads = chosen.numbers, chosen.lines, chosen.heads
    carts = {name: column[numbers] for name, column in trace.carts.items()}
    confirm_us = scenario.confirmation.on_hold_us if choice.confirm_after_us is None else choice.confirm_after_us
    staffed = scenario.confirmation.mode == "staff"
    work_us = carts["confirm_work_us"].astype(np.int64) * staffed
    on_hold = AFTER.index("cancel_on_hold")
    cancels = carts["after"] == on_hold
    confirm = np.floor((confirm_us + work_us) / choice.speed).astype("i8")
    pays = carts["pay_delay_us"] != NEVER
    return {
        "number": numbers.astype("i8"),
        "first_line": chosen.first,
        "lines": chosen.line_counts,
        "buyer": lines["buyer"][heads].astype("i8"),
        "deal": lines["deal"][heads].astype("i4"),
        "content": lines["content"][heads].astype("i4"),
        "pay_delay_us": np.where(pays, np.floor(carts["pay_delay_us"] / choice.speed), sc.NEVER).astype("i8"),
        "declines": carts["declines"].astype("u1"),
        "confirm_delay_us": np.where(cancels, sc.NEVER, confirm).astype("i8"),
        "after": np.where(cancels, sc.CANCEL, sc.NOTHING).astype("u1"),
        "after_delay_us": np.floor(confirm * (carts["after_u32"] / 2.0**32)).astype("i8"),
        "duplicate": duplicated(numbers, choice.twins).astype("u1"),
    }


def _cut_tail(carts: dict[str, Column], arrivals: dict[str, Column], tail_us: int) -> dict[str, int]:
    """Leave out payments, confirmations and cancellations that would come later than the tail; return how many of each.

    Judged by the plan alone (a checkout that takes no time), so that every target is asked the same.
    """
    placed = np.zeros(len(carts["number"]), np.int64)
    places = arrivals["kind"] == sc.PLACE
    placed[arrivals["cart"][places]] = arrivals["due_us"][places]
    end_us = int(arrivals["due_us"][-1]) + tail_us
    paid = placed + carts["pay_delay_us"]
    unpaid = (carts["pay_delay_us"] != sc.NEVER) & (paid > end_us)
    carts["pay_delay_us"][unpaid] = sc.NEVER
    unconfirmed = (carts["confirm_delay_us"] != sc.NEVER) & (unpaid | (paid + carts["confirm_delay_us"] > end_us))
    carts["confirm_delay_us"][unconfirmed] = sc.NEVER
    cancels = (carts["after"] == sc.CANCEL) & (unpaid | (carts["pay_delay_us"] != sc.NEVER))
    uncancelled = cancels & (unpaid | (paid + carts["after_delay_us"] > end_us))
    carts["after"][uncancelled | (carts["pay_delay_us"] == sc.NEVER)] = sc.NOTHING
    late = {"payments": unpaid, "confirmations": unconfirmed, "cancellations": uncancelled}
    return {step: int(np.count_nonzero(left_out)) for step, left_out in late.items()}


def _offers(scenario: Scenario, table: list[SkuRow], share: float, left: Left | None) -> list[Offer]:
    shops = [listing.shop or scenario.shops[0].name for listing in scenario.catalogue]
    offers = []
    for number, row in enumerate(table):
        bundle = bool(scenario.catalogue[row.listing].bundle)
        units = sum(row.stock) if left is None else int(left.stock[number])
        offers.append(
            Offer(
                row.name,
                scenario.catalogue[row.listing].name,
                shops[row.listing],
                row.price_minor,
                scenario.reporting_currency,
                0 if bundle else scaled_units(units, share),
                row.components if bundle else (),
            )
        )
    return offers


def _deals(scenario: Scenario, choice: Choice, from_us: int, pace: float, left: Left | None) -> list[DealPlan]:
    """The deals as they begin the replay; one that is sold out by then is over, as 0 units would be no limit."""
    plans = []
    for number, row in enumerate(deal_table(scenario)):
        units = row.units if left is None or not row.units else int(left.deals[number])
        close_us = row.close_us if units or not row.units else min(row.close_us, from_us)
        plans.append(
            DealPlan(
                row.sku,
                row.price_minor,
                scaled_units(units or row.units, choice.share),
                row.per_buyer,
                int((row.open_us - from_us) / pace),
                int((close_us - from_us) / pace),
                row.broadcast,
            )
        )
    return plans


def _shelf(table: list[SkuRow], from_us: int, until_us: int, pace: float) -> list[ShelfPlan]:
    """What goes on or off the shelf in the stretch, after one entry at 0 for each SKU that begins off it."""
    plans = []
    for sku, row in enumerate(table):
        if row.shelf and not any(on_us <= from_us < off_us for on_us, off_us in row.shelf):
            plans.append(ShelfPlan(0, sku, on=False))
        for at_us, on in (
            (edge, side) for window in row.shelf for edge, side in zip(window, (True, False), strict=True)
        ):
            if from_us < at_us < until_us:
                plans.append(ShelfPlan(int((at_us - from_us) / pace), sku, on))
    return sorted(plans, key=lambda plan: plan.at_us)


def _s(at_us: int) -> str:
    return f"{at_us / SECOND_US:g} s"
