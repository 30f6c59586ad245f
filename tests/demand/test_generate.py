"""Traces of whole scenarios: counts against closed forms, common random numbers, bytes."""

import json
import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from sim.demand.arrivals import expected_count
from sim.demand.audience import mean_present
from sim.demand.conversion import factor_u64
from sim.demand.flash import deal_intent
from sim.demand.generate import generate
from sim.demand.laws import from_stay
from sim.demand.show import bag_rate, entries, make_show, pitch_rate, viewers
from sim.demand.sources import sources
from sim.demand.trace import BUY, CART_COLUMNS, LINE_COLUMNS, NEVER, QUOTE, REFRESH, VIEW, Trace
from sim.errors import ScenarioError
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario
from tests.demand.cases import assert_mean

SHOW = """
name: show
start: 2026-11-20T19:00:00+00:00
catalogue:
  - {name: lipstick, category: beauty, price: 12.90 GBP, stock: {main: 300}}
  - name: dress
    category: apparel
    price: 30 GBP
    skus: [{name: s, share: 0.3}, {name: m, share: 0.7}]
    stock: {main: 200}
  - {name: mug, price: 8 GBP, stock: {main: 500}}
regions:
  - {name: uk, audience: 0.6, zone: Europe/London, payment_mix: {card: 0.2, wallet: 0.8}}
  - {name: us, audience: 0.4, zone: America/New_York}
payment: {methods: [{name: card, declines: 40 %}, {name: wallet, latency: 300ms}]}
funnel:
  clicks_per_viewer_hour: 20
  views_per_buy: 1.5
  refreshes_per_buy: 0.25
  quotes_per_buy: 1
  lines_per_cart: 1.4
  units_per_line: 1.2
  second_choice: 0.5
  voucher: {share: 0.2}
after_sales: {cancel_on_hold: 0.1, categories: {apparel: {before_shipping: 0.2, after_delivery: 0.4, refund_only: 0}}}
programme:
  broadcasts:
    - name: live
      start: 10m
      length: 30m
      entries: [{at: 0, per_min: 100}, {at: 10m, per_min: 400}, {at: 30m, per_min: 50}]
      bag: [lipstick, dress]
      pitches:
        - {listing: lipstick, at: 5m, length: 5m}
        - {listing: dress, at: 12m, length: 6m, lift: 4}
      deals: [{sku: mug, at: 20m, price: 2 GBP, units: 50, per_buyer: 2, intent: 0.3}]
  videos:
    - name: clip
      listing: dress
      publish: 5m
      click: 0.5
      order_given_click: 0.5
      exposure: {tiers: [300, 600], tier_time: 1h}
      kernel: {kind: exponential, mean: 10m}
"""
LIVE, CLIP, S = 0, 1, 1_000_000


def show(*overrides: str) -> Scenario:
    return scenario_from_text(SHOW, overrides=overrides)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return show()


@pytest.fixture(scope="module")
def trace(scenario: Scenario) -> Trace:
    return generate(scenario, 1)


def first_lines(trace: Trace) -> dict[str, np.ndarray]:
    rows = np.flatnonzero(trace.lines["kind"] == BUY)
    rows = rows[np.flatnonzero(np.diff(trace.lines["cart"][rows], prepend=-1))]
    return {name: column[rows] for name, column in trace.lines.items()}


def test_rows_are_sorted_and_columns_have_the_types_of_the_trace(trace: Trace) -> None:
    assert {name: column.dtype for name, column in trace.lines.items()} == {
        k: np.dtype(v) for k, v in LINE_COLUMNS.items()
    }
    assert {name: column.dtype for name, column in trace.carts.items()} == {
        k: np.dtype(v) for k, v in CART_COLUMNS.items()
    }
    assert np.all(np.diff(trace.lines["time_us"]) >= 0)
    assert trace.lines["time_us"][0] >= 0


def test_cart_numbers_run_in_the_order_of_the_buy_rows_and_carts_stand_together(trace: Trace) -> None:
    buys = trace.lines["kind"] == BUY
    cart, rows = trace.lines["cart"][buys], np.flatnonzero(buys)
    assert np.array_equal(np.unique(cart), np.arange(trace.orders))
    assert np.all(np.diff(cart) >= 0)
    same = np.diff(cart) == 0
    assert np.all(np.diff(rows)[same] == 1)
    for name in ("time_us", "content", "region", "buyer"):
        assert np.all(np.diff(trace.lines[name][buys].astype(np.int64))[same] == 0)


