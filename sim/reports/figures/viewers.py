"""Viewers present in each broadcast over time."""

from __future__ import annotations

import numpy as np

from sim.arrays import Column, Floats
from sim.reports.figures.clock import Window
from sim.reports.figures.contents import group_contents
from sim.reports.figures.frame import Frame, count_axis, legend, name_text
from sim.reports.figures.programme import draw_strip, mark_deals, strip_height_in, strip_rows
from sim.reports.run_files import Labels
from sim.reports.words import count, plural

_MOST_POINTS = 2000


def draw_viewers(frame: Frame) -> None:
    """The expected number present, a curve a broadcast; there is at least one."""
    run = frame.run
    frame.title = "Viewers present in each broadcast"
    table, labels = run.numbers("viewers"), run.labels("viewers", "content")
    groups = group_contents(labels, np.ones(len(labels.codes)))
    start_s, end_s = float(table["time_s"].min()), float(table["time_s"].max())
    window = Window(start_s - 0.01 * (end_s - start_s), end_s + 0.01 * (end_s - start_s) + 1)
    strip = strip_rows(run.scenario, window, groups.by_name)
    top, axes = frame.rows([strip_height_in(strip), 3.2])
    draw_strip(top, strip, window)
    frame.time_axis(top, window, labelled=False)
    for number, (name, colour) in enumerate(zip(groups.names, groups.colours, strict=True)):
        label: str | None = name
        for code in np.flatnonzero(groups.group[1:] == number):
            at, present = _curve(table, labels, int(code))
            axes.fill_between(at, present, color=colour, alpha=0.25, linewidth=0)
            axes.plot(at, present, color=colour, label=label)
            label = None
    count_axis(axes, "viewers present (expected)")
    axes.set_ylim(0, float(table["viewers"].max()) * 1.08 or 1)
    frame.time_axis(axes, window)
    mark_deals([top, axes], run.scenario, window)
    legend(axes)
    frame.takeaway = _takeaway(frame, table, labels)


def _curve(table: dict[str, Column], labels: Labels, code: int) -> tuple[Floats, Floats]:
    rows = np.flatnonzero(labels.codes == code)
    rows = rows[:: max(len(rows) // _MOST_POINTS, 1)]
    return table["time_s"][rows].astype(float), table["viewers"][rows]


def _takeaway(frame: Frame, table: dict[str, Column], labels: Labels) -> str:
    best = int(np.argmax(table["viewers"]))
    name = labels.names[labels.codes[best]]
    hours = 0.0
    for code in range(len(labels.names)):
        rows = labels.codes == code
        if rows.any():
            hours += float(np.trapezoid(table["viewers"][rows], table["time_s"][rows])) / 3600
    content = frame.run.numbers("timeline_content", ["placed"])["placed"]
    names = frame.run.labels("timeline_content", "content")
    shows = [b.name for b in frame.run.scenario.programme.broadcasts]
    live = [k for k, text in enumerate(names.names) if text in shows]
    placed = int(content[np.isin(names.codes, live)].sum())
    text = (
        f"Peak {count(round(float(table['viewers'][best])))} viewers, "
        f"{frame.clock.moment(float(table['time_s'][best]))} in {name_text(name)}; "
        f"{plural(round(hours), 'viewer hour')} in all"
    )
    return f"{text}, {placed / hours:.2f} orders placed in each." if hours >= 1 else f"{text}."
