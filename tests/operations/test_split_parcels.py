"""Parcels of one order: each has luck of its own, and what is lost of an order is not sold."""

from __future__ import annotations

import numpy as np
import pytest

from sim.demand.trace import CANCEL_BEFORE_SHIPPING
from sim.operations.metrics import Metrics, summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.orders.states import Reason, State
from sim.scenario.quantiles import MAX_TABLE_US, at_u32, quantile_table
from sim.scenario.schema import Scenario
from tests.operations.compare import differences
from tests.operations.shop import DAY_US, HOUR_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace

ORDERS = 4_000
GOODS = (
    "{name: mug, price: 10.00 GBP, cost: 4.00 GBP, stock: {main: 9000}}",
    "{name: pot, price: 20.00 GBP, cost: 5.00 GBP, stock: {far: 9000}}",
)


def apart(lost: str, *more: str) -> Scenario:
    """Mugs lie in one warehouse and pots in another; both lose `lost` of their parcels."""
    houses = (f"{{name: {name}, pickers: 99, packers: 99, cut_off: 0}}" for name in ("main", "far"))
    law = "{dist: gamma, mean: 3d, shape: 2}"
    lanes = (f"{{warehouse: {name}, region: all, lead_time: {law}, lost: {lost}}}" for name in ("main", "far"))
    return shop(
        f"catalogue=[{', '.join(GOODS)}]",
        f"warehouses=[{', '.join(houses)}]",
        f"lanes=[{', '.join(lanes)}]",
        "horizon=60d",
        "engine.workers=90",
        *more,
    )


def played(scenario: Scenario, orders: int, **cart: int) -> tuple[Outcome, Metrics]:
    """Carts of a mug and a pot with uniforms spread evenly."""
    r = np.random.default_rng(7)
    rows = [
        {**PAID_IN_A_MINUTE, "time_us": 1000 * k, "lines": [{"sku": 0}, {"sku": 1}], **cart}
        | {name: int(r.integers(1 << 32)) for name in ("transit_u32", "loss_u32")}
        for k in range(orders)
    ]
    trace = tiny_trace(scenario, rows)
    outcome = simulate(scenario, trace, fast=False)
    return outcome, summarise(scenario, trace, outcome)


def test_a_split_order_is_delivered_with_the_latest_of_independent_parcels() -> None:
    """Of two gammas of mean 3 d and shape 2 the latest takes 4.125 d; both of one luck would take 3 d.

    For gamma of shape 2 and mean 2: E max = 2 E - E min, and min has the tail (1 + t)^2 exp(-2 t): 1.25.
    """
    outcome, _ = played(apart("0 %"), ORDERS)
    parcels = outcome.parcels
    days = ((parcels["arrived_us"] - parcels["collected_us"]) / DAY_US).reshape(ORDERS, 2)
    assert days.mean(axis=0) == pytest.approx(3, abs=0.15)
    assert days.max(axis=1).mean() == pytest.approx(3 * (2 * 2 - 1.25) / 2, abs=0.15)
    assert abs(np.asarray(np.corrcoef(days.T))[0, 1]) < 0.06


def test_the_first_parcel_has_the_luck_of_an_order_of_one() -> None:
    scenario = apart("10 %")
    outcome, _ = played(scenario, 50)
    r = np.random.default_rng(7)
    table = quantile_table(scenario.lanes[0].lead_time)
    assert int(table.max()) < MAX_TABLE_US
    for k in range(50):
        transit, loss = int(r.integers(1 << 32)), int(r.integers(1 << 32))
        row = {name: int(column[2 * k]) for name, column in outcome.parcels.items()}
        assert row["arrived_us"] - row["collected_us"] == max(1, at_u32(table, transit))
        assert row["lost"] == (loss < round(0.1 * 2**32))


def test_parcels_of_an_order_are_lost_independently_and_what_is_lost_is_refunded() -> None:
    """One in ten of each: 18 in a hundred orders lack a part, and one is lost."""
    outcome, found = played(apart("10 %", "dispatch.deliver_days=60"), ORDERS)
    lost = (outcome.parcels["lost"] == 1).reshape(ORDERS, 2)
    some, whole = lost.any(axis=1), lost.all(axis=1)
    assert (some & ~whole).mean() == pytest.approx(0.18, abs=0.02)
    assert whole.mean() == pytest.approx(0.01, abs=0.005)
    assert found["orders_lost"] == whole.sum()
    assert found["refunded_minor"] == (lost @ np.array([1000, 2000])).sum()
    assert found["orders_delivered"] == ORDERS - whole.sum()
    assert found["contribution"]["goods_written_off_minor"] == -(lost @ np.array([400, 500])).sum()


def test_an_order_that_lacks_a_parcel_is_not_on_time() -> None:
    scenario = apart("0 %", "lanes[1].lost=100 %", "dispatch.deliver_days=60")
    outcome, found = played(scenario, 20)
    assert set(outcome.orders["state"]) == {State.COMPLETED}
    assert found["on_time_delivery"] == {"orders_due": 20, "orders_on_time": 0, "otdr_share": 0.0}
    assert (found["refunded_minor"], found["captured_minor"]) == (20 * 2000, 20 * 3000)


def test_carriers_by_share_are_drawn_apart_for_each_parcel() -> None:
    """Half and half in both warehouses: half of the orders go with two carriers."""
    carriers = "[{name: post, share: 0.5, pick_ups: [{at: '18:00'}]}, {name: swift, share: 0.5}]"
    by_share = [
        f"warehouses[{house}].{key}" for house in (0, 1) for key in (f"carriers={carriers}", "carrier_choice=share")
    ]
    outcome, _ = played(apart("0 %", *by_share), 1_000)
    carrier = outcome.parcels["carrier"].reshape(1_000, 2) % 2
    assert (carrier[:, 0] != carrier[:, 1]).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("late_cancels", ["return", "keep"])
def test_cancels_that_come_too_late_are_counted_and_come_back_or_are_kept(late_cancels: str) -> None:
    """Ten orders of one mug are collected on Monday at 18:00; all want to cancel an hour later, before they arrive."""
    scenario = shop(
        "after_sales.before_shipping_delay=18h",
        f"after_sales.late_cancels={late_cancels}",
        "warehouses[0].pick_ups[0].capacity=8",
    )
    cart = {**PAID_IN_A_MINUTE, "after": CANCEL_BEFORE_SHIPPING, "restock": 1, "transit_u32": 1 << 31}
    trace = tiny_trace(scenario, [{**cart, "time_us": k} for k in range(10)])
    assert differences(scenario, trace)[0] == []
    outcome = simulate(scenario, trace, fast=False)
    found = summarise(scenario, trace, outcome)
    back = 8 if late_cancels == "return" else 0
    assert (found["orders_cancelled_by_buyer"], found["orders_cancel_too_late"]) == (2, 8)
    assert (found["orders_returned"], found["stock"]["restocked_units"]) == (back, back)
    assert found["refunded_minor"] == 1000 * (2 + back)
    assert found["contribution"]["returns_minor"] == -300 * back
    assert np.count_nonzero(outcome.orders["reason"] == Reason.NOTHING) == 8 - back
    if back:  # a day to the door, a day back
        came_us = outcome.orders["closed_us"][outcome.orders["reason"] == Reason.RETURNED]
        assert set(came_us.tolist()) == {18 * HOUR_US + 2 * DAY_US}
