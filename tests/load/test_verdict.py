"""The verdict: percentiles with what waited, every rule flipped by its one cause, the line and the exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loadtests import endpoints, verdict
from loadtests.lag import lag_of
from loadtests.measuring import WorkerNote
from loadtests.records import Endpoint, Outcome
from loadtests.targets.base import AuditResult, Finding
from sim.scenario.parts.system import Slo
from tests.load.made_records import measured_of, note_of, records_of, schedule_of

CLEAN = AuditResult({"stock": 3}, {}, ())
NOT_DONE = AuditResult({}, {}, ())
N = 2_000
DUE = np.arange(N) * 2_000


def slo(at_most: str = "200ms", percentile: float = 99, errors: float = 0.01, endpoint: str = "checkout") -> Slo:
    return Slo.model_validate({"endpoint": endpoint, "percentile": percentile, "at_most": at_most, "errors": errors})


def summary_of(*, note: WorkerNote | None = None, slos: Any = None, audit: AuditResult = CLEAN, **of: Any) -> Any:
    """The summary of N checkouts of 1 ms; `of` goes to `records_of`, `interrupted` to `summarise`."""
    told = {"interrupted": of.pop("interrupted")} if "interrupted" in of else {}
    schedule = schedule_of(np.arange(of.pop("planned", N)) * 2_000)
    twin = of.pop("twin", 0)
    records = records_of(DUE, **of)
    records["twin"] = twin
    notes = [note or note_of(planned=N)]
    found = verdict.summarise(
        measured_of(records, notes=notes), schedule, [slo()] if slos is None else slos, audit, **told
    )
    json.dumps(found, allow_nan=False)
    return found


def some(value: int, count: int, rest: int = 0) -> np.ndarray[Any, np.dtype[np.int64]]:
    """N numbers, the first `count` of them `value`."""
    return np.where(np.arange(N) < count, value, rest)


def test_all_that_is_right_is_valid_met_and_clean() -> None:
    found = summary_of()
    assert found["verdict"] == {
        "valid": True,
        "valid_reasons": [],
        "slo_met": True,
        "audit": "clean",
        "exit_code": 0,
        "line": "VALID · SLO MET · AUDIT CLEAN",
    }
    times = {"p50_us": 100, "p99_us": 100, "max_us": 100, "limit_us": 10_000}
    assert found["lag"] == {"of": "arrivals", **times, "requests": N, "over": 0}
    assert found["generator"] == {"cpu_share": [0.1], "busiest_share": [0.0], "limit": 0.8}


def test_a_stall_shows_as_long_as_those_who_met_it_waited() -> None:
    """The example of coordinated omission: 500/s, a server that stands still for 2 s, 11 % of arrivals hit."""
    due = np.arange(9_050) * 2_000
    stall, end = 8_000_000, 10_000_000
    done = np.where((due >= stall) & (due < end), end, due + 500)
    found = endpoints.endpoints_of(measured_of(records_of(due, done - due)))["checkout"]
    assert found["p50_us"] == 500
    assert found["p90_us"] == pytest.approx(190_000, rel=0.01)
    assert found["p99_us"] == pytest.approx(1_820_000, rel=0.002)
    assert found["p999_us"] is None, "nine are beyond it"
    assert found["max_us"] == 2_000_000
    assert found["rate_per_s"] == pytest.approx(500, rel=0.001)


@pytest.mark.parametrize(
    ("change", "short", "sentence"),
    [
        (
            {"lag_us": some(12_345, 21, 100)},
            "lag p99 12.345 ms > 10 ms",
            "the lag's p99 was 12.345 ms (arrivals); 10 ms is allowed",
        ),
        (
            {"note": note_of(planned=N, cpu_us=8_000_000)},
            "generator CPU 80 % >= 80 %",
            "a load generator used 80 % of its core in its busiest second; less than 80 % is allowed",
        ),
        (
            {"note": note_of(planned=N, busiest_share=0.91)},
            "generator CPU 91 % >= 80 %",
            "a load generator used 91 % of its core in its busiest second; less than 80 % is allowed",
        ),
        (
            {"note": note_of(planned=N, requests=N + 133)},
            "133 records lost",
            "the workers made 133 records more or less than were found",
        ),
        ({"note": note_of(planned=N, dropped=1)}, "1 dropped", "1 request could not be sent"),
        ({"outcome": some(Outcome.DROPPED, 2)}, "2 dropped", "2 requests could not be sent"),
        (
            {"note": note_of(planned=N, clock_steps=[{"at_us": 1, "by_us": 20_000}])},
            "1 clock step",
            "the clock was set 1 time during the replay",
        ),
        (
            {"twin": some(1, 1)},
            "1999 sent of 2000",
            "1999 arrivals were recorded of 2000 that were to be sent",
        ),
        (
            {"planned": N + 1},
            "2000 shared of 2001 planned",
            "the load generators had 2000 arrivals, the trace has 2001",
        ),
    ],
)
def test_each_doubt_makes_the_measurement_invalid_and_says_its_number(change: Any, short: str, sentence: str) -> None:
    told = summary_of(**change)["verdict"]
    assert (told["valid"], told["valid_reasons"], told["exit_code"]) == (False, [sentence], 4)
    assert told["line"] == f"INVALID ({short}) · SLO MET · AUDIT CLEAN"


def test_a_worker_that_did_not_report_makes_the_measurement_invalid() -> None:
    notes = [note_of(planned=N), None]
    found = verdict.summarise(measured_of(records_of(DUE), notes=notes), schedule_of(DUE), [], CLEAN)
    assert found["verdict"]["line"] == "INVALID (worker 1 of 2 did not report) · NO SLO · AUDIT CLEAN"
    assert found["generator"]["cpu_share"] == [0.1]


def test_a_replay_that_sent_nothing_is_invalid() -> None:
    empty = measured_of(records_of([]), notes=[note_of(planned=N)])
    told = verdict.summarise(empty, schedule_of(DUE), [slo()], NOT_DONE)
    line = f"INVALID (nothing was sent; 0 sent of {N}) · SLO NOT TESTED · AUDIT NOT DONE"
    assert told["verdict"]["line"] == line
    assert told["endpoints"] == {}
    assert told["slos"][0]["met"] is None


def test_lag_counts_from_what_a_request_waited_for() -> None:
    records = records_of(DUE, lag_us=50_100)
    records["ready_us"] += 50_000
    assert lag_of(measured_of(records), [])["p99_us"] == 100


def test_lag_is_judged_where_it_is_worst_and_not_hidden_by_what_is_never_late() -> None:
    due = np.arange(100_000) * 40
    follow = records_of(due, lag_us=0, endpoint=Endpoint.FOLLOW)
    late = some(30_000, 30, 100)
    arrivals = records_of(DUE, lag_us=late)
    told = lag_of(measured_of(np.concatenate([follow, arrivals])), [])
    assert (told["of"], told["p50_us"], told["p99_us"]) == ("arrivals", 100, 30_000)
    confirmed = records_of(DUE[:1_000], lag_us=late[:1_000], endpoint=Endpoint.CONFIRMATION)
    mixed = measured_of(np.concatenate([follow, records_of(DUE), confirmed]))
    told = lag_of(mixed, [slo(), slo(endpoint="confirmation")])
    assert (told["of"], told["p99_us"]) == ("confirmation", 30_000)
    assert lag_of(mixed, [slo()])["of"] == "arrivals"
    few = records_of(DUE[:999], lag_us=late[:999], endpoint=Endpoint.CONFIRMATION)
    told = lag_of(measured_of(np.concatenate([records_of(DUE), few])), [slo(endpoint="confirmation")])
    assert told["of"] == "arrivals", "too few for a p99"


def test_a_few_late_arrivals_hide_no_endpoint_that_was_later_than_it_may_be() -> None:
    """900 arrivals have no p99, and chance explains ten that were 90 ms late; 60 of 1,200 confirmations were 80 ms."""
    slos = [slo("1s"), slo("1s", endpoint="confirmation")]
    late = some(80_000, 60, 100)[:1_200]
    confirmed = records_of(DUE[:1_200], 200_000, lag_us=late, endpoint=Endpoint.CONFIRMATION)
    confirmed["cart"] %= 900
    for lag in (100, some(90_000, 10, 100)[:900]):
        records = np.concatenate([records_of(DUE[:900], 200_000, lag_us=lag), confirmed])
        found = verdict.summarise(
            measured_of(records, notes=[note_of(planned=900)]), schedule_of(DUE[:900]), slos, CLEAN
        )
        assert (found["lag"]["of"], found["lag"]["p99_us"]) == ("confirmation", 80_000)
        assert found["verdict"]["line"].startswith("INVALID (lag p99 80 ms > 50 ms) ·")


def test_arrivals_that_were_late_are_not_thinned_by_punctual_retries_and_twins() -> None:
    first = records_of(DUE, 200_000, lag_us=some(90_000, 40, 100), outcome=Outcome.SHED)
    again, twins = records_of(DUE + 1_000_000), records_of(DUE)
    again["attempt"], twins["twin"] = 2, 1
    told = lag_of(measured_of(np.concatenate([first, again, again, twins])), [slo("1s")])
    assert (told["of"], told["p99_us"], told["requests"], told["over"]) == ("arrivals", 90_000, N, 40)


def test_an_objective_that_only_our_own_stall_missed_is_not_answered() -> None:
    """Eleven of 2,000 were sent 2 s late: the lag's p99 does not see them, an objective of p99.5 does."""
    late = some(2_000_000, 11, 100)
    strict = [slo(percentile=99.5)]
    found = summary_of(lag_us=late, response_us=late + 900, slos=strict)
    assert found["lag"]["p99_us"] == 100
    assert found["slos"][0]["met"] is False
    assert found["verdict"]["exit_code"] == 4
    assert found["verdict"]["valid_reasons"] == ["checkout would have met its p99.5 but for the generator's own lag"]
    assert found["verdict"]["line"] == "INVALID (checkout p99.5 missed by lag) · SLO MISSED · AUDIT CLEAN"
    both = summary_of(lag_us=late, response_us=np.maximum(late + 900, some(400_000, 30)), slos=strict)
    assert (both["verdict"]["valid"], both["verdict"]["exit_code"]) == (True, 1), "the target was too slow by itself"
    assert summary_of(lag_us=late, response_us=late + 900)["verdict"]["exit_code"] == 0, "p99 allows twenty"


