"""Rules of dispatch on examples that can be checked in the head. The shop's start is a Monday's midnight, UTC."""

from __future__ import annotations

from typing import Any

import pytest

from sim.demand.trace import Trace
from sim.operations.metrics import Metrics, summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.orders.states import Reason, State
from sim.reports.text import summary_text
from sim.scenario.schema import Scenario
from tests.operations.compare import differences
from tests.operations.shop import DAY_US, HOUR_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace


def orders_at(scenario: Scenario, hour: float, number: int) -> Trace:
    """`number` orders a microsecond apart, `hour` hours after the start."""
    return tiny_trace(scenario, [{**PAID_IN_A_MINUTE, "time_us": round(hour * HOUR_US) + k} for k in range(number)])


def played(scenario: Scenario, trace: Trace) -> tuple[Outcome, Metrics]:
    """The outcome and its metrics, after flow and oracle were found equal."""
    assert differences(scenario, trace)[0] == []
    outcome = simulate(scenario, trace)
    return outcome, summarise(scenario, trace, outcome)


@pytest.mark.parametrize(("event", "late"), [("carrier_scan", 7), ("ready_to_ship", 0)])
def test_what_dispatches_a_parcel_is_a_setting(event: str, late: int) -> None:
    """Five parcels a working day are collected; all 17 orders of Friday night are packed at once."""
    scenario = shop(f"dispatch.event={event}")
    _, found = played(scenario, orders_at(scenario, 4 * 24 + 20, 17))
    assert found["late_dispatch"] == {"orders_due": 17, "orders_late": late, "ldr_share": late / 17}
    assert found["contribution"]["late_dispatch_minor"] == -150 * late


def test_orders_not_dispatched_in_time_are_cancelled_refunded_and_back_on_the_shelf() -> None:
    """17 orders of Monday 20:00; Tuesday's pick-up takes five, and Tuesday's end is the last for the others."""
    scenario = shop("dispatch.auto_cancel_days=1", "dispatch.auto_cancel_event=carrier_scan", "horizon=3d")
    outcome, found = played(scenario, orders_at(scenario, 20, 17))
    dropped = outcome.orders["reason"] == Reason.AUTO_CANCELLED
    assert dropped.tolist() == [False] * 5 + [True] * 12
    assert set(outcome.orders["closed_us"][dropped]) == {2 * DAY_US}
    assert set(outcome.orders["state"][dropped]) == {State.CANCELLED}
    assert found["orders_auto_cancelled"] == 12
    assert found["refunded_minor"] == 12 * 1000
    assert found["stock"]["available_units"] == 110 - 5
    assert found["late_dispatch"] == {"orders_due": 17, "orders_late": 12, "ldr_share": 12 / 17}
    assert found["seller_cancels"] == {"orders_paid": 17, "orders_cancelled": 12, "sfcr_share": 12 / 17}
    assert found["contribution"]["late_dispatch_minor"] == -150 * 12


@pytest.mark.parametrize("event", ["carrier_scan", "ready_to_ship"])
def test_orders_with_a_label_are_not_cancelled_whatever_counts_as_dispatch(event: str) -> None:
    scenario = shop("dispatch.auto_cancel_days=1", f"dispatch.event={event}", "horizon=3d")
    _, found = played(scenario, orders_at(scenario, 20, 17))
    assert found["orders_auto_cancelled"] == 0
    # The labels of the seven that the carrier has not scanned by Wednesday's end, the deadline, are not valid.
    assert found["valid_tracking"] == {"parcels_due": 10, "parcels_scanned": 10, "vtr_share": 1.0}
    later = shop("dispatch.event=ready_to_ship", "horizon=3d 1s")
    assert played(later, orders_at(later, 20, 17))[1]["valid_tracking"]["parcels_due"] == 17


def test_orders_beyond_the_declared_capacity_have_a_day_more() -> None:
    """Ten orders on Monday, to be dispatched that day; five go each day. The sixth is late, those after it are not."""
    rules = ("dispatch.dispatch_days=0", "dispatch.daily_capacity=6")
    scenario = shop(*rules)
    assert played(scenario, orders_at(scenario, 8, 10))[1]["late_dispatch"]["orders_late"] == 1
    without = shop(rules[0])
    assert played(without, orders_at(without, 8, 10))[1]["late_dispatch"]["orders_late"] == 5
    two_days = shop(*rules, "dispatch.capacity_days=2", 'warehouses[0].pick_ups=[{at: "18:00", capacity: 4}]')
    assert played(two_days, orders_at(two_days, 8, 10))[1]["late_dispatch"]["orders_late"] == 2


@pytest.mark.parametrize(("hour", "late"), [(16.5, 0), (17.5, 5)])
def test_the_cut_off_decides_to_which_day_an_order_belongs(hour: float, late: int) -> None:
    """Days end at 17:00 Tokyo time, 08:00 UTC; paid before it on Tuesday the deadline is Wednesday's."""
    scenario = shop(
        "dispatch={cut_off: '17:00', dispatch_days: 1, calendar: {zone: Asia/Tokyo}}",
        'warehouses[0].pick_ups=[{at: "07:30"}]',
    )
    trace = orders_at(scenario, 24 + hour - 9, 5)
    outcome, found = played(scenario, trace)
    assert found["late_dispatch"]["orders_late"] == 0
    strict = scenario.model_copy(update={"dispatch": scenario.dispatch.model_copy(update={"dispatch_days": 0})})
    assert set(outcome.parcels["collected_us"]) == {2 * DAY_US + 7 * HOUR_US + HOUR_US // 2}
    assert played(strict, trace)[1]["late_dispatch"]["orders_late"] == 5 - late


def test_a_summary_tells_which_limits_are_missed() -> None:
    scenario = shop(
        "dispatch.rules=house rules",
        "dispatch.thresholds={ldr_at_most: 4 %, ldr_enforced_above: 50 %, otdr_at_least: 80 %, vtr_at_least: 95 %}",
        "dispatch.penalties=[points]",
    )
    _, found = played(scenario, orders_at(scenario, 4 * 24 + 20, 17))
    rows = {row["limit"]: (row["limit_share"], row["met"]) for row in found["dispatch_limits"]}
    assert rows == {
        "ldr_at_most": (0.04, False),
        "ldr_enforced_above": (0.5, True),
        "otdr_at_least": (0.8, True),
        "vtr_at_least": (0.95, True),
    }
    text = told(scenario, found)
    assert "Limits: house rules" in text
    assert "LDR at most 4.0 %" in text
    assert "MISSED" in text
    assert "points" in text
    assert "Limits" not in told(shop(), played(shop(), orders_at(shop(), 1, 1))[1])


def told(scenario: Scenario, metrics: Metrics) -> str:
    """The text summary of one replication."""
    summary: dict[str, Any] = {"scenario": "shop", "seed": 1, "replications": 1, "currency": "GBP", "metrics": metrics}
    dates = {"start_utc": scenario.start.isoformat(), "horizon_s": scenario.horizon_us / 1e6, "programme_end_s": 3600}
    return summary_text({**summary, **dates, "timeline_step_s": 1, "format": 1, "intervals": {}})
