"""Parcels a day by warehouse: packed, collected, waiting overnight, against the carrier's capacity."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes

from sim.arrays import Ints
from sim.reports.figures.clock import Clock, busy_days, date_text, day_axis
from sim.reports.figures.frame import BAD, INK, Frame, count_axis, name_text
from sim.reports.run_files import Run
from sim.reports.words import count, metric, percent, plural
from sim.scenario.parts.logistics import Warehouse
from sim.scenario.units import US_PER_S

_PACKED, _COLLECTED, _WAITING = "#56B4E9", "#0072B2", "#E69F00"
_BARS = ("packed", "collected", "waiting at\nthe day's end")
_MOST_PANELS = 4
_MOST_BARS = 45


@dataclass(frozen=True)
class _Days:
    """One warehouse, an entry a day (or a few days together): `capacity` -1 where the carrier sets no limit."""

    name: str
    dates: list[dt.date]
    packed: Ints
    collected: Ints
    waiting: Ints  # packed, not collected, at the end of the day
    capacity: Ints


def draw_parcels(frame: Frame) -> None:
    """A panel a warehouse, on the same days."""
    run = frame.run
    frame.title = "Parcels per day: packed, collected by the carrier, waiting overnight"
    houses = _read(run)
    first_day, moved = _all_days(houses)
    if not moved.any():
        frame.takeaway = "No parcel was packed in this run."
        frame.empty("no parcels")
        return
    start, end, left_out = busy_days(moved)
    first, last = first_day + dt.timedelta(days=start), first_day + dt.timedelta(days=end)
    if left_out:
        frame.notes.append(f"{percent(left_out)} of the parcels move later than shown")
    busiest = sorted(houses, key=lambda days: -int(days.packed.sum()))[:_MOST_PANELS]
    shown = [days for days in houses if days in busiest]
    if len(houses) > len(shown):
        frame.notes.append(f"the {len(shown)} busiest of {len(houses)} warehouses")
    axes = frame.rows([2.3] * len(shown))
    for ax, days in zip(axes, shown, strict=True):
        _draw_house(ax, _between(days, first, last))
    handles = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    handles = {label: handles[label] for label in (*_BARS, *sorted(set(handles) - set(_BARS)))}
    axes[0].legend(handles.values(), handles, loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0)
    zones = sorted({house.zone for house in run.scenario.warehouses})
    axes[-1].set_xlabel(f"day, local time of each warehouse ({', '.join(zones)})")
    frame.takeaway = _takeaway(run, houses)


def _read(run: Run) -> list[_Days]:
    parcels = run.numbers("parcels", ["order", "packed_us", "collected_us"])
    place = run.labels("parcels", "warehouse")
    closed = run.numbers("orders", ["closed_us"])["closed_us"]
    gone_us = np.where(parcels["collected_us"] >= 0, parcels["collected_us"], closed[parcels["order"]])
    found = []
    for house in run.scenario.warehouses:
        rows = place.where(house.name)
        found.append(_days(run, house, parcels["packed_us"][rows], parcels["collected_us"][rows], gone_us[rows]))
    return found


def _all_days(houses: list[_Days]) -> tuple[dt.date, Ints]:
    """The earliest day, and how many parcels were packed or collected on it and each day after it."""
    first = min(days.dates[0] for days in houses)
    moved = np.zeros(max((days.dates[-1] - first).days for days in houses) + 1, dtype=np.int64)
    for days in houses:
        start = (days.dates[0] - first).days
        moved[start : start + len(days.dates)] += days.packed + days.collected
    return first, moved


def _days(run: Run, house: Warehouse, packed_us: Ints, collected_us: Ints, gone_us: Ints) -> _Days:
    zone = ZoneInfo(house.zone)
    clock = Clock(run.scenario.start.astimezone(dt.UTC), zone, house.name)
    first, last = clock.local(0).date(), clock.local(run.summary["horizon_s"]).date()
    dates = [first + dt.timedelta(days=k) for k in range((last - first).days + 1)]
    edges = [dt.datetime.combine(day, dt.time()) for day in [*dates, last + dt.timedelta(days=1)]]
    edges_us = np.array([round(clock.second_of(edge)) * US_PER_S for edge in edges])

    def by_day(times: Ints) -> Ints:
        return np.histogram(times[times >= 0], bins=edges_us)[0].astype(np.int64)

    was_packed = packed_us >= 0
    leaving = by_day(np.maximum(gone_us, packed_us)[was_packed & (gone_us >= 0)])
    waiting = np.cumsum(by_day(packed_us) - leaving)
    return _Days(house.name, dates, by_day(packed_us), by_day(collected_us), waiting, _capacity(run, house.name, dates))


def _capacity(run: Run, house: str, dates: list[dt.date]) -> Ints:
    """What the day's pick-ups can take together; 0 on days without one, -1 without a limit."""
    table, place = run.numbers("pickups", ["time_us", "capacity"]), run.labels("pickups", "warehouse")
    zone = next(ZoneInfo(w.zone) for w in run.scenario.warehouses if w.name == house)
    clock = Clock(run.scenario.start.astimezone(dt.UTC), zone, house)
    capacity = np.zeros(len(dates), dtype=np.int64)
    for row in np.flatnonzero(place.where(house)):
        day = (clock.local(table["time_us"][row] / US_PER_S).date() - dates[0]).days
        limit = int(table["capacity"][row])
        capacity[day] = -1 if limit < 0 or capacity[day] < 0 else capacity[day] + limit
    return capacity


