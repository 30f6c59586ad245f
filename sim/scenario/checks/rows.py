"""A rough closed form of how many rows a scenario's trace will have, so that a slip of a zero is caught at once.

Broadcasts: expected entries (area under the curve) x restricted mean stay x purchase hazard, raised by the pitch lift
for the share of the time with a pitch; deals: viewers present at the opening (entries before it that stay long enough,
taken as min(entries so far, rate x mean stay)) x intent; videos: exposures of the tiers that an engagement equal to
`quality` passes, / (1 - branching), x click x order. All x the ceilings of matching, voucher and price, then lines a
cart, and the views, refreshes and quotes a buy. It is good to a factor of two, so twice `max_rows` is refused here; the
trace itself is counted exactly when it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import NormalDist

from sim.scenario.checks.findings import Finding
from sim.scenario.parts.base import Duration, Knot, Stay
from sim.scenario.parts.programme import Broadcast, Video
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_H, US_PER_MIN


def check_rows(scenario: Scenario) -> Iterator[Finding]:
    """A finding when the estimate is above twice `max_rows`."""
    rows = expected_rows(scenario)
    if rows > 2 * scenario.max_rows:
        message = f"about {rows:,.3g} trace rows are expected"
        yield Finding(("programme",), message, f"at most max_rows = {scenario.max_rows:,}", "")


def expected_rows(scenario: Scenario) -> float:
    """The estimate that the module's text describes."""
    funnel = scenario.funnel
    shared = funnel.exposure
    buys = sum(_broadcast_buys(scenario, broadcast) for broadcast in scenario.programme.broadcasts)
    buys *= shared.live / shared.written_at
    buys += sum(map(_video_buys, scenario.programme.videos)) * (1 - shared.live) / (1 - shared.written_at)
    buys *= _ceiling(scenario) * funnel.lines_per_cart
    return buys + buys / funnel.lines_per_cart * (
        funnel.views_per_buy + funnel.refreshes_per_buy + funnel.quotes_per_buy
    )


def _ceiling(scenario: Scenario) -> float:
    matching, voucher = scenario.funnel.matching, scenario.funnel.voucher
    matched = 1.0
    if 0 < matching.top < 1 and 1 - matching.top < 1:
        normal = NormalDist()
        z = normal.inv_cdf(1 - matching.top)
        best = matching.r * normal.pdf(z) / matching.top
        odds = matching.click_spread + matching.order_spread  # small shares: odds grow as exp, at most 1 / share
        most = math.exp(min(odds * best, -min(matching.click_level + matching.order_level, 0.0)))
        matched = 1 + matching.weight * best if matching.law == "linear" else most
    return matched * (1 + voucher.lift * voucher.share) * scenario.funnel.price.ceiling


def _broadcast_buys(scenario: Scenario, broadcast: Broadcast) -> float:
    funnel, length_us = scenario.funnel, broadcast.length_us
    stay_us = min(mean_stay_us(broadcast.stay), float(length_us))
    hazard = funnel.clicks_per_viewer_hour * funnel.order_given_click
    if funnel.persuasion is not None:
        hazard *= 1 + funnel.persuasion.lift * max(funnel.persuasion.level, funnel.persuasion.most)
    lifted = sum(
        pitch.length_us * (funnel.pitch_lift if pitch.lift is None else pitch.lift) for pitch in broadcast.pitches
    )
    buys = entered(broadcast.entries, length_us) * stay_us / US_PER_H * hazard * (1 + lifted / length_us)
    for deal in broadcast.deals:
        open_us = deal.at_us + deal.countdown_us
        present = min(entered(broadcast.entries, open_us), _rate_at(broadcast.entries, open_us) * stay_us)
        buys += max(present, 0.0) * deal.intent
    return buys


def _video_buys(video: Video) -> float:
    tiers = video.exposure.tiers
    passed = len(tiers) if video.quality >= video.exposure.threshold else 1
    exposures = sum(tiers[:passed]) / max(1 - video.branching, 0.01)
    return exposures * video.click * video.order_given_click


def entered(knots: tuple[Knot, ...], until_us: int) -> float:
    """Expected entries until `until_us` after the start; the rate is held before the first knot and after the last."""
    times = [0, *(knot.at_us for knot in knots), max(until_us, knots[-1].at_us)]
    rates = [knots[0].per_min, *(knot.per_min for knot in knots), knots[-1].per_min]
    total = 0.0
    for (left_us, left), (right_us, right) in pairwise(zip(times, rates, strict=True)):
        width = right_us - left_us
        inside = min(max(until_us - left_us, 0), width)
        if inside:
            total += inside * (left + (right - left) / width * inside / 2) / US_PER_MIN
    return total


def _rate_at(knots: tuple[Knot, ...], at_us: int) -> float:
    """Entries a microsecond: the highest of the knots up to `at_us`."""
    return max((knot.per_min for knot in knots if knot.at_us <= at_us), default=knots[0].per_min) / US_PER_MIN


def mean_stay_us(stay: Stay) -> float:
    """The mean of a stay."""
    return stay.bounce * stay.bounce_within_us / 2 + (1 - stay.bounce) * mean_us(stay.law)


def mean_us(law: Duration) -> float:
    """The mean of a duration before it is cut."""
    if law.dist == "lognormal":
        mean = law.median_us * math.exp(law.sigma**2 / 2)
        return min(mean, law.at_most_us) if law.at_most_us else mean
    return (law.low_us + law.high_us) / 2 if law.dist == "uniform" else float(law.mean_us)
