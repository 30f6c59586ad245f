"""One exposure for live shows and short videos: the platform's share for shows moves viewers from one to the other.

Short video gets about nine times the exposure of live (Cao et al. 2024, arXiv 2408.05709), hence a share of 10 %.
"""

from __future__ import annotations

from sim.scenario.parts.programme import Video
from sim.scenario.schema import Scenario


def live_gain(scenario: Scenario) -> float:
    """What multiplies the entries of every broadcast."""
    shared = scenario.funnel.exposure
    return shared.live / shared.written_at


def shown_tiers(scenario: Scenario, clip: Video) -> tuple[int, ...]:
    """The exposures of a video's tiers, in whole viewers, at least one each."""
    shared = scenario.funnel.exposure
    gain = (1 - shared.live) / (1 - shared.written_at)
    return tuple(max(1, round(tier * gain)) for tier in clip.exposure.tiers)