@pytest.mark.parametrize(
    ("arrivals", "late", "valid"),
    [(5, 1, False), (6, 1, True), (63, 2, True), (63, 3, False), (197, 2, True), (999, 15, True), (999, 16, False)],
)
def test_of_few_arrivals_as_many_may_be_late_as_chance_explains(arrivals: int, late: int, valid: bool) -> None:
    """The first try of a new class has some dozen checkouts: one late request there is no p99."""
    lag = np.where(np.arange(arrivals) < late, 60_200, 100)
    measured = measured_of(records_of(np.arange(arrivals) * 1_000, lag + 900, lag_us=lag))
    found = verdict.summarise(measured, schedule_of(np.arange(arrivals)), [slo("1s")], CLEAN)
    assert (found["lag"]["p99_us"], found["lag"]["over"], found["lag"]["requests"]) == (None, late, arrivals)
    assert found["verdict"]["valid"] is valid
    if not valid:
        assert found["verdict"]["line"].startswith(f"INVALID (lag > 50 ms for {late} of {arrivals})")


@pytest.mark.parametrize(("slos", "limit_us"), [([], 2_000), ([slo("30ms")], 2_000), ([slo("1s"), slo("60ms")], 3_000)])
def test_the_lag_that_is_allowed_follows_the_tightest_objective(slos: list[Slo], limit_us: int) -> None:
    assert lag_of(measured_of(records_of(DUE)), slos)["limit_us"] == limit_us


