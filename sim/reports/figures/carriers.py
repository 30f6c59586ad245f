"""Parcels a day by carrier, of what each could take: only where a warehouse has several."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from sim.arrays import Ints
from sim.reports.figures.clock import day_axis
from sim.reports.figures.frame import BAD, Frame, count_axis, name_text
from sim.reports.run_files import Run
from sim.reports.words import count, plural, share_of

_TAKEN = "#0072B2"
_MOST_PANELS = 6
_MOST_DAYS = 45


@dataclass(frozen=True)
class _Days:
    """One carrier of a warehouse, an entry a day on which it comes; `capacity` -1 where a pick-up has no limit."""

    name: str
    dates: list[dt.date]
    collected: Ints
    capacity: Ints


def draw_carriers(frame: Frame) -> None:
    """A panel a carrier, on the same days."""
    frame.title = "Parcels per day by carrier, and how many each could take"
    carriers = _read(frame.run)
    if not any(days.collected.sum() for days in carriers):
        frame.takeaway = "No parcel was collected in this run."
        frame.empty("no parcels")
        return
    shown = sorted(carriers, key=lambda days: -int(days.collected.sum()))[:_MOST_PANELS]
    if len(carriers) > len(shown):
        frame.notes.append(f"the {len(shown)} busiest of {len(carriers)} carriers")
    busy = sorted({day for days in shown for day, taken in zip(days.dates, days.collected, strict=True) if taken})
    first, last = busy[0], min(busy[-1], busy[0] + dt.timedelta(days=_MOST_DAYS - 1))
    if busy[-1] > last:
        frame.notes.append(f"the first {_MOST_DAYS} days")
    axes = frame.rows([1.7] * len(shown))
    for ax, days in zip(axes, shown, strict=True):
        _draw(ax, days, first, last)
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    axes[0].legend(handles.values(), handles, loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0)
    axes[-1].set_xlabel("day, local date of each warehouse")
    frame.takeaway = _takeaway(frame.run, carriers)


def _read(run: Run) -> list[_Days]:
    table = run.numbers("pickups", ["capacity", "collected"])
    houses, carriers, dates = (run.labels("pickups", name) for name in ("warehouse", "carrier", "local_date"))
    found = []
    for house in run.scenario.warehouses:
        for name in [carrier.name for carrier in house.carriers] or [""]:
            rows = np.flatnonzero(houses.where(house.name) & carriers.where(name))
            days, day = np.unique(dates.codes[rows], return_inverse=True)
            collected, capacity = np.zeros(len(days), np.int64), np.zeros(len(days), np.int64)
            np.add.at(collected, day, table["collected"][rows])
            np.add.at(capacity, day, np.maximum(table["capacity"][rows], 0))
            capacity[np.unique(day[table["capacity"][rows] < 0])] = -1
            local = [dt.date.fromisoformat(dates.names[code]) for code in days]
            found.append(_Days(f"{name}, {house.name}" if name else house.name, local, collected, capacity))
    return found


def _draw(axes: Axes, days: _Days, first: dt.date, last: dt.date) -> None:
    at = np.array([(day - first).days for day in days.dates])
    inside = (at >= 0) & (at <= (last - first).days)
    at, collected, capacity = at[inside], days.collected[inside], days.capacity[inside]
    axes.bar(at, collected, 0.7, color=_TAKEN, label="collected")
    limited = capacity >= 0
    axes.hlines(capacity[limited], at[limited] - 0.45, at[limited] + 0.45, color=BAD, linewidth=2, label="could take")
    axes.set_title(name_text(days.name) + ("" if limited.all() else " (no limit)"))
    top = max([1, *collected.tolist(), *capacity[limited].tolist()])
    count_axis(axes, "parcels per day", top=top * 1.1)
    day_axis(axes, [first + dt.timedelta(days=k) for k in range((last - first).days + 1)])


def _takeaway(run: Run, carriers: Sequence[_Days]) -> str:
    total = sum(int(days.collected.sum()) for days in carriers)
    most = max(carriers, key=lambda days: int(days.collected.sum()))
    taken = int(most.collected.sum())
    text = f"{name_text(most.name)} took {share_of(taken, total)} of {plural(total, 'parcel')}"
    told = sum(row["carried_over"] for row in run.metrics.get("carriers", []))
    return f"{text}; {count(told)} times one found no room and was told to the next." if told else f"{text}."
