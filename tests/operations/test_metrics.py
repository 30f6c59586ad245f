"""Metrics: counted again the slow way, and the rates of platforms by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sim.measure.percentiles import ENOUGH_BEYOND
from sim.operations.metrics import summarise
from sim.operations.responses import percentiles_us, requests_of, response_summary, slo_results
from sim.orders.states import Reason, State
from tests.operations.compare import punctuality_of
from tests.operations.from_oracle import oracle_outcome
from tests.operations.shop import DAY_US, HOUR_US, MINUTE_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace
from tests.oracle.cases import FEATURES, MODES, make_case


@pytest.mark.parametrize("seed", range(20))
def test_orders_are_counted_as_one_would_by_hand(seed: int) -> None:
    scenario, trace = make_case(seed, frozenset(FEATURES), MODES[seed % 3], range(40))
    outcome, oracle = oracle_outcome(scenario, trace)
    found, orders = summarise(scenario, trace, outcome), oracle.orders
    states = Counter(State(state).name for state in orders["state"])
    assert found["orders_by_state"] == {state.name: states[state.name] for state in State}
    assert sum(found["orders_by_state"].values()) == found["intents"] == 40
    ended = Counter(Reason(r).name for r, s in zip(orders["reason"], orders["state"], strict=True) if s == State.NONE)
    assert found["refusals_by_reason"] == {name: ended[name] for name in found["refusals_by_reason"]}
    assert found["orders_placed"] == sum(time >= 0 for time in orders["placed_us"])
    assert found["orders_paid"] == sum(time >= 0 for time in orders["paid_us"])
    assert found["orders_late_payment"] == sum(orders["late"])
    assert found["captured_minor"] == sum(orders["captured"])
    assert found["parcels"]["collected"] == sum(row[4] >= 0 for row in oracle.parcels)
    assert found["parcels"]["carried_over"] == sum(oracle.carried)
    assert found["contribution_minor"] == sum(found["contribution"].values())


def test_orders_refused_failed_placed_and_undecided_are_those_that_went_ahead() -> None:
    for seed in range(30):
        scenario, trace = make_case(seed, frozenset(FEATURES), MODES[seed % 3], range(40))
        found = summarise(scenario, trace, oracle_outcome(scenario, trace)[0])
        decided = found["orders_placed"] + found["orders_refused"] + found["orders_failed"]
        assert decided <= found["orders_going"] <= found["intents"]
        assert found["orders_refused"] + found["orders_failed"] == sum(found["refusals_by_reason"].values())


def test_the_fill_rate_counts_units_first_asked_for() -> None:
    """Ten pots: two carts of four are filled, one of four is not, and its buyer takes mugs instead."""
    scenario = shop("funnel.second_choice=100 %")
    cart = {**PAID_IN_A_MINUTE, "sku": 1, "quantity": 4, "second_sku": 0}
    trace = tiny_trace(scenario, [{**cart, "time_us": k} for k in range(3)])
    found = summarise(scenario, trace, oracle_outcome(scenario, trace)[0])
    assert (found["units_placed"], found["units_sold_out"]) == (12, 4)
    assert found["fill_rate_share"] == pytest.approx(8 / 12)
    assert found["orders_second_choice"] == 1
    assert found["first_refusals_by_reason"]["SOLD_OUT"] == 1
    assert found["orders_refused"] == 0


def test_units_that_a_deal_ran_out_of_are_unfilled_and_those_not_on_sale_are_not_asked_for() -> None:
    """A deal of six mugs, two a buyer, to the 10th minute: three carts filled, two too late, one greedy, one closed."""
    deal = "{sku: mug, at: 0, countdown: 0, duration: 10m, price: 8.00 GBP, units: 6, per_buyer: 2}"
    scenario = shop(f"programme.broadcasts[0].deals=[{deal}]")
    cart = {**PAID_IN_A_MINUTE, "deal": 0, "quantity": 2}
    times = [{"time_us": k} for k in range(5)] + [{"time_us": 0, "quantity": 3}, {"time_us": 11 * MINUTE_US}]
    trace = tiny_trace(scenario, [cart | at for at in times])
    found = summarise(scenario, trace, oracle_outcome(scenario, trace)[0])
    refused = {name: count for name, count in found["refusals_by_reason"].items() if count}
    assert refused == {"DEAL_SOLD_OUT": 2, "PURCHASE_LIMIT": 1, "DEAL_CLOSED": 1}
    assert (found["units_placed"], found["units_sold_out"], found["units_deal_sold_out"]) == (6, 0, 4)
    assert found["fill_rate_share"] == pytest.approx(6 / 10)


def test_without_demand_shares_are_unknown_rather_than_zero() -> None:
    scenario = shop()
    trace = tiny_trace(scenario, [])
    found = summarise(scenario, trace, oracle_outcome(scenario, trace)[0])
    assert found["fill_rate_share"] is None
    assert found["slos_met"] is None
    assert found["late_dispatch"]["ldr_share"] is None
    assert found["on_time_delivery"]["otdr_share"] is None
    assert found["response"]["checkout"]["p50_us"] is None
    assert found["contribution"]["gross_sales_minor"] == 0


@pytest.mark.parametrize(("horizon", "due", "late"), [("8d", 5, 0), ("9d", 10, 0), ("9d 1s", 17, 7), ("20d", 17, 7)])
def test_late_dispatch_counts_what_the_carrier_took_late_or_never(horizon: str, due: int, late: int) -> None:
    """Five parcels a working day; 17 orders of Friday night are due by Tuesday's end, day 9: ten go in time."""
    scenario = shop(f"horizon={horizon}")
    carts = [{**PAID_IN_A_MINUTE, "time_us": 4 * DAY_US + 20 * HOUR_US + k} for k in range(17)]
    trace = tiny_trace(scenario, carts)
    outcome, _ = oracle_outcome(scenario, trace)
    found = punctuality_of(scenario, trace, outcome)["late_dispatch"]
    assert (found["orders_due"], found["orders_late"]) == (due, late)


