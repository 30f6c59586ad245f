"""The ladder: what was achieved and how slow it became, at multiples of the trace's rate."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from sim.reports.figures.frame import BAD, COLOURS, INK, SOFT, count_axis, log_axis, plain_numbers
from sim.reports.figures.load.frame import LoadFrame
from sim.reports.load_text import ladder_words
from sim.reports.words import duration

#: By what a rung says of itself (`within`): what the legend calls it, and its mark, whose shape tells as much as its
#: colour.
_MARKS: dict[bool | None, tuple[str, dict[str, Any]]] = {
    True: ("within the objectives", {"marker": "o", "color": COLOURS[0]}),
    False: ("outside", {"marker": "X", "color": BAD}),
    None: ("says nothing", {"marker": "o", "color": BAD, "markerfacecolor": "none"}),
}


def draw_ladder(frame: LoadFrame) -> None:
    """Throughput against latency, and achieved against offered rate."""
    summary = frame.run.summary
    rungs: list[dict[str, Any]] = [rung for rung in summary["ladder"] or [] if rung["achieved_per_s"] is not None]
    frame.title = "Ladder: throughput against response time of checkout"
    words = ladder_words(summary)
    frame.takeaway = words[0].upper() + words[1:] + "."
    if not rungs:
        frame.empty("no ladder")
        return
    first, second = frame.rows([2.6, 2.6]) if frame.narrow else frame.columns([1, 1], 3.2)
    _draw_latency(first, frame, rungs)
    _draw_rates(second, rungs)


def _draw_latency(axes: Axes, frame: LoadFrame, rungs: list[dict[str, Any]]) -> None:
    told = [rung for rung in rungs if rung["p99_us"] is not None]
    rates, times = [rung["achieved_per_s"] for rung in told], [rung["p99_us"] / 1000 for rung in told]
    axes.plot(rates, times, color=SOFT, linewidth=1)
    _marks(axes, told, list(zip(rates, times, strict=True)))
    goals = [slo for slo in frame.run.summary["slos"] if slo["endpoint"] == "checkout"]
    for slo in goals:
        axes.axhline(slo["at_most_us"] / 1000, color=BAD, linewidth=1.1, linestyle="--")
        axes.annotate(f"SLO: p{slo['percentile']:g} at most {duration(slo['at_most_us'])}",
                      (0.02, slo["at_most_us"] / 1000), (0, 3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", fontsize=8, color=INK)  # fmt: skip
    known = [*times, *(slo["at_most_us"] / 1000 for slo in goals)] or [1.0]
    log_axis(axes, "p99 of checkout, ms (log)", min(known) / 2, max(known) * 2.5)
    axes.set_xlabel("answered, arrivals a second")
    plain_numbers(axes.xaxis)
    axes.set_xlim(0, max([rung["achieved_per_s"] for rung in rungs] + [1]) * 1.15)


def _draw_rates(axes: Axes, rungs: list[dict[str, Any]]) -> None:
    offered = [rung["offered_per_s"] for rung in rungs]
    achieved = [rung["achieved_per_s"] for rung in rungs]
    most = max([*offered, *achieved, 1.0]) * 1.12
    axes.plot([0, most], [0, most], color=SOFT, linewidth=1, linestyle=":", label="all that was offered")
    axes.plot(offered, achieved, color=SOFT, linewidth=1)
    _marks(axes, rungs, list(zip(offered, achieved, strict=True)))
    count_axis(axes, "answered a second", top=most, whole=False)
    axes.set_xlim(0, most)
    axes.set_xlabel("offered, arrivals a second")
    plain_numbers(axes.xaxis)
    for name, mark in _MARKS.values():
        axes.plot([], [], linestyle="none", label=name, **mark)
    axes.legend(loc="upper left")


def _marks(axes: Axes, rungs: list[dict[str, Any]], places: list[tuple[float, float]]) -> None:
    """A point a rung."""
    for rung, (x, y) in zip(rungs, places, strict=True):
        axes.plot([x], [y], linestyle="none", markersize=7, **_MARKS[rung["within"]][1])
        axes.annotate(f"x{rung['multiple']:g}", (x, y), (7, -3), textcoords="offset points", va="top", fontsize=8.5)
