"""The order engine over time: queue, and response time of checkout."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from sim.arrays import Floats
from sim.reports.figures.clock import Window, bucket_s, buckets, busy_window, stretch
from sim.reports.figures.frame import BAD, COLOURS, INK, WARN, Frame, count_axis, log_axis
from sim.reports.figures.programme import draw_strip, mark_deals, strip_height_in, strip_rows
from sim.reports.run_files import Run
from sim.reports.words import count, duration, metric, percent, plural
from sim.scenario.parts.base import Outage
from sim.scenario.units import US_PER_S

_P50, _P99, _QUEUE, _CRASH = "#56B4E9", "#0072B2", COLOURS[2], "#6B1A00"


def draw_engine(frame: Frame) -> None:
    """Longest queue in each bucket above, median and 99th percentile of checkout's response time below."""
    run, time = frame.run, frame.run.timeline
    frame.title = "Order engine: requests waiting, and response time of checkout"
    outages = _outages(run)
    window = busy_window(time["time_s"], time["going"])
    if window is None:
        frame.takeaway = "No request reached the engine in this run."
        frame.empty("no requests")
        return
    step_s = int(run.summary["timeline_step_s"])
    size_s = bucket_s(window, step_s)
    starts, edges = buckets(window, size_s, step_s, len(time["time_s"]))
    queue = np.maximum.reduceat(np.maximum(time["queue_peak"], 0), starts).astype(float)
    strip = strip_rows(run.scenario, window, {})
    axes = frame.rows([strip_height_in(strip), 1.7, 2.4])
    draw_strip(axes[0], strip, window)
    frame.time_axis(axes[0], window, labelled=False)
    _draw_queue(axes[1], run, edges, queue, size_s)
    frame.time_axis(axes[1], window, labelled=False)
    p50, p99 = _percentiles(run, edges)
    _draw_response(axes[2], run, edges, p50, p99, size_s)
    frame.time_axis(axes[2], window)
    kinds = _shade(axes[1:], outages, window)
    mark_deals(axes, run.scenario, window)
    _legends(axes, kinds)
    frame.takeaway = _takeaway(run, queue, p99, size_s, len(outages))


def _outages(run: Run) -> list[tuple[str, Outage]]:
    engine = [("engine outage (crash)" if o.crash else "engine outage", o) for o in run.scenario.engine.outages]
    return engine + [("payment provider outage", o) for o in run.scenario.payment.outages]


def _percentiles(run: Run, edges: Floats) -> tuple[Floats, Floats]:
    """Nearest-rank p50 and p99 (us) of the checkouts that arrived in each bucket; NaN without answers."""
    table = run.numbers("orders", ["arrived_us", "checkout_response_us"])
    ends = np.searchsorted(table["arrived_us"], (edges * US_PER_S).astype(np.int64))
    found = np.full((2, len(edges) - 1), np.nan)
    for k in range(len(edges) - 1):
        times = table["checkout_response_us"][ends[k] : ends[k + 1]]
        times = np.sort(times[times >= 0])
        if len(times):
            found[:, k] = [times[-(-len(times) * p // 100) - 1] for p in (50, 99)]
    return found[0], found[1]


def _draw_queue(axes: Axes, run: Run, edges: Floats, queue: Floats, size_s: int) -> None:
    axes.stairs(queue, edges, fill=True, color=_QUEUE, linewidth=0)
    bound = run.scenario.engine.queue_bound
    top = max(float(queue.max()) * 1.1, 1.0)
    if queue.max() > 0.4 * bound:
        top = max(top, bound * 1.12)
        axes.axhline(bound, color=INK, linewidth=1, linestyle="--")
        axes.annotate(f"bound {bound:,}", (0.995, bound), (0, 2), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", va="bottom", fontsize=8)  # fmt: skip
    count_axis(axes, f"requests waiting\n(most in {duration(size_s * US_PER_S)})", top=top)


def _draw_response(axes: Axes, run: Run, edges: Floats, p50: Floats, p99: Floats, size_s: int) -> None:
    middle = (edges[:-1] + edges[1:]) / 2
    for values, colour, name in ((p99, _P99, "p99"), (p50, _P50, "p50 (median)")):
        axes.plot(middle, values / 1000, color=colour, label=name, marker="." if len(middle) < 80 else "", markersize=4)
        alone = (
            np.isfinite(values) & np.isnan(np.append(values[1:], np.nan)) & np.isnan(np.insert(values[:-1], 0, np.nan))
        )
        axes.plot(middle[alone], values[alone] / 1000, ".", color=colour, markersize=3)
    goals = [slo for slo in run.scenario.slos if slo.endpoint == "checkout"]
    for slo, dashes in zip(goals, ("--", "-.", (0, (1, 1))), strict=False):
        label = f"SLO: p{slo.percentile:g} at most\n{duration(slo.at_most_us)}"
        axes.axhline(slo.at_most_us / 1000, color=BAD, linewidth=1.1, linestyle=dashes, label=label)
    known = np.concatenate(
        [p50[np.isfinite(p50)] / 1000, p99[np.isfinite(p99)] / 1000, [slo.at_most_us / 1000 for slo in goals]]
    )
    known = known[known > 0]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 10.0)
    label = f"response time, ms (log)\nof checkouts begun in {duration(size_s * US_PER_S)}"
    log_axis(axes, label, low / 1.5, max(high * 1.5, low * 12))


def _shade(axes: list[Axes], outages: list[tuple[str, Outage]], window: Window) -> dict[str, Patch]:
    kinds: dict[str, Patch] = {}
    for name, outage in outages:
        start_s, end_s = outage.at_us / US_PER_S, (outage.at_us + outage.length_us) / US_PER_S
        if end_s < window.start_s or start_s > window.end_s:
            continue
        least_s = max(end_s - start_s, window.length_s / 600)
        colour = WARN if name.startswith("payment") else _CRASH if outage.crash else BAD
        for ax in axes:
            patch = ax.axvspan(start_s, start_s + least_s, color=colour, alpha=0.35, linewidth=0, zorder=0.5)
            kinds.setdefault(name, patch)
    return kinds


def _legends(axes: list[Axes], kinds: dict[str, Patch]) -> None:
    if kinds:
        axes[1].legend(
            list(kinds.values()), list(kinds), loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0
        )
    axes[2].legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0)


def _takeaway(run: Run, queue: Floats, p99: Floats, size_s: int, outages: int) -> str:
    peak = metric(run.metrics, "engine.queue_peak_requests")
    longest = int(queue.max()) if peak is None else int(peak)
    text = f"The queue is at most {plural(longest, 'request')} long" if longest else "Nobody had to wait for a worker"
    bound = run.scenario.engine.queue_bound
    if longest and longest >= bound:
        text += " (full)"
    whole = metric(run.metrics, "response.checkout.p99_us")
    if whole is not None:
        text += f"; checkout answers 99 % within {duration(whole)}"
    if np.isfinite(p99).any():
        text += ", " if whole is not None else "; checkout answers 99 % "
        text += f"in the worst {stretch(size_s)} within {duration(float(np.nanmax(p99)))}"
    share = metric(run.metrics, "response.checkout.failed_share")
    if share:
        text += f"; {percent(share)} of checkouts failed"
    return text + (f"; {count(outages)} outages" if outages > 1 else "; 1 outage" if outages else "") + "."