@pytest.mark.parametrize(("slow", "met"), [(20, True), (21, False)])
def test_an_objective_is_met_up_to_its_percentile(slow: int, met: bool) -> None:
    found = summary_of(response_us=some(300_000, slow, 1_000))
    assert found["slos"][0]["met"] is met
    assert found["slos"][0]["measured_us"] == (1_000 if met else 300_000)
    assert (found["verdict"]["slo_met"], found["verdict"]["exit_code"]) == (met, int(not met))
    assert found["verdict"]["line"] == f"VALID · SLO {'MET' if met else 'MISSED'} · AUDIT CLEAN"


@pytest.mark.parametrize("outcome", [Outcome.SHED, Outcome.ERROR, Outcome.TIMEOUT])
@pytest.mark.parametrize(("missed", "met"), [(20, True), (21, False)])
def test_a_quick_failure_misses_the_objective_all_the_same(outcome: Outcome, missed: int, met: bool) -> None:
    found = summary_of(outcome=some(outcome, missed), slos=[slo(errors=0.5)])
    assert found["slos"][0]["met"] is met
    assert found["slos"][0]["error_share"] == missed / N
    if not met:
        assert found["slos"][0]["measured_us"] == 10_000_000


@pytest.mark.parametrize(("missed", "met"), [(20, True), (21, False)])
def test_the_share_of_errors_is_an_objective_of_its_own(missed: int, met: bool) -> None:
    found = summary_of(outcome=some(Outcome.ERROR, missed), slos=[slo(percentile=50, errors=0.01)])
    assert found["slos"][0]["measured_us"] == 1_000
    assert found["slos"][0]["met"] is met


