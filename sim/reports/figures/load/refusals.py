"""Refusals by reason over time: correct answers, told apart from errors."""

from __future__ import annotations

import numpy as np

from sim.reports.figures.frame import COLOURS, OTHER, count_axis
from sim.reports.figures.load.frame import LoadFrame, bins_of
from sim.reports.load_files import REFUSED, any_of
from sim.reports.words import count, plural, reason_name, shortened

_MOST_BINS = 120
_MOST_REASONS = 7


def draw_refusals(frame: LoadFrame) -> None:
    """A band a reason, the most frequent at the bottom."""
    run = frame.run
    frame.title = "Refusals by reason"
    refused = any_of(run.outcome, REFUSED)  # errors have reasons too
    codes, due_us = run.reason.codes[refused], run.requests["due_us"][refused]
    names = [reason_name(name or "unnamed") for name in run.reason.names]
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    ranked = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    if not ranked:
        frame.takeaway = "Nothing was refused in this run."
        frame.empty("no refusals")
        return
    bins = bins_of(run.end_us, _MOST_BINS)
    axes = frame.rows([2.2])[0]
    base = np.zeros(bins.number)
    groups = [[code] for code in ranked[:_MOST_REASONS]] + ([ranked[_MOST_REASONS:]] if ranked[_MOST_REASONS:] else [])
    for k, group in enumerate(groups):
        rate = bins.rate(due_us[np.isin(codes, group)])
        name = names[group[0]] if len(group) == 1 else f"{len(group)} other reasons"
        label = f"{shortened(name, 24)}: {count(int(counts[group].sum()))}"
        colour = COLOURS[k] if len(group) == 1 else OTHER
        axes.stairs(base + rate, bins.edges, baseline=base, fill=True, color=colour, linewidth=0, label=label)
        base = base + rate
    count_axis(axes, f"refusals a second\n(in {bins.name})", whole=False)
    frame.seconds_axis(axes, float(bins.edges[-1]))
    frame.legend(axes)
    total = int(counts[ranked].sum())
    top = f"{names[ranked[0]]} ({count(int(counts[ranked[0]]))})"
    frame.takeaway = f"{plural(total, 'request')} refused, most often because: {top}."
