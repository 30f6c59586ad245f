"""Orders a second by content over the show, and its busiest minute second by second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from sim.arrays import Floats, Ints
from sim.orders.states import FAILURES, REFUSALS
from sim.reports.figures.clock import Window, bucket_s, buckets, busy_window, stretch
from sim.reports.figures.contents import Groups, group_contents
from sim.reports.figures.frame import BAD, FAINT, GOOD, INK, OTHER, Frame, count_axis, legend
from sim.reports.figures.programme import draw_strip, mark_deals, strip_height_in, strip_rows
from sim.reports.run_files import Run
from sim.reports.words import count, duration, percent, plural
from sim.scenario.units import US_PER_S

_KINDS = ("going", "placed", "refused", "failed")
_REFUSED = tuple(reason.name for reason in REFUSALS)
_FAILED = tuple(reason.name for reason in FAILURES)
_ZOOM_BEFORE_S, _ZOOM_AFTER_S = 10, 50
_LEAST_IN_A_SECOND = 5
_UNITS = (("second", 1, 0.2), ("minute", 60, 2.0), ("hour", 3600, 0.0))  # the first that the top fills
_CUT_AT = 3.0  # a peak this many times higher than the rest is cut, so that the rest can be read


@dataclass(frozen=True)
class _Rates:
    """Orders placed in a unit of time: a row a group of contents, a column a bucket; and all who went to checkout."""

    edges_s: Floats
    placed: Floats
    going: Floats
    size_s: int
    unit: str
    unit_s: int

    @property
    def per(self) -> str:
        """`orders per minute (mean over 30 min)`."""
        return f"orders per {self.unit}\n(mean over {duration(self.size_s * US_PER_S)})"


def draw_orders(frame: Frame) -> None:
    """Stacked rates by content, the programme above, the busiest minute below."""
    run, time = frame.run, frame.run.timeline
    frame.title = "Orders placed over time, by the show or video that they came from"
    window = busy_window(time["time_s"], time["going"] + time["placed"])
    if window is None:
        frame.takeaway = "Nobody went to checkout in this run."
        frame.empty("no orders")
        return
    table, labels = run.numbers("timeline_content"), run.labels("timeline_content", "content")
    videos = [video.name for video in run.scenario.programme.videos]
    groups = group_contents(labels, table["intents"] + table["placed"], videos)
    rates = _rates(run, window, groups)
    strip = strip_rows(run.scenario, window, groups.by_name)
    seconds = _seconds(run)
    zoom = _zoom(seconds, window, rates)
    heights = [strip_height_in(strip), 2.9, *([2.0] if zoom else [])]
    axes = frame.rows(heights)
    axes[0].set_xlim(window.start_s, window.end_s)
    draw_strip(axes[0], strip, window)
    frame.time_axis(axes[0], window, labelled=False)
    _draw_rates(axes[1], rates, groups)
    frame.time_axis(axes[1], window)
    mark_deals(axes[:2], run.scenario, window)
    if zoom:
        what = "What became of them" if zoom == window else "The busiest minute, second by second"
        what += " (placed: when accepted; refused, failed: when they came)"
        _draw_zoom(frame, axes[2], seconds, zoom, what)
    frame.takeaway = _takeaway(frame, window, rates, seconds)


def _rates(run: Run, window: Window, groups: Groups) -> _Rates:
    step_s = int(run.summary["timeline_step_s"])
    size_s = bucket_s(window, step_s)
    starts, edges = buckets(window, size_s, step_s, len(run.timeline["time_s"]))
    going = np.add.reduceat(run.timeline["going"], starts)[: len(starts)].astype(float)
    per = size_s // step_s
    going[-1] = run.timeline["going"][starts[-1] : starts[-1] + per].sum()
    table, labels = run.numbers("timeline_content"), run.labels("timeline_content", "content")
    placed = np.zeros((len(groups.names), len(starts)))
    bucket = np.floor((table["time_s"] - edges[0]) / size_s).astype(np.int64)
    inside = (bucket >= 0) & (bucket < len(starts))
    np.add.at(placed, (groups.of(labels)[inside], bucket[inside]), table["placed"][inside])
    top_per_s = float(going.max()) / size_s
    unit, unit_s = next((name, long) for name, long, least in _UNITS if top_per_s * long >= least)
    return _Rates(edges, placed * unit_s / size_s, going * unit_s / size_s, size_s, unit, unit_s)


def _draw_rates(axes: Axes, rates: _Rates, groups: Groups) -> None:
    below = np.zeros(rates.placed.shape[1])
    for row, name, colour in zip(rates.placed, groups.names, groups.colours, strict=True):
        axes.stairs(below + row, rates.edges_s, baseline=below, fill=True, color=colour, label=name, linewidth=0)
        below = below + row
    axes.stairs(rates.going, rates.edges_s, fill=True, color=FAINT, linewidth=0, zorder=0.9)
    axes.stairs(rates.going, rates.edges_s, baseline=None, color=INK, linewidth=0.8, label="all who went\nto checkout")
    count_axis(axes, rates.per, top=_cut(axes, rates), whole=False)
    legend(axes)


def _cut(axes: Axes, rates: _Rates) -> float:
    """The top of the axis; peaks above it are told in words."""
    top = float(max(rates.going.max(), rates.placed.sum(axis=0).max()))
    usual = float(np.quantile(rates.going[rates.going > 0], 0.97)) if np.any(rates.going > 0) else top
    if len(rates.going) < 60 or top <= _CUT_AT * usual:
        return top * 1.06
    limit = usual * 2.2
    above = np.flatnonzero(rates.going > limit)
    runs = np.split(above, np.flatnonzero(np.diff(above) > len(rates.going) // 25) + 1)
    for run in runs[:12]:
        best = int(run[np.argmax(rates.going[run])])
        middle = (rates.edges_s[best] + rates.edges_s[best + 1]) / 2
        text = f"↑ {rates.going[best]:,.3g} per {rates.unit}"
        axes.annotate(text, (middle, limit), (4, -3), textcoords="offset points", fontsize=8, va="top", color=BAD)
    return limit


def _seconds(run: Run) -> dict[str, Ints]:
    """Intents that went to checkout, were refused, failed (by arrival) and were placed, by the second."""
    if run.summary["timeline_step_s"] == 1:
        return {name: run.timeline[name] for name in _KINDS}
    table, reason = run.numbers("orders", ["arrived_us", "placed_us"]), run.labels("orders", "reason")
    refused, failed, stayed = (
        np.isin(reason.codes, [k for k, name in enumerate(reason.names) if name in names])
        for names in (_REFUSED, _FAILED, ("NOT_GOING",))
    )
    arrived_s, placed_s = table["arrived_us"] // US_PER_S, table["placed_us"] // US_PER_S
    rows = int(run.timeline["time_s"][-1]) + int(run.summary["timeline_step_s"])

    def by_second(times: Ints) -> Ints:
        return np.bincount(times[(times >= 0) & (times < rows)], minlength=rows)

    there = table["placed_us"] >= 0
    return {
        "going": by_second(arrived_s[~stayed]),
        "placed": by_second(placed_s[there]),
        "refused": by_second(arrived_s[refused & ~there]),
        "failed": by_second(arrived_s[failed & ~there]),
    }


def _zoom(seconds: dict[str, Ints], window: Window, rates: _Rates) -> Window | None:
    """The busiest minute; all of the window if it shows single seconds; None if no second is busy."""
    peak_s = int(np.argmax(seconds["going"]))
    if seconds["going"][peak_s] < _LEAST_IN_A_SECOND:
        return None
    if rates.size_s == 1:
        return window
    start_s = max(peak_s - _ZOOM_BEFORE_S, 0)
    return Window(start_s, start_s + _ZOOM_BEFORE_S + _ZOOM_AFTER_S)


def _draw_zoom(frame: Frame, axes: Axes, seconds: dict[str, Ints], window: Window, title: str) -> None:
    rows = slice(int(window.start_s), min(int(window.end_s) + 1, len(seconds["going"])))
    edges = np.arange(rows.start, rows.stop + 1)
    below = np.zeros(len(edges) - 1)
    for key, name, colour in (
        ("placed", "placed", GOOD),
        ("refused", "refused (stock,\ndeal or limit)", OTHER),
        ("failed", "failed (engine)", BAD),
    ):
        axes.stairs(below + seconds[key][rows], edges, baseline=below, fill=True, color=colour, label=name, linewidth=0)
        below = below + seconds[key][rows]
    going = seconds["going"][rows]
    axes.stairs(going, edges, baseline=None, color=INK, linewidth=0.8, label="went to checkout")
    count_axis(axes, "orders per second", top=max(float(below.max()), float(going.max())) * 1.06)
    axes.set_title(title)
    frame.time_axis(axes, window)
    mark_deals([axes], frame.run.scenario, window)
    legend(axes)


def _takeaway(frame: Frame, window: Window, rates: _Rates, seconds: dict[str, Ints]) -> str:
    time = frame.run.timeline
    going, placed = int(time["going"].sum()), int(time["placed"].sum())
    text = f"{count(placed)} orders placed of {plural(going, 'buyer')} who went to checkout; busiest "
    best = int(np.argmax(seconds["going"]))
    length, start_s, number = 1, float(best), float(seconds["going"][best])
    if number < _LEAST_IN_A_SECOND:
        bucket = int(np.argmax(rates.going))
        length, start_s = rates.size_s, float(rates.edges_s[bucket])
        number = float(rates.going[bucket]) * rates.size_s / rates.unit_s
    text += f"{stretch(length)}: {frame.clock.moment(start_s, seconds=length < 60)} with {count(round(number))}."
    if window.left_out > 0:
        text += f" The last {percent(window.left_out)} come later than shown."
    return text
