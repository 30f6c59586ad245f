"""What every order earned and cost: the section Money of docs/model.md, in whole columns.

Amounts are integer minor units of the reporting currency, exact. Work goes a chunk of orders at a time, so that
temporaries stay small beside the columns themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.arrays import Column, Flags, Ints
from sim.demand.trace import Trace
from sim.operations.carts import CHUNK_ORDERS, CartChunk, Carts, served_lines
from sim.operations.deadlines import DispatchDeadlines
from sim.operations.losses import NOTHING_LACKS, Lack, lack_of, lacking_units, lost_rows
from sim.operations.outcome import Outcome
from sim.operations.punctuality import DISPATCHED_BY
from sim.orders.states import Reason, State
from sim.scenario.schema import Scenario
from sim.scenario.tables import carriage_table, deal_table, freight_minor, sku_table, to_reporting_minor
from sim.scenario.units import PPM

MONEY_COLUMNS = (
    "gross",
    "deal_discount",
    "voucher",
    "captured",
    "refunded",
    "refunded_sales",
    "platform_commission",
    "creator_commission",
    "payment_fee",
    "goods_cost",
    "pick_pack",
    "freight",
    "return_cost",
    "late_penalty",
)


@dataclass(frozen=True)
class Prices:
    """A scenario's prices and fees as numbers; minor units of the reporting currency, rates in parts per million."""

    list_minor: Ints  # [sku]
    cost_minor: Ints  # [sku], a bundle's is that of its parts
    deal_minor: Ints  # [deal]
    freight_minor: Ints  # [row of carriers, region]
    voucher_ppm: int
    voucher_by_seller: bool
    platform_ppm: int
    creator_ppm: int
    payment_ppm: int
    payment_fixed_minor: int
    exchange_ppm: int
    exchanged: Flags  # [region], where it is due
    pick_pack_minor: int
    return_minor: int
    late_minor: int

    @classmethod
    def of(cls, scenario: Scenario) -> Prices:
        """Read them from the scenario."""

        def minor(money: object) -> int:
            return to_reporting_minor(scenario, money)  # type: ignore[arg-type]

        skus, fees, after = sku_table(scenario), scenario.fees, scenario.after_sales
        own = [row.cost_minor for row in skus]
        return cls(
            np.array([row.price_minor for row in skus], np.int64),
            np.array([sum(own[part] * units for part, units in row.components) for row in skus], np.int64),
            np.array([row.price_minor for row in deal_table(scenario)], np.int64),
            np.array([[freight_minor(scenario, each) for each in row] for row in carriage_table(scenario)], np.int64),
            round(scenario.funnel.voucher.off * PPM),
            scenario.funnel.voucher.funded_by == "seller",
            fees.platform,
            fees.creator,
            fees.payment,
            minor(fees.payment_fixed),
            fees.exchange,
            np.array([region.currency not in ("", scenario.reporting_currency) for region in scenario.regions]),
            minor(fees.pick_pack),
            minor(after.return_freight) + minor(after.return_handling),
            minor(fees.late_dispatch),
        )


_PLAIN = 1 << 40  # amounts x ppm stay within int64