@pytest.mark.parametrize(("slow", "met"), [(0, True), (1, True), (2, False)])
def test_a_percentile_that_cannot_be_told_is_judged_by_the_count(slow: int, met: bool) -> None:
    due, response = np.arange(150) * 1_000, np.where(np.arange(150) < slow, 300_000, 1_000)
    told = endpoints.judge(measured_of(records_of(due, response)), slo())
    assert (told["measured_us"], told["over"], told["met"], told["requests"]) == (None, slow, met, 150)
    found = verdict.summarise(measured_of(records_of(due, response)), schedule_of(due), [slo()], CLEAN)
    word = "MET" if met else "MISSED"
    assert found["verdict"]["line"] == f"VALID · SLO {word} (checkout p99: 150 requests only) · AUDIT CLEAN"
    assert found["notes"][0].startswith("checkout p99 was judged by 150 requests, of which 1 may be over")


@pytest.mark.parametrize(
    ("requests", "slow", "sure"), [(300, 0, True), (298, 0, False), (63, 63, True), (999, 9, False)]
)
def test_an_answer_from_few_requests_is_doubted_only_where_chance_may_have_given_it(
    requests: int, slow: int, sure: bool
) -> None:
    due, response = np.arange(requests) * 1_000, np.where(np.arange(requests) < slow, 300_000, 1_000)
    measured = measured_of(records_of(due, response))
    assert endpoints.judge(measured, slo())["sure"] is sure
    found = verdict.summarise(measured, schedule_of(due), [slo()], CLEAN)
    assert ("requests only" in found["verdict"]["line"]) is not sure


@pytest.mark.parametrize(
    ("requests", "errors", "percentile", "met", "told"),
    [
        (200, 3, 95, False, "2 may fail"),
        (30, 0, 50, True, "0 may fail"),
        (150, 0, 99, True, "1 may be over and 1 may fail"),
        (2_000, 0, 50, True, ""),
        (2_000, 25, 50, False, ""),
    ],
)
def test_an_answer_that_the_share_of_few_errors_decided_is_told_to_be_one(
    requests: int, errors: int, percentile: float, met: bool, told: str
) -> None:
    """Of the last nobody knows either (chance makes 25 of 20), but they are not few."""
    due, outcome = np.arange(requests) * 1_000, np.where(np.arange(requests) < errors, Outcome.SHED, Outcome.OK)
    measured = measured_of(records_of(due, outcome=outcome))
    found = verdict.summarise(measured, schedule_of(due), [slo("20s", percentile)], CLEAN)
    assert found["slos"][0]["met"] is met
    aside = f" (checkout p{percentile}: {requests} requests only)" if told else ""
    assert found["verdict"]["line"] == f"VALID · SLO {'MET' if met else 'MISSED'}{aside} · AUDIT CLEAN"
    judged = (
        f"checkout p{percentile} was judged by {requests} requests, of which {told}: few, so chance has much to say"
    )
    assert [note.startswith(judged) for note in found["notes"]] == [True] * bool(told)


