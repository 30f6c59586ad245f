"""Runs one trace through one scenario: SimPy decides, the flows move the orders between its events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Column, Ints
from sim.demand.sources import sources
from sim.demand.trace import Trace
from sim.flow.environment import FlowEnvironment
from sim.flow.jit import is_kept
from sim.operations.control import start_control
from sim.operations.front import state as fs
from sim.operations.front.flow import FrontFlow
from sim.operations.front.kernel import advance
from sim.operations.outcome import Outcome
from sim.operations.platform import Platform
from sim.operations.replenishment import Replenishment
from sim.operations.shipping import units_at
from sim.operations.strategies.start import start_replenishment
from sim.operations.warehouses import Delivery
from sim.orders.states import State
from sim.scenario.schema import Scenario

STOCK_CHUNK = 1 << 18  # orders looked at at once
_PLAIN_PER_S = 4_000  # orders in plain Python
_A_RUN_S = 0.1  # what a run takes besides
_STARTING_S = 3.0  # what it takes to start worker processes
SMALL_ORDERS = 20_000  # up to here plain Python ends long before a compiler would (30 s)


def simulate(
    scenario: Scenario, trace: Trace, *, fast: bool | None = None, runs: int = 1, believed: Scenario | None = None
) -> Outcome:
    """Play `trace` through `scenario` up to its horizon.

    `fast` chooses machine code (default: for more than 20,000 carts in all, where `runs` like this one are made). Both
    give the same outcome, that of docs/model.md. Stock policies plan from what is `believed`, by default the scenario
    itself. Raises ValueError if the trace's carts are not numbered in order.
    """
    front = FrontFlow(scenario, trace, trace.orders * runs > SMALL_ORDERS if fast is None else fast)
    delivery = Delivery(scenario, trace, front)
    env = FlowEnvironment()
    env.flows = [front, delivery]
    platform = Platform(scenario, front, delivery)
    start_control(env, scenario, front, delivery, platform)
    stock = start_replenishment(env, scenario, trace, front, believed or scenario)
    env.run(until=scenario.horizon_us)
    env.catch_up(scenario.horizon_us)
    delivery.follow(scenario.horizon_us)
    if scenario.horizon_us - 1 in platform.times_us:
        platform.end_of_day(scenario.horizon_us - 1)
    return _outcome(scenario, front, delivery, stock)


def will_compile(scenario: Scenario, runs: int) -> bool:
    """Whether `runs` like this one are likely to need machine code that does not lie on disk yet."""
    return not is_compiled() and _expected_orders(scenario) * runs > SMALL_ORDERS


def is_brief(scenario: Scenario, runs: int) -> bool:
    """Whether `runs` like this one are likely to be over before other processes would be at work."""
    return runs * (_A_RUN_S + _expected_orders(scenario) / _PLAIN_PER_S) < _STARTING_S


def _expected_orders(scenario: Scenario) -> float:
    return sum(source.expected for source in sources(scenario))


def is_compiled() -> bool:
    """Whether machine code of the largest kernel, which takes most of the time to compile, lies on disk."""
    return is_kept(advance)


def _outcome(scenario: Scenario, front: FrontFlow, delivery: Delivery, replenishment: Replenishment) -> Outcome:
    front.release()
    parcels, collected = delivery.settle(scenario.horizon_us)
    stock = _stock(scenario, front.state, parcels)
    front.forget_lines()
    f = front.state
    return Outcome(
        orders=_order_columns(f, delivery.delivered_us(parcels)),
        parcels=parcels,
        stock=stock,
        allocations=_allocations(f),
        deal_left=f.deal_left.tolist(),
        carried=delivery.carried,
        cancels_too_late=int(f.reg[fs.CANCELS_TOO_LATE]),
        receipts=front.receipts,
        overtime=delivery.overtime,
        queue_peak=_used(f.queue_peak),
        counts=_counts(front, delivery, collected),
        purchases=replenishment.purchases,
    )


def _order_columns(f: fs.Front, delivered_us: Ints) -> dict[str, Column]:
    """The columns of `sim.operations.outcome.ORDER_COLUMNS`; views of the front's records where they fit."""
    times, small = f.times, f.small
    return {
        "state": small[:, fs.STATE],
        "reason": small[:, fs.REASON],
        "first_refusal": small[:, fs.FIRST_REFUSAL],
        "second": small[:, fs.SECOND],
        "refused_line": small[:, fs.REFUSED_LINE].view(np.int8),
        "short_line": small[:, fs.SHORT_LINE].view(np.int8),
        "late": small[:, fs.LATE],
        "placed_us": times[:, fs.PLACED],
        "pay_due_us": times[:, fs.PAY_DUE],
        "paid_us": times[:, fs.PAID],
        "confirm_due_us": times[:, fs.CONFIRM_DUE],
        "confirmed_us": times[:, fs.CONFIRMED],
        "closed_us": times[:, fs.CLOSED],
        "delivered_us": delivered_us,
        "checkout_response_us": f.answers[:, fs.RESPONSE],
        "payment_response_us": f.answers[:, fs.RESPONSE + fs.PAYMENT],
        "confirmation_response_us": f.answers[:, fs.RESPONSE + fs.CONFIRMATION],
        "queue_full": small[:, fs.QUEUE_FULL],
        "timed_out": small[:, fs.TIMED_OUT],
        "declined": small[:, fs.DECLINED],
        "crashed": small[:, fs.CRASHED],
        "parcels": small[:, fs.PARCELS],
        **_waiting_columns(f),
    }