def test_expected_carts_are_the_hazard_times_the_integral_of_the_audience(scenario: Scenario) -> None:
    broadcast = scenario.programme.broadcasts[0]
    hazard = 20 * 0.05 / 3600
    rates, stay = entries(scenario, broadcast), from_stay(broadcast.stay)

    def audience(from_s: float, to_s: float) -> float:
        knots = [600, 1200, 2400]
        value, _ = integrate.quad(
            lambda t: float(mean_present(rates, stay, t * S)), from_s, to_s, points=knots, limit=300
        )
        return value

    made = make_show(scenario, broadcast)
    assert expected_count(bag_rate(scenario, made)) == pytest.approx(hazard * audience(600, 2400), rel=1e-5)
    assert expected_count(pitch_rate(scenario, made, 0)) == pytest.approx(hazard * 1.36 * audience(900, 1200), rel=1e-5)
    assert expected_count(pitch_rate(scenario, made, 1)) == pytest.approx(hazard * 4 * audience(1320, 1680), rel=1e-5)


def test_every_source_draws_as_many_carts_as_its_closed_form(scenario: Scenario) -> None:
    traces = [generate(scenario, seed) for seed in range(20)]
    carts = [first_lines(trace) for trace in traces]
    found = sources(scenario)
    live = sum(source.expected for source in found if source.content == LIVE)
    assert_mean(lambda seed: len(carts[seed]["sku"][carts[seed]["content"] == LIVE]), live)
    deal = next(source.expected for source in found if source.deal == 0)
    assert_mean(lambda seed: int((carts[seed]["deal"] == 0).sum()), deal)
    assert_mean(lambda seed: int((carts[seed]["content"] == CLIP).sum()), found[-1].expected)


def test_a_deals_buyers_react_together_after_its_opening(trace: Trace, scenario: Scenario) -> None:
    carts = first_lines(trace)
    mine = carts["deal"] == 0
    after_s = (carts["time_us"][mine] - 31 * 60 * S) / S
    assert after_s.min() >= 0
    assert stats.kstest(after_s, stats.expon(scale=2).cdf).pvalue > 1e-4
    assert carts["quantity"][mine].max() <= 2
    present = float(viewers(scenario, scenario.programme.broadcasts[0], [31 * 60 * S])[0])
    assert abs(mine.sum() - 0.3 * present) <= 4 * math.sqrt(0.3 * present)


def test_pitches_raise_the_orders_of_their_listing_in_their_window_only(trace: Trace) -> None:
    carts = first_lines(trace)
    lipstick = (carts["sku"] == 0) & (carts["content"] == LIVE)
    inside = (carts["time_us"] >= 900 * S) & (carts["time_us"] < 1200 * S)
    assert (lipstick & inside).sum() > 2 * (lipstick & ~inside).sum() / 5


def test_skus_regions_methods_and_quantities_follow_their_shares(scenario: Scenario) -> None:
    traces = [generate(scenario, seed) for seed in range(20)]
    carts = [first_lines(trace) for trace in traces]

    def share(hit: np.ndarray, among: np.ndarray) -> float:
        return float(hit[among].mean())

    def per_order(kind: int, seed: int) -> float:
        return float((traces[seed].lines["kind"] == kind).sum() / traces[seed].orders)

    assert_mean(lambda i: share(carts[i]["sku"] == 2, np.isin(carts[i]["sku"], (1, 2))), 0.7)
    assert_mean(lambda i: float((carts[i]["region"] == 0).mean()), 0.6)
    assert_mean(lambda i: share(traces[i].carts["method"] == 1, carts[i]["region"] == 0), 0.8)
    assert_mean(lambda i: share(traces[i].carts["method"] == 1, carts[i]["region"] == 1), 0.5)
    assert_mean(lambda i: float(carts[i]["quantity"][carts[i]["deal"] < 0].mean()), 1.2)
    assert_mean(lambda i: float((traces[i].lines["kind"] == BUY).sum() / traces[i].orders), 1.4)
    for kind, mean in ((VIEW, 1.5), (REFRESH, 0.25), (QUOTE, 1.0)):
        assert_mean(partial(per_order, kind), mean)
    assert_mean(lambda i: float((traces[i].carts["pay_delay_us"] == NEVER).mean()), 0.1)
    assert_mean(lambda i: share(traces[i].carts["declines"] > 0, traces[i].carts["method"] == 0), 0.4)
    assert_mean(
        lambda i: share(
            traces[i].carts["declines"] > 1, (traces[i].carts["declines"] > 0) & (traces[i].carts["method"] == 0)
        ),
        0.4,
    )
    assert_mean(lambda i: float(traces[i].carts["voucher"].mean()), 0.2)
    assert_mean(lambda i: share(traces[i].carts["after"] == 3, np.isin(carts[i]["sku"], (1, 2))), 0.4)
    assert_mean(lambda i: share(traces[i].carts["after"] == 3, carts[i]["sku"] == 0), 0.08)
    assert_mean(lambda i: float((traces[i].carts["after"] == 1).mean()), 0.1)