def test_refusals_are_answers_and_counted_by_reason() -> None:
    outcome = np.where(np.arange(N) < 1_500, Outcome.REFUSED, Outcome.OK)
    outcome[-3:] = Outcome.DECLINED
    reason = np.where(outcome == Outcome.REFUSED, 1, 0)
    reason[:10] = 2
    reason[-3:] = 3
    names = ["", "sold_out", "limit_reached", "payment_declined"]
    measured = measured_of(records_of(DUE, outcome=outcome, reason=reason), reasons=names)
    found = verdict.summarise(measured, schedule_of(DUE), [slo(errors=0)], CLEAN)
    assert found["refusals"] == {"sold_out": 1_490, "limit_reached": 10, "payment_declined": 3}
    assert found["verdict"]["slo_met"]
    checkout = found["endpoints"]["checkout"]
    assert [checkout[name] for name in ("requests", "ok", "refused", "declined", "errors")] == [N, 497, 1_500, 3, 0]


def test_a_timed_out_or_dropped_try_is_no_quicker_than_the_clients_patience() -> None:
    outcome = some(Outcome.TIMEOUT, 100)
    outcome[50:100] = Outcome.DROPPED
    found = summary_of(outcome=outcome)["endpoints"]["checkout"]
    assert (found["p90_us"], found["p99_us"], found["max_us"]) == (1_000, 10_000_000, 10_000_000)
    assert (found["timeouts"], found["dropped"]) == (50, 50)
    assert found["service_p99_us"] == 900, "what was not sent has no service time"


def test_a_connection_that_was_refused_is_no_quicker_than_the_clients_patience_and_an_error_page_is() -> None:
    records = records_of(DUE, outcome=some(Outcome.ERROR, 100))
    records["status"][:100] = 500
    assert endpoints.endpoints_of(measured_of(records))["checkout"]["max_us"] == 1_000
    records["status"][:100] = 0
    assert endpoints.endpoints_of(measured_of(records))["checkout"]["max_us"] == 10_000_000
    records["reason"][:100] = 1  # such as KeyError: the class had an answer, and made nothing of it
    assert endpoints.endpoints_of(measured_of(records))["checkout"]["max_us"] == 1_000


@pytest.mark.parametrize("twin", [0, 1])
def test_that_the_other_of_two_twins_is_in_progress_uses_up_no_objective(twin: int) -> None:
    """A correct shop answers so to each of the one in a hundred that we send twice at once."""
    records = records_of(np.append(DUE, DUE[:25]))
    records["twin"][N:] = 1
    records["cart"][N:] = np.arange(25)
    told = np.arange(25) + (N if twin else 0)
    records["outcome"][told], records["status"][told] = Outcome.IN_PROGRESS, 409
    found = verdict.summarise(measured_of(records), schedule_of(DUE), [slo(errors=0)], CLEAN)
    assert (found["slos"][0]["met"], found["slos"][0]["error_share"]) == (True, 0)
    assert found["rates"]["error_share"] == 0
    checkout = found["endpoints"]["checkout"]
    assert (checkout["in_progress"], checkout["ok"], checkout["errors"], checkout["shed"]) == (25, N, 0, 0)


def test_requests_that_were_sent_again_at_once_are_told() -> None:
    found = summary_of(note=note_of(planned=N, stale_retries=3))
    assert found["stale_retries"] == 3
    (note,) = found["notes"]
    assert note.startswith("3 requests were sent again at once, as a kept connection had ended without an answer")


@pytest.mark.parametrize(("took_us", "over", "met"), [(200_000, 0, True), (200_001, 40, False)])
def test_what_our_own_end_cut_off_is_over_where_it_had_taken_too_long_and_else_nobody_knows(
    took_us: int, over: int, met: bool
) -> None:
    found = summary_of(outcome=some(Outcome.CUT, 40), response_us=some(took_us, 40, 1_000), interrupted=True)
    assert (found["slos"][0]["over"], found["slos"][0]["met"]) == (over, met)
    assert found["slos"][0]["error_share"] == 0
    assert found["endpoints"]["checkout"]["cut"] == 40
    assert found["rates"]["error_share"] == 0
    assert "40 requests cut off by the replay's own end" in found["notes"]


