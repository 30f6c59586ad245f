"""The oracle's front: run a scenario on a trace and say what became of every cart, parcel and unit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from simpy.events import ProcessGenerator

from sim.demand.trace import Trace
from sim.orders.states import Reason, State
from sim.scenario.allocation_tables import reserve_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table
from tests.oracle import money
from tests.oracle.allocation import Waiting
from tests.oracle.checkout import Checkout
from tests.oracle.clock import ARRIVAL, CHECKOUT, Clock, priority
from tests.oracle.dispatch import Dispatch
from tests.oracle.feedback import Feedback
from tests.oracle.life import Life
from tests.oracle.records import Order, read_orders
from tests.oracle.stock import Stock
from tests.oracle.supply import Purchase, Receipt, Supply
from tests.oracle.warehouse import Logistics

_DIRECT = (
    "state", "reason", "first_refusal", "second", "short_line", "placed_us", "pay_due_us", "paid_us", "late",
    "confirm_due_us", "confirmed_us", "closed_us", "delivered_us", "queue_full", "timed_out", "declined", "crashed",
    "promised_us", "allocated_us",
)  # fmt: skip
_RESPONSES = ("checkout_response_us", "payment_response_us", "confirmation_response_us")
_LEVELS = (
    "on_hand", "held", "committed", "releasing", "available", "received", "restocked", "shipped", "waited_for",
)  # fmt: skip

ParcelRow = tuple[int, int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Outcome:
    """What happened before the horizon.

    `orders`: a column a name, one entry a cart. `parcels`: (order, warehouse, picked_us, packed_us, collected_us,
    arrived_us, lost, carrier). `stock` by (SKU, warehouse). `deal_left`: units left of each deal. `carried`: parcels
    that were in time for a pick-up and found no room, by carrier. `rates`: what the platform counts.
    `overtime`: (time, warehouse, row, backlog) of those called; `wages`: of planned hands, and of overtime.
    `purchases`: orders to suppliers; `receipts`: what they have delivered; the last two are what that and holding have
    cost. `met`: how often each rare thing happened.
    """

    orders: dict[str, list[int]]
    parcels: list[ParcelRow]
    stock: dict[tuple[int, int], dict[str, int]]
    deal_left: list[int]
    carried: list[int]
    rates: dict[str, tuple[int, int]]
    overtime: list[tuple[int, int, int, int]]
    wages: tuple[int, int]
    met: dict[str, int]
    purchases: list[Purchase]
    receipts: list[Receipt]
    replenishment_minor: int
    holding_minor: int
    moderators_minor: int


def run(scenario: Scenario, trace: Trace) -> Outcome:
    """Simulate `trace` in `scenario`, one SimPy process an order."""
    met: Counter[str] = Counter()
    env = Clock(scenario.horizon_us)
    skus, orders = sku_table(scenario), read_orders(trace)
    stock = Stock(env, skus, met)
    for number, kept in enumerate(reserve_table(scenario)):
        stock.reserve(kept.sku, dict(kept.units), range(kept.first, kept.end), kept.release_us, number)
    supply = Supply(env, scenario, trace, skus, stock, met)
    waiting = Waiting(env, scenario, stock, met)
    checkout = Checkout(env, scenario, skus, stock, waiting, met)
    logistics = Logistics(env, scenario, stock, met)
    feedback = Feedback(env, scenario, trace.factor_u64.tolist(), met)
    dispatch = Dispatch(scenario)
    life = Life(env, scenario, stock, checkout, feedback, waiting, logistics.fulfil, dispatch, met)
    env.process(_arrivals(env, orders, feedback.factors, life))
    env.run(until=scenario.horizon_us)

    carried = [number for warehouse in logistics.warehouses for number in warehouse.carried]
    met["carried"] = sum(carried)
    _check_stock(stock, orders)
    met["over_capacity"] = dispatch.mark_over_capacity(orders)
    till = money.Till(scenario, skus, checkout.deals, dispatch)
    columns, rates = _columns(orders, till), dispatch.counts(orders)
    met["dispatched_late"] = rates["late_dispatch"][1]
    overtime = sorted((t, w, row, n) for w, house in enumerate(logistics.warehouses) for t, row, n in house.overtime)
    wages = money.wages(scenario, overtime)
    return Outcome(
        columns,
        _parcel_rows(orders),
        _stock_rows(stock),
        checkout.left,
        carried,
        rates,
        overtime,
        wages,
        dict(met),
        supply.purchases,
        supply.receipts,
        supply.cost_minor(),
        money.holding_minor(scenario, skus, stock.cells),
        money.moderators_minor(scenario),
    )


def _arrivals(env: Clock, orders: list[Order], factors: list[int], life: Life) -> ProcessGenerator:
    """Process: carts in order of time; each that goes ahead becomes a process of its own."""
    for order in orders:
        yield env.at(order.time_us, priority(ARRIVAL, CHECKOUT, order.number))
        if order.go_u32 < factors[order.lines[0].sku]:
            env.process(life.buyer(order))
        else:
            order.reason = Reason.NOT_GOING
            life.met["put_off"] += order.go_u32 < life.feedback.neutral[order.lines[0].sku]


def _columns(orders: list[Order], till: money.Till) -> dict[str, list[int]]:
    columns = {name: [int(getattr(order, name)) for order in orders] for name in _DIRECT}
    for stage, name in enumerate(_RESPONSES):
        columns[name] = [order.response_us[stage] for order in orders]
    columns["parcels"] = [len(order.parcels) for order in orders]
    amounts = [till.amounts(order) for order in orders]
    for name in money.COLUMNS:
        columns[name] = [amount[name] for amount in amounts]
    return columns


def _parcel_rows(orders: list[Order]) -> list[ParcelRow]:
    return [
        (o.number, p.warehouse, p.picked_us, p.packed_us, p.collected_us, p.arrived_us, p.lost, p.carrier)
        for o in orders
        for p in o.parcels
    ]


def _stock_rows(stock: Stock) -> dict[tuple[int, int], dict[str, int]]:
    return {key: {level: getattr(cell, level) for level in _LEVELS} for key, cell in stock.cells.items()}


def _check_stock(stock: Stock, orders: list[Order]) -> None:
    """Every unit held, committed, releasing or shipped belongs to an order in a state that says so."""
    owed: Counter[tuple[int, int, str]] = Counter()
    for order in orders:
        collected = {parcel.warehouse for parcel in order.parcels if parcel.collected_us >= 0}
        for take in order.takes:
            level = _level(order, take.warehouse in collected)
            owed[take.sku, take.warehouse, level] += take.units
    for (sku, warehouse), cell in stock.cells.items():
        cell.check()
        for level in ("held", "committed", "releasing", "shipped"):
            assert getattr(cell, level) == owed[sku, warehouse, level]


def _level(order: Order, collected: bool) -> str:
    if collected:
        return "shipped"
    if order.state == State.UNPAID:
        return "held"
    if order.state == State.CANCELLED:
        return "releasing" if order.releasing else "available"
    return "committed"
