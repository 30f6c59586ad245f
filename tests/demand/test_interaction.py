"""Answers lift orders and lower returns, persuasion lifts both: in the traces of shows, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from sim.demand.choices import ALL
from sim.demand.erlang import erlang_a
from sim.demand.generate import generate
from sim.demand.interaction import answered_share, asked_per_s, questions_told, thinned
from sim.demand.show import make_show
from sim.demand.sources import sources
from sim.demand.trace import CANCEL_BEFORE_SHIPPING, CANCEL_ON_HOLD, NOTHING, REFUND_ONLY, RETURN, Trace
from sim.operations.contribution import moderators_minor
from sim.scenario.load import scenario_from_text
from sim.scenario.parts.interaction import Questions
from sim.scenario.schema import Scenario
from tests.demand.cases import assert_mean
from tests.demand.test_generate import SHOW, first_lines, show

ALL_ANSWERED = "funnel.questions={moderators: 200, asks_per_viewer_hour: 1}"
NONE_ANSWERED = "funnel.questions={moderators: 0, asks_per_viewer_hour: 1}"
MANY = ("funnel.clicks_per_viewer_hour=400", "programme.videos=[]", "programme.broadcasts[0].deals=[]")
CROWD = (*MANY, "funnel.clicks_per_viewer_hour=3000", "funnel.views_per_buy=0")


def going(trace: Trace) -> np.ndarray:
    return np.asarray(trace.carts["go_u32"] < trace.factor_u64[first_lines(trace)["sku"]])


def returns(trace: Trace) -> float:
    """Share of the orders that go ahead and would come back."""
    return float((trace.carts["after"][going(trace)] >= CANCEL_BEFORE_SHIPPING).mean())


@pytest.fixture(scope="module")
def answered() -> Trace:
    return generate(show(ALL_ANSWERED, *CROWD), 5)


@pytest.fixture(scope="module")
def unanswered() -> Trace:
    return generate(show(NONE_ANSWERED, *CROWD), 5)


def test_all_answered_is_three_percent_more_orders_and_an_eighth_fewer_returns(
    answered: Trace, unanswered: Trace
) -> None:
    """The randomised experiment: +3.00 % (0.19 x 0.16) and -12.55 %, of the same buyers."""
    assert answered.orders == unanswered.orders > 20_000
    both, more = going(unanswered), going(answered)
    assert np.all(more[both])  # answers lose nobody
    error = 4 * (0.03 / answered.orders) ** 0.5
    assert more.sum() / both.sum() == pytest.approx(1.0304, abs=error)
    assert more.mean() == 1.0
    fewer = returns(answered) / returns(unanswered)
    assert fewer == pytest.approx(1 - 0.1255, abs=0.015)


def test_answers_spare_returns_and_no_other_wish(answered: Trace, unanswered: Trace) -> None:
    was, now = unanswered.carts["after"], answered.carts["after"]
    changed = was != now
    assert np.all(now[changed] == NOTHING)
    assert np.all(was[changed] >= CANCEL_BEFORE_SHIPPING)
    assert np.count_nonzero(was == CANCEL_ON_HOLD) == np.count_nonzero(now == CANCEL_ON_HOLD)


def test_all_else_of_the_trace_is_the_same_whatever_the_moderators_do(answered: Trace, unanswered: Trace) -> None:
    for one, two in ((answered.lines, unanswered.lines), (answered.carts, unanswered.carts)):
        for name in one:
            if name not in ("go_u32", "after"):
                assert np.array_equal(one[name], two[name]), name


def test_a_few_moderators_answer_the_share_that_erlang_a_says() -> None:
    scenario = show("funnel.questions={moderators: 3, asks_per_viewer_hour: 20, handle: 30s, patience: 45s}", *MANY)
    assert scenario.funnel.questions is not None
    broadcast = make_show(scenario, scenario.programme.broadcasts[0])
    present = broadcast.present
    assert present.max() > 300
    found = answered_share(scenario.funnel.questions, asked_per_s(scenario.funnel.questions, present))
    for k in range(0, len(present), 97):
        if present[k] > 0:
            queue = erlang_a(present[k] * 20 / 3600, 1 / 30, 3, 1 / 45)
            assert found[k] == pytest.approx(queue.answered_share, abs=5e-4)
    assert found.min() < 0.5 < found.max()
    told = questions_told(scenario)
    weight = present * np.gradient(broadcast.grid_us.astype(float))
    assert told["answered_share"] == pytest.approx(float(weight @ found / weight.sum()), abs=0.01)
    assert told["asked"] == pytest.approx(float(weight.sum()) * 20 / 3600 / 1e6, rel=0.01)


def test_orders_follow_the_share_answered_at_their_time() -> None:
    scenario = show("funnel.questions={moderators: 2, asks_per_viewer_hour: 20, lift: 3}", *MANY)
    trace = generate(scenario, 2)
    assert scenario.funnel.questions is not None
    broadcast = make_show(scenario, scenario.programme.broadcasts[0])
    rate = asked_per_s(scenario.funnel.questions, broadcast.present)
    share = answered_share(scenario.funnel.questions, rate)
    place = np.searchsorted(broadcast.grid_us, first_lines(trace)["time_us"], side="right") - 1
    expected = (1 + 0.19 * 3 * share[place]) / (1 + 0.19 * 3)
    busy = share[place] < np.median(share[place])
    for here in (busy, ~busy):
        assert here.sum() > 200
        error = 4 * 0.5 / here.sum() ** 0.5
        assert going(trace)[here].mean() == pytest.approx(expected[here].mean(), abs=error)


def test_persuasion_lifts_orders_and_returns() -> None:
    """One standard deviation: +10 % orders, +11.68 points of returns, half of them before shipping."""
    plain, pressed = show(*MANY), show("funnel.persuasion={level: 1}", *MANY)
    for one, two in zip(sources(plain), sources(pressed), strict=True):
        assert two.expected == pytest.approx(1.1 * one.expected)
    was, now = (generate(s, 3).carts["after"] for s in (plain, pressed))

    def share(after: np.ndarray, wish: int) -> float:
        return float((after == wish).mean())

    for wish, more in ((CANCEL_ON_HOLD, 0), (CANCEL_BEFORE_SHIPPING, 0.0584), (RETURN, 0.0584), (REFUND_ONLY, 0)):
        assert share(now, wish) - share(was, wish) == pytest.approx(more, abs=0.015), wish


def test_up_to_the_most_pressing_strategy_all_meet_the_same_buyers() -> None:
    calm, hard = (generate(show(f"funnel.persuasion={{level: {k}, most: 1, lift: 0.2}}", *MANY), 4) for k in (0, 1))
    assert calm.orders == hard.orders
    assert going(hard).all()
    assert going(calm).mean() == pytest.approx(1 / 1.2, abs=0.015)
    less = generate(show("funnel.persuasion={level: -1, most: 1, lift: 0.2}", *MANY), 4)
    assert going(less).mean() == pytest.approx(0.8 / 1.2, abs=0.015)
    assert returns(less) < returns(calm) < returns(hard)


def test_no_share_of_returns_leaves_zero_and_one() -> None:
    for level in (-3, 3):
        after = generate(show(f"funnel.persuasion={{level: {level}, returns: 100 %}}", *MANY), 1).carts["after"]
        come_back = (after >= CANCEL_BEFORE_SHIPPING).mean()
        assert come_back == pytest.approx(0 if level < 0 else 0.9, abs=0.02)  # but for cancel_on_hold: 10 %


def test_videos_and_deals_have_neither_moderator_nor_host() -> None:
    trace, plain = generate(show(NONE_ANSWERED), 1), generate(show(), 1)
    first = first_lines(trace)
    elsewhere = (first["content"] != 0) | (first["deal"] >= 0)
    assert elsewhere.sum() > 100
    assert going(trace)[elsewhere].all()
    assert not going(trace)[~elsewhere].all()
    assert sources(show(NONE_ANSWERED))[-1].expected == sources(show())[-1].expected
    assert plain.factor_u64.max() == ALL


def test_thinning_keeps_the_share_below_any_factor() -> None:
    go = np.random.default_rng(1).integers(0, ALL, 200_000, dtype=np.uint32)
    moved = thinned(go, np.full(len(go), ALL // 4, np.uint64))
    for factor in (ALL - 1, ALL // 2):
        assert (moved < factor).mean() == pytest.approx(factor / ALL / 4, abs=0.005)
    assert np.array_equal(thinned(go, np.full(len(go), ALL, np.uint64)), go)


def test_wages_are_paid_for_the_length_of_every_show() -> None:
    text = "funnel.questions={moderators: 3, wage_per_hour: 14.01 GBP}"
    assert moderators_minor(show(text)) == 2102  # 3 x 14.01 GBP x half an hour = 21.015
    assert moderators_minor(show()) == 0


def test_knobs_of_interaction_can_be_set_one_by_one() -> None:
    scenario = scenario_from_text(SHOW, overrides=("funnel.questions.moderators=2", "funnel.persuasion.level=0.5"))
    assert isinstance(scenario, Scenario)
    assert scenario.funnel.questions == Questions(moderators=2)


def test_a_host_answers_up_to_a_limit_and_leaves_the_rest_to_moderators() -> None:
    per_s = np.array([0.0, 0.1, 0.5, 1.0, 4.0])  # the host manages one every two seconds
    alone = answered_share(Questions(host_answers_per_min=30), per_s)
    assert alone == pytest.approx([1, 1, 1, 0.5, 0.125], abs=1e-5)
    helped = answered_share(Questions(host_answers_per_min=30, moderators=4), per_s)
    left = erlang_a(0.5, 1 / 20, 4, 1 / 60).answered_share
    assert helped[3] == pytest.approx(0.5 + 0.5 * left, abs=5e-4)


def test_where_nobody_asks_moderators_would_answer_at_once() -> None:
    nobody = np.zeros(3)
    assert answered_share(Questions(moderators=1), nobody).tolist() == [1, 1, 1]
    assert answered_share(Questions(moderators=0), nobody).tolist() == [0, 0, 0]


def test_more_moderators_never_answer_less() -> None:
    per_s = np.linspace(0, 2, 50)
    shares = [answered_share(Questions(moderators=n), per_s) for n in range(6)]
    assert np.all(np.diff(shares, axis=0) >= -1e-9)
    assert shares[0][1:].max() < 1e-5


def test_mean_orders_of_many_seeds_are_the_closed_forms() -> None:
    scenario = show(NONE_ANSWERED, *MANY)
    expected = sum(source.expected for source in sources(scenario)) / 1.0304
    assert_mean(lambda seed: float(going(generate(scenario, seed)).sum()), expected, 8)
