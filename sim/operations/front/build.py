"""Builds the front's arrays from a scenario and a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.demand.trace import Trace
from sim.flow.calendar_queue import FAR, new_calendar
from sim.flow.pages import pages
from sim.operations.carts import first_lines
from sim.operations.front import state as fs
from sim.operations.front.sharing import allocation_arrays
from sim.scenario.allocation_tables import may_wait, reserve_table
from sim.scenario.parts.system import GroupCommit
from sim.scenario.quantiles import quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, deal_table, sku_table
from sim.scenario.units import US_PER_S

_SPARE = 1024
LONGEST_WORK_US = 1 << 31  # a crash must still find work that would end after the horizon


def build_front(scenario: Scenario, trace: Trace) -> fs.Front:
    """The front at time 0: nothing has arrived, engine and staff have the servers of time 0 (set by control)."""
    lines = {name: _writable(column) for name, column in trace.buys.items()}
    carts = {name: _writable(column) for name, column in trace.carts.items()}
    count = trace.orders
    record = _records(count)
    small = record.view(np.uint8).reshape(count, 64)
    small[:, fs.AFTER] = carts["after"]
    skus = sku_table(scenario)
    deals = deal_table(scenario)
    parts = _parts(skus)
    first = first_lines(lines["cart"], count)
    room = _SPARE + 3 * _max_group(scenario)
    most_lines = int(np.diff(first).max(initial=1))
    rows_a_cart = most_lines * max(len(sku.components) for sku in skus) * len(scenario.warehouses)
    calendar: dict[str, Any] = new_calendar(scenario.horizon_us + LONGEST_WORK_US, room, count)
    slots, bought = _deal_slots(lines, bool(deals))
    return fs.Front(
        reg=_registers(scenario, count, rows_a_cart),
        **calendar,
        times=record,
        small=small,
        answers=np.full((count, 3), -1, dtype=np.int32),
        split_at=pages(count, np.int32),
        first=first,
        line_time_us=lines["time_us"],
        line_sku=lines["sku"],
        line_quantity=lines["quantity"],
        line_deal=lines["deal"],
        line_second=lines["second_sku"],
        line_region=lines["region"],
        go=carts["go_u32"],
        checkout_us=carts["checkout_us"],
        payment_us=carts["payment_us"],
        confirmation_us=carts["confirmation_us"],
        pay_delay_us=carts["pay_delay_us"],
        provider_us=carts["provider_us"],
        declines=carts["declines"],
        after_u32=carts["after_u32"],
        confirm_work_us=carts["confirm_work_us"],
        ring_key=_ring(_SPARE),
        ring_at=_ring(_SPARE),
        commit_key=_ring(_SPARE),
        commit_at=_ring(_SPARE),
        placed=pages(count, np.int32),
        paid=pages(count, np.int32),
        confirmed=pages(count, np.int32),
        confirmed_house=pages(count, np.uint8),
        releasing=np.empty(_SPARE, dtype=np.int32),
        allocations=np.empty((_SPARE, 5), dtype=np.int32),
        factor=trace.factor_u64.astype(np.int64),
        neutral=trace.factor_u64.astype(np.int64),
        heard=np.zeros((2, len(skus)), dtype=np.int64),
        shelf=np.array([not sku.shelf for sku in skus], dtype=np.uint8),
        **parts,
        stock=_stock(scenario, skus),
        threshold=_thresholds(skus, len(scenario.warehouses)),
        deal_open=np.zeros(len(deals), dtype=np.uint8),
        deal_left=np.array([deal.units for deal in deals], dtype=np.int64),
        deal_per_buyer=np.array([deal.per_buyer for deal in deals], dtype=np.int64),
        deal_slot=slots,
        bought=bought,
        provider_out=np.array(
            sorted((out.at_us, out.at_us + out.length_us) for out in scenario.payment.outages), dtype=np.int64
        ).reshape(-1, 2),
        before_shipping=quantile_table(scenario.after_sales.before_shipping_delay),
        queue_peak=pages(scenario.horizon_us // US_PER_S + 2, np.int32),
        **allocation_arrays(scenario, lines, count, rows_a_cart),
    )


def _writable(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The column itself if machine code can use it as it is (contiguous, not read-only), else a copy."""
    return np.require(column, requirements=["C", "W"])


def _records(count: int) -> npt.NDArray[np.int64]:
    """[count, 8] records aligned to cache lines: six times at -1, small fields at 0 but two."""
    raw = np.empty(count * 8 + 8, dtype=np.int64)
    skip = (-raw.ctypes.data % 64) // 8
    record = raw[skip : skip + count * 8].reshape(count, 8)
    first = np.full(8, -1, dtype=np.int64)
    first[6:] = 0
    first.view(np.uint8)[[fs.REFUSED_LINE, fs.HOUSE]] = fs.NO_LINE, fs.NOWHERE
    record[:] = first  # in one pass: the memory is new, and large
    return record


def _max_group(scenario: Scenario) -> int:
    store = scenario.engine.store
    return store.max_group if isinstance(store, GroupCommit) else 1


