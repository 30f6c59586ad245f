"""Where carts come from: bags, pitches, flash deals and short videos, each with streams of its own name.

A source's times do not change when another source is added, taken away or changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from sim.arrays import Ints
from sim.demand import video as pools
from sim.demand.arrivals import RateCurve, arrivals, expected_count
from sim.demand.bags import Options, bag, by_listing
from sim.demand.choices import ALL
from sim.demand.conversion import ceiling_gain
from sim.demand.drawing import QuantileTable, tabulate
from sim.demand.exposure import shown_tiers
from sim.demand.flash import deal_intent, reactions
from sim.demand.hawkes import cluster_mean
from sim.demand.kernels import from_scenario
from sim.demand.laws import from_duration
from sim.demand.regions import Seasons, seasons
from sim.demand.show import Show, bag_rate, make_show, pitch_rate
from sim.demand.streams import uniform_u32
from sim.scenario.lasting import of_last
from sim.scenario.parts.programme import Broadcast, Video
from sim.scenario.schema import Scenario
from sim.scenario.tables import DealRow, deal_table

NamedStream = Callable[[str], np.random.Generator]
Seen = Callable[[int, Ints], object]  # is told a video's number among the contents and times of views of it


@dataclass(frozen=True)
class Source:
    """Carts of one origin. `options`: (SKU, weight) of the first line; `draw` gives the sorted times, and tells views.

    `expected` is their mean number, children and reactions after the horizon included; `deal` is -1 outside deals;
    `show` is None for videos.
    """

    name: str
    content: int
    deal: int
    options: Options
    expected: float
    seasons: Seasons
    draw: Callable[[NamedStream, Seen], Ints]
    show: Show | None = None


@of_last
def sources(scenario: Scenario) -> list[Source]:
    """Every source, in the order of the programme."""
    listings, deals, found = by_listing(scenario), deal_table(scenario), list[Source]()
    for content, broadcast in enumerate(scenario.programme.broadcasts):
        own = [(number, row) for number, row in enumerate(deals) if row.broadcast == content]
        found += _of_broadcast(scenario, content, broadcast, listings, own)
    for content, clip in enumerate(scenario.programme.videos, start=len(scenario.programme.broadcasts)):
        found.append(_of_video(scenario, content, clip, listings[clip.listing]))
    return found


def _of_broadcast(
    scenario: Scenario,
    content: int,
    broadcast: Broadcast,
    listings: dict[str, Options],
    deals: list[tuple[int, DealRow]],
) -> Iterator[Source]:
    show, prefix = make_show(scenario, broadcast), f"show/{broadcast.name}"

    def poisson(name: str, options: Options, rates: RateCurve) -> Source:
        draw = partial(_draw_poisson, f"{prefix}/{name}", rates)
        return Source(f"{prefix}/{name}", content, -1, options, expected_count(rates), show.seasons, draw, show)

    if broadcast.bag or broadcast.pitches:
        yield poisson("bag", bag(scenario, broadcast, listings), bag_rate(scenario, show))
    for k, pitch in enumerate(broadcast.pitches):
        yield poisson(f"pitch/{k}", listings[pitch.listing], pitch_rate(scenario, show, k))
    for k, (number, row) in enumerate(deals):
        name, pool = f"{prefix}/deal/{k}", show.woken(row.open_us, deal_intent(scenario, row.deal))
        draw = partial(_draw_deal, name, pool, tabulate(from_duration(row.deal.reaction)), row.open_us)
        yield Source(name, content, number, [(row.sku, 1.0)], pool, show.seasons, draw, show)


def _draw_poisson(name: str, rates: RateCurve, named: NamedStream, _seen: Seen) -> Ints:
    return arrivals(named(name), rates)


def _draw_deal(name: str, pool: float, reaction: QuantileTable, open_us: int, named: NamedStream, _seen: Seen) -> Ints:
    return reactions(named(name), pool, 1.0, reaction) + open_us


def _of_video(scenario: Scenario, content: int, clip: Video, options: Options) -> Source:
    season = seasons(scenario, clip.publish_us, scenario.horizon_us, hourly=True)
    buys = clip.click * clip.order_given_click * ceiling_gain(scenario)
    tiers = shown_tiers(scenario, clip)
    exposures = pools.expected_exposures(tiers, clip.exposure.threshold, clip.quality)
    family = cluster_mean(clip.branching) if clip.branching < 1 else np.inf
    expected = exposures * family * min(1.0, buys) * float(season.total.max())
    name = f"video/{clip.name}"
    draw = partial(_draw_video, scenario, content, clip, season, buys)
    return Source(name, content, -1, options, expected, season, draw)


def _draw_video(
    scenario: Scenario, content: int, clip: Video, season: Seasons, buys: float, named: NamedStream, seen: Seen
) -> Ints:
    chooser = named(f"video/{clip.name}/buy")
    limit = np.minimum(np.rint(season.total * (buys * ALL)), ALL).astype(np.uint64)
    bought = [np.empty(0, np.int64)]
    for seen_us in _video_views(scenario, clip, named):
        seen(content, seen_us)
        uniform = uniform_u32(chooser, len(seen_us))
        may = np.flatnonzero(uniform < limit.max())  # few of those who see it: only they need their season
        bought.append(seen_us[may][uniform[may] < limit[season.at(seen_us[may])]])
    return np.sort(np.concatenate(bought))


def _video_views(scenario: Scenario, clip: Video, named: NamedStream) -> Iterator[Ints]:
    """Times of all views of a video before the horizon in chunks, unsorted."""
    name, exposure, tiers = f"video/{clip.name}", clip.exposure, shown_tiers(scenario, clip)
    shown = pools.draw_tiers(named(f"{name}/tiers"), tiers, exposure.threshold, clip.quality)
    return pools.views(
        named(f"{name}/exposure"),
        named(f"{name}/cascade"),
        tiers[:shown],
        clip.publish_us,
        exposure.tier_time_us,
        clip.branching,
        tabulate(from_scenario(clip.kernel)),
        scenario.horizon_us,
    )