def test_a_payment_that_was_accepted_and_never_made_is_missed_where_the_order_would_have_gone_on() -> None:
    confirmed = records_of(DUE, endpoint=Endpoint.CONFIRMATION)
    measured = measured_of(confirmed, notes=[note_of(unpaid={"confirmation": 20}), note_of(unpaid={"confirmation": 1})])
    told = endpoints.judge(measured, slo(endpoint="confirmation"))
    assert (told["over"], told["met"], told["error_share"]) == (21, False, 21 / (N + 21))
    assert endpoints.judge(measured, slo(endpoint="payment"))["met"] is None
    notes = verdict.summarise(measured, schedule_of(DUE), [], CLEAN)["notes"]
    assert notes == ["21 payments accepted and never known to be paid: counted as missed at confirmation"]


def test_a_replay_whose_time_was_over_before_all_was_done_is_invalid() -> None:
    note = note_of(planned=N, complete=False, ended="overtime", overtime=True, unfinished=1)
    told = summary_of(note=note)["verdict"]
    assert told["line"] == "INVALID (1 cart unfinished) · SLO MET · AUDIT CLEAN · INCOMPLETE"
    assert told["valid_reasons"] == ["1 cart was still under way when time was over"]


def test_doubts_of_others_make_the_measurement_invalid_too() -> None:
    measured = measured_of(records_of(DUE))
    found = verdict.summarise(measured, schedule_of(DUE), [], CLEAN, doubts=[verdict.Doubt("not quiet", "it was not")])
    assert found["verdict"]["line"] == "INVALID (not quiet) · NO SLO · AUDIT CLEAN"


def test_endpoints_are_never_mixed() -> None:
    slow = records_of(DUE, 5_000, endpoint=Endpoint.CONFIRMATION)
    found = endpoints.endpoints_of(measured_of(np.concatenate([records_of(DUE), slow])))
    assert {name: part["p99_us"] for name, part in found.items()} == {"checkout": 1_000, "confirmation": 5_000}


def test_a_rate_of_arrivals_is_not_thinned_by_what_follows_long_after() -> None:
    late = records_of(DUE + 12_000_000, endpoint=Endpoint.CONFIRMATION)
    found = endpoints.endpoints_of(measured_of(np.concatenate([records_of(DUE), late])))
    assert found["checkout"]["rate_per_s"] == pytest.approx(500, rel=0.001)
    assert found["confirmation"]["rate_per_s"] == pytest.approx(N / 16, rel=0.001)


def test_an_objective_whose_endpoint_was_not_asked_is_named_and_not_passed() -> None:
    found = summary_of(slos=[slo(), slo(endpoint="confirmation")])
    assert found["slos"][1]["met"] is None
    assert found["verdict"]["line"] == "VALID · SLO MET (confirmation: not tested) · AUDIT CLEAN"
    assert found["verdict"]["exit_code"] == 0


def test_without_objectives_nothing_is_met_or_missed() -> None:
    told = summary_of(slos=[], audit=NOT_DONE)["verdict"]
    assert (told["slo_met"], told["exit_code"]) == (None, 0)
    assert told["line"] == "VALID · NO SLO · AUDIT NOT DONE"


@pytest.mark.parametrize(
    ("audit", "status", "words", "code"),
    [
        (NOT_DONE, "not done", "AUDIT NOT DONE", 0),
        (AuditResult({}, {"all": "it says nothing"}, ()), "not done", "AUDIT NOT DONE", 0),
        (AuditResult({"stock": 0, "money": 0}, {}, ()), "not done", "AUDIT NOT DONE", 0),
        (replace(CLEAN, unseen={"money": "no access"}), "clean", "AUDIT CLEAN (1 rule not seen)", 0),
        (replace(CLEAN, findings=(Finding("oversell", ("s1",), "-1"),)), "findings", "AUDIT: 1 FINDING", 3),
        (replace(CLEAN, findings=(Finding("oversell", ("s1",), "-1"),) * 3), "findings", "AUDIT: 3 FINDINGS", 3),
    ],
)
def test_the_audit_has_the_last_part_of_the_line(audit: AuditResult, status: str, words: str, code: int) -> None:
    found = summary_of(audit=audit)
    assert (found["verdict"]["audit"], found["verdict"]["exit_code"]) == (status, code)
    assert found["verdict"]["line"] == f"VALID · SLO MET · {words}"
    assert len(found["audit"]["findings"]) == len(audit.findings)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.ERROR])
