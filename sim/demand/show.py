"""A broadcast's audience and its purchases.

A viewer buys at hazard h0 outside a pitch, spread over the bag, and at h0 (1 + lift) while a listing is pinned: the
extra h0 x lift goes to that listing. Marking and moving the points of a Poisson process leaves Poisson processes
(Kingman 1993, Poisson Processes, ch. 5), so purchases of viewers who buy once are Poisson with rate hazard x m(t), m
the mean number present (Mt/G/inf), and need no viewer of their own. The same holds for the viewers whom a deal wakes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.arrays import Floats, Ints
from sim.demand.arrivals import RateCurve, held
from sim.demand.audience import mean_present
from sim.demand.columns import distinct
from sim.demand.conversion import hazard_per_s
from sim.demand.drawing import steady
from sim.demand.exposure import live_gain
from sim.demand.laws import from_stay
from sim.demand.regions import Seasons, seasons
from sim.scenario.parts.programme import Broadcast
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S

MAX_KNOTS = 20_000


@dataclass(frozen=True)
class Show:
    """A broadcast with its mean audience on a grid (`grid_us`, `present`) that contains every edge of a window."""

    broadcast: Broadcast
    seasons: Seasons
    grid_us: Ints
    present: Floats

    def rate(self, per_viewer_s: float, from_us: int, to_us: int) -> RateCurve:
        """Purchases a second over [from_us, to_us] (both on the grid) at a hazard of `per_viewer_s`."""
        first, last = np.searchsorted(self.grid_us, [from_us, to_us])
        times, present = self.grid_us[first : last + 1], self.present[first : last + 1]
        factor = per_viewer_s * self.seasons.total[self.seasons.at(times[:-1])]
        # Each line has its own two ends, since the regional factor may step between lines.
        per_s = np.column_stack((present[:-1] * factor, present[1:] * factor)).ravel()
        return RateCurve(np.column_stack((times[:-1], times[1:])).ravel(), steady(per_s))

    def woken(self, open_us: int, intent: float) -> float:
        """Mean number of those present at `open_us` (on the grid) who take up a deal."""
        at = int(np.searchsorted(self.grid_us, open_us))
        factor = self.seasons.total[self.seasons.at(np.array([open_us]))[0]]
        return float(steady(np.array([self.present[at] * intent * factor]))[0])


def entries(scenario: Scenario, broadcast: Broadcast) -> RateCurve:
    """Viewers entering a second, times since the scenario's start; knots are held to both ends of the show."""
    start_us, gain = broadcast.start_us, live_gain(scenario)
    knots = [(start_us + knot.at_us, knot.per_min / 60 * gain) for knot in broadcast.entries]
    return held(knots, start_us, start_us + broadcast.length_us)


def viewers(scenario: Scenario, broadcast: Broadcast, times_us: npt.ArrayLike) -> Floats:
    """Mean number of viewers present at each time; none before the show and from its end on."""
    times = np.asarray(times_us, np.int64)
    end_us = broadcast.start_us + broadcast.length_us
    present = mean_present(entries(scenario, broadcast), from_stay(broadcast.stay), times)
    return np.where((times >= broadcast.start_us) & (times < end_us), present, 0.0)


def make_show(scenario: Scenario, broadcast: Broadcast) -> Show:
    """The audience of one broadcast, computed once for all that is sold in it."""
    start_us, length_us = broadcast.start_us, broadcast.length_us
    end_us = start_us + length_us
    season = seasons(scenario, start_us, end_us, hourly=False)
    edges = [k.at_us + start_us for k in broadcast.entries]
    edges += [p.at_us + start_us for p in broadcast.pitches]
    edges += [p.at_us + p.length_us + start_us for p in broadcast.pitches]
    edges += [d.at_us + d.countdown_us + start_us for d in broadcast.deals]
    edges += season.from_us.tolist()
    step_us = max(US_PER_S, -(-length_us // MAX_KNOTS))
    inside = [edge for edge in edges if start_us <= edge <= end_us]
    grid = distinct(np.concatenate((np.arange(start_us, end_us, step_us), [end_us], inside)).astype(np.int64))
    present = mean_present(entries(scenario, broadcast), from_stay(broadcast.stay), grid)
    return Show(broadcast, season, grid, steady(present))


def bag_rate(scenario: Scenario, show: Show) -> RateCurve:
    """Purchases a second that no pitch caused."""
    start_us = show.broadcast.start_us
    return show.rate(hazard_per_s(scenario), start_us, start_us + show.broadcast.length_us)


def pitch_rate(scenario: Scenario, show: Show, pitch: int) -> RateCurve:
    """Purchases a second that a pitch adds while its listing is pinned."""
    part = show.broadcast.pitches[pitch]
    lift = scenario.funnel.pitch_lift if part.lift is None else part.lift
    from_us = show.broadcast.start_us + part.at_us
    end_us = show.broadcast.start_us + show.broadcast.length_us
    return show.rate(hazard_per_s(scenario) * lift, from_us, min(from_us + part.length_us, end_us))
