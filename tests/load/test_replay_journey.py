"""Journeys: what is sent when, with which key, what is recorded of it, and what is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import gevent
import msgspec
import numpy as np
import pytest

from loadtests.records import AckLine, Endpoint, Outcome, read_acks, read_reasons, read_records
from loadtests.replay.plan import ReplayPlan, time_is_over_us
from loadtests.replay.worker import Worker
from loadtests.schedule import CANCEL, NEVER, PLACE, QUOTE, REFRESH, RETURN, VIEW, Schedule
from loadtests.targets.base import Answer, HttpDropped, Step, Unexpected, declined, expected, failed, ok, refused
from tests.load import fakes
from tests.load.fakes import BROKEN, TIMED_OUT, Following, Scripted
from tests.load.made_schedules import schedule_of


class Ran:
    """What a replay of a fake target left behind."""

    def __init__(self, folder: Path, fired: list[dict[str, Any]]) -> None:
        self.records = read_records(folder)
        self.reasons = read_reasons(folder)
        self.acks: list[AckLine] = list(read_acks(folder))
        self.word = msgspec.json.decode((folder / "worker-0.json").read_bytes())
        self.fired = fired

    def of(self, endpoint: Endpoint) -> Any:
        """The records of an endpoint, in the order in which they were sent."""
        rows = self.records[self.records["endpoint"] == endpoint]
        return rows[np.argsort(rows["sent_us"], kind="stable")]

    def outcomes(self, endpoint: Endpoint) -> list[tuple[Outcome, int]]:
        """Outcome and attempt of each."""
        return [(Outcome(row["outcome"]), int(row["attempt"])) for row in self.of(endpoint)]

    def kinds(self) -> list[str]:
        """The kinds of what was acknowledged."""
        return [ack.kind for ack in self.acks]


def run(
    folder: Path,
    schedule: Schedule,
    script: dict[str, list[Any]],
    kind: type[Scripted] = Scripted,
    beside: Callable[[Worker], object] | None = None,
    **more: Any,
) -> Ran:
    kind.script.clear()
    kind.script.update(script)
    Scripted.calls.clear()
    schedule.write(folder / "schedule.npz")
    (folder / "state.json").write_text('{"url": "http://127.0.0.1:9"}')
    plan = ReplayPlan(
        schedule=str(folder / "schedule.npz"),
        state=str(folder / "state.json"),
        folder=str(folder),
        target=f"tests.load.fakes:{kind.__name__}",
        run_id="run",
        **{"backoff_us": 20_000, "follow_us": 5_000, "grace_us": 1_000_000, **more},
    )
    fired: list[dict[str, Any]] = []
    worker = Worker(plan, 0, lambda **event: fired.append(event))
    if beside is not None:
        gevent.spawn(beside, worker)
    worker.run(round(time.time() * 1e6) + 5_000)
    worker.close()
    return Ran(folder, fired)


def one_cart(**cart: int) -> Schedule:
    return schedule_of([(10_000, PLACE, 0)], [cart])


def test_each_step_is_due_when_the_one_before_is_done_plus_its_delay(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(pay_delay_us=30_000, confirm_delay_us=40_000), {})
    place, read, pay, confirm = (
        ran.of(kind)[0] for kind in (Endpoint.CHECKOUT, Endpoint.READ, Endpoint.PAYMENT, Endpoint.CONFIRMATION)
    )
    assert (place["due_us"], place["ready_us"]) == (10_000, 10_000)
    assert (read["due_us"], pay["ready_us"]) == (place["done_us"], place["done_us"])
    assert pay["due_us"] == place["done_us"] + 30_000
    assert (confirm["ready_us"], confirm["due_us"]) == (pay["done_us"], pay["done_us"] + 40_000)
    for row in ran.records:
        assert row["due_us"] <= row["sent_us"] < row["done_us"]
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED"]
    assert {(ack.cart, ack.order) for ack in ran.acks} == {(100, "order-100")}
    assert (ran.word["complete"], ran.word["planned"], ran.word["sent"]) == (True, 1, 1)


def test_looks_are_sent_when_they_are_due(tmp_path: Path) -> None:
    arrivals = [(0, VIEW, 0), (3_000, REFRESH, 0), (6_000, QUOTE, 0)]
    ran = run(tmp_path, schedule_of(arrivals, [{}]), {})
    assert [call[0] for call in Scripted.calls] == ["view", "refresh", "quote"]
    assert ran.records["due_us"].tolist() == [0, 3_000, 6_000]


def test_every_step_fires_locusts_event_with_the_response_from_when_it_was_due(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(), {"confirm": [failed(500), failed(400)]})
    names = [event["name"] for event in ran.fired]
    assert sorted(names) == ["checkout", "confirmation", "confirmation", "payment", "read"]
    place = ran.of(Endpoint.CHECKOUT)[0]
    told = next(event for event in ran.fired if event["name"] == "checkout")
    assert told["response_time"] == (place["done_us"] - place["due_us"]) / 1000
    assert told["exception"] is None
    wrong = [str(event["exception"]) for event in ran.fired if event["name"] == "confirmation"]
    assert wrong == ["error 500", "error 400"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (TIMED_OUT, Outcome.TIMEOUT),
        (BROKEN, Outcome.ERROR),
        (failed(503), Outcome.SHED),
        (failed(429), Outcome.SHED),
        (failed(500), Outcome.ERROR),
        (failed(409), Outcome.ERROR),
    ],
)
def test_a_step_that_may_have_happened_is_tried_again_with_its_key(
    tmp_path: Path, answer: Any, outcome: Outcome
) -> None:
    ran = run(tmp_path, one_cart(pay_delay_us=NEVER), {"place": [answer, answer]})
    assert ran.outcomes(Endpoint.CHECKOUT) == [(outcome, 1), (outcome, 2), (Outcome.OK, 3)]
    assert {call for call in Scripted.calls if call[0] == "place"} == {("place", "run-100")}
    first, second, third = ran.of(Endpoint.CHECKOUT)
    assert (second["ready_us"], third["ready_us"]) == (first["done_us"], second["done_us"])
    assert 10_000 <= second["due_us"] - first["done_us"] <= 30_000  # the back-off, half to one and a half of it
    assert 20_000 <= third["due_us"] - second["done_us"] <= 60_000
    assert ran.kinds() == ["PLACED"]


def test_tries_end_and_what_is_plainly_wrong_is_not_tried_again(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(), {"place": [failed(503)] * 9})
    assert [attempt for _, attempt in ran.outcomes(Endpoint.CHECKOUT)] == [1, 2, 3]
    assert ran.kinds() == []
    ran = run(tmp_path, one_cart(), {"place": [failed(422)] * 9})
    assert len(ran.records) == 4


def test_sold_out_is_a_correct_refusal_and_ends_the_journey(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(), {"place": [refused("sold_out")]})
    assert ran.outcomes(Endpoint.CHECKOUT) == [(Outcome.REFUSED, 1)]
    assert [ran.reasons[row["reason"]] for row in ran.records] == ["sold_out"]
    assert [(ack.kind, ack.reason, ack.status) for ack in ran.acks] == [("REFUSED", "sold_out", 409)]
    assert ran.fired[0]["exception"] is None


def test_a_planned_decline_is_paid_again_with_another_key(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(declines=1), {"pay": [declined()]})
    assert [call[2:] for call in Scripted.calls if call[0] == "pay"] == [("run-100-pay-1", 1), ("run-100-pay-2", 0)]
    assert ran.outcomes(Endpoint.PAYMENT) == [(Outcome.DECLINED, 1), (Outcome.OK, 1)]
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED"]


def test_an_unplanned_decline_ends_the_journey(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(), {"pay": [declined()]})
    assert ran.kinds() == ["PLACED"]


def test_a_duplicate_is_sent_at_once_with_the_same_key_and_the_order_is_paid_once(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(duplicate=1), {"place": [ok(201, order="o"), Step(Outcome.REPLAYED, 201, "o")]})
    rows = ran.of(Endpoint.CHECKOUT)
    assert rows["due_us"].tolist() == [10_000, 10_000]
    assert sorted(rows["twin"]) == [0, 1]
    assert [call for call in Scripted.calls if call[0] == "place"] == [("place", "run-100")] * 2
    assert ran.kinds().count("PLACED") == 2
    assert len(ran.of(Endpoint.PAYMENT)) == 1


@pytest.mark.parametrize(
    ("conflict", "is_alone"),
    [
        (failed(409, "still running"), Outcome.ERROR),
        (Step(Outcome.SHED, 409, reason="key_in_use"), Outcome.SHED),
        (Unexpected(409), Outcome.ERROR),
    ],
)
def test_a_twin_that_is_told_that_the_other_is_in_progress_comes_back_and_nobody_has_failed(
    tmp_path: Path, conflict: Any, is_alone: Outcome
) -> None:
    ran = run(tmp_path, one_cart(duplicate=1), {"place": [ok(201, order="o"), conflict]})
    assert sorted(ran.outcomes(Endpoint.CHECKOUT)) == [(Outcome.OK, 1), (Outcome.OK, 2), (Outcome.IN_PROGRESS, 1)]
    missed = [event for event in ran.fired if event["name"] == "checkout" and event["exception"] is not None]
    assert missed == []
    (tmp_path / "one").mkdir()
    alone = run(tmp_path / "one", one_cart(), {"place": [conflict]})
    assert alone.outcomes(Endpoint.CHECKOUT)[0] == (is_alone, 1), "there was nothing to wait for"


def test_the_twin_of_a_failed_duplicate_goes_on_with_the_order(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(duplicate=1), {"place": [failed(422)]})
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED"]


def test_who_cancels_does_so_after_paying_and_is_not_confirmed(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(after=CANCEL, after_delay_us=30_000, confirm_delay_us=NEVER), {})
    pay, cancel = ran.of(Endpoint.PAYMENT)[0], ran.of(Endpoint.CANCEL)[0]
    assert cancel["due_us"] == pay["done_us"] + 30_000
    assert ran.kinds() == ["PLACED", "PAID", "CANCELLED"]


def test_who_sends_back_asks_after_the_confirmation(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(after=RETURN, after_delay_us=10_000), {})
    assert ran.of(Endpoint.RETURN)[0]["due_us"] == ran.of(Endpoint.CONFIRMATION)[0]["done_us"] + 10_000
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED", "RETURN_REQUESTED"]


def test_an_accepted_payment_is_confirmed_when_the_news_say_that_it_is_paid(tmp_path: Path) -> None:
    Following.paid.clear()

    def accepted() -> Step:
        Following.paid.append("order-100")
        return ok(202, order="order-100")

    ran = run(tmp_path, one_cart(), {"pay": [accepted]}, Following)
    news = [row for row in ran.of(Endpoint.FOLLOW) if row["done_us"] <= ran.of(Endpoint.CONFIRMATION)[0]["ready_us"]]
    assert news
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED"]
    assert ran.word["unpaid"] == {}


@pytest.mark.parametrize(
    ("cart", "endpoint"),
    [({}, "confirmation"), ({"after": CANCEL}, "cancel"), ({"confirm_delay_us": NEVER}, "payment")],
)
@pytest.mark.parametrize("kind", [Following, Scripted])
def test_a_payment_of_which_no_news_come_is_given_up_and_counted_where_the_order_would_have_gone_on(
    tmp_path: Path, cart: dict[str, int], endpoint: str, kind: type[Scripted]
) -> None:
    Following.paid.clear()
    ran = run(tmp_path, one_cart(**cart), {"pay": [ok(202, order="order-100")]}, kind, patience_us=50_000)
    assert ran.kinds() == ["PLACED"]
    assert (ran.word["unpaid"], ran.word["complete"]) == ({endpoint: 1}, True)


def test_a_payment_that_failed_is_not_one_that_was_accepted(tmp_path: Path) -> None:
    Following.paid.clear()
    ran = run(tmp_path, one_cart(), {"pay": [TIMED_OUT] * 3}, Following, patience_us=50_000)
    assert ran.word["unpaid"] == {}


def test_what_cannot_be_sent_is_dropped_and_not_tried_again(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(), {"place": [HttpDropped("all busy")]})
    assert ran.outcomes(Endpoint.CHECKOUT) == [(Outcome.DROPPED, 1)]


def test_a_mistake_in_a_target_is_an_error_with_an_example_and_the_replay_goes_on(tmp_path: Path) -> None:
    schedule = schedule_of([(0, VIEW, 0), (5_000, VIEW, 0), (9_000, VIEW, 0)], [{}])
    ran = run(tmp_path, schedule, {"view": [KeyError("price"), lambda: None]})
    assert [outcome for outcome, _ in ran.outcomes(Endpoint.VIEW)] == [Outcome.ERROR, Outcome.ERROR, Outcome.OK]
    assert ran.word["examples"]["view: KeyError"] == "'price'"
    assert [ran.reasons[row["reason"]] for row in ran.of(Endpoint.VIEW)] == ["KeyError", "TypeError", ""]


def test_an_answer_that_a_step_cannot_go_on_with_counts_as_what_it_was(tmp_path: Path) -> None:
    script = {"place": [Unexpected(503), Unexpected(404)]}
    ran = run(tmp_path, one_cart(), script)
    rows = ran.of(Endpoint.CHECKOUT)
    assert list(zip(rows["outcome"], rows["status"], strict=True)) == [(Outcome.SHED, 503), (Outcome.ERROR, 404)]
    assert expected(Answer(204, {}, b"")).status == 204
    with pytest.raises(Unexpected, match="it answered 302"):
        expected(Answer(302, {}, b""))


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step(Outcome.ERROR, 500, reason={"code": "boom"}), "the step's reason is {'code': 'boom'}, no str"),  # type: ignore[arg-type]
        (ok("200"), "the step's status is '200', no int"),  # type: ignore[arg-type]
        (ok(201, order=7), "the step's order is 7, no str"),  # type: ignore[arg-type]
        (Step("OK", 200), "the step's outcome is 'OK', no Outcome"),  # type: ignore[arg-type]
    ],
)
def test_a_step_made_of_the_wrong_things_is_an_error_of_its_own_and_of_nobody_else(
    tmp_path: Path, step: Step, said: str
) -> None:
    ran = run(tmp_path, schedule_of([(0, PLACE, 0), (1_000, PLACE, 1)], [{}, {}]), {"pay": [step]})
    outcomes = sorted(ran.outcomes(Endpoint.PAYMENT))
    assert outcomes == [(Outcome.OK, 1), (Outcome.OK, 2), (Outcome.ERROR, 1)]
    assert ran.word["examples"] == {"payment: TypeError": said}
    assert ran.word["requests"] == len(ran.records)


def test_what_is_derived_from_the_right_things_is_right(tmp_path: Path) -> None:
    ran = run(tmp_path, one_cart(), {"pay": [ok(HTTPStatus.OK, order="order-100", paid=True)]})
    assert ran.outcomes(Endpoint.PAYMENT) == [(Outcome.OK, 1)]
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED"]


def test_a_journey_that_breaks_before_it_waits_for_anything_ends_nobody_elses(tmp_path: Path) -> None:
    schedule = schedule_of([(0, PLACE, 0), (1_000, PLACE, 1), (2_000, VIEW, 1)], [{"first_line": 99}, {}])
    ran = run(tmp_path, schedule, {})
    assert [(Endpoint(row["endpoint"]), row["cart"]) for row in ran.records if row["outcome"] == Outcome.ERROR] == [
        (Endpoint.OTHER, -1)
    ]
    assert len(ran.of(Endpoint.CHECKOUT)) == len(ran.of(Endpoint.VIEW)) == len(ran.of(Endpoint.CONFIRMATION)) == 1
    assert "index 99" in ran.word["examples"]["other: IndexError"]
    assert ran.word["complete"]


def test_who_fails_to_tell_news_is_left_alone_for_a_while_and_asked_again(tmp_path: Path) -> None:
    told = iter([7, Unexpected(503)])
    Following.paid[:] = ["order-100"]

    class Odd(Following):
        """Its first answers make no sense."""

        def paid_since(self, http: Any, cursor: str) -> tuple[list[str], str]:
            """See `Target`."""
            answer: Any = next(told, None)
            if isinstance(answer, Exception):
                raise answer
            return (answer, "1") if answer else super().paid_since(http, "")

    fakes.Odd = Odd  # type: ignore[attr-defined]
    ran = run(tmp_path, one_cart(), {"pay": [ok(202, order="order-100")]}, Odd, grace_us=30_000_000)
    news = ran.of(Endpoint.FOLLOW)
    assert news["outcome"][:3].tolist() == [Outcome.ERROR, Outcome.SHED, Outcome.OK]
    assert (news["sent_us"][1:3] - news["done_us"][:2] > 490_000).all()
    assert ran.kinds() == ["PLACED", "PAID", "CONFIRMED"]


def never() -> Step:
    gevent.sleep(30)
    return ok()


def test_what_is_still_under_way_when_time_is_over_is_cut_off_and_no_time_out_of_the_target(tmp_path: Path) -> None:
    ran = run(tmp_path, schedule_of([(0, VIEW, 0)], [{}]), {"view": [never]}, grace_us=100_000)
    assert ran.outcomes(Endpoint.VIEW) == [(Outcome.CUT, 1)]
    assert (ran.word["unfinished"], ran.word["overtime"]) == (1, True)
    assert (ran.word["complete"], ran.word["ended"]) == (False, "overtime")


def test_a_step_that_waits_when_time_is_over_could_not_be_sent(tmp_path: Path) -> None:
    """The checkout's answer comes late, so the payment is due after all that was planned."""

    def late() -> Step:
        gevent.sleep(0.1)
        return ok(201, order="order-100")

    slow = one_cart(pay_delay_us=300_000, confirm_delay_us=NEVER)
    ran = run(tmp_path, slow, {"place": [late]}, grace_us=1)
    assert ran.outcomes(Endpoint.PAYMENT) == [(Outcome.DROPPED, 1)]
    assert not any(call[0] == "pay" for call in Scripted.calls)


