"""Exposure shared between live and short video, the place in a bag, and matching by the logit law, in traces."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from sim.demand.bags import bag, by_listing
from sim.demand.conversion import matched, matching_gain
from sim.demand.exposure import shown_tiers
from sim.demand.generate import expected_rows, generate
from sim.demand.matching import funnel, select
from sim.demand.show import viewers
from sim.demand.sources import sources
from sim.demand.streams import stream
from sim.scenario.schema import Scenario
from tests.demand.cases import assert_mean
from tests.demand.test_generate import CLIP, show


def expected(scenario_change: str) -> dict[str, float]:
    return {source.name: source.expected for source in sources(show(scenario_change))}


def test_viewers_that_live_gains_the_videos_lose() -> None:
    plain, moved = expected("funnel.exposure.live=10 %"), expected("funnel.exposure.live=28 %")
    for name, carts in moved.items():
        if name.startswith("video"):  # a smaller tier is passed a little more rarely
            assert carts == pytest.approx(plain[name] * 0.72 / 0.9, rel=0.02), name
        else:
            assert carts == pytest.approx(plain[name] * 2.8), name
    clip = show().programme.videos[0]
    assert shown_tiers(show("funnel.exposure.live=28 %"), clip) == (240, 480)


def test_without_live_exposure_nobody_watches_the_show_and_without_video_exposure_one_sees_a_tier() -> None:
    dark, all_live = show("funnel.exposure.live=0"), show("funnel.exposure.live=100 %")
    broadcast = dark.programme.broadcasts[0]
    assert viewers(dark, broadcast, [20 * 60_000_000])[0] == 0
    assert set(generate(dark, 1).lines["content"].tolist()) == {CLIP}
    assert shown_tiers(all_live, all_live.programme.videos[0]) == (1, 1)


def test_the_share_that_the_programme_is_written_for_changes_nothing() -> None:
    assert (
        generate(show(), 1).fingerprint()
        == generate(show("funnel.exposure={live: 3 %, written_at: 3 %}"), 1).fingerprint()
    )


def test_listings_further_down_the_bag_sell_by_the_power_of_their_place() -> None:
    biased = show("funnel.position_bias=1")
    rows = bag(biased, biased.programme.broadcasts[0], by_listing(biased))  # lipstick, dress/s, dress/m
    assert [weight for _, weight in rows] == pytest.approx([1, 0.3 / 2, 0.7 / 2])
    plain = bag(show(), show().programme.broadcasts[0], by_listing(show()))
    assert [weight for _, weight in plain] == pytest.approx([1, 0.3, 0.7])


LOGIT = "funnel.matching={r: %s, top: 10 %%, law: logit}"


@pytest.mark.parametrize(("r", "ctr"), [(0, 0.061), (0.3, 0.087), (0.6, 0.120), (0.9, 0.159)])
def test_the_click_rate_of_the_scenarios_defaults_is_the_published_table(r: float, ctr: float) -> None:
    assert matched(show(LOGIT % r), r)[0] == pytest.approx(ctr, abs=5e-4)


def test_clicks_and_orders_rise_together_with_the_match() -> None:
    found = [matched(show(LOGIT % r), r) for r in (0, 0.3, 0.6, 0.9)]
    assert np.all(np.diff(np.array(found), axis=0) > 0)
    alone = show(LOGIT.replace("logit", "logit, order_spread: 0") % 0.6)
    assert matched(alone, 0.6)[1] == pytest.approx(float(special.expit(-5.2)))  # orders that do not depend on the match


@pytest.mark.parametrize("r", [0.0, 0.5, 1.0])
def test_the_funnel_of_one_match_agrees_with_drawn_viewers(r: float) -> None:
    click, order = (-3.0, 0.8), (-2.0, 1.1)
    clicks, orders = funnel(click, order, r, 0.1)

    def drawn(seed: int) -> tuple[float, float]:
        z = select(stream(seed, 0, "funnel"), 100_000, r, 0.1)
        clicked = special.expit(click[0] + click[1] * z)
        return float(clicked.mean()), float((clicked * special.expit(order[0] + order[1] * z)).mean())

    assert_mean(lambda seed: drawn(seed)[0], clicks)
    assert_mean(lambda seed: drawn(seed)[1], clicks * orders)


def test_the_trace_has_as_many_more_carts_as_the_logit_law_says() -> None:
    plain, better = show(), show(LOGIT % 0.6)
    assert matching_gain(show(LOGIT % 0)) == 1
    gain = matching_gain(better)
    (click, order), (plain_click, plain_order) = matched(better, 0.6), matched(better, 0)
    assert gain == pytest.approx(click * order / plain_click / plain_order, rel=1e-8)
    assert gain > 2.5
    for one, two in zip(sources(plain)[:3], sources(better)[:3], strict=True):
        assert two.expected == pytest.approx(one.expected * gain)
    assert_mean(lambda seed: float(np.sum(generate(better, seed).lines["content"] != CLIP)), _rows(better))


def _rows(scenario: Scenario) -> float:
    return expected_rows(scenario, [source for source in sources(scenario) if source.content != CLIP])
