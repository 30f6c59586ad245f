"""Stock available by SKU: during the programme, and to the end of the run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from sim.arrays import Floats
from sim.reports.figures.clock import Window, busy_window
from sim.reports.figures.frame import BAD, COLOURS, OTHER_VIDEO, Frame, count_axis, legend, name_text
from sim.reports.figures.programme import draw_strip, mark_deals, strip_height_in, strip_rows
from sim.reports.run_files import Run
from sim.reports.words import duration, metric, percent, plural
from sim.scenario.units import US_PER_S

_MOST = 8
_MOST_POINTS = 3000
_MOST_OTHERS = 200
_MOST_MARKS = 120
_LONG_TAIL = 4.0  # with a horizon this much longer than the programme, what comes after gets axes of its own


@dataclass(frozen=True)
class _Sku:
    name: str
    time_s: Floats
    units: Floats

    @property
    def moved(self) -> float:
        """Units between most and least."""
        return float(self.units.max() - self.units.min())

    @property
    def empty_s(self) -> float | None:
        """When it first had nothing left to sell, having had some."""
        out = np.flatnonzero((self.units <= 0) & (np.maximum.accumulate(self.units) > 0))
        return float(self.time_s[out[0]]) if len(out) else None


def draw_stock(frame: Frame) -> None:
    """A step curve a SKU; crosses mark the moments of sold out, circles orders to suppliers, triangles deliveries."""
    run = frame.run
    frame.title = "Stock available to sell, by SKU (all warehouses together)"
    skus = sorted(_read(run), key=lambda sku: -sku.moved)
    if not skus:
        frame.takeaway = "This scenario holds no stock."
        frame.empty("no stock")
        return
    programme, rest = _windows(run, skus)
    strip = strip_rows(run.scenario, programme, {})
    heights = [strip_height_in(strip), 2.8, *([2.0] if rest else [])]
    axes, bought = frame.rows(heights), _bought(run)
    draw_strip(axes[0], strip, programme)
    frame.time_axis(axes[0], programme, labelled=False)
    for ax, window in zip(axes[1:], (programme, rest), strict=False):
        assert window is not None
        _draw_curves(ax, skus, window)
        _mark_orders(ax, skus, window, bought)
        frame.time_axis(ax, window)
    mark_deals(axes[:2], run.scenario, programme)
    if rest:
        axes[1].set_title("During the programme")
        axes[2].set_title("From there to the end of the run: returns put back on the shelf, replenishment")
    legend(axes[1])
    frame.takeaway = _takeaway(frame, skus, programme)


def _read(run: Run) -> list[_Sku]:
    table, labels = run.numbers("stock", ["time_s", "available_units"]), run.labels("stock", "sku")
    order = np.argsort(labels.codes, kind="stable")
    ends = np.searchsorted(labels.codes[order], np.arange(len(labels.names) + 1))
    found = []
    for code, name in enumerate(labels.names):
        rows = order[ends[code] : ends[code + 1]]
        if len(rows):
            found.append(_Sku(name, table["time_s"][rows].astype(float), table["available_units"][rows].astype(float)))
    return found


def _windows(run: Run, skus: list[_Sku]) -> tuple[Window, Window | None]:
    """The programme (where most of the stock goes), and what comes after it if the run is much longer."""
    end_s, seen_s = float(run.summary["horizon_s"]), float(run.timeline["time_s"][-1])
    times = np.concatenate([sku.time_s[1:] for sku in skus])
    moved = np.concatenate([np.abs(np.diff(sku.units)) for sku in skus]) * (times <= seen_s)
    busy = busy_window(times, moved) or Window(0, seen_s)
    programme = Window(busy.start_s, min(busy.end_s, end_s))
    if end_s <= _LONG_TAIL * programme.end_s:
        return Window(0, end_s), None
    return programme, Window(programme.end_s, end_s)


def _draw_curves(axes: Axes, skus: list[_Sku], window: Window) -> None:
    shown, others = (skus, []) if len(skus) <= _MOST else (skus[: _MOST - 1], skus[_MOST - 1 :])
    lines = [_points(sku, window) for sku in [*shown, *others[:_MOST_OTHERS]]]
    for sku, (x, y), colour in zip(shown, lines, COLOURS, strict=False):
        axes.plot(x, y, drawstyle="steps-post", color=colour, label=name_text(sku.name))
    most = max(float(y.max()) for _, y in lines)
    if others:
        lines = lines[len(shown) :]
        paths = [np.column_stack((np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1])) for x, y in lines]
        axes.add_collection(
            LineCollection(
                paths, colors=OTHER_VIDEO, linewidths=0.8, zorder=1.5, label=f"{plural(len(others), 'other SKU')}"
            )
        )
    gone = [sku.empty_s for sku in skus if sku.empty_s is not None]
    gone = [at for at in gone if window.start_s <= at <= window.end_s]
    if gone:
        axes.plot(gone, [0] * len(gone), "x", color=BAD, markersize=7, markeredgewidth=2, clip_on=False, zorder=5,
                  label="sold out")  # fmt: skip
    count_axis(axes, "units available", top=most * 1.05 or 1)


def _bought(run: Run) -> dict[str, tuple[Floats, Floats]]:
    """By SKU when was ordered and when that was due, in seconds; nothing for a run of before there was such a table."""
    if not (run.directory / "purchases.parquet").exists():
        return {}
    table, labels = run.numbers("purchases", ["ordered_us", "due_us"]), run.labels("purchases", "sku")
    ordered, due = (table[name] / US_PER_S for name in ("ordered_us", "due_us"))
    return {name: (ordered[rows], due[rows]) for name in labels.names if (rows := labels.where(name)).any()}


def _mark_orders(axes: Axes, skus: list[_Sku], window: Window, bought: dict[str, tuple[Floats, Floats]]) -> None:
    """Where orders to suppliers were placed and where they arrived, unless there are too many to tell them apart."""
    shown = skus if len(skus) <= _MOST else skus[: _MOST - 1]
    marks: list[tuple[_Sku, str, str, Floats]] = []
    for sku, colour in zip(shown, COLOURS, strict=False):
        for marker, times in zip("o^", bought.get(sku.name, ()), strict=False):
            marks.append((sku, colour, marker, times[(times >= window.start_s) & (times <= window.end_s)]))
    if sum(len(times) for *_, times in marks) > _MOST_MARKS:
        return
    for sku, colour, marker, times in marks:
        level = np.maximum(np.searchsorted(sku.time_s, times, side="right") - 1, 0)
        face = "white" if marker == "o" else colour
        axes.plot(times, sku.units[level], marker, color=colour, markerfacecolor=face, markersize=5, zorder=4)
    for marker, face, label in (("o", "white", "ordered"), ("^", OTHER_VIDEO, "delivered")) if bought else ():
        axes.plot([], [], marker, color=OTHER_VIDEO, markerfacecolor=face, markersize=5, label=label)


def _points(sku: _Sku, window: Window) -> tuple[Floats, Floats]:
    """The curve's steps inside the window, thinned to what can be seen."""
    edges = [window.start_s, window.end_s]
    level = np.searchsorted(sku.time_s, edges, side="right") - 1
    inside = (sku.time_s > window.start_s) & (sku.time_s < window.end_s)
    x, y = sku.time_s[inside], sku.units[inside]
    if len(x) > _MOST_POINTS:
        bucket = np.floor((x - window.start_s) / window.length_s * _MOST_POINTS)
        last = np.append(np.flatnonzero(np.diff(bucket)), len(x) - 1)
        x, y = x[last], y[last]
    first, final = (float(sku.units[max(k, 0)]) for k in level)
    return np.concatenate(([edges[0]], x, [edges[1]])), np.concatenate(([first], y, [final]))


def _takeaway(frame: Frame, skus: list[_Sku], programme: Window) -> str:
    gone = sorted((sku.empty_s, sku.name) for sku in skus if sku.empty_s is not None)
    back = sum(1 for sku in skus if sku.empty_s is not None and sku.units[-1] > 0)
    if gone:
        when = frame.clock.moment(gone[0][0], seconds=programme.length_s < 3600)
        first = name_text(gone[0][1])
        text = f"{len(gone)} of {plural(len(skus), 'SKU')} sold out, first {first}, {when}"
        text += f"; of these {back} came back later" if back else ""
        if len(gone) == 1:
            text = f"{first} sold out, {when}" + (", and came back later" if back else "")
    elif not any(sku.moved for sku in skus):
        text = "Nothing was sold"
    else:
        least = min(skus, key=lambda sku: sku.units.min() / max(sku.units[0], 1))
        left_units = plural(float(least.units.min()), "unit")
        text = f"No SKU sold out; {name_text(least.name)} came nearest, with {left_units} left"
    left = metric(frame.run.metrics, "stock.left_share")
    if left is not None:
        text += f". After {duration(frame.run.summary['horizon_s'] * US_PER_S)} {percent(left)} of all units are left"
    return text + "."
