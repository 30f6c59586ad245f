"""The random cases run, keep the oracle's own checks, and between them meet everything that can happen."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings

from sim.orders.states import Reason, State
from tests.oracle.cases import FEATURES, MODES, make_case
from tests.oracle.model import Outcome, run
from tests.oracle.strategies import Small, cases

MET = (
    "queue_full", "timed_out_waiting", "timed_out_in_service", "retries", "declines", "expiries", "late_payments",
    "replays", "voided", "capacity_drop_while_busy", "outage_while_busy", "split", "carried", "resold_returns",
    "second_placed", "cancelled_on_hold", "cancelled_before_shipping", "cancel_too_late", "wave_left_behind",
    "lost_parcels", "not_confirmed", "staff_passed_over", "parcel_passed_over",
    "thresholds", "emergency_orders", "supplier_short", "looked_again_later", "planned_orders", "shared_out",
    "not_split", "waited", "waited_for_one_warehouse", "served_later", "served_past_another", "served_when_confirmed",
    "not_supplied", "took_of_a_reserve", "refilled_a_reserve", "released",
)  # fmt: skip


def random_outcome(seed: int) -> Outcome:
    """The outcome of one case of many carts; two features in three are on."""
    r = Random(seed)
    features = frozenset(name for name in FEATURES if r.random() < 2 / 3)
    carts = [r.getrandbits(16) for _ in range(r.randint(1, 40))]
    return run(*make_case(seed, features, r.choice(MODES), carts))


def test_the_cases_meet_everything() -> None:
    met: Counter[str] = Counter()
    for seed in range(400):
        outcome = random_outcome(seed)
        met.update({name: number > 0 for name, number in outcome.met.items()})
        met.update({f"state {state}" for state in outcome.orders["state"]})
        met.update({f"reason {reason}" for reason in outcome.orders["reason"]})
        met["late penalty"] += any(outcome.orders["late_penalty"])
    expected = [*MET, *(f"state {state}" for state in map(int, State)), *(f"reason {why}" for why in map(int, Reason))]
    assert [name for name in [*expected, "late penalty"] if met[name] == 0] == []


@settings(max_examples=60, deadline=None)
@given(cases())
def test_times_are_in_order_and_money_adds_up(case: Small) -> None:
    scenario, trace = case.make()
    outcome = run(scenario, trace)
    stamps = {name for name in outcome.orders if name.endswith("_us") and "response" not in name}
    for column in stamps - {"promised_us"}:  # a promise may lie beyond the end
        assert all(-1 <= time_us < scenario.horizon_us for time_us in outcome.orders[column])
    steps = [outcome.orders[f"{step}_us"] for step in ("placed", "pay_due", "paid", "confirm_due", "confirmed")]
    for times in zip(*steps, strict=True):
        happened = [time_us for time_us in times if time_us >= 0]
        assert happened == sorted(happened)
    money = [outcome.orders[name] for name in ("gross", "deal_discount", "voucher", "captured")]
    assert all(gross - discount - voucher == paid for gross, discount, voucher, paid in zip(*money, strict=True))


@settings(max_examples=20, deadline=None)
@given(cases(most_carts=20))
def test_a_run_can_be_repeated(case: Small) -> None:
    assert run(*case.make()) == run(*case.make())