def _waiting_columns(f: fs.Front) -> dict[str, Column]:
    """The columns of `WAITING_COLUMNS`, where orders may wait; in memory, 0 stands for -1."""
    columns = {"promised_us": f.promised_us, "allocated_us": f.allocated_us} if f.reg[fs.WAITS] else {}
    for column in columns.values():
        column[column == 0] = -1
    return columns


def _stock(scenario: Scenario, f: fs.Front, parcels: dict[str, Column]) -> dict[str, Ints]:
    """Stock by `STOCK_FIELDS`; what is reserved is split by what its orders wait for."""
    available = f.stock[fs.AVAILABLE].copy()
    np.add.at(available, (f.reserve[:, fs.R_SKU], f.reserve[:, fs.R_HOUSE]), f.reserve[:, fs.R_LEFT])
    held, committed = _held_and_committed(f)
    for house in range(len(scenario.warehouses)):
        committed[:, house] += units_at(f, _yet_to_ship(f, parcels, house), house)
    return {
        "on_hand": f.stock[fs.ON_HAND],
        "available": available,
        "received": f.stock[fs.RECEIVED],
        "restocked": f.stock[fs.RESTOCKED],
        "shipped": f.stock[fs.SHIPPED],
        "waited_for": f.waiting,
        "held": held,
        "committed": committed,
        "releasing": _units_of(f, f.releasing[: f.reg[fs.RELEASING_TAIL]]),
    }


def _held_and_committed(f: fs.Front) -> tuple[Ints, Ints]:
    """Units [SKU, warehouse] of unpaid orders, and of paid ones of which no parcel has left."""
    held, committed = (np.zeros(f.stock.shape[1:], dtype=np.int64) for _ in range(2))
    for first in range(0, len(f.small), STOCK_CHUNK):
        state = f.small[first : first + STOCK_CHUNK, fs.STATE].copy()  # read several times
        whole = (state >= int(State.ON_HOLD)) & (state <= int(State.AWAITING_COLLECTION))
        whole &= state != int(State.PARTIALLY_SHIPPING)
        held += _units_of(f, (np.flatnonzero(state == int(State.UNPAID)) + first).astype(np.int32))
        committed += _units_of(f, (np.flatnonzero(whole) + first).astype(np.int32))
    return held, committed


def _yet_to_ship(f: fs.Front, parcels: dict[str, Column], house: int) -> npt.NDArray[np.int32]:
    """Orders of which a parcel has left and that of a warehouse has not."""
    left = parcels["order"][(parcels["warehouse"] == house) & (parcels["collected_us"] < 0)]
    return np.asarray(left[f.small[left, fs.STATE] == int(State.PARTIALLY_SHIPPING)])


def _units_of(f: fs.Front, orders: npt.NDArray[np.int32]) -> Ints:
    """Units [SKU, warehouse] that orders take."""
    units = np.zeros(f.stock.shape[1:], dtype=np.int64)
    for house in range(f.stock.shape[2]) if len(orders) else ():
        units[:, house] = units_at(f, orders, house)
    return units


def _allocations(f: fs.Front) -> dict[str, Column]:
    used = f.allocations[: f.reg[fs.ALLOCATED]]
    house = np.where(used[:, 3] < 0, -1 - used[:, 3], used[:, 3]).astype(np.int16)
    return {"order": used[:, 0], "line": used[:, 1], "sku": used[:, 2], "warehouse": house, "units": used[:, 4]}


def _used(queue_peak: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The seconds up to the last in which anybody waited."""
    seconds = np.flatnonzero(queue_peak)
    return queue_peak[: int(seconds[-1]) + 1 if len(seconds) else 0]


def _counts(front: FrontFlow, delivery: Delivery, collected: int) -> dict[str, int]:
    f = front.state
    return {
        "front_events": int(f.reg[fs.EVENTS]),
        "placed": front.passed["placed"] + int(f.reg[fs.PLACED_TAIL]),
        "paid": front.passed["paid"] + int(f.reg[fs.PAID_TAIL]),
        "confirmed": front.confirmed,
        "picked": sum(house.pickers.started for house in delivery.houses),
        "packed": sum(house.packers.started for house in delivery.houses),
        "collected": collected,
        "largest_group": int(f.reg[fs.MAX_GROUP_MET]),
        "repeated_requests": int(f.reg[fs.REPEATED]),
        "timed_out_waiting": int(f.reg[fs.WAITED_OUT]),
        "waves_left_behind": sum(house.wave.left_behind for house in delivery.houses if house.wave),
    }
