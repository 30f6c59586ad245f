"""A simulated run's orders as columns that a review adds up: flags and amounts, an entry an order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.arrays import Column, Flags, Ints
from sim.errors import UsageError
from sim.orders.states import FAILURES, REFUSALS
from sim.reports.run_files import NONE, Labels, Run

#: Lines of contribution with what each order has of them; a line may hold more that belongs to no order.
OF_ORDERS = {
    "platform_commission_minor": "platform_commission",
    "creator_commission_minor": "creator_commission",
    "payment_fees_minor": "payment_fee",
    "pick_pack_minor": "pick_pack",
    "freight_minor": "freight",
    "returns_minor": "return_cost",
    "late_dispatch_minor": "late_penalty",
}
#: Lines that orders make up wholly.
_ALL_OF_ORDERS = (
    *("gross_sales_minor", "deal_discounts_minor", "seller_vouchers_minor", "refunded_sales_minor"),
    *("goods_sold_minor", "goods_written_off_minor"),
)
#: An order's costs, which contribution takes off what was asked.
COSTS = (*OF_ORDERS.values(), "goods_cost")
CANCELS = ("BUYER_CANCELLED", "NOT_CONFIRMED", "AUTO_CANCELLED", "NOT_SUPPLIED")
_NUMBERS = (
    *("arrived_us", "lines", "quantity", "buyer", "deal", "second", "late", "placed_us", "paid_us", "confirmed_us"),
    *("promised_us", "allocated_us", "first_refused_units", "refused_units"),
    *("closed_us", "delivered_us", "dispatch_due_us", "deliver_due_us", "parcels", "captured_minor", "refunded_minor"),
    *("gmv_minor", "refunded_sales_minor", "missed_margin_minor", *(f"{name}_minor" for name in COSTS)),
)


@dataclass(frozen=True)
class Facts:
    """Orders of the first replication of a simulated run; columns are read once. Raises UsageError where an older
    version wrote the run."""

    run: Run

    @cached_property
    def orders(self) -> dict[str, Column]:
        """The numbers of `orders.parquet`; null is -1. Raises UsageError for a run of an older version."""
        import pyarrow.parquet as pq

        known = pq.read_schema(self.run.directory / "orders.parquet").names
        missing = [name for name in _NUMBERS if name not in known]
        if missing:
            raise UsageError(
                f"{self.run.directory} was written by an older version (orders.parquet has no {missing[0]}): "
                "simulate it again"
            )
        return self.run.numbers("orders", _NUMBERS)

    def labels(self, column: str) -> Labels:
        """A column of names of `orders.parquet`."""
        if column not in self._labels:
            self._labels[column] = self.run.labels("orders", column)
        return self._labels[column]

    @cached_property
    def _labels(self) -> dict[str, Labels]:
        return {}

    @cached_property
    def horizon_us(self) -> int:
        """Length of the run."""
        return self.run.scenario.horizon_us

    def reason(self, *names: str) -> Flags:
        """Orders that ended for one of these reasons."""
        return self._any("reason", names)

    def _any(self, column: str, names: tuple[str, ...]) -> Flags:
        labels = self.labels(column)
        return np.isin(labels.codes, [k for k, name in enumerate(labels.names) if name in names])

    @cached_property
    def never(self) -> Flags:
        """Intents that never became an order."""
        return self.labels("state").where("NONE")

    @cached_property
    def going(self) -> Flags:
        """Intents that went to checkout within the run."""
        arrived: Flags = self.orders["arrived_us"] < self.horizon_us
        return ~self.reason("NOT_GOING") & arrived

    @cached_property
    def placed(self) -> Flags:
        """Orders that were placed."""
        return np.asarray(self.orders["placed_us"] >= 0)

    @cached_property
    def paid(self) -> Flags:
        """Orders that were paid, late ones included."""
        return np.asarray(self.orders["paid_us"] >= 0)

    @cached_property
    def refused(self) -> Flags:
        """Intents that were refused for good."""
        return self.never & self.reason(*(reason.name for reason in REFUSALS))

    @cached_property
    def failed(self) -> Flags:
        """Intents that gave up at a failing engine."""
        return self.never & self.reason(*(reason.name for reason in FAILURES))

    @cached_property
    def refusals(self) -> Ints:
        """How often each cart was refused: for its first choice, and for good."""
        return self.orders["second"].astype(np.int64) + self.refused

    @cached_property
    def contribution(self) -> Ints:
        """What each order leaves after its own costs, minor units."""
        left = self.orders["gmv_minor"] - self.orders["refunded_sales_minor"]
        for name in COSTS:
            left = left - self.orders[f"{name}_minor"]
        return np.asarray(left, np.int64)

    @cached_property
    def not_by_order(self) -> dict[str, int]:
        """Parts of contribution that belong to no order, by line: stock, wages, moderators."""
        rest: dict[str, int] = {}
        for line, minor in self.run.metrics["contribution"].items():
            own = OF_ORDERS.get(line)
            if own is not None:
                rest[line] = minor + int(self.orders[f"{own}_minor"].sum())
            elif line not in _ALL_OF_ORDERS:
                rest[line] = minor
        return {line: minor for line, minor in rest.items() if minor}

    @cached_property
    def paid_share(self) -> float:
        """The share of placed orders that were paid in time, by which the estimate of missed margin is scaled."""
        in_time = np.count_nonzero(self.paid & (self.orders["late"] != 1))
        placed = np.count_nonzero(self.placed)
        return in_time / placed if placed else 0.0

    @cached_property
    def parcels(self) -> Parcels:
        """The parcels, each with its order."""
        return Parcels(self.run.numbers("parcels"), self.run.labels("parcels", "warehouse"))


@dataclass(frozen=True)
class Parcels:
    """The numbers of `parcels.parquet`, and each parcel's warehouse."""

    columns: dict[str, Column]
    warehouse: Labels

    def last(self, name: str, orders: int) -> Ints:
        """By order the latest time of its parcels, -1 where one has none."""
        order, time_us = self.columns["order"], self.columns[name]
        latest = np.full(orders, NONE, np.int64)
        np.maximum.at(latest, order, time_us)
        latest[order[time_us < 0]] = NONE
        return latest

    def any(self, name: str, orders: int) -> Flags:
        """By order whether this flag is set of one of its parcels."""
        found = np.zeros(orders, np.bool_)
        found[self.columns["order"][self.columns[name] == 1]] = True
        return found

    def last_warehouse(self, orders: int) -> Ints:
        """By order the warehouse whose parcel was collected last, or not at all, -1 without parcels."""
        order, never = self.columns["order"], np.iinfo(np.int64).max
        time_us = np.where(self.columns["collected_us"] < 0, never, self.columns["collected_us"])
        rank = np.lexsort((time_us, order))
        house = np.full(orders, NONE, np.int64)
        house[order[rank]] = self.warehouse.codes[rank]  # the last of each order stays
        return house
