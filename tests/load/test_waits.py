"""What buyers waited, over all the tries of their carts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadtests.records import Endpoint, Outcome
from loadtests.schedule import CANCEL, NEVER, NOTHING
from loadtests.waits import AFTER_CHECKOUT, waits_of
from tests.load.made_records import measured_of, records_of, schedule_of

N = 2_000
DUE = np.arange(N) * 2_000
MS = 1_000
TIMES = ("p50_us", "p90_us", "p99_us", "max_us")


def tries(due_us: Any, response_us: Any, attempt: int = 1, **of: Any) -> Any:
    records = records_of(due_us, response_us, **of)
    records["attempt"] = attempt
    return records


def waited(*records: Any, steps: Any = AFTER_CHECKOUT, timeout_us: int = 10_000 * MS, **plan: Any) -> Any:
    """What the carts of some tries waited, each planned to pay and be confirmed but for what `plan` says."""
    schedule = schedule_of(DUE)
    for column, value in plan.items():
        schedule.carts[column][:] = value
    return waits_of(measured_of(np.concatenate(records), timeout_us=timeout_us), schedule, steps)


def test_a_buyer_who_was_shed_first_has_waited_since_the_first_try() -> None:
    """Each cart is shed in 2 ms and answered in 5 ms after a back-off: no try took long, every buyer waited 507 ms."""
    shed = tries(DUE, 2 * MS, outcome=Outcome.SHED)
    again = tries(DUE + 502 * MS, 5 * MS, 2)
    confirmed = tries(DUE + 1_000 * MS, 40 * MS, endpoint=Endpoint.CONFIRMATION)
    looked = tries(DUE + 9_000 * MS, 40 * MS, endpoint=Endpoint.READ)
    found = waited(shed, again, confirmed, looked)
    times = dict.fromkeys(TIMES, 507 * MS)
    assert found["checkout"] == {"carts": N, "unserved": 0, "waiting": 0, **times, "p999_us": None}
    times = dict.fromkeys(TIMES, 1_040 * MS)
    assert found["journey"] == {"carts": N, "planned": N, **times, "p999_us": None}


def test_who_was_never_answered_has_waited_as_long_as_clients_do() -> None:
    found = waited(tries(DUE, 3 * MS, 3, outcome=Outcome.TIMEOUT))
    assert (found["checkout"]["unserved"], found["checkout"]["waiting"]) == (N, 0)
    assert found["checkout"]["p50_us"] == 10_000 * MS


def test_who_was_still_waiting_when_a_target_that_hangs_was_given_up_has_waited_until_then() -> None:
    """The target hangs from 2 s on and a rule ends it at 9 s: the second half was never answered."""
    hangs = DUE >= 2_000 * MS
    cut = tries(DUE, np.where(hangs, 9_000 * MS - DUE, 10 * MS), outcome=np.where(hangs, Outcome.CUT, Outcome.OK))
    found = waited(cut)["checkout"]
    assert (found["carts"], found["unserved"], found["waiting"]) == (N, 1_000, 1_000)
    assert (found["p50_us"], found["p90_us"], found["max_us"]) == (10 * MS, 6_600 * MS, 7_000 * MS)


@pytest.mark.parametrize("outcome", [Outcome.SHED, Outcome.ERROR, Outcome.TIMEOUT])
def test_who_waited_for_the_next_try_when_it_ended_has_waited_until_then(outcome: Outcome) -> None:
    missed = tries(DUE, 2 * MS, outcome=outcome)
    missed["status"] = 503
    found = waited(missed, timeout_us=0)["checkout"]
    end_us = int(DUE[-1]) + 2 * MS
    assert (found["carts"], found["unserved"], found["waiting"], found["max_us"]) == (N, N, N, end_us)


def test_the_end_is_that_of_the_worker_who_waited() -> None:
    """Worker 1 was killed when its last answer was 5 ms old; what 0 saw later says nothing of its carts."""
    killed = tries(DUE[:20], 2 * MS, outcome=Outcome.SHED, worker=1)
    went_on = tries(DUE, 5 * MS)[20:]
    found = waited(killed, went_on)["checkout"]
    assert (found["carts"], found["waiting"]) == (N, 20)
    assert found["max_us"] == int(DUE[19]) + 2 * MS


@pytest.mark.parametrize(("attempt", "status"), [(3, 503), (1, 404)])
def test_who_would_not_have_tried_again_was_not_waiting(attempt: int, status: int) -> None:
    missed = tries(DUE, 2 * MS, attempt, outcome=Outcome.ERROR)
    missed["status"] = status
    found = waited(missed)["checkout"]
    assert (found["unserved"], found["waiting"], found["max_us"]) == (N, 0, 2 * MS)


def test_twins_are_left_out_and_a_payment_that_was_cut_makes_no_checkout_longer() -> None:
    twins = tries(DUE, 900 * MS)
    twins["twin"] = 1
    cut = tries(DUE[:10], 1_000 * MS, outcome=Outcome.CUT, endpoint=Endpoint.PAYMENT)
    found = waited(tries(DUE, 5 * MS), twins, cut)["checkout"]
    assert (found["carts"], found["unserved"], found["max_us"]) == (N, 0, 5 * MS)


def test_a_journey_is_of_the_carts_that_came_to_the_last_step_of_their_plan() -> None:
    """A fifth was left with the payment that `--tail` cut short, a fifth does not pay, a fifth failed at the last."""
    part = np.arange(N) % 5
    pay = np.where(part == 1, NEVER, 0)
    confirm = np.where(part <= 1, NEVER, 0)
    outcome = np.where(part == 2, Outcome.ERROR, Outcome.OK)
    paid = tries(DUE + 100 * MS, 40 * MS, endpoint=Endpoint.PAYMENT)
    confirmed = tries(DUE + 1_000 * MS, 40 * MS, 3, endpoint=Endpoint.CONFIRMATION, outcome=outcome)
    records = tries(DUE, 5 * MS), paid[part != 1], confirmed[part > 1]
    found = waited(*records, pay_delay_us=pay, confirm_delay_us=confirm)["journey"]
    assert (found["carts"], found["planned"]) == (2 * N // 5, 3 * N // 5)
    assert found["p50_us"] == found["max_us"] == 1_040 * MS
    paid_only = waited(*records, steps={"pay"}, pay_delay_us=pay, confirm_delay_us=confirm)["journey"]
    assert (paid_only["carts"], paid_only["planned"], paid_only["p50_us"]) == (4 * N // 5, 4 * N // 5, 140 * MS)
    assert set(waited(*records, steps={"place"})) == {"checkout"}, "it goes no further"


def test_the_journey_of_who_cancels_ends_there() -> None:
    cancels = {"after": CANCEL, "confirm_delay_us": NEVER}
    paid = tries(DUE + 100 * MS, 40 * MS, endpoint=Endpoint.PAYMENT)
    cancelled = tries(DUE + 400 * MS, 20 * MS, endpoint=Endpoint.CANCEL)
    records = tries(DUE, 5 * MS), paid, cancelled
    assert waited(*records, **cancels)["journey"]["p50_us"] == 420 * MS
    assert waited(*records, steps={"pay", "confirm"}, **cancels)["journey"]["p50_us"] == 140 * MS
    assert "journey" not in waited(*records, after=NOTHING, confirm_delay_us=NEVER), "left out by --tail"


def test_journeys_that_nobody_came_to_the_end_of_are_told() -> None:
    found = waited(tries(DUE, 5 * MS))["journey"]
    assert found == {"carts": 0, "planned": N, **dict.fromkeys((*TIMES, "p999_us"))}


def test_nothing_has_no_waits() -> None:
    assert waited(records_of([])) == {}
    assert waited(tries([0], 1, endpoint=Endpoint.VIEW)) == {}