def test_an_audit_of_what_nobody_bought_from_is_not_clean(outcome: Outcome) -> None:
    """A stock that shows as many units as were put in agrees with no orders at all."""
    found = summary_of(outcome=outcome, audit=AuditResult({"O1": 0, "O2": 0, "S1": 0, "S3": 5}, {}, ()))
    assert (found["verdict"]["audit"], found["verdict"]["line"].split(" · ")[2]) == ("not done", "AUDIT NOT DONE")
    assert "no client got an order: there was nothing to audit" in found["notes"]
    lost = summary_of(outcome=outcome, audit=replace(CLEAN, findings=(Finding("S3", ("mug",), "3 of 5 are left"),)))
    assert lost["verdict"]["audit"] == "findings"


@pytest.mark.parametrize(
    ("audit", "status", "words", "code"),
    [
        (AuditResult({}, {"all": "no answer"}, (), ("no answer",)), "failed", "AUDIT FAILED", 4),
        (replace(CLEAN, failed=("no answer",)), "failed", "AUDIT FAILED", 4),
        (
            replace(CLEAN, failed=("no answer",), findings=(Finding("oversell", ("s1",), "-1"),)),
            "findings",
            "AUDIT: 1 FINDING",
            3,
        ),
    ],
)
def test_an_audit_that_failed_is_a_doubt_and_never_clean_and_keeps_what_it_had_found(
    audit: AuditResult, status: str, words: str, code: int
) -> None:
    found = summary_of(audit=audit)
    told = found["verdict"]
    assert (told["audit"], told["exit_code"]) == (status, code)
    assert told["line"] == f"INVALID (audit failed) · SLO MET · {words}"
    assert told["valid_reasons"] == ["the audit failed: no answer"]
    assert verdict.rung(1, found)["within"] is None


def test_findings_outrank_an_invalid_measurement_which_outranks_a_missed_objective() -> None:
    bad: dict[str, Any] = {"lag_us": 12_000, "response_us": 300_000}
    findings = replace(CLEAN, findings=(Finding("oversell", ("s1",), "-1"),) * 3)
    told = summary_of(audit=findings, **bad)["verdict"]
    assert told["line"] == "INVALID (lag p99 12 ms > 10 ms) · SLO MISSED · AUDIT: 3 FINDINGS"
    assert told["exit_code"] == 3
    assert summary_of(**bad)["verdict"]["exit_code"] == 4


def test_a_replay_ended_by_a_rule_need_not_have_sent_all_and_answers_no() -> None:
    found = summary_of(note=note_of(planned=N + 5, complete=False, ended="abort", abort="errors>5%: 9.0% over 5 s"))
    assert (found["aborted"], found["incomplete"]) == ("errors>5%: 9.0% over 5 s", True)
    assert found["verdict"]["valid"]
    assert (found["verdict"]["exit_code"], found["verdict"]["line"]) == (1, "VALID · SLO MET · AUDIT CLEAN · ABORTED")


def test_a_replay_that_was_cut_short_never_answers_yes() -> None:
    found = summary_of(note=note_of(planned=N + 5, complete=False, ended="interrupted"), interrupted=True)
    assert (found["incomplete"], found["verdict"]["exit_code"]) == (True, 130)
    assert found["verdict"]["line"] == "VALID · SLO MET · AUDIT CLEAN · INCOMPLETE"
    assert summary_of(interrupted=True, response_us=300_000)["verdict"]["exit_code"] == 1


def test_a_ladder_names_the_last_multiple_within_and_the_first_outside() -> None:
    good, slow, invalid = summary_of(), summary_of(response_us=300_000), summary_of(lag_us=12_000)
    ladder = [verdict.rung(1, good), verdict.rung(2, slow), verdict.rung(3, good), verdict.rung(4, invalid)]
    assert [one["within"] for one in ladder] == [True, False, True, None]
    assert verdict.limits_of(ladder) == (1, 2)
    assert verdict.limits_of(ladder[:1]) == (1, None)
    assert verdict.limits_of(ladder[1:3]) == (None, 2)
    assert verdict.limits_of([verdict.rung(1, summary_of(slos=[]))]) == (None, None)
    assert ladder[0]["p99_us"] == 1_000
    assert ladder[1]["verdict"]["line"] == "VALID · SLO MISSED · AUDIT CLEAN"


