"""The fast model is the oracle: equal in every time stamp, state, unit and minor unit, plain and compiled."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings

from sim.demand.generate import generate
from sim.demand.trace import Trace
from sim.scenario.load import load_scenario
from sim.scenario.schema import Scenario
from tests.operations.compare import differences
from tests.operations.named import NAMES, named
from tests.oracle import model
from tests.oracle.cases import FEATURES, MODES, make_case
from tests.oracle.strategies import Small, cases
from tests.paths import SCENARIOS

#: What the named shops must have met, each at least AT_LEAST times.
RARE = (
    "queue_full", "timed_out_waiting", "timed_out_in_service", "retries", "replays", "declines", "expiries",
    "late_payments", "capacity_drop_while_busy", "outage_while_busy", "voided", "split", "carried", "wave_left_behind",
    "resold_returns", "lost_parcels", "second_placed", "cancelled_on_hold", "cancelled_before_shipping",
    "not_confirmed", "slow_told", "sold_out_told", "put_off",
)  # fmt: skip
#: What the shop with carriers must have met too.
RARE_AT_THE_MARKET = (
    "told_to_the_next", "held_by_customs", "overtime", "over_capacity", "dispatched_late",
    "dropped_on_hold", "dropped_unpacked", "dropped_packed", "split", "lost_parcels", "carried",
)  # fmt: skip
AT_LEAST = 5
#: What the shop whose orders are split must have met.
RARE_WHERE_TORN = ("split", "lost_parcels", "part_lost", "cancel_too_late", "came_back_unwanted", "resold_returns")
#: What the shop that sells ahead must have met, as often.
OF_ALLOCATION = (
    "not_split", "waited", "waited_for_one_warehouse", "served_later", "served_past_another", "served_when_confirmed",
    "not_supplied", "took_of_a_reserve", "refilled_a_reserve", "released",
)  # fmt: skip


def assert_equal(scenario: Scenario, trace: Trace, case: object, *, fast: bool) -> model.Outcome:
    """Flow and oracle agree; the message of a failure names the case."""
    found, outcome = differences(scenario, trace, fast=fast)
    assert not found, f"{case} ({'compiled' if fast else 'plain'}):\n" + "\n".join(found[:40])
    return outcome


def seeded(seed: int) -> Small:
    """A case of up to 60 carts from a seed; two features in three are on."""
    r = Random(seed)
    features = frozenset(name for name in FEATURES if r.random() < 2 / 3)
    carts = tuple(r.getrandbits(16) for _ in range(r.randint(1, r.choice((8, 40, 60)))))
    return Small(seed, MODES[seed % 3], features, carts)


#: What belongs to orders of several parcels, and what lets no cart be split.
OF_SPLITS = frozenset(
    ("warehouses", "multi", "apart", "loss", "cancels", "returns", "restock", "money", "voucher", "catalogue", "bundle")
)
AGAINST_SPLITS = frozenset(("no split", "presale", "choice", "region choice"))


def seeded_torn(seed: int) -> Small:
    """A case with eight split orders, of which one in twelve loses a part; three in ten other features are on."""
    r = Random(seed)
    others = (name for name in FEATURES if name not in OF_SPLITS | AGAINST_SPLITS)
    features = OF_SPLITS | frozenset(name for name in others if r.random() < 0.3)
    return Small(seed, MODES[seed % 3], features, tuple(r.getrandbits(16) for _ in range(r.randint(20, 60))))


#: A return of three parcels comes in while an order waits that two of them would do for.
RETURN_FOR_ONE_WHO_WAITS = Small(
    33003171,
    "ticks",
    frozenset({"warehouses", "multi", "returns", "catalogue", "scarce", "restock", "presale", "bundle"}),
    (0, 5997),
)


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
@example(RETURN_FOR_ONE_WHO_WAITS)
def test_the_flow_equals_the_oracle_on_scenarios_made_by_chance(case: Small) -> None:
    assert_equal(*case.make(), case, fast=False)


@pytest.mark.parametrize("first", range(0, 150, 50))
def test_the_flow_equals_the_oracle_on_seeded_scenarios(first: int) -> None:
    for seed in range(first, first + 50):
        case = seeded(seed)
        assert_equal(*case.make(), case, fast=False)


def test_the_flow_equals_the_oracle_on_seeded_scenarios_of_orders_that_are_split() -> None:
    for seed in range(30):
        case = seeded_torn(seed)
        assert_equal(*case.make(), case, fast=seed >= 15)


def test_compiled_kernels_equal_the_oracle_on_seeded_scenarios() -> None:
    for seed in range(1000, 1100):
        case = seeded(seed)
        assert_equal(*case.make(), case, fast=True)


@pytest.mark.soak
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_flow_equals_the_oracle_on_thousands_made_by_chance(case: Small) -> None:
    assert_equal(*case.make(), case, fast=False)


@pytest.mark.soak
@pytest.mark.parametrize("fast", [False, True], ids=["plain", "compiled"])
def test_the_flow_equals_the_oracle_on_thousands_of_seeded_scenarios(fast: bool) -> None:
    for seed in range(10_000, 14_000):
        case = seeded(seed)
        assert_equal(*case.make(), case, fast=fast)


@pytest.mark.soak
def test_the_flow_equals_the_oracle_on_a_thousand_seeded_scenarios_of_orders_that_are_split() -> None:
    for seed in range(20_000, 21_000):
        case = seeded_torn(seed)
        assert_equal(*case.make(), case, fast=seed % 2 == 0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(60))
def test_the_flow_equals_the_oracle_on_large_seeded_scenarios(seed: int) -> None:
    case = (seed, frozenset(FEATURES), MODES[seed % 3], range(2000))
    assert_equal(*make_case(*case), case, fast=True)


@cache
def met(name: str, fast: bool) -> dict[str, int]:
    """How often a named shop met each rare thing, after flow and oracle were found equal on it."""
    return assert_equal(*named(name), f"the shop {name}", fast=fast).met


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("name", NAMES)
def test_the_flow_equals_the_oracle_on_a_named_shop(name: str, fast: bool) -> None:
    met(name, fast)


def test_the_first_named_shop_meets_every_rare_thing_at_least_five_times() -> None:
    times = met("rush", False)
    assert {rare: times[rare] for rare in RARE if times[rare] < AT_LEAST} == {}


def test_a_named_shop_orders_by_thresholds_and_in_emergencies_and_finds_its_supplier_short() -> None:
    times = met("grid", False)
    assert all(times[name] > 0 for name in ("thresholds", "emergency_orders", "supplier_short", "looked_again_later"))


def test_a_named_shop_keeps_stock_sells_ahead_and_lets_orders_wait() -> None:
    times = met("ahead", False)
    assert {rare: times[rare] for rare in OF_ALLOCATION if times[rare] < AT_LEAST} == {}


def test_the_shop_with_carriers_meets_what_is_rare_there_at_least_five_times() -> None:
    times = met("market", False)
    assert {rare: times.get(rare, 0) for rare in RARE_AT_THE_MARKET if times.get(rare, 0) < AT_LEAST} == {}


def test_the_shop_whose_orders_are_split_loses_parts_of_them_and_takes_back_what_was_cancelled_too_late() -> None:
    times = met("torn", False)
    assert {rare: times.get(rare, 0) for rare in RARE_WHERE_TORN if times.get(rare, 0) < AT_LEAST} == {}


def test_the_named_shops_together_meet_every_rare_thing_more_than_ten_times() -> None:
    total = sum((Counter(met(name, False)) for name in NAMES), Counter[str]())
    assert {rare: total[rare] for rare in RARE if total[rare] <= 2 * AT_LEAST} == {}


@cache
def thinned_mega_live() -> tuple[Scenario, Trace]:
    """The week of `mega_live` with one buyer in seventy, and an engine, staff, stock and carriers as much smaller."""
    whole = load_scenario(SCENARIOS / "mega_live.yaml")
    smaller = [
        "strategies=[]",  # theirs are numbers of the whole week
        "funnel.order_given_click=0.05 %",
        "engine.workers=1",
        "engine.changes=[{at: 4d 12h, servers: 2}, {at: 6d 23h, servers: 1}]",
        "engine.queue_bound=4",
        "engine.client_timeout=6s",
        "engine.backoff=2s",
        "engine.service.checkout={dist: lognormal, median: 1500ms, sigma: 0.5}",
        "engine.service.payment={dist: lognormal, median: 900ms, sigma: 0.4}",
        "engine.service.confirmation={dist: gamma, mean: 1s, shape: 4}",
        *(f"confirmation.staff.shifts[{k}].servers={servers}" for k, servers in enumerate((1, 1, 0))),
        *(f"warehouses[{k}].waves.capacity=5" for k in range(len(whole.warehouses))),
        *(
            f"warehouses[{k}].pick_ups[{j}].capacity=40"
            for k, house in enumerate(whole.warehouses)
            for j in range(len(house.pick_ups))
        ),
        *(f"lanes[{k}].lost=3 %" for k in range(len(whole.lanes))),
        *(
            f"catalogue[{k}].stock={{doncaster: 60, eindhoven: 30}}"
            for k, listing in enumerate(whole.catalogue)
            if not listing.bundle
        ),
        "stock.s=10",
        "stock.S=40",
    ]
    for k, broadcast in enumerate(whole.programme.broadcasts):
        for j in range(len(broadcast.deals)):
            deal = f"programme.broadcasts[{k}].deals[{j}]"
            smaller += [f"{deal}.intent=0.1 %", f"{deal}.units=9"]
    scenario = load_scenario(SCENARIOS / "mega_live.yaml", smaller)
    return scenario, generate(scenario, 1)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "compiled"])
def test_the_flow_equals_the_oracle_on_a_thinned_mega_live(fast: bool) -> None:
    scenario, trace = thinned_mega_live()
    assert 2000 < trace.orders < 5000
    outcome = assert_equal(scenario, trace, "mega_live, thinned", fast=fast)
    for rare in ("queue_full", "declines", "expiries", "carried", "wave_left_behind", "resold_returns", "lost_parcels"):
        assert outcome.met[rare] >= AT_LEAST, rare
