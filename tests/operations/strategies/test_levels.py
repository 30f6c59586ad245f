"""Levels by formula: the balance of many items, and what it comes to where other code says the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.analytic.newsvendor import newsvendor_cost, newsvendor_stock
from sim.operations.strategies.levels import LEVELS, Levels, Part, common_level
from sim.operations.strategies.planned import Planner
from sim.scenario.load import load_scenario
from sim.scenario.schema import Scenario
from tests.paths import SCENARIOS

#: One show whose demand is given, so that nothing is fitted.
SHOW = """
name: given
start: 2026-06-01T10:00:00+00:00
horizon: 10d
catalogue: [{name: mug, price: 10.00 GBP, cost: 4.00 GBP, salvage: 1.00 GBP, stock: {main: 20}}]
programme:
  broadcasts:
    - {name: show, start: 0, length: 10d, entries: [{at: 0, per_min: 1}], pitches: [{listing: mug, at: 0}]}
fees: {pick_pack: 0.80 GBP, holding_per_day: 1 %}
stock: {policy: newsvendor, lead_time: 2d, review: 1d, order_cost: 8.00 GBP}
"""


def given(tmp_path: Path, *overrides: str) -> Scenario:
    path = tmp_path / "given.yaml"
    path.write_text(SHOW, encoding="utf-8")
    return load_scenario(path, ["stock.forecast.given={mug: {mean: 300, sd: 40}}", *overrides])


@pytest.mark.parametrize("law", ["normal", "poisson", "lognormal", "negative_binomial"])
def test_the_level_of_one_item_is_the_newsvendors(law: str) -> None:
    demand = Demand(law, 120, 30)  # type: ignore[arg-type]
    assert common_level([Part(demand, 5.0, 0.4)]) == math.ceil(newsvendor_stock(demand, 5.0, 0.4))


def test_a_common_level_costs_least_of_all_levels() -> None:
    parts = [
        Part(Demand("negative_binomial", 40, 12), 6.0, 0.5),
        Part(Demand("negative_binomial", 90, 25), 2.0, 0.3),
        Part(Demand("poisson", 10), 0.0, 0.2),
    ]

    def cost(level: int) -> float:
        return sum(newsvendor_cost(part.demand, level, part.short, part.over) for part in parts)

    assert common_level(parts) == min(range(300), key=cost)


def test_stock_that_is_shared_out_covers_each_share() -> None:
    parts = [Part(Demand("normal", 100, 10), 4.0, 1.0, share=0.25), Part(Demand("normal", 300, 30), 4.0, 1.0, 0.75)]
    assert common_level(parts) == math.ceil(newsvendor_stock(Demand("normal", 400, 40), 4.0, 1.0))


def test_the_stock_of_a_season_is_what_the_policy_that_plans_for_shows_would_order(tmp_path: Path) -> None:
    scenario = given(tmp_path, "fees.holding_per_day=0 %", "stock.count_on_returns=true")
    ((_, planned, _),) = Planner(scenario).orders(0, (0,))
    levels = Levels(scenario)
    assert levels.season_stock([(levels.items()[0], 1.0)]) == pytest.approx(planned, abs=1)


def test_the_order_quantity_is_the_economic_one(tmp_path: Path) -> None:
    levels = Levels(given(tmp_path))
    a_day, holding = 30, 4.00 * 0.01 + 3.00 / 10  # GBP a unit and day: held, and lost at the end of ten days
    assert levels.quantity(levels.items()) == pytest.approx(math.sqrt(2 * 8.00 * a_day / holding))


def test_levels_keep_their_order_and_rise_with_the_lead_time() -> None:
    path = SCENARIOS / "minimal.yaml"
    few = ["stock.forecast.pilots=4", "stock.review=10m", "stock.order_cost=2.00 GBP"]
    short, long = (Levels(load_scenario(path, [*few, f"stock.lead_time={lead}"])) for lead in ("10m", "40m"))
    found = [{key: each(at, at.items()) for key, each in LEVELS["s_S"].items()} for at in (short, long)]
    assert all(each["s"] < each["S"] for each in found)
    assert found[0]["s"] < found[1]["s"]
    points = [LEVELS["r_Q"]["r"](at, at.items()) for at in (short, long)]
    assert points[0] < points[1]
    assert LEVELS["base_stock"]["S"](short, short.items()) >= points[0]
