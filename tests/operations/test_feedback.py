"""Feedback: slow checkouts and stockouts thin intents for a period; where nothing is due no period ends."""

from __future__ import annotations

from typing import Any

import pytest

from sim.operations.front import kernel as front_kernel
from sim.operations.front import state as fs
from sim.operations.front.build import build_front
from sim.operations.front.feedback import end_period, slowness_ppm
from sim.operations.metrics import summarise
from sim.operations.simulate import simulate
from sim.orders.states import Reason
from tests.operations.shop import DAY_US, MINUTE_US, shop
from tests.oracle.build import tiny_trace

S = 1_000_000
HALF = 1 << 31
QUICK = "funnel.feedback={period: 1m, tolerated: 1s, loss_per_s: 10 %, most: 40 %, sold_out: 50 %}"
PLAIN = ("engine.store=immediate", "engine.client_timeout=0")


def reasons(carts: list[dict[str, Any]], *overrides: str) -> list[Reason]:
    scenario = shop(*PLAIN, *overrides)
    return [Reason(r) for r in simulate(scenario, tiny_trace(scenario, carts)).orders["reason"]]


@pytest.mark.parametrize(
    ("rounds", "sum_us", "lost_ppm"),
    [(0, 0, 0), (2, 2 * S, 0), (2, 5 * S, 150_000), (1, 100 * S, 400_000), (1, 1 << 62, 400_000)],
)
def test_a_mean_checkout_costs_by_the_second_beyond_what_is_tolerated_up_to_a_limit(
    rounds: int, sum_us: int, lost_ppm: int
) -> None:
    scenario = shop(*PLAIN, QUICK)
    front = build_front(scenario, tiny_trace(scenario, [{"time_us": 0}]))
    front.reg[[fs.HEARD, fs.HEARD_US]] = rounds, sum_us
    assert slowness_ppm(front) == lost_ppm


def test_after_a_slow_minute_those_stay_away_who_are_hardest_to_convince() -> None:
    """Checkouts of 3 s cost 20 %: in the next minute only, and of the highest fifth only."""
    carts = [
        {"time_us": at * S, "checkout_us": work_us, "go_u32": go}
        for at, work_us in ((50, 3 * S), (61, S // 10), (121, S // 10))
        for go in (int(1.8 * HALF), int(1.4 * HALF))
    ]
    going = [reason != Reason.NOT_GOING for reason in reasons(carts, QUICK)]
    assert going == [True, True, False, True, True, True]


def test_a_sold_out_sku_puts_buyers_of_that_sku_off() -> None:
    """Ten pots: the second cart of ten finds none, half of the answers, so a quarter of the next buyers stay away."""
    pots = [{"time_us": k, "sku": 1, "quantity": 10} for k in range(2)]
    late = [{"time_us": 61 * S, "sku": sku, "go_u32": int(1.6 * HALF)} for sku in (0, 1)]
    found = reasons([*pots, *late], QUICK)
    assert found[1] == Reason.SOLD_OUT
    assert found[2] != Reason.NOT_GOING
    assert found[3] == Reason.NOT_GOING


def test_a_client_who_gives_up_has_met_a_slow_checkout() -> None:
    overrides = (QUICK, "engine.client_timeout=5s", "engine.attempts=1")
    carts = [{"time_us": 0, "checkout_us": 50 * S}, {"time_us": 61 * S, "go_u32": int(1.4 * HALF)}]
    assert reasons(carts, *overrides)[1] == Reason.NOT_GOING


def test_feedback_only_thins_and_tells_how_many() -> None:
    carts = [{"time_us": k * S, "checkout_us": 2 * S, "go_u32": (k * 2654435761) % (2 * HALF)} for k in range(400)]
    scenario, plain = shop(*PLAIN, QUICK, "engine.workers=1"), shop(*PLAIN, "engine.workers=1")
    trace = tiny_trace(scenario, carts)
    met, unmet = (summarise(s, trace, simulate(s, trace)) for s in (scenario, plain))
    assert unmet["orders_put_off"] == 0
    assert met["orders_put_off"] > 50
    assert met["orders_going"] + met["orders_put_off"] == unmet["orders_going"] == 400


def test_no_period_ends_in_silence_but_for_the_first_after_a_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []

    def noted(f: fs.Front) -> None:
        ends.append(int(f.reg[fs.PERIOD_END_US]))
        end_period(f)

    monkeypatch.setattr(front_kernel, "end_period", noted)
    reasons([{"time_us": at} for at in (0, 90 * S, DAY_US)], QUICK)
    day = DAY_US // MINUTE_US
    assert [time_us // MINUTE_US for time_us in ends] == [0, 1, 2, 3, day + 1, day + 2]