def _registers(scenario: Scenario, count: int, rows_a_cart: int) -> npt.NDArray[np.int64]:
    reg = np.zeros(fs.REGISTERS, dtype=np.int64)
    engine, payment, store = scenario.engine, scenario.payment, scenario.engine.store
    values = {
        fs.COUNT: count,
        fs.END_US: scenario.horizon_us,
        fs.QUEUE_BOUND: engine.queue_bound,
        fs.TIME_OUT_US: engine.client_timeout_us,
        fs.ATTEMPTS: engine.attempts,
        fs.BACKOFF_US: engine.backoff_us,
        fs.MAX_GROUP: _max_group(scenario),
        fs.GROUP_END_US: FAR,
        fs.HOLD_WINDOW_US: payment.hold_window_us,
        fs.SWEEP_US: payment.sweep_us,
        fs.RELEASE_DUE_US: FAR,
        fs.SWEEP_AT_US: FAR,
        fs.PAY_TRIES: payment.tries,
        fs.RETRY_DELAY_US: payment.retry_delay_us,
        fs.SECOND_DELAY_US: scenario.funnel.second_choice_delay_us,
        fs.ON_HOLD_US: scenario.confirmation.on_hold_us,
        **_feedback(scenario),
        fs.STAFFED: int(scenario.confirmation.mode == "staff"),
        # every event may be a group that splits all its carts
        fs.ROWS_A_CART: rows_a_cart,
        fs.RESERVES: len(scenario.allocation.reserves),
        fs.WAITS: int(may_wait(scenario)),
        fs.MAX_WAIT_US: scenario.allocation.max_wait_us,
        fs.SPLIT_ROOM: fs.EVENTS_A_CHECK * (rows_a_cart * min(_max_group(scenario), count) + 2),
    }
    if isinstance(store, GroupCommit):
        values |= {fs.GROUPED: 1, fs.GROUP_A_US: store.a_us, fs.GROUP_B_US: store.b_us, fs.LINGER_US: store.linger_us}
    for register, value in values.items():
        reg[register] = value
    return reg


def _feedback(scenario: Scenario) -> dict[int, int]:
    """Registers of feedback; with it a period ends at 0, which plans the first."""
    options = scenario.funnel.feedback
    if options is None:
        return {fs.PERIOD_END_US: FAR}
    return {
        fs.PERIOD_US: options.period_us,
        fs.TOLERATED_US: options.tolerated_us,
        fs.LOSS_PPM: options.loss_per_s,
        fs.MOST_LOSS_PPM: options.most,
        fs.SOLD_OUT_PPM: options.sold_out,
    }


def _parts(skus: list[SkuRow]) -> dict[str, Any]:
    sizes = [len(sku.components) for sku in skus]
    flat = [part for sku in skus for part in sku.components]
    return {
        "part_first": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        "part_sku": np.array([sku for sku, _ in flat], dtype=np.int32),
        "part_units": np.array([units for _, units in flat], dtype=np.int32),
    }


def _stock(scenario: Scenario, skus: list[SkuRow]) -> npt.NDArray[np.int64]:
    stock = np.zeros((5, len(skus), len(scenario.warehouses)), dtype=np.int64)
    stock[fs.AVAILABLE] = stock[fs.ON_HAND] = np.array([sku.stock for sku in skus], dtype=np.int64)
    for reserve in reserve_table(scenario):
        for house, units in reserve.units:
            stock[fs.AVAILABLE, reserve.sku, house] -= units
    return stock


def _thresholds(skus: list[SkuRow], houses: int) -> npt.NDArray[np.int64]:
    """Nobody waits for anything."""
    return np.full((len(skus), houses), fs.NO_THRESHOLD, dtype=np.int64)


def _deal_slots(lines: dict[str, npt.NDArray[Any]], deals: bool) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """For each line the number of its (deal, buyer) pair, and a zero counter for each pair."""
    if not deals:
        return np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32)
    deal, buyer = lines["deal"], lines["buyer"]
    wanted = np.flatnonzero(deal >= 0)
    if len(wanted) and int(buyer.min()) >= 0 and int(buyer.max()) < 2 * len(buyer):
        own = np.full(int(buyer.max()) + 1, -1, dtype=np.int16)  # a buyer who wants one deal only is its own slot
        own[buyer[wanted]] = deal[wanted]
        if bool((own[buyer[wanted]] == deal[wanted]).all()):
            return buyer, pages(len(own), np.int32)
    slots = np.zeros(len(deal), dtype=np.int32)
    pair = deal[wanted].astype(np.int64) << 32 | buyer[wanted].astype(np.int64)
    unique, inverse = np.unique(pair, return_inverse=True)
    slots[wanted] = inverse
    return slots, np.zeros(len(unique) + 1, dtype=np.int32)


def _ring(room: int) -> npt.NDArray[np.int64]:
    """An empty ring; its length is a power of two."""
    return np.empty(1 << max(room - 1, 1).bit_length(), dtype=np.int64)