def test_a_retry_that_waits_when_time_is_over_could_not_be_sent(tmp_path: Path) -> None:
    again = one_cart(pay_delay_us=NEVER, confirm_delay_us=NEVER)
    ran = run(tmp_path, again, {"place": [failed(503)]}, grace_us=50_000, backoff_us=10_000_000)
    assert ran.outcomes(Endpoint.CHECKOUT) == [(Outcome.SHED, 1), (Outcome.DROPPED, 2)]


def test_slow_answers_to_all_tries_of_all_steps_come_before_time_is_over() -> None:
    """By default a cart may take all tries of all its steps, and the clients' patience for each."""
    plan = ReplayPlan(schedule="", state="", folder="", target="", client_timeout_us=10, attempts=3, backoff_us=4)
    schedule = one_cart(pay_delay_us=7, confirm_delay_us=5, declines=2)
    last_planned_us = 10_000 + 7 + 5
    payments, others, backoffs_us = 3, 3, 4 * 3 // 2 + 8 * 3 // 2  # checkout, confirmation, return; half more at most
    answers_us = (payments + others) * (3 * 10 + backoffs_us) + 2 * 4 + plan.patience_us
    assert time_is_over_us(plan, schedule) == last_planned_us + answers_us


def test_nothing_is_sent_after_the_end_even_before_this_process_comes_to_it(tmp_path: Path) -> None:
    """A worker that is told to end is blocked by Locust's own shutting down; what was due meanwhile is not sent."""
    schedule = schedule_of([(at * 1_000, VIEW, 0) for at in range(400)], [{}])
    ended: list[int] = []

    def end_and_block(worker: Worker) -> None:
        gevent.sleep(0.1)
        worker.end("stopped")
        ended.append(len(Scripted.calls))
        time.sleep(0.1)

    ran = run(tmp_path, schedule, {}, beside=end_and_block)
    assert len(Scripted.calls) == ended[0] < 400
    assert (ran.word["complete"], ran.word["ended"]) == (False, "stopped")
    assert Outcome.TIMEOUT not in ran.records["outcome"]


def test_a_rule_ends_a_replay_of_which_nothing_is_answered(tmp_path: Path) -> None:
    """A target that hangs: no request ends before the rule does, a second after the last was over its bound."""
    arrivals = [(at, VIEW, 0) for at in range(30)]
    ran = run(tmp_path, schedule_of(arrivals, [{}]), {"view": [never] * 30}, abort_on=["view.p99>500ms over 1s"])
    assert (ran.word["ended"], ran.word["complete"]) == ("abort", False)
    assert ran.word["abort"] == "view.p99>500ms over 1s: unanswered over 1 s"
    assert ran.outcomes(Endpoint.VIEW) == [(Outcome.CUT, 1)] * 30
