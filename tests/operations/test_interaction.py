"""Interaction through a whole run: the same show with its questions answered, unanswered, and with hosts who press."""

from __future__ import annotations

from typing import Any

import pytest

from sim.demand.generate import generate
from sim.operations.metrics import summarise
from sim.operations.simulate import simulate
from sim.scenario.load import scenario_from_text

_SHOW = """
name: show
start: 2026-06-01T10:00:00+00:00
horizon: 30d
catalogue:
  - {name: dress, category: apparel, price: 30 GBP, cost: 10 GBP, salvage: 10 GBP, stock: {main: 20000}}
programme:
  broadcasts:
    - {name: live, start: 0, length: 1h, entries: [{at: 0, per_min: 500}], bag: [dress]}
funnel: {clicks_per_viewer_hour: 90}
engine: {workers: 50}
payment: {pays: 100 %}
warehouses: [{name: main, pickers: 500, packers: 500}]
after_sales: {cancel_on_hold: 0, default: {before_shipping: 20 %, after_delivery: 25 %, refund_only: 0}}
"""


def run(*overrides: str) -> dict[str, Any]:
    scenario = scenario_from_text(_SHOW, overrides=overrides)
    trace = generate(scenario, 7)
    return summarise(scenario, trace, simulate(scenario, trace))


@pytest.fixture(scope="module")
def unanswered() -> dict[str, Any]:
    return run("funnel.questions={asks_per_viewer_hour: 1, moderators: 0}")


def came_back(metrics: dict[str, Any]) -> float:
    """Share of paid orders cancelled before shipping or returned."""
    return float(metrics["orders_cancelled_by_buyer"] + metrics["orders_returned"]) / metrics["orders_paid"]


def test_answers_bring_three_percent_more_orders_and_an_eighth_fewer_returns(unanswered: dict[str, Any]) -> None:
    answered = run("funnel.questions={asks_per_viewer_hour: 1, moderators: 100, wage_per_hour: 15 GBP}")
    assert (unanswered["questions"]["answered_share"], answered["questions"]["answered_share"]) == pytest.approx((0, 1))
    assert unanswered["orders_paid"] > 2000
    assert answered["orders_paid"] / unanswered["orders_paid"] == pytest.approx(1.0304, abs=0.015)
    assert came_back(answered) / came_back(unanswered) == pytest.approx(0.8745, abs=0.045)
    assert answered["contribution"]["moderators_minor"] == -100 * 1500


def test_persuasion_brings_more_orders_and_more_returns_at_both_stages(unanswered: dict[str, Any]) -> None:
    pressed = run("funnel.questions={asks_per_viewer_hour: 1, moderators: 0}", "funnel.persuasion.level=1")
    error = 4 * (2 / unanswered["orders_paid"]) ** 0.5
    assert pressed["orders_paid"] / unanswered["orders_paid"] == pytest.approx(1.1, abs=error)
    assert came_back(pressed) - came_back(unanswered) == pytest.approx(0.1168, abs=0.05)
    for stage in ("orders_cancelled_by_buyer", "orders_returned"):
        more = pressed[stage] / pressed["orders_paid"] - unanswered[stage] / unanswered["orders_paid"]
        assert more == pytest.approx(0.0584, abs=0.045), stage
