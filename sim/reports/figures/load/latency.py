"""Response times of one endpoint: a heat map with percentiles over time, and what missed every objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FixedLocator, FuncFormatter

from sim.reports.figures.frame import BAD, COLOURS, INK, count_axis
from sim.reports.figures.load.frame import Bins, LoadFrame, bins_of, percentiles
from sim.reports.load_files import MISSED, LoadRun
from sim.reports.words import count, duration, percent, plural

#: One hue that grows denser and deeper, so that the map suits light and dark.
_HEAT = LinearSegmentedColormap.from_list("heat", [(0.337, 0.706, 0.914, 0.28), (0.0, 0.447, 0.698, 1.0)])
_P99, _P50 = COLOURS[6], INK
_MISSED_COLOURS = {"shed": COLOURS[1], "error": COLOURS[6], "timeout": COLOURS[3], "dropped": COLOURS[7]}
_MISSED_NAMES = {"shed": "shed", "error": "errors", "timeout": "time-outs", "dropped": "dropped"}
_MOST_BINS, _LEAST_A_BIN = 120, 5  # of few requests the bins are longer, so that most hold some
_STEPS_PER_DECADE = 14


def draw_latency(endpoint: str) -> Callable[[LoadFrame], None]:
    """The drawing of an endpoint's response times."""

    def drawing(frame: LoadFrame) -> None:
        _draw(frame, endpoint)

    return drawing


def _draw(frame: LoadFrame, endpoint: str) -> None:
    run = frame.run
    frame.title = f"Response time of {endpoint}"
    asked = run.endpoint.where(endpoint)
    if not asked.any():
        frame.takeaway = f"This run sent no {endpoint}."
        frame.empty(f"no {endpoint}")
        return
    answered = asked & run.answered
    due = run.requests["due_us"][answered]
    times = np.maximum(run.requests["done_us"][answered] - due, 1)
    end_us = int(run.requests["due_us"][asked].max()) + 1
    bins = bins_of(end_us, min(_MOST_BINS, max(len(times) // _LEAST_A_BIN, 12)))
    some = asked & run.missed
    axes = frame.rows([3.0, 0.8] if some.any() else [3.0])
    lines = percentiles(bins, due, times, (0.5, 0.99))
    if len(times):
        _draw_heat(axes[0], bins, due, times)
        _draw_lines(axes[0], bins, lines)
    _draw_goals(axes[0], frame, endpoint, times)
    axes[0].set_ylabel(f"response time, ms (log)\nof what was due in {bins.name}")
    frame.seconds_axis(axes[0], end_us, labelled=len(axes) == 1)
    frame.legend(axes[0])
    if some.any():
        _draw_missed(axes[1], frame, bins, some)
        frame.seconds_axis(axes[1], end_us)
    frame.notes.append("stronger colour: more requests; p99 of fewer than 100: the longest")
    frame.takeaway = _takeaway(run, endpoint, bins, lines[1], int(some.sum()), int(asked.sum()))


def _draw_heat(axes: Axes, bins: Bins, due_us: npt.NDArray[Any], times_us: npt.NDArray[Any]) -> None:
    """Counts by time and response time: a picture inside the axes, with the logarithm as vertical axis."""
    decades = np.log10(times_us)
    low, high = float(decades.min()) - 0.05, float(decades.max()) + 0.05
    rows = max(int(np.ceil((high - low) * _STEPS_PER_DECADE)), 4)
    counts, _, _ = np.histogram2d(decades, bins.index(due_us), (rows, bins.number), ((low, high), (0, bins.number)))
    shown = np.ma.masked_equal(counts, 0)
    extent = (0.0, bins.edges[-1], low, high)
    norm = LogNorm(1, max(float(counts.max()), 2))
    axes.imshow(shown, _HEAT, norm=norm, aspect="auto", origin="lower", extent=extent, interpolation="nearest")
    axes.grid(visible=False, axis="x")


def _draw_lines(axes: Axes, bins: Bins, lines: npt.NDArray[np.float64]) -> None:
    marker = "." if bins.number < 80 else ""
    for values, colour, name in ((lines[1], _P99, "p99"), (lines[0], _P50, "p50 (median)")):
        axes.plot(bins.middles, np.log10(values), color=colour, label=name, marker=marker, markersize=4, linewidth=1.5)
        known = np.pad(np.isfinite(values), 1)
        alone = known[1:-1] & ~known[:-2] & ~known[2:]
        axes.plot(bins.middles[alone], np.log10(values[alone]), ".", color=colour, markersize=4)


def _draw_goals(axes: Axes, frame: LoadFrame, endpoint: str, times_us: npt.NDArray[Any]) -> None:
    goals = [slo for slo in frame.run.summary["slos"] if slo["endpoint"] == endpoint]
    for slo, dashes in zip(goals, ("--", "-.", ":"), strict=False):
        label = f"SLO: p{slo['percentile']:g} at most {duration(slo['at_most_us'])}"
        axes.axhline(np.log10(slo["at_most_us"]), color=BAD, linewidth=1.1, linestyle=dashes, label=label)
    known = [*(float(slo["at_most_us"]) for slo in goals)]
    known += [float(times_us.min()), float(times_us.max())] if len(times_us) else [1000.0]
    low, high = np.log10(min(known)) - 0.15, np.log10(max(known)) + 0.15
    axes.set_ylim(low, high if high - low > 1 else low + 1)
    ticks = [power + step for power in range(10) for step in (0.0, np.log10(2), np.log10(5))]
    axes.yaxis.set_major_locator(FixedLocator(ticks if high - low < 2 else [float(power) for power in range(10)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{float(f'{10 ** (value - 3):.3g}'):,.10g}"))


def _draw_missed(axes: Axes, frame: LoadFrame, bins: Bins, mask: npt.NDArray[np.bool_]) -> None:
    run = frame.run
    base = np.zeros(bins.number)
    for outcome in MISSED:
        rate = bins.rate(run.requests["due_us"][mask & run.outcome.where(outcome)])
        if rate.any():
            colour, name = _MISSED_COLOURS[outcome], _MISSED_NAMES[outcome]
            axes.stairs(base + rate, bins.edges, baseline=base, fill=True, color=colour, linewidth=0, label=name)
            base = base + rate
    count_axis(axes, "missed\na second", whole=False)
    frame.legend(axes)


def _takeaway(run: LoadRun, endpoint: str, bins: Bins, p99: npt.NDArray[np.float64], missed: int, asked: int) -> str:
    whole = run.summary["endpoints"].get(endpoint, {}).get("p99_us")
    text = f"{plural(asked, 'request')}"
    text += "" if whole is None else f", 99 % answered within {duration(whole)}"
    if np.isfinite(p99).any():
        text += f"; in the worst {bins.name} within {duration(float(np.nanmax(p99)))}"
    if missed:
        text += f"; {count(missed)} ({percent(missed / asked)}) were shed, failed, timed out or dropped"
    return text + "."
