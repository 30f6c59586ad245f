"""Rules that end a replay early."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadtests.records import RECORD, Endpoint, Outcome
from loadtests.replay.aborting import parse_rule
from sim.errors import UsageError


def second(count: int, response_us: int, outcome: Outcome = Outcome.OK, endpoint: Endpoint = Endpoint.CHECKOUT) -> Any:
    rows = np.zeros(count, RECORD)
    rows["done_us"], rows["outcome"], rows["endpoint"] = response_us, outcome, endpoint
    return rows


def test_a_share_of_errors_counts_over_its_window_only() -> None:
    rule = parse_rule("errors>10% over 2s")
    good, bad = second(90, 1), second(20, 1, Outcome.SHED)
    assert [rule.broken_by(rows) != "" for rows in (bad, good, good, bad, bad)] == [False, True, False, True, True]


def test_refusals_are_no_errors_and_news_count_for_nothing() -> None:
    rule = parse_rule("errors>1% over 1s")
    assert rule.broken_by(second(50, 1, Outcome.REFUSED)) == ""
    assert rule.broken_by(second(50, 1, Outcome.ERROR, Endpoint.FOLLOW)) == ""


def test_a_percentile_is_of_its_endpoint_and_what_was_not_answered_is_slower_than_any_bound() -> None:
    rule = parse_rule("checkout.p90 > 1.5 s, over 1 s")
    assert rule.broken_by(second(50, 9_000_000, endpoint=Endpoint.VIEW)) == ""
    assert rule.broken_by(second(50, 1_400_000)) == ""
    assert "1,600 ms over 1 s" in rule.broken_by(second(50, 1_600_000))
    assert "unanswered" in rule.broken_by(np.concatenate([second(40, 1), second(10, 1, Outcome.TIMEOUT)]))


def test_what_hangs_is_over_the_bound_before_it_ends() -> None:
    """A server that stands still answers nothing, so nothing that has ended says that it is slow."""
    rule, nothing = parse_rule("checkout.p99>2s over 2s"), second(0, 1)
    waiting = [(Endpoint.CHECKOUT, 2_100_000)] * 20
    assert rule.broken_by(nothing, waiting) == ""
    assert "unanswered" in rule.broken_by(nothing, waiting)
    assert rule.broken_by(nothing, [(Endpoint.CHECKOUT, 1_900_000)] * 99) == "", "they may still be in time"
    assert rule.broken_by(nothing, [(Endpoint.VIEW, 2_100_000)] * 99) == ""
    assert rule.broken_by(nothing, waiting[1:]) == "", "too few"
    errors = parse_rule("errors>1% over 1s")
    assert errors.broken_by(second(50, 1), waiting) == ""


def test_a_rule_looks_back_until_it_has_enough() -> None:
    """A slow shop, three requests a second: the rule is the only brake that it has."""
    rule = parse_rule("errors>50%")
    told = [rule.broken_by(second(3, 1, Outcome.ERROR)) for _ in range(8)]
    assert told[:6] == [""] * 6
    assert told[6] == "errors>50%: 100.0% over 7 s"
    for _ in range(4):
        told.append(rule.broken_by(second(30, 1)))
    assert told[-1] == "", "what is long past counts no more"


def test_a_few_requests_say_nothing() -> None:
    rule = parse_rule("errors>1% over 1s")
    assert rule.broken_by(second(5, 1, Outcome.ERROR)) == ""


def test_durations_are_written_as_everywhere() -> None:
    rule = parse_rule("checkout.p99>1m 30s over 1m")
    assert (rule.percent, rule.bound, rule.over_s) == (99, 90_000_000, 60)
    rule = parse_rule("payment.errors > 2.5 %, over 90s")
    assert (rule.percent, rule.bound, rule.over_s) == (None, 0.025, 90)


@pytest.mark.parametrize(
    "text",
    ["", "errors", "errors>5", "errors>5s", "p99>2s", "basket.p99>2s", "checkout.p99>2%", "checkout.p101>2s",
     "checkout.p99>2", "checkout.p99>2s over", "checkout.p99>2s over 5", "checkout.p99>2s over 1500ms"],
)  # fmt: skip
def test_a_rule_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--abort-on"):
        parse_rule(text)
