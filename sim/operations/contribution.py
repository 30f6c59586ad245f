"""Contribution: what a run earned, line by line, in whole minor units of the reporting currency.

Goods cost what was bought: sold, written off, or left over at the end; what is left is credited at its salvage value.
All sums are exact; rates are rounded half up once, at the end of a sum.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sim.arrays import Column, Ints
from sim.demand.trace import Trace
from sim.operations.carts import CartChunk, served_lines
from sim.operations.money import MONEY_COLUMNS, Prices, money_chunks, share_of
from sim.operations.outcome import Outcome
from sim.operations.stock_moves import Moves
from sim.operations.wages import paid_minor, wages_minor
from sim.orders.states import Reason
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table, to_reporting_minor
from sim.scenario.units import PPM, US_PER_DAY, US_PER_S


class Ledger:
    """Exact totals over the money columns of a run; fed a chunk at a time."""

    def __init__(self, prices: Prices) -> None:
        self._by_seller = prices.voucher_by_seller
        self.totals = dict.fromkeys((*MONEY_COLUMNS, "written_off", "platform_voucher"), 0)

    def add(self, chunk: CartChunk, money: dict[str, Ints]) -> None:
        """Add the columns of one chunk."""
        for name in (*MONEY_COLUMNS, "written_off"):
            self.totals[name] += exact_sum(money[name])
        if not self._by_seller:
            given_back = money["refunded_sales"] - money["refunded"]
            self.totals["platform_voucher"] += exact_sum(money["voucher"] - given_back)


def exact_sum(amounts: Ints) -> int:
    """The sum of whole amounts, exact at any size."""
    if len(amounts) and int(np.abs(amounts).max()) * len(amounts) >= 2**63:
        return sum(amounts.tolist())
    return int(amounts.sum())


def value_of_goods(money: dict[str, Ints], voucher_by_seller: bool) -> Ints:
    """What the seller asked: gross - deal discount - own voucher, an entry an order."""
    return money["captured"] if voucher_by_seller else money["captured"] + money["voucher"]


def ledger_of(scenario: Scenario, trace: Trace, outcome: Outcome) -> Ledger:
    """The totals of a whole run."""
    ledger = Ledger(Prices.of(scenario))
    for chunk, money in money_chunks(scenario, trace, outcome):
        ledger.add(chunk, money)
    return ledger


def contribution_lines(scenario: Scenario, outcome: Outcome, ledger: Ledger, moves: Iterable[Moves]) -> dict[str, int]:
    """The lines of contribution (docs/run-directory.md), costs negative; their sum is the contribution.

    `moves`: those of the stock on hand (`StockMoves.on_hand`).
    """
    total, by_seller = ledger.totals, scenario.funnel.voucher.funded_by == "seller"
    skus = sku_table(scenario)
    left = outcome.stock["on_hand"].sum(axis=1).tolist()
    return {
        "gross_sales_minor": total["gross"],
        "deal_discounts_minor": -total["deal_discount"],
        "seller_vouchers_minor": -total["voucher"] if by_seller else 0,
        "refunded_sales_minor": -total["refunded_sales"],
        "platform_commission_minor": -total["platform_commission"],
        "creator_commission_minor": -total["creator_commission"],
        "payment_fees_minor": -total["payment_fee"],
        "goods_sold_minor": total["written_off"] - total["goods_cost"],
        "goods_written_off_minor": -total["written_off"],
        "goods_left_minor": -sum(units * row.cost_minor for units, row in zip(left, skus, strict=True)),
        "salvage_minor": sum(units * row.salvage_minor for units, row in zip(left, skus, strict=True)),
        "pick_pack_minor": -total["pick_pack"] - sum(wages_minor(scenario, outcome)),
        "freight_minor": -total["freight"],
        "returns_minor": -total["return_cost"],
        "holding_minor": -holding_minor(scenario, moves),
        "replenishment_minor": -replenishment_minor(scenario, outcome),
        "late_dispatch_minor": -total["late_penalty"],
        "moderators_minor": -moderators_minor(scenario),
    }


def moderators_minor(scenario: Scenario) -> int:
    """Wages of the moderators, for the length of every show; rounded half up."""
    questions = scenario.funnel.questions
    if questions is None:
        return 0
    work_us = questions.moderators * sum(show.length_us for show in scenario.programme.broadcasts)
    return paid_minor(scenario, work_us, questions.wage_per_hour)


def replenishment_minor(scenario: Scenario, outcome: Outcome) -> int:
    """`order_cost` of every order placed, and the surcharge of every unit that the emergency supplier has delivered."""
    plan = scenario.stock
    cost = len(outcome.purchases) * to_reporting_minor(scenario, plan.order_cost)
    if plan.emergency is not None:
        hasty = sum(p.units for p in outcome.purchases if p.emergency and p.due_us < scenario.horizon_us)
        cost += hasty * to_reporting_minor(scenario, plan.emergency.surcharge)
    return cost


def holding_minor(scenario: Scenario, moves: Iterable[Moves]) -> int:
    """`holding_per_day` x cost of a unit x units on hand x time until the horizon. `moves`: of the stock on hand."""
    if scenario.fees.holding_per_day == 0:
        return 0
    skus = sku_table(scenario)
    held = [sum(row.stock) * scenario.horizon_us for row in skus]
    moved = unit_us(moves, scenario.horizon_us, len(skus))
    cost = sum((had + more) * row.cost_minor for had, more, row in zip(held, moved, skus, strict=True))
    divisor = US_PER_DAY * PPM
    return (2 * cost * scenario.fees.holding_per_day + divisor) // (2 * divisor)


def unit_us(moves: Iterable[Moves], horizon_us: int, skus: int) -> list[int]:
    """Units x microseconds from each movement to the horizon, summed by SKU, exact."""
    total = [0] * skus
    for move in moves:
        rest_us = horizon_us - move.time_us
        for scale, part in ((US_PER_S, rest_us // US_PER_S), (1, rest_us % US_PER_S)):
            sums = np.zeros(skus, np.int64)
            np.add.at(sums, move.sku, move.units * part)
            total = [have + scale * more for have, more in zip(total, sums.tolist(), strict=True)]
    return total


def lost_margins(prices: Prices, orders: dict[str, Column], chunk: CartChunk) -> Ints:
    """What each cart of a chunk refused SOLD_OUT for good would have brought, in minor units; 0 for all others.

    The price asked less commissions and payment fee, rounded half up together, and the cost of the goods; before
    freight and returns.
    """
    margins = np.zeros(len(chunk), np.int64)
    lost = np.flatnonzero(orders["reason"][chunk.orders] == Reason.SOLD_OUT)
    if len(lost):
        sku, deal = served_lines(chunk, orders)
        units = chunk.lines("quantity").astype(np.int64)
        asked = np.where(deal >= 0, np.append(prices.deal_minor, 0)[deal], prices.list_minor[sku])
        value = chunk.total(units * asked)[lost]
        taken = share_of(value, prices.platform_ppm + prices.creator_ppm + prices.payment_ppm)
        cost = chunk.total(units * prices.cost_minor[sku])[lost]
        margins[lost] = value - taken - cost - prices.payment_fixed_minor
    return margins


class LostMargin:
    """An estimate: `lost_margins` x the share of placed orders that were paid. Fed a chunk at a time."""

    def __init__(self, prices: Prices, orders: dict[str, Column]) -> None:
        self._prices, self._orders = prices, orders
        self._margin = 0

    def add(self, chunk: CartChunk) -> None:
        """Add the carts of one chunk."""
        self._margin += exact_sum(lost_margins(self._prices, self._orders, chunk))

    def minor(self) -> int:
        """The estimate, in minor units, rounded down."""
        orders = self._orders
        placed = int(np.count_nonzero(orders["placed_us"] >= 0))
        paid = int(np.count_nonzero((orders["paid_us"] >= 0) & (orders["late"] == 0)))
        return self._margin * paid // placed if placed else 0
