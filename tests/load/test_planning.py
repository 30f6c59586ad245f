"""A schedule is the trace: all of it, the same part for the same share, faster or slower, and never anything twice."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from loadtests.choosing import Choice, busiest_us, duplicated, settled, share_mask
from loadtests.planning import Left, plan_schedule, scaled_units
from loadtests.schedule import CANCEL, NEVER, PLACE, QUOTE, REFRESH, VIEW, Schedule, read_schedule
from loadtests.simulated import left_at
from sim.cli import run
from sim.demand.from_file import trace_from_file
from sim.demand.generate import generate
from sim.demand.trace import BUY, Trace
from sim.errors import UsageError
from sim.operations.simulate import simulate
from sim.orders.rules import SECOND_US
from sim.scenario import load_scenario
from sim.scenario.schema import Scenario
from sim.scenario.tables import deal_table, sku_table
from tests.paths import SCENARIOS


@pytest.fixture(scope="module")
def show() -> tuple[Scenario, Trace]:
    scenario = load_scenario(SCENARIOS / "evening_show.yaml", [])
    return scenario, generate(scenario, scenario.seed, 0)


def _whole(scenario: Scenario) -> Choice:
    return Choice(from_us=0, length_us=scenario.horizon_us, tail_us=10**13)


def test_the_whole_trace_is_sent_once(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    schedule = plan_schedule(scenario, trace, _whole(scenario))
    buys = np.unique(trace.lines["cart"][trace.lines["kind"] == BUY])
    assert np.array_equal(schedule.carts["number"], buys)
    for kind in (VIEW, REFRESH, QUOTE):
        assert np.count_nonzero(schedule.arrivals["kind"] == kind) == np.count_nonzero(trace.lines["kind"] == kind)
    places = schedule.arrivals["kind"] == PLACE
    assert np.array_equal(np.sort(schedule.arrivals["cart"][places]), np.arange(len(buys)))
    assert np.all(np.diff(schedule.arrivals["due_us"]) >= 0)
    assert int(schedule.carts["lines"].sum()) == np.count_nonzero(trace.lines["kind"] == BUY)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_workers_split_the_trace_exactly(show: tuple[Scenario, Trace], workers: int) -> None:
    schedule = plan_schedule(*show, Choice(length_us=300 * SECOND_US))
    parts = [schedule.part(worker, workers) for worker in range(workers)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(schedule.arrivals["due_us"])))
    carts = [set(schedule.arrivals["cart"][part].tolist()) for part in parts]
    assert sum(len(part) for part in carts) == len(set().union(*carts))


def test_a_smaller_share_is_part_of_a_larger_one_and_scales_stock_and_limits(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    whole = plan_schedule(scenario, trace, _whole(scenario))
    half = plan_schedule(scenario, trace, replace(_whole(scenario), share=0.5))
    tenth = plan_schedule(scenario, trace, replace(_whole(scenario), share=0.1))
    assert set(tenth.carts["number"]) < set(half.carts["number"]) < set(whole.carts["number"])
    assert len(half.carts["number"]) == pytest.approx(len(whole.carts["number"]) / 2, rel=0.05)
    for before, after in zip(whole.offers, half.offers, strict=True):
        assert after.units == scaled_units(before.units, 0.5)
    assert [deal.units for deal in half.deals] == [scaled_units(deal.units, 0.5) for deal in whole.deals]


def test_speed_divides_every_duration(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    plain = plan_schedule(scenario, trace, _whole(scenario))
    fast = plan_schedule(scenario, trace, replace(_whole(scenario), speed=60))
    for name in ("pay_delay_us", "confirm_delay_us"):
        real = plain.carts[name] != NEVER
        assert np.array_equal(fast.carts[name][real], plain.carts[name][real] // 60)
        assert np.all(fast.carts[name][~real] == NEVER)
    assert np.array_equal(fast.arrivals["due_us"], plain.arrivals["due_us"] // 60)
    assert [deal.close_us for deal in fast.deals] == [deal.close_us // 60 for deal in plain.deals]


def test_a_multiple_brings_arrivals_closer_and_leaves_delays(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    plain = plan_schedule(scenario, trace, _whole(scenario))
    dense = plan_schedule(scenario, trace, replace(_whole(scenario), multiple=4))
    assert np.array_equal(dense.carts["pay_delay_us"], plain.carts["pay_delay_us"])
    assert np.array_equal(dense.arrivals["due_us"], plain.arrivals["due_us"] // 4)


def test_the_busiest_stretch_holds_more_checkouts_than_any_other(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    length_us = 60 * SECOND_US
    times = trace.lines["time_us"][trace.lines["kind"] == BUY]
    begin = busiest_us(times, length_us) + length_us // 10
    best = np.count_nonzero((times >= begin) & (times < begin + length_us))
    assert all(np.count_nonzero((times >= at) & (times < at + length_us)) <= best for at in times[::97])
    checkouts = len(plan_schedule(scenario, trace, Choice(length_us=length_us)).carts["number"])
    for at_us in range(0, scenario.horizon_us // 100, 600 * SECOND_US):
        with suppress(UsageError):
            other = plan_schedule(scenario, trace, Choice(from_us=at_us, length_us=length_us))
            assert len(other.carts["number"]) <= checkouts


def test_what_is_due_after_the_tail_is_left_out_and_counted(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    long = plan_schedule(scenario, trace, Choice(length_us=60 * SECOND_US, tail_us=10**13))
    short = plan_schedule(scenario, trace, Choice(length_us=60 * SECOND_US, tail_us=10 * SECOND_US))
    pays = np.count_nonzero(long.carts["pay_delay_us"] != NEVER)
    assert np.count_nonzero(short.carts["pay_delay_us"] != NEVER) == pays - short.header["left_out"]["payments"] < pays
    places = short.arrivals["kind"] == PLACE
    due = np.zeros(len(short.carts["number"]), np.int64)
    due[short.arrivals["cart"][places]] = short.arrivals["due_us"][places]
    assert int((due + short.carts["pay_delay_us"]).max()) <= short.length_us + 10 * SECOND_US


def test_a_cancellation_is_left_out_as_a_confirmation_would_be(show: tuple[Scenario, Trace]) -> None:
    """Without a shorter hold a cart is cancelled up to an hour after it was paid: no replay waits for that."""
    scenario, trace = show
    long = plan_schedule(scenario, trace, Choice(length_us=600 * SECOND_US, tail_us=10**13))
    short = plan_schedule(scenario, trace, Choice(length_us=600 * SECOND_US, tail_us=60 * SECOND_US))
    cancels = np.flatnonzero(short.carts["after"] == CANCEL)
    wished = np.count_nonzero(long.carts["after"] == CANCEL)
    assert len(cancels) == wished - short.header["left_out"]["cancellations"] < wished
    places = short.arrivals["kind"] == PLACE
    due = np.zeros(len(short.carts["number"]), np.int64)
    due[short.arrivals["cart"][places]] = short.arrivals["due_us"][places]
    asked = due + short.carts["pay_delay_us"] + short.carts["after_delay_us"]
    assert int(asked[cancels].max(initial=0)) <= int(short.arrivals["due_us"][-1]) + 60 * SECOND_US
    assert np.all(short.carts["pay_delay_us"][cancels] != NEVER)


def test_a_schedule_survives_its_file(show: tuple[Scenario, Trace], tmp_path: Path) -> None:
    schedule = plan_schedule(*show, Choice(length_us=60 * SECOND_US))
    schedule.write(tmp_path / "schedule.npz")
    again: Schedule = read_schedule(tmp_path / "schedule.npz")
    assert again.offers == schedule.offers
    assert again.deals == schedule.deals
    for mine, theirs in ((schedule.arrivals, again.arrivals), (schedule.carts, again.carts)):
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_an_empty_stretch_is_refused_in_a_line(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    with pytest.raises(UsageError, match="no checkout falls into"):
        plan_schedule(scenario, trace, Choice(from_us=scenario.horizon_us - 1, length_us=1))


def test_the_share_of_no_cart_depends_on_how_many_there_are() -> None:
    assert np.array_equal(share_mask(100, 0.3), share_mask(1000, 0.3)[:100])


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
def test_as_many_checkouts_are_sent_twice_as_are_asked_for(show: tuple[Scenario, Trace], share: float) -> None:
    schedule = plan_schedule(*show, Choice(length_us=300 * SECOND_US, twins=share))
    assert np.mean(schedule.carts["duplicate"]) == pytest.approx(share, abs=0.01)
    assert np.array_equal(schedule.carts["duplicate"], duplicated(schedule.carts["number"], share))


def test_stock_and_deals_begin_as_they_are_left(show: tuple[Scenario, Trace]) -> None:
    scenario, trace = show
    whole = plan_schedule(scenario, trace, _whole(scenario))
    stock, deals = np.arange(len(whole.offers)), np.arange(len(whole.deals)) * 7
    found = plan_schedule(scenario, trace, _whole(scenario), left=Left(stock, deals))
    assert [offer.units for offer in found.offers] == [0 if o.parts else n for n, o in enumerate(found.offers)]
    assert [deal.units for deal in found.deals[1:]] == deals[1:].tolist()
    assert found.deals[0].close_us <= 0 < whole.deals[0].close_us, "nothing is left of it, so it is over"
    assert found.deals[1:] == [msgspec.structs.replace(d, units=7 * (n + 1)) for n, d in enumerate(whole.deals[1:])]


def test_a_replay_begins_with_what_the_simulation_has_left_of_its_deals(show: tuple[Scenario, Trace]) -> None:
    """To the horizon that is what the simulation itself tells of its deals."""
    scenario, trace = show
    outcome = simulate(scenario, trace)
    assert left_at(scenario, trace, scenario.horizon_us).deals.tolist() == outcome.deal_left
    begin, end = left_at(scenario, trace, 0).deals, np.array(outcome.deal_left)
    assert begin.tolist() == [row.units for row in deal_table(scenario)]
    half = left_at(scenario, trace, deal_table(scenario)[0].open_us + 2 * SECOND_US).deals
    assert end[0] < half[0] < begin[0]


def test_only_a_run_of_this_very_trace_says_who_goes_ahead(tmp_path: Path) -> None:
    """With another seed there may be as many carts, but they are others."""
    few = ["catalogue.lipstick.stock.main=10", "funnel.feedback={sold_out: 100 %}"]
    sets = [part for one in few for part in ("--set", one)]
    assert run(["simulate", "minimal", "--no-figures", "--out", str(tmp_path), *sets]) == 0
    (simulated,) = tmp_path.glob("minimal-*")
    scenario = load_scenario(SCENARIOS / "minimal.yaml", few)
    trace = generate(scenario, scenario.seed, 0)
    choice = Choice(from_us=0, length_us=scenario.horizon_us, as_run=simulated)
    reason = pq.read_table(simulated / "orders.parquet").column("reason").to_pylist()
    ahead = [number for number, told in enumerate(reason) if told != "NOT_GOING"]
    assert 0 < len(ahead) < len(reason)
    assert plan_schedule(scenario, trace, choice).carts["number"].tolist() == ahead
    with pytest.raises(UsageError, match="simulated another trace"):
        plan_schedule(scenario, generate(scenario, scenario.seed + 1, 0), choice)
    (simulated / "run.json").unlink()
    with pytest.raises(UsageError, match="simulated another trace"):
        plan_schedule(scenario, trace, choice)


def test_of_ones_own_curve_all_is_replayed_unless_told_otherwise(tmp_path: Path) -> None:
    scenario, path = load_scenario(SCENARIOS / "flash_drop.yaml", []), tmp_path / "curve.csv"
    path.write_text("time,per_s\n0,1\n4m,1\n4m,9\n5m,9\n")
    trace = trace_from_file(path, scenario, 1)
    minute = 60 * SECOND_US
    for choice, from_us, length_us in (
        (Choice(), 0, 5 * minute),
        (Choice(from_us=minute), minute, 4 * minute),
        (Choice(from_us=minute, length_us=minute), minute, minute),
        (Choice(from_us=0, length_us=9 * minute), 0, 9 * minute),
    ):
        chosen = settled(scenario, trace, choice)
        assert (chosen.from_us, chosen.length_us) == (from_us, length_us)
    assert len(plan_schedule(scenario, trace, Choice()).carts["number"]) == trace.orders
    assert settled(scenario, trace, Choice(length_us=minute)).from_us == pytest.approx(4 * minute, abs=minute // 5)


def test_ones_own_curve_finds_everything_on_the_shelf(tmp_path: Path) -> None:
    """It buys any SKU alike, from the scenario's time 0 on, when most of this show's are not on sale yet."""
    scenario, path = load_scenario(SCENARIOS / "mega_live.yaml", []), tmp_path / "curve.csv"
    path.write_text("time,per_s\n0,5\n9s,5\n")
    assert plan_schedule(scenario, trace_from_file(path, scenario, 1), Choice()).shelf == []
    assert any(row.shelf for row in sku_table(scenario))
