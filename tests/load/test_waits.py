"""What buyers waited, over all the tries of their carts."""

from __future__ import annotations

from typing import Any

import numpy as np

from loadtests.records import Endpoint, Outcome
from loadtests.waits import waits_of
from tests.load.made_records import measured_of, records_of

N = 2_000
DUE = np.arange(N) * 2_000
MS = 1_000


def tries(due_us: Any, response_us: Any, attempt: int = 1, **of: Any) -> Any:
    records = records_of(due_us, response_us, **of)
    records["attempt"] = attempt
    return records


def test_a_buyer_who_was_shed_first_has_waited_since_the_first_try() -> None:
    """Each cart is shed in 2 ms and answered in 5 ms after a back-off: no try took long, every buyer waited 507 ms."""
    shed = tries(DUE, 2 * MS, outcome=Outcome.SHED)
    again = tries(DUE + 502 * MS, 5 * MS, 2)
    paid = tries(DUE + 1_000 * MS, 40 * MS, endpoint=Endpoint.PAYMENT)
    looked = tries(DUE + 9_000 * MS, 40 * MS, endpoint=Endpoint.READ)
    found = waits_of(measured_of(np.concatenate([shed, again, paid, looked])))
    times = dict.fromkeys(("p50_us", "p90_us", "p99_us", "max_us"), 507 * MS)
    assert found["checkout"] == {"carts": N, "unserved": 0, **times, "p999_us": None}
    assert (found["journey"]["carts"], found["journey"]["p50_us"]) == (N, 1_040 * MS)


def test_a_try_without_an_answer_makes_no_journey_longer_than_it_was() -> None:
    broken = tries(DUE, 10 * MS, outcome=Outcome.ERROR)
    broken["status"] = 0
    found = waits_of(measured_of(np.concatenate([broken, tries(DUE + 502 * MS, 5 * MS, 2)])))
    assert found["journey"]["p50_us"] == found["checkout"]["p50_us"] == 507 * MS


def test_who_was_never_answered_has_waited_as_long_as_clients_do_and_has_no_journey() -> None:
    timed_out = tries(DUE, 3 * MS, outcome=Outcome.TIMEOUT)
    found = waits_of(measured_of(timed_out, timeout_us=10_000 * MS))
    assert (found["checkout"]["unserved"], found["checkout"]["p50_us"]) == (N, 10_000 * MS)
    assert set(found) == {"checkout"}


def test_twins_and_what_our_own_end_cut_off_are_left_out() -> None:
    twins = tries(DUE, 900 * MS)
    twins["twin"] = 1
    cut = tries(DUE[:10], 1, outcome=Outcome.CUT, endpoint=Endpoint.PAYMENT)
    found = waits_of(measured_of(np.concatenate([tries(DUE, 5 * MS), twins, cut])))
    assert (found["checkout"]["carts"], found["checkout"]["max_us"]) == (N - 10, 5 * MS)


def test_nothing_has_no_waits() -> None:
    assert waits_of(measured_of(records_of([]))) == {}
    assert waits_of(measured_of(tries([0], 1, endpoint=Endpoint.VIEW))) == {}
