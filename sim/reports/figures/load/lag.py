"""How late the load generator itself was: lag of sending against its limit."""

from __future__ import annotations

import numpy as np

from sim.reports.figures.frame import BAD, COLOURS, log_axis
from sim.reports.figures.load.frame import LoadFrame, bins_of, percentiles
from sim.reports.words import duration

_MOST_BINS = 240
_LEAST_US = 10  # what is sooner is drawn here: the axis is logarithmic


def draw_lag(frame: LoadFrame) -> None:
    """Median, 99th percentile and largest lag over time."""
    run = frame.run
    frame.title = "Lag of the load generator: how late requests were sent"
    sent = ~run.outcome.where("dropped")
    if not sent.any():
        frame.takeaway = "Nothing was sent in this run."
        frame.empty("no requests")
        return
    table = {key: run.requests[key][sent] for key in ("due_us", "ready_us", "sent_us")}
    wanted = np.maximum(table["due_us"], table["ready_us"])
    lag = np.maximum(table["sent_us"] - wanted, _LEAST_US)
    bins = bins_of(int(wanted.max()) + 1, _MOST_BINS)
    axes = frame.rows([2.2])[0]
    lines = percentiles(bins, wanted, lag, (0.5, 0.99, 1.0)) / 1000
    for values, colour, name in zip(lines[::-1], COLOURS[4::-2], ("max", "p99", "p50 (median)"), strict=True):
        axes.plot(bins.middles, values, color=colour, label=name, linewidth=1.2)
    limit = run.summary["lag"].get("limit_us")
    if limit:
        axes.axhline(limit / 1000, color=BAD, linewidth=1.1, linestyle="--", label=f"limit of p99: {duration(limit)}")
    most = max(float(np.nanmax(lines)), (limit or 0) / 1000)
    log_axis(axes, f"lag, ms (log)\nin {bins.name}", _LEAST_US / 1000, most * 2)
    frame.seconds_axis(axes, float(bins.edges[-1]))
    frame.legend(axes)
    p99 = run.summary["lag"]["p99_us"]
    frame.takeaway = "The lag's p99 is not told."
    if p99 is not None:
        verdict = "" if not limit else " (within its limit)" if p99 <= limit else " (over its limit: not valid)"
        frame.takeaway = f"99 % of requests were sent within {duration(p99)} of when they should be{verdict}."