def test_a_promise_is_kept_by_the_end_of_its_business_day() -> None:
    """Paid on Monday, collected at 18:00, a day on the road; the promise is 0 business days after Monday's end."""
    for days, on_time in ((0, 0), (1, 1)):
        scenario = shop(f"dispatch.deliver_days={days}")
        trace = tiny_trace(scenario, [PAID_IN_A_MINUTE])
        outcome, _ = oracle_outcome(scenario, trace)
        found = punctuality_of(scenario, trace, outcome)["on_time_delivery"]
        assert found == {"orders_due": 1, "orders_on_time": on_time, "otdr_share": float(on_time)}


@pytest.mark.parametrize(
    ("count", "told"), [(19, []), (20, ["p50_us"]), (200, ["p50_us", "p95_us"]), (999, 2), (1000, 3)]
)
def test_a_percentile_is_told_when_ten_answers_lie_beyond_it(count: int, told: list[str] | int) -> None:
    times = np.arange(count, 0, -1, dtype=np.int32)
    found = percentiles_us(times)
    known = [name for name, value in found.items() if value is not None and name != "max_us"]
    assert known == told or len(known) == told
    assert found["max_us"] == count
    for name in known:
        rank = found[name]
        assert rank is not None
        assert count - rank >= ENOUGH_BEYOND


def test_requests_that_failed_miss_the_slo() -> None:
    """One worker, no queue: of ten checkouts at once one is served. 10 % in time are not 90 %."""
    scenario = shop(
        "engine.workers=1", "engine.queue_bound=0", "engine.attempts=1", "slos[0].percentile=5", "slos[0].errors=90 %"
    )
    trace = tiny_trace(scenario, [{"pay_delay_us": -1, "checkout_us": 1000} for _ in range(10)])
    outcome, _ = oracle_outcome(scenario, trace)
    assert response_summary(requests_of(outcome, 10))["checkout"]["failed"] == 9
    (row,) = slo_results(scenario, requests_of(outcome, 10))
    assert (row["within_share"], row["failed_share"], row["met"]) == (0.1, 0.9, True)
    strict = scenario.model_copy(update={"slos": (scenario.slos[0].model_copy(update={"percentile": 11.0}),)})
    assert slo_results(strict, requests_of(outcome, 10))[0]["met"] is False
    few_errors = scenario.model_copy(update={"slos": (scenario.slos[0].model_copy(update={"errors": 0.89}),)})
    assert slo_results(few_errors, requests_of(outcome, 10))[0]["met"] is False