def share_of(amounts: Ints, ppm: int) -> Ints:
    """`amounts` x ppm / 1,000,000, rounded half up, exact for any int64 amount."""
    if ppm == 0:
        return np.zeros_like(amounts)
    if amounts.max(initial=0) < _PLAIN and amounts.min(initial=0) > -_PLAIN:
        return (amounts * ppm + PPM // 2) // PPM
    whole, rest = np.divmod(amounts, PPM)
    return np.asarray(whole * ppm + (rest * ppm + PPM // 2) // PPM)


def money_chunks(
    scenario: Scenario,
    trace: Trace,
    outcome: Outcome,
    *,
    carts: Carts | None = None,
    deadlines: DispatchDeadlines | None = None,
    size: int = CHUNK_ORDERS,
) -> Iterator[tuple[CartChunk, dict[str, Ints]]]:
    """Every cart's money in minor units, a chunk of orders at a time, in order: (carts, {name: int64[carts]}).

    `written_off` is the cost of goods that have left on orders refunded, or lost, and are not back in stock.
    """
    carts = carts or Carts(trace)
    till = _Till(scenario, trace, outcome, deadlines or DispatchDeadlines(scenario, outcome, carts))
    for chunk in carts.chunks(size):
        yield chunk, till.columns(chunk)


def sales_chunks(
    scenario: Scenario, trace: Trace, outcome: Outcome, carts: Carts
) -> Iterator[tuple[CartChunk, dict[str, Ints]]]:
    """`gross`, `deal_discount`, `voucher` and `captured` alone, a chunk of orders at a time: a quarter of the work."""
    till = _Sales(scenario, trace, outcome)
    for chunk in carts.chunks():
        yield chunk, till.sales(chunk)


def refunded_flags(orders: dict[str, Column], rows: slice) -> Flags:
    """Which of these orders were paid and had all their money given back, bool[rows]."""
    reason = orders["reason"][rows]
    back = (orders["late"][rows] == 1) | (orders["state"][rows] == State.CANCELLED)
    back |= (reason == Reason.RETURNED) | (reason == Reason.REFUNDED)
    return np.asarray(back & (orders["paid_us"][rows] >= 0))


class _Sales:
    """Computes what was sold, a chunk at a time."""

    def __init__(self, scenario: Scenario, trace: Trace, outcome: Outcome) -> None:
        self.prices = Prices.of(scenario)
        self.vouchers = trace.carts["voucher"]
        self.orders = outcome.orders

    def sales(self, chunk: CartChunk) -> dict[str, Ints]:
        return self._sales(chunk, *served_lines(chunk, self.orders), self.orders["paid_us"][chunk.orders] >= 0)

    def _sales(self, chunk: CartChunk, sku: Column, deal: Column, paid: Flags) -> dict[str, Ints]:
        prices, quantity = self.prices, chunk.lines("quantity")
        price = prices.list_minor[sku]
        gross = chunk.total(quantity * price) * paid
        discount = np.zeros(len(chunk), np.int64)
        wanted = np.flatnonzero(deal >= 0)
        if len(wanted):
            off = np.zeros(len(sku), np.int64)
            off[wanted] = quantity[wanted] * (price[wanted] - prices.deal_minor[deal[wanted]])
            discount = chunk.total(off) * paid
        voucher = share_of(gross - discount, prices.voucher_ppm) * (self.vouchers[chunk.orders] == 1)
        return {
            "gross": gross,
            "deal_discount": discount,
            "voucher": voucher,
            "captured": gross - discount - voucher,
        }


class _Till(_Sales):
    """Computes all the columns of a chunk from what was made ready once."""

    def __init__(self, scenario: Scenario, trace: Trace, outcome: Outcome, deadlines: DispatchDeadlines) -> None:
        super().__init__(scenario, trace, outcome)
        self.deadlines = deadlines
        self.dispatched = DISPATCHED_BY[scenario.dispatch.event]
        self.restock = trace.carts["restock"]
        self.parcels = outcome.parcels
        self.houses = len(scenario.warehouses)
        self.splits = _by_order(outcome.allocations)
        self.parts = [dict(row.components) for row in sku_table(scenario)]

    def columns(self, chunk: CartChunk) -> dict[str, Ints]:
        paid = self.orders["paid_us"][chunk.orders] >= 0
        returned = self.orders["reason"][chunk.orders] == Reason.RETURNED
        back = refunded_flags(self.orders, chunk.orders)
        sku, deal = served_lines(chunk, self.orders)
        money = self._sales(chunk, sku, deal, paid)
        lack = self._lack(chunk, sku, deal, back)
        self._refunds(chunk, money, back, lack)
        self._fees(chunk, money, paid)
        resold = returned & (self.restock[chunk.orders] == 1)
        self._parcels(chunk, money, self._cost_of_cart(chunk, sku), paid & resold)
        money["written_off"] = money["goods_cost"] * back
        money["written_off"][lack.order] = lack.cost_minor
        money["return_cost"] = np.where(paid & returned, self.prices.return_minor, 0)
        return {name: money[name] for name in (*MONEY_COLUMNS, "written_off")}

    def _lack(self, chunk: CartChunk, sku: Column, deal: Column, back: Flags) -> Lack:
        """What is lost of orders whose money is not all given back."""
        rows = lost_rows(self.splits, self.parcels, chunk)
        rows = rows[~back[self.splits["order"][rows] - chunk.first]]
        if not len(rows):
            return NOTHING_LACKS
        units = lacking_units(rows, self.splits, chunk, sku, self.parts)
        prices = self.prices
        asked = np.where(deal >= 0, np.append(prices.deal_minor, 0)[deal], prices.list_minor[sku])
        return lack_of(rows, units, self.splits, chunk, asked, prices.cost_minor)

    def _refunds(self, chunk: CartChunk, money: dict[str, Ints], back: Flags, lack: Lack) -> None:
        """What buyers get back, and the seller's sales taken back for it: a platform's vouchers were never theirs."""
        by_seller = self.prices.voucher_by_seller
        voucher = share_of(lack.value_minor, self.prices.voucher_ppm) * (self.vouchers[chunk.orders][lack.order] == 1)
        money["refunded"] = money["captured"] * back
        money["refunded"][lack.order] = lack.value_minor - voucher
        money["refunded_sales"] = money["refunded"]
        if not by_seller:
            money["refunded_sales"] = (money["gross"] - money["deal_discount"]) * back
            money["refunded_sales"][lack.order] = lack.value_minor

    def _fees(self, chunk: CartChunk, money: dict[str, Ints], paid: Flags) -> None:
        prices = self.prices
        base = money["captured"] if prices.voucher_by_seller else money["gross"] - money["deal_discount"]
        base = base - money["refunded_sales"]
        money["platform_commission"] = share_of(base, prices.platform_ppm)
        money["creator_commission"] = share_of(base * (chunk.first_of("content") >= 0), prices.creator_ppm)
        fee = share_of(money["captured"], prices.payment_ppm)
        if prices.exchange_ppm:
            abroad = prices.exchanged[chunk.first_of("region")]
            fee = fee + share_of(money["captured"] * abroad, prices.exchange_ppm)
        money["payment_fee"] = fee + prices.payment_fixed_minor * paid if prices.payment_fixed_minor else fee

    def _cost_of_cart(self, chunk: CartChunk, sku: Column) -> Ints:
        return np.asarray(chunk.total(chunk.lines("quantity") * self.prices.cost_minor[sku]), np.int64)

    def _parcels(self, chunk: CartChunk, money: dict[str, Ints], cost: Ints, resold: Flags) -> None:
        """Everything that depends on parcels: pick and pack, freight, goods, penalties."""
        here = chunk.rows_in(self.parcels["order"])
        parcels = {name: column[here] for name, column in self.parcels.items()}
        order = parcels["order"] - chunk.first
        out = np.flatnonzero(parcels["collected_us"] >= 0)
        gone, size, prices = order[out], len(chunk), self.prices
        packed = np.bincount(order[parcels["packed_us"] >= 0], minlength=size)
        carrier = parcels.get("carrier", parcels["warehouse"])[out]
        lane = prices.freight_minor[carrier, chunk.first_of("region")[gone]]
        shipped = np.zeros(size, np.bool_)
        shipped[gone] = True
        goods = cost * (shipped & ~resold)
        if len(self.splits["order"]):
            self._split_goods(chunk, goods, parcels, resold)
        money["pick_pack"] = packed * prices.pick_pack_minor
        money["freight"] = _summed(gone, lane, size)
        money["goods_cost"] = goods
        money["late_penalty"] = self._penalties(chunk, order, parcels[self.dispatched])

    def _split_goods(self, chunk: CartChunk, goods: Ints, parcels: dict[str, Column], resold: Flags) -> None:
        """Put the cost of split orders into `goods`: units of collected parcels, less those sold again."""
        here = chunk.rows_in(self.splits["order"])
        rows = {name: column[here] for name, column in self.splits.items()}
        order = rows["order"].astype(np.int64) - chunk.first
        goods[order] = 0
        houses = self.houses
        wanted = order * houses + rows["warehouse"]
        have = (parcels["order"].astype(np.int64) - chunk.first) * houses + parcels["warehouse"]
        kept = (parcels["collected_us"] >= 0) & ~(resold[have // houses] & (parcels["lost"] == 0))
        counts = np.isin(wanted, have[kept])
        amounts = rows["units"].astype(np.int64) * self.prices.cost_minor[rows["sku"]]
        goods += _summed(order[counts], amounts[counts], len(chunk))

    def _penalties(self, chunk: CartChunk, order: Column, dispatched_us: Column) -> Ints:
        """A penalty where a parcel is dispatched late, or the platform cancels; `order` and the time are by parcel."""
        penalty = np.zeros(len(chunk), np.int64)
        if self.prices.late_minor:
            deadline_us = self.deadlines.of(chunk.orders, chunk.first_of("region"))
            reason = self.orders["reason"][chunk.orders]
            kept = (self.orders["state"][chunk.orders] != State.CANCELLED) | (reason == Reason.LOST)
            penalty[order[(dispatched_us > deadline_us[order]) & kept[order]]] = self.prices.late_minor
            penalty[reason == Reason.AUTO_CANCELLED] = self.prices.late_minor
        return penalty


def _by_order(allocations: dict[str, Column]) -> dict[str, Column]:
    """Allocations sorted by order, with empty columns where there are none."""
    if not allocations or not len(allocations["order"]):
        return {name: np.zeros(0, np.int32) for name in ("order", "line", "sku", "warehouse", "units")}
    order = allocations["order"]
    if np.any(order[1:] < order[:-1]):
        rank = np.argsort(order, kind="stable")
        return {name: column[rank] for name, column in allocations.items()}
    return allocations


def _summed(index: Column, amounts: Ints, size: int) -> Ints:
    """Sums of whole `amounts` by `index`, int64[size]."""
    if len(index) and int(np.abs(amounts).max()) * len(index) >= 2**53:  # beyond what a float adds exactly
        total = np.zeros(size, np.int64)
        np.add.at(total, index, amounts)
        return total
    return np.bincount(index, weights=amounts, minlength=size).astype(np.int64)
