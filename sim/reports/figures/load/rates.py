"""Intended and achieved rate of arrivals, at the resolution of bursts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from sim.arrays import Floats
from sim.reports.figures.frame import BAD, COLOURS, SOFT, count_axis
from sim.reports.figures.load.frame import Bins, LoadFrame, bins_of
from sim.reports.load_files import ARRIVALS, LoadRun, any_of
from sim.reports.words import count, percent

_INTENDED, _SENT, _ANSWERED = SOFT, COLOURS[0], COLOURS[2]
_MOST_BINS = 600


def draw_rates(frame: LoadFrame) -> None:
    """All arrivals above, checkouts with their answers below."""
    run = frame.run
    frame.title = "Intended and achieved rate"
    planned = run.intended
    if not len(planned["bin_us"]) or not planned["arrivals"].sum():
        frame.takeaway = "Nothing was planned to arrive in this run."
        frame.empty("no arrivals")
        return
    first = first_tries(run)
    end_us = _end_us(run, first)
    bins = bins_of(end_us, _MOST_BINS)
    checkouts = first & run.endpoint.where("checkout")
    axes = frame.rows([2.1, 2.1])
    worst = _draw(axes[0], frame, bins, planned["arrivals"], first, answered=False)
    _draw(axes[1], frame, bins, planned["checkouts"], checkouts, answered=True)
    count_axis(axes[0], f"arrivals a second\n(in {bins.name})", whole=False)
    count_axis(axes[1], f"checkouts a second\n(in {bins.name})", whole=False)
    frame.seconds_axis(axes[0], end_us, labelled=frame.narrow)
    frame.seconds_axis(axes[1], end_us)
    frame.legend(axes[0])
    frame.legend(axes[1])
    frame.takeaway = _takeaway(run, bins, int(first.sum()), worst)


def _end_us(run: LoadRun, first: npt.NDArray[np.bool_]) -> int:
    """When the last arrival was due or answered."""
    done = run.requests["done_us"][first]
    return max(int(run.intended["bin_us"][-1]) + 1, int(done.max()) if len(done) else 0)


def first_tries(run: LoadRun) -> npt.NDArray[np.bool_]:
    """Requests that are arrivals of the trace: no retries, and of two checkouts sent at once with one key only one."""
    first = np.equal(run.requests["attempt"], 1) & np.equal(run.requests["twin"], 0)
    return any_of(run.endpoint, ARRIVALS) & first


def _draw(
    axes: Axes, frame: LoadFrame, bins: Bins, planned: npt.NDArray[Any], mask: npt.NDArray[np.bool_], *, answered: bool
) -> float:
    """Draw one panel; returns the largest gap in a bin between planned and sent, a second."""
    run = frame.run
    intended = bins.rate(run.intended["bin_us"], planned)
    went = mask & ~run.outcome.where("dropped")
    sent = bins.rate(run.requests["sent_us"][went])
    axes.stairs(intended, bins.edges, fill=True, color=_INTENDED, alpha=0.28, linewidth=0, label="intended (due)")
    axes.stairs(sent, bins.edges, color=_SENT, linewidth=1.1, label="achieved (sent)")
    if answered:
        done = bins.rate(run.requests["done_us"][mask & run.answered])
        axes.stairs(done, bins.edges, color=_ANSWERED, linewidth=0.9, label="answered")
    _mark_dropped(axes, bins, run.requests["due_us"][mask & run.outcome.where("dropped")])
    return float(np.abs(intended - sent).max())


def _mark_dropped(axes: Axes, bins: Bins, due_us: npt.NDArray[Any]) -> None:
    dropped = bins.rate(due_us)
    if dropped.any():
        axes.stairs(dropped, bins.edges, fill=True, color=BAD, linewidth=0, label="dropped")


def _takeaway(run: LoadRun, bins: Bins, first: int, worst: float) -> str:
    planned = int(run.intended["arrivals"].sum())
    peak: Floats = bins.rate(run.intended["bin_us"], run.intended["arrivals"])
    text = f"{count(first)} of {count(planned)} planned arrivals ({percent(first / planned)}) were tried"
    text += f"; the plan peaks at {count(round(float(peak.max())))} a second (in {bins.name})"
    return text + f", where sent and planned differ most it is by {count(round(worst))} a second."
