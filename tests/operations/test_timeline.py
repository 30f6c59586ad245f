"""Timelines and tables: every row counted again, sums that agree with the orders."""

from __future__ import annotations

import numpy as np
import pytest

from sim.demand.trace import Trace
from sim.operations import tables
from sim.operations.carts import Carts
from sim.operations.outcome import Outcome
from sim.operations.timeline import AFTER_S, MAX_ROWS, Grid, grid_of, timeline, timeline_content
from sim.scenario.schema import Scenario
from tests.operations.from_oracle import oracle_outcome
from tests.operations.shop import DAY_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace
from tests.oracle.cases import FEATURES, make_case

US = 1_000_000


@pytest.fixture(scope="module", params=range(4))
def played(request: pytest.FixtureRequest) -> tuple[Scenario, Trace, Outcome, Carts]:
    scenario, trace = make_case(request.param, frozenset(FEATURES), "minutes", range(60))
    return scenario, trace, oracle_outcome(scenario, trace)[0], Carts(trace)


def test_a_row_is_a_second_to_five_minutes_after_the_show() -> None:
    scenario = shop()
    assert grid_of(scenario, tiny_trace(scenario, [PAID_IN_A_MINUTE])) == Grid(1, 3_600 + AFTER_S, 3_600)


def test_a_line_after_the_show_makes_the_timeline_longer_but_not_past_the_horizon() -> None:
    for horizon, rows in (("20d", 86_400 + 1 + AFTER_S), ("86460s", 86_460)):
        scenario = shop(f"horizon={horizon}")
        trace = tiny_trace(scenario, [{**PAID_IN_A_MINUTE, "time_us": DAY_US + 1}])
        assert grid_of(scenario, trace).rows == rows


def test_a_long_programme_has_longer_rows() -> None:
    scenario = shop("horizon=60d")
    grid = grid_of(scenario, tiny_trace(scenario, [{"time_us": 50 * DAY_US}]))
    assert grid.step_s == 10
    assert grid.rows <= MAX_ROWS


def test_every_row_holds_what_happened_in_it(played: tuple[Scenario, Trace, Outcome, Carts]) -> None:
    scenario, trace, outcome, carts = played
    grid = grid_of(scenario, trace)
    columns = timeline(outcome, carts, grid)
    arrived = carts.chunk(0, len(carts)).first_of("time_us")
    response = outcome.orders["checkout_response_us"]
    for row in np.unique(np.append(arrived // US, outcome.orders["placed_us"] // US)):
        if not 0 <= row < grid.rows:
            continue
        assert columns["intents"][row] == np.count_nonzero(arrived // US == row)
        assert columns["placed"][row] == np.count_nonzero(outcome.orders["placed_us"] // US == row)
        answered = np.sort(response[(arrived // US == row) & (response >= 0)])
        expected = answered[-1] if len(answered) else -1
        assert columns["checkout_p99_us"][row] == expected
        middle = answered[(len(answered) + 1) // 2 - 1] if len(answered) else -1
        assert columns["checkout_p50_us"][row] == middle
    assert columns["intents"].sum() == np.count_nonzero(arrived // US < grid.rows)


def test_contents_add_up_to_the_whole(played: tuple[Scenario, Trace, Outcome, Carts]) -> None:
    scenario, trace, outcome, carts = played
    grid = grid_of(scenario, trace)
    whole, parts = timeline(outcome, carts, grid), timeline_content(scenario, trace, outcome, carts, grid)
    for name in ("intents", "placed", "paid"):
        sums = np.bincount(parts["time_s"] // grid.step_s, weights=parts[name], minlength=grid.rows)
        assert sums.tolist() == whole[name].tolist()
    key = parts["time_s"].astype(np.int64) * 1000 + parts["content"]
    assert np.all(np.diff(key) > 0)


def test_peaks_of_the_queue_fall_in_their_second() -> None:
    scenario = shop()
    trace = tiny_trace(scenario, [PAID_IN_A_MINUTE])
    outcome, _ = oracle_outcome(scenario, trace)
    outcome.queue_peak = np.array([0, 7, 3], np.int32)
    columns = timeline(outcome, Carts(trace), Grid(1, 5, 5))
    assert columns["queue_peak"].tolist() == [0, 7, 3, 0, 0]
    assert timeline(outcome, Carts(trace), Grid(10, 1, 5))["queue_peak"].tolist() == [7]


def test_the_last_row_of_each_sku_is_its_stock_at_the_end(played: tuple[Scenario, Trace, Outcome, Carts]) -> None:
    scenario, trace, outcome, carts = played
    columns = tables.stock_over_time(scenario, trace, outcome, carts, grid_of(scenario, trace))
    outcome_stock = {name: outcome.stock[name].sum(axis=1) for name in ("on_hand", "available")}
    for sku in np.unique(columns["sku"]):
        last = np.flatnonzero(columns["sku"] == sku)[-1]
        assert columns["on_hand_units"][last] == outcome_stock["on_hand"][sku]
        assert columns["available_units"][last] == outcome_stock["available"][sku]


def test_stock_steps_through_what_a_buyer_does() -> None:
    """100 mugs: two held at once, collected at 18:00; stock rows only where something changed."""
    scenario = shop()
    trace = tiny_trace(scenario, [{**PAID_IN_A_MINUTE, "quantity": 2}])
    outcome, _ = oracle_outcome(scenario, trace)
    columns = tables.stock_over_time(scenario, trace, outcome, Carts(trace), grid_of(scenario, trace))
    names = ("time_s", "sku", "on_hand_units", "available_units")
    rows = list(zip(*(columns[name].tolist() for name in names), strict=True))
    assert rows == [(0, 0, 100, 100), (0, 1, 10, 10), (1, 0, 100, 98), (19 * 3600, 0, 98, 98)]


def test_hours_and_pick_ups_hold_every_parcel(played: tuple[Scenario, Trace, Outcome, Carts]) -> None:
    scenario, _, outcome, _ = played
    hours, picks = tables.hours(scenario, outcome), tables.pick_ups(scenario, outcome)
    for name in ("picked", "packed", "collected"):
        assert hours[name].sum() == np.count_nonzero(outcome.parcels[f"{name}_us"] >= 0)
    assert hours["arrived"].sum() + hours["lost"].sum() == np.count_nonzero(outcome.parcels["arrived_us"] >= 0)
    assert sum(count for count in picks["collected"] if isinstance(count, int)) == hours["collected"].sum()
    for capacity, collected in zip(picks["capacity"], picks["collected"], strict=True):
        assert capacity is None or int(collected or 0) <= int(capacity)


def test_skus_and_contents_agree_with_the_orders(played: tuple[Scenario, Trace, Outcome, Carts]) -> None:
    scenario, trace, outcome, carts = played
    skus, shows = tables.skus(scenario, outcome, carts), tables.by_content(scenario, trace, outcome, carts)
    whole = carts.chunk(0, len(carts))
    units = whole.total(whole.lines("quantity").astype(np.int64))
    for name in ("placed", "paid"):
        flags = outcome.orders[f"{name}_us"] >= 0
        assert skus[f"units_{name}"].sum() == units[flags].sum()
        assert shows[name].sum() == flags.sum()
    on_hand = skus["initial_units"] + skus["received_units"] + skus["restocked_units"] - skus["shipped_units"]
    assert skus["on_hand_units"].tolist() == on_hand.tolist()