def test_work_takes_its_law_and_at_least_a_microsecond(trace: Trace) -> None:
    carts = trace.carts
    assert set(carts["checkout_us"].tolist()) == {2000}
    assert stats.kstest(carts["pick_us"] / S, stats.lognorm(0.5, scale=40).cdf).pvalue > 1e-4
    assert set(carts["provider_us"][carts["method"] == 1].tolist()) == {300_000}
    zero = generate(show("engine.service.checkout=0us"), 1)
    assert set(zero.carts["checkout_us"].tolist()) == {1}


def test_views_lead_to_their_cart_and_carry_its_data(trace: Trace) -> None:
    carts, lines = first_lines(trace), trace.lines
    rows = np.flatnonzero(lines["kind"] != BUY)
    at = lines["cart"][rows]
    for name in ("content", "region", "sku", "quantity", "buyer", "deal"):
        assert np.array_equal(lines[name][rows], carts[name][at])
    assert np.all(lines["time_us"][rows] <= carts["time_us"][at])
    assert set(lines["second_sku"][rows].tolist()) == {-1}


def test_a_second_choice_is_another_sku_of_the_same_bag(trace: Trace) -> None:
    lines = trace.lines
    chosen = (lines["kind"] == BUY) & (lines["second_sku"] >= 0)
    live = chosen & (lines["content"] == LIVE)
    assert np.all(lines["second_sku"][chosen] != lines["sku"][chosen])
    assert set(lines["second_sku"][live].tolist()) == {0, 1, 2}  # mugs are not in the bag
    share = chosen.sum() / (lines["kind"] == BUY).sum()
    assert share == pytest.approx(0.5, abs=0.07)


def test_a_bag_of_one_has_no_second_choice() -> None:
    only = show("programme.broadcasts[0].bag=[lipstick]", "programme.videos=[]", "programme.broadcasts[0].deals=[]")
    lines = generate(only, 1).lines
    assert set(lines["second_sku"][lines["sku"] == 0].tolist()) == {-1}


def test_the_same_seed_gives_the_same_bytes_and_another_replication_others(scenario: Scenario, trace: Trace) -> None:
    assert generate(scenario, 1).fingerprint() == trace.fingerprint()
    others = {generate(scenario, 1, 1).fingerprint(), generate(scenario, 2).fingerprint(), trace.fingerprint()}
    assert len(others) == 3


def changed(trace: Trace, other: Trace) -> set[str]:
    pairs = [(name, column, other.lines[name]) for name, column in trace.lines.items()]
    pairs += [(name, column, other.carts[name]) for name, column in trace.carts.items()]
    return {name for name, one, two in pairs if not np.array_equal(one, two)}


@pytest.mark.parametrize(
    ("override", "columns"),
    [
        ("payment.pays=0.5", {"pay_delay_us"}),
        ("payment.methods[0].declines=0.1", {"declines"}),
        ("fulfilment.pick=1m", {"pick_us"}),
        ("funnel.voucher.share=0.9", {"voucher"}),
        ("after_sales.restock=0.1", {"restock"}),
        ("after_sales.cancel_on_hold=0.3", {"after"}),
        ("funnel.second_choice=0", {"second_sku"}),
        ("funnel.units_per_line=2", {"quantity"}),
        ("funnel.buyers=50", {"buyer"}),
        ("engine.workers=3", set()),
        ("catalogue[0].price=9 GBP", set()),
    ],
)
def test_changing_one_thing_leaves_all_other_columns_alone(trace: Trace, override: str, columns: set[str]) -> None:
    assert changed(trace, generate(show(override), 1)) == columns


def test_a_new_video_leaves_the_carts_of_the_broadcast_alone(trace: Trace) -> None:
    times = [
        carts["time_us"][carts["content"] == LIVE]
        for carts in (first_lines(trace), first_lines(generate(show("programme.videos=[]"), 1)))
    ]
    assert np.array_equal(*times)


def test_more_views_leave_the_buy_rows_alone(trace: Trace) -> None:
    other = generate(show("funnel.views_per_buy=0", "funnel.refreshes_per_buy=0", "funnel.quotes_per_buy=0"), 1)
    buys = trace.lines["kind"] == BUY
    assert all(np.array_equal(column[buys], other.lines[name]) for name, column in trace.lines.items())


def test_the_price_thins_under_its_ceiling() -> None:
    priced = show("funnel.price={elasticity: 2, ceiling: 4, reference: {lipstick: 25.80 GBP, mug: 4 GBP}}")
    factors = factor_u64(priced) / 2**32
    assert factors.tolist() == pytest.approx([1.0, 0.25, 0.25, 1 / 16])
    plain, ceiling = sources(show()), sources(priced)
    assert ceiling[0].expected == pytest.approx(4 * plain[0].expected)
    trace = generate(priced, 1)
    carts = first_lines(trace)
    going = trace.carts["go_u32"] < trace.factor_u64[carts["sku"]]
    assert np.all(going[carts["deal"] >= 0])  # a deal has its own price
    dress = (carts["deal"] < 0) & (carts["sku"] != 0)
    assert going[dress].mean() == pytest.approx(0.25, abs=0.05)
    halved = trace.carts["go_u32"] < trace.factor_u64[carts["sku"]] // np.uint64(2)
    assert halved[carts["deal"] >= 0].mean() == pytest.approx(0.5, abs=0.25)