def test_a_rung_keeps_what_was_judged_of_it() -> None:
    """The tables beside the summary are of another rung: what the audit found here stands nowhere else."""
    found = summary_of(audit=replace(CLEAN, findings=(Finding("S1", ("mug",), "put in 3, sold 4"),)))
    rung = verdict.rung(2, found)
    assert rung["audit"]["findings"] == [{"rule": "S1", "ids": ["mug"], "found": "put in 3, sold 4"}]
    assert (rung["slos"], rung["verdict"], rung["within"]) == (found["slos"], found["verdict"], False)


def test_a_ladder_says_nothing_beyond_a_rung_that_says_nothing() -> None:
    good, slow, invalid = summary_of(), summary_of(response_us=300_000), summary_of(lag_us=12_000)
    rungs = [verdict.rung(multiple, told) for multiple, told in enumerate((good, invalid, good, slow), 1)]
    assert verdict.limits_of(rungs) == (1, None)
    assert verdict.limits_of(rungs[1:]) == (None, None)


def test_a_rung_that_was_cut_short_is_neither_within_nor_outside() -> None:
    cut: dict[str, Any] = {"planned": N + 5, "interrupted": True}
    part = note_of(planned=N + 5, complete=False, ended="interrupted")
    assert verdict.rung(1, summary_of(note=part, **cut))["within"] is None
    assert verdict.rung(1, summary_of(note=part, response_us=300_000, **cut))["within"] is None
    ended = note_of(planned=N + 5, complete=False, ended="abort", abort="errors>5%: 9.0% over 5 s")
    assert verdict.rung(1, summary_of(note=ended))["within"] is False


def test_what_a_target_answers_a_second_counts_until_its_last_answer() -> None:
    """Half of what was due in 4 s was answered at once, a quarter only after 8 s, the rest not."""
    outcome, response = some(Outcome.TIMEOUT, 500), np.full(N, 1_000)
    response[500:1_000] = 8_000_000 - DUE[500:1_000]
    rates = summary_of(outcome=outcome, response_us=response)["rates"]
    assert rates["offered_per_s"] == pytest.approx(500, rel=0.001)
    assert rates["achieved_per_s"] == pytest.approx(1_500 / 8)
    assert rates["error_share"] == 0.25


def test_steps_that_a_target_does_not_have_are_left_out_and_named() -> None:
    found = summary_of(planned=N + 7, note=note_of(planned=N, left_out={"view": 7}, unfinished=2))
    assert found["verdict"]["valid"]
    assert found["notes"] == [
        "the target has no step view: 7 arrivals left out",
        "2 carts still under way when the replay ended",
    ]


def test_a_target_that_does_not_follow_an_option_does_not_sell_out_as_the_scenario_does() -> None:
    measured = measured_of(records_of(DUE), notes=[note_of(planned=N)])
    told = verdict.summarise(measured, schedule_of(DUE), [slo()], CLEAN, not_scaled=["--share with its stock"])
    assert told["verdict"]["line"] == "VALID · SLO MET · AUDIT CLEAN · SELL-OUT NOT REPRODUCED"
    assert told["verdict"]["exit_code"] == 0
    assert told["notes"] == ["sell-out not reproduced: the target does not follow --share with its stock"]


def test_what_failed_is_told_with_an_example_of_each_kind() -> None:
    note = note_of(planned=N, requests=N, examples={"payment: TypeError": "the step's reason is {},\n no str"})
    assert summary_of(note=note)["notes"] == ["failed at payment: TypeError: the step's reason is {}, no str"]


def test_the_worst_verdict_is_the_one_whose_code_outranks_the_others() -> None:
    codes = (0, 1, 4, 1)
    assert verdict.worst([{"exit_code": code, "at": at} for at, code in enumerate(codes)])["at"] == 2
    assert verdict.worst([{"exit_code": 0}, {"exit_code": 130}])["exit_code"] == 130
    assert verdict.worst([{"exit_code": 0}])["exit_code"] == 0
