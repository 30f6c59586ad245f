"""Several carriers, borders and cross-border services, on examples that can be checked in the head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.cli import run
from sim.errors import ScenarioError
from sim.operations.collecting import _mixed
from sim.operations.metrics import Metrics, summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.reports.figures import names_of
from sim.reports.figures.carriers import draw_carriers
from sim.reports.run_files import Run
from sim.scenario.parts.carriage import SERVICE_DAYS
from sim.scenario.quantiles import at_u32, derived_u32, derived_u32s, quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.writing.as_run import scenario_yaml
from tests.operations.compare import differences
from tests.operations.shop import DAY_US, HOUR_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace
from tests.reports.drawing import draw

POST = "{name: post, pick_ups: [{at: '18:00', capacity: 4}], to: {all: {cost: 2.00 GBP, lead_time: 3d}}}"
SWIFT = "{name: swift, pick_ups: [{at: '12:00', capacity: 3}, {at: '20:00', capacity: 3}], to: {all: %s}}"
QUICK = "{cost: 5.00 GBP, lead_time: 12h}"


def two(choice: str, *more: str, terms: str = QUICK, **shares: float) -> Scenario:
    """A shop with two carriers, the first cheap and slow, with room for four a day; the second for six."""
    post, swift = POST, SWIFT % terms
    for name, share in shares.items():
        post, swift = (row.replace(f"name: {name}", f"name: {name}, share: {share}") for row in (post, swift))
    return shop(f"warehouses[0].carriers=[{post}, {swift}]", f"warehouses[0].carrier_choice={choice}", *more)


def played(scenario: Scenario, number: int = 12) -> tuple[Outcome, Metrics]:
    """`number` orders of Monday, packed soon after 09:01; flow and oracle are equal."""
    carts = [
        {**PAID_IN_A_MINUTE, "time_us": 8 * HOUR_US + k, "loss_u32": k * 2_654_435_761 % 2**32} for k in range(number)
    ]
    trace = tiny_trace(scenario, carts)
    assert differences(scenario, trace)[0] == []
    outcome = simulate(scenario, trace)
    return outcome, summarise(scenario, trace, outcome)


def test_the_cheapest_carrier_takes_what_it_can_and_the_next_one_the_rest() -> None:
    """At 18:00 the post takes 4 of 12, and the other 8 are told to swift, which takes 3 at 20:00.

    What swift could not take goes back to the post, whose next pick-up is Tuesday's at 18:00; and so on.
    """
    outcome, found = played(two("cheapest"))
    parcels = outcome.parcels
    at = [
        (int(row), int(time)) for row, time in zip(parcels["carrier"], parcels["collected_us"] // HOUR_US, strict=True)
    ]
    assert at == [(0, 18)] * 4 + [(1, 20)] * 3 + [(0, 42)] * 4 + [(1, 44)]
    assert found["carriers"] == [
        {"warehouse": "main", "carrier": "post", "collected": 8, "lost": 0, "carried_over": 9, "capacity_parcels": 60},
        {"warehouse": "main", "carrier": "swift", "collected": 4, "lost": 0, "carried_over": 5, "capacity_parcels": 90},
    ]
    assert found["contribution"]["freight_minor"] == -(8 * 200 + 4 * 500)
    assert found["parcels"]["carried_over"] == 14


def test_the_fastest_carrier_comes_first_where_that_is_the_choice() -> None:
    outcome, _ = played(two("fastest"), 3)
    assert outcome.parcels["carrier"].tolist() == [1, 1, 1]
    assert (outcome.parcels["arrived_us"] - outcome.parcels["collected_us"]).tolist() == [12 * HOUR_US] * 3


def test_fixed_shares_are_those_of_the_parcels() -> None:
    room = [f"warehouses[0].carriers[{k}].pick_ups=[{{at: '18:00'}}]" for k in (0, 1)]
    stocked = "catalogue=[{name: mug, price: 10.00 GBP, stock: {main: 9000}}]"
    scenario = two(
        "share", *room, stocked, "warehouses[0].pickers=900", "warehouses[0].packers=900", post=0.3, swift=0.7
    )
    outcome, _ = played(scenario, 1500)
    assert (outcome.parcels["carrier"] == 0).mean() == pytest.approx(0.3, abs=0.04)


def test_a_carrier_without_terms_of_its_own_has_the_lanes_and_the_warehouses_pick_ups() -> None:
    scenario = shop("warehouses[0].carriers=[{name: a}, {name: b}]")
    assert [carrier.pick_ups for carrier in scenario.warehouses[0].carriers] == [scenario.warehouses[0].pick_ups] * 2
    assert [carrier.share for carrier in scenario.warehouses[0].carriers] == [0.5, 0.5]
    alone, _ = played(shop(), 5)
    several, found = played(scenario, 5)
    assert np.array_equal(alone.parcels["arrived_us"], several.parcels["arrived_us"])
    assert found["contribution"]["freight_minor"] == -5 * 300


def test_customs_cost_each_parcel_and_hold_some() -> None:
    terms = "{cost: 5.00 GBP, lead_time: 1d, customs: {held: 100 %, delay: 2d, cost: 1.50 GBP}}"
    outcome, found = played(two("fastest", terms=terms), 3)
    assert (outcome.parcels["arrived_us"] - outcome.parcels["collected_us"]).tolist() == [3 * DAY_US] * 3
    assert found["contribution"]["freight_minor"] == -3 * 650
    waved_through, _ = played(two("fastest", terms=terms.replace("100 %", "0 %")), 3)
    assert waved_through.parcels["arrived_us"].max() == outcome.parcels["arrived_us"].max() - 2 * DAY_US


@pytest.mark.parametrize("service", SERVICE_DAYS)
def test_nine_parcels_in_ten_of_a_service_arrive_within_its_days(service: str) -> None:
    table = quantile_table(shop(f"lanes[0].lead_time={service}").lanes[0].lead_time)
    low, high = SERVICE_DAYS[service]
    assert at_u32(table, round(0.05 * 2**32)) / DAY_US == pytest.approx(low, rel=2e-3)
    assert at_u32(table, round(0.95 * 2**32)) / DAY_US == pytest.approx(high, rel=2e-3)


def test_a_derived_uniform_is_the_same_everywhere_and_uniform() -> None:
    uniforms = np.random.default_rng(5).integers(0, 2**32, 20_000, dtype=np.uint32)
    for use in (1, 2, 3):
        found = derived_u32s(uniforms, use)
        assert found[:200].tolist() == [derived_u32(int(u), use) for u in uniforms[:200]]
        assert found[:200].tolist() == [_mixed(int(u), use) for u in uniforms[:200]]
        assert found.mean() / 2**32 == pytest.approx(0.5, abs=0.01)
        assert abs(np.corrcoef(found, uniforms)[0, 1]) < 0.03
        few = found[uniforms < 0.02 * 2**32]  # of what is lost a share is with each carrier
        assert (few < 0.3 * 2**32).mean() == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("warehouses[0].carriers=[{name: a}, {name: a}]", "has this name already"),
        ("warehouses[0].carriers=[{name: a, to: {nowhere: {cost: 1 GBP}}}]", "there is no region"),
        ("warehouses[0].carriers=[{name: a, share: 0.5}, {name: b, share: 0.6}]", "add up to 110"),
        ("warehouses[0].carriers=[{name: a, pick_ups: [{at: '12:00'}, {at: '11:00'}]}]", "comes before"),
        ("warehouses[0].carriers=[{name: a, pick_up_days: []}]", "no day of pick-ups"),
        ("warehouses[0].carriers=[{name: a, to: {all: {lead_time: premiun}}}]", "a duration is a number"),
    ],
)
def test_carriers_that_cannot_be_are_refused(override: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        shop(override)


def test_a_run_with_carriers_has_its_figure_and_columns(tmp_path: Path) -> None:
    (tmp_path / "show.yaml").write_text(scenario_yaml(two("cheapest", "horizon=4d")), encoding="utf-8")
    assert run(["simulate", str(tmp_path / "show.yaml"), "--no-figures", "--out", str(tmp_path / "out")]) == 0
    (made,) = (tmp_path / "out").iterdir()
    assert "carriers" in names_of(Run(made))
    assert draw(Run(made), made / "carriers.png", draw_carriers).stat().st_size > 10_000
    assert set(Run(made).labels("parcels", "carrier").names) <= {"post", "swift"}