def test_matching_and_vouchers_raise_conversion_in_the_trace() -> None:
    plain = sources(show())[0].expected
    matched = sources(show("funnel.matching={r: 0.5, top: 0.1, weight: 0.25}"))[0].expected
    assert matched == pytest.approx(plain * (1 + 0.25 * 0.877492), rel=1e-6)
    assert sources(show("funnel.voucher={share: 0.2, lift: 0.5}"))[0].expected == pytest.approx(plain * 1.1)
    carried = generate(show("funnel.voucher={share: 0.2, lift: 0.5}"), 1).carts["voucher"].mean()
    assert carried == pytest.approx(0.3 / 1.1, abs=0.05)


def test_a_countdown_raises_intent_only_where_the_scenario_says_so() -> None:
    (plain,) = (source for source in sources(show()) if source.deal >= 0)
    (lifted,) = (source for source in sources(show("funnel.countdown_lift=0.5")) if source.deal >= 0)
    assert lifted.expected == pytest.approx(1.5 * plain.expected)
    short = show("funnel.countdown_lift=0.5", "programme.broadcasts[0].deals[0].countdown=0")
    assert deal_intent(short, short.programme.broadcasts[0].deals[0]) == 0.3
    certain = show("funnel.countdown_lift=9")
    assert deal_intent(certain, certain.programme.broadcasts[0].deals[0]) == 1


def test_nothing_happens_at_or_after_the_horizon() -> None:
    short = generate(show("horizon=40m"), 1)
    assert short.lines["time_us"].max() < 40 * 60 * S
    assert short.orders > 0


def test_local_weekdays_scale_a_show() -> None:
    plain = sources(show())
    doubled = sources(show("regions[0].day_factors={fri: 2}"))
    for one, two in zip(plain[:4], doubled[:4], strict=True):  # Friday in London all through the show
        assert two.expected == pytest.approx(1.6 * one.expected)


def test_too_many_rows_are_refused_before_they_are_drawn() -> None:
    with pytest.raises(ScenarioError, match="max_rows"):
        generate(show("max_rows=500"), 1)


def test_a_scenario_in_which_nobody_buys_gives_an_empty_trace() -> None:
    quiet = show("funnel.clicks_per_viewer_hour=0", "programme.videos=[]", "programme.broadcasts[0].deals=[]")
    trace = generate(quiet, 1)
    assert trace.rows == trace.orders == 0
    assert len(trace.fingerprint()) == 64


def test_viewers_are_there_only_during_the_show(scenario: Scenario) -> None:
    found = viewers(scenario, scenario.programme.broadcasts[0], [0, 599 * S, 1200 * S, 2400 * S, 9000 * S])
    assert found[[0, 1, 3, 4]].tolist() == [0, 0, 0, 0]
    assert found[2] > 100


def dispatched_features() -> list[str]:
    """The SIMD features of this processor beyond numpy's baseline: only these may be switched off."""
    config = np.show_config(mode="dicts")
    return list(config["SIMD Extensions"].get("found", []))


@pytest.mark.skipif(not dispatched_features(), reason="this processor has no features beyond numpy's baseline")
def test_the_fingerprint_is_the_same_with_the_processors_vector_instructions_switched_off(
    trace: Trace, tmp_path: Path
) -> None:
    (tmp_path / "show.yaml").write_text(SHOW, encoding="utf-8")
    code = """if True:
        import sys, json, numpy as np
        from sim.demand.generate import generate
        from sim.scenario.load import load_scenario
        found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
        prints = [generate(load_scenario(sys.argv[1], over), 1).fingerprint() for over in ([], sys.argv[2:])]
        print(json.dumps([found, prints]))
    """
    env = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched_features())}
    more = (
        "funnel.matching={r: 0.6, law: logit}",
        "funnel.questions={moderators: 1, asks_per_viewer_hour: 20}",
        "funnel.persuasion={level: 0.3, most: 1}",
        "funnel.exposure.live=13 %",
        "funnel.position_bias=0.7",
    )
    run = [sys.executable, "-c", code, str(tmp_path / "show.yaml"), *more]
    found, fingerprints = json.loads(subprocess.run(run, capture_output=True, text=True, check=True, env=env).stdout)
    assert found == []
    assert fingerprints == [trace.fingerprint(), generate(show(*more), 1).fingerprint()]