def _between(days: _Days, first: dt.date, last: dt.date) -> _Days:
    """The days from first to last, put together in blocks where they are too many to draw."""
    start, end = (days.dates[0] - first).days, (days.dates[0] - last).days
    rows = slice(max(-start, 0), -end + 1)
    dates = days.dates[rows]
    size = -(-len(dates) // _MOST_BARS)
    at = np.arange(0, len(dates), size)

    def total(values: Ints) -> Ints:
        return np.add.reduceat(values[rows], at)

    limit = total(np.maximum(days.capacity, 0))
    limit[np.minimum.reduceat(days.capacity[rows], at) < 0] = -1
    ends = np.append(at[1:], len(dates)) - 1
    return _Days(
        days.name, [dates[k] for k in at], total(days.packed), total(days.collected), days.waiting[rows][ends], limit
    )


def _draw_house(axes: Axes, days: _Days) -> None:
    at = np.arange(len(days.dates))
    axes.bar(at - 0.27, days.packed, 0.26, color=_PACKED, label=_BARS[0])
    axes.bar(at, days.collected, 0.26, color=_COLLECTED, label=_BARS[1])
    axes.bar(at + 0.27, days.waiting, 0.26, color=_WAITING, label=_BARS[2])
    top = max(int(days.packed.max()), int(days.collected.max()), int(days.waiting.max()), 1)
    limited = days.capacity > 0
    near = limited & (days.capacity <= 3 * top)
    if near.any():
        axes.hlines(
            days.capacity[near], at[near] - 0.45, at[near] + 0.45, color=BAD, linewidth=2, label="carrier's capacity"
        )
        top = max(top, int(days.capacity[near].max()))
    title = f"{name_text(days.name)}"
    if limited.any() and not near.any():
        title += f" (carrier takes up to {count(int(days.capacity.max()))} a day, beyond this axis)"
    elif (days.capacity < 0).any():
        title += " (carrier sets no limit)"
    axes.set_title(title)
    none = np.flatnonzero(days.capacity == 0)
    axes.plot(
        at[none],
        np.zeros(len(none)),
        "|",
        color=INK,
        markersize=9,
        markeredgewidth=1.5,
        clip_on=False,
        label="no pick-up",
    )
    step_days = (days.dates[1] - days.dates[0]).days if len(days.dates) > 1 else 1
    count_axis(axes, "parcels per day" if step_days == 1 else f"parcels in {step_days} days", top=top * 1.1)
    day_axis(axes, days.dates)


def _takeaway(run: Run, houses: list[_Days]) -> str:
    best = max(houses, key=lambda days: int(days.collected.max()))
    day = int(np.argmax(best.collected))
    collected = sum(int(days.collected.sum()) for days in houses)
    text = f"{plural(collected, 'parcel')} collected; busiest day {date_text(best.dates[day])}"
    text += f" with {count(int(best.collected[day]))}" + (f" from {name_text(best.name)}" if len(houses) > 1 else "")
    limit = int(best.capacity[day])
    text += f" of {count(limit)} that the carrier takes" if limit > 0 else ""
    carried = metric(run.metrics, "parcels.carried_over")
    if carried:
        return (
            f"{text}. {count(carried)} times a parcel was in time but found no room, and waited for the next pick-up."
        )
    return f"{text}. No parcel was left behind for want of room."
