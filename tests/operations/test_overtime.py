"""Overtime on an example that can be checked in the head: ten minutes a parcel to pick, nothing to speak of to pack."""

from __future__ import annotations

import pytest

from sim.operations.metrics import Metrics, summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.scenario.schema import Scenario
from tests.operations.compare import differences
from tests.operations.shop import DAY_US, HOUR_US, MINUTE_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace

OVERTIME = "warehouses[0].overtime=[{at: '12:00', length: 2h, backlog: %d, pickers: 1, wage_per_h: 15.00 GBP}]"


def played(scenario: Scenario) -> tuple[Outcome, Metrics]:
    """24 orders confirmed at 09:01 on Monday, a microsecond apart; flow and oracle are equal."""
    carts = [{**PAID_IN_A_MINUTE, "time_us": 8 * HOUR_US + k, "pick_us": 10 * MINUTE_US} for k in range(24)]
    trace = tiny_trace(scenario, carts)
    assert differences(scenario, trace)[0] == []
    outcome = simulate(scenario, trace)
    return outcome, summarise(scenario, trace, outcome)


@pytest.mark.parametrize(("backlog", "called"), [(5, 1), (6, 1), (7, 0), (50, 0)])
def test_more_hands_come_where_the_backlog_is_too_long(backlog: int, called: int) -> None:
    """One picker has done 17 by 12:00, and would be done at 13:01. Seven wait; two pickers are done at 12:31."""
    outcome, found = played(shop("warehouses[0].pickers=1", OVERTIME % backlog, "horizon=20h"))
    done_us = 13 * HOUR_US + MINUTE_US - 30 * MINUTE_US * called
    assert outcome.parcels["picked_us"].max() == pytest.approx(done_us, abs=MINUTE_US)
    assert found["overtime"] == {"called": called, "hours": 2.0 * called, "wages_minor": 3000 * called}
    assert found["contribution"]["pick_pack_minor"] == -50 * 24 - 3000 * called


def test_overtime_that_runs_past_the_horizon_is_paid_up_to_it() -> None:
    _, found = played(shop("warehouses[0].pickers=1", OVERTIME % 0, "horizon=12h 40m"))
    assert found["overtime"]["wages_minor"] == 1000


def test_planned_hands_are_paid_for_the_hours_of_their_shifts() -> None:
    shifts = "[{from: '08:00', to: '18:00', servers: 2, days: [mon, tue]}]"
    scenario = shop(
        f"warehouses[0].pickers={shifts}",
        "warehouses[0].packers=1",
        "warehouses[0].wage_per_h=10.00 GBP",
        "horizon=10d",
    )
    _, found = played(scenario)
    assert found["contribution"]["pick_pack_minor"] == -50 * 24 - 1000 * (2 * 10 * 4 + 240)  # Mondays and Tuesdays, two
    assert scenario.horizon_us == 10 * DAY_US
