"""The strip above a time axis: shows, pitches, flash deals and videos, so that every bump has its cause beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.textpath import TextPath

from sim.reports.figures.clock import Window
from sim.reports.figures.frame import BAD, OTHER, SOFT, name_text
from sim.reports.words import shortened, width
from sim.scenario.schema import Scenario
from sim.scenario.tables import deal_table, sku_table
from sim.scenario.units import US_PER_S

_AXES_PT = 545.0  # width of the axes, about: legends differ
_TYPE_PT = 6.6
_LEAST_COLUMNS = 6
_MOST_LINES = 12
_PITCHES_UP_TO_S = 12 * 3600  # in a longer window pitches are dust
PITCH = "#D9D9D9"


class Item(NamedTuple):
    """Something shown from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    name: str
    colour: str


def strip_rows(scenario: Scenario, window: Window, colours: Mapping[str, str]) -> list[tuple[str, list[Item]]]:
    """The rows that hold something inside the window, by title."""
    programme = scenario.programme
    shows, pitches = [], []
    for show in programme.broadcasts:
        start_s = show.start_us / US_PER_S
        shows.append(Item(start_s, start_s + show.length_us / US_PER_S, show.name, colours.get(show.name, OTHER)))
        for pitch in show.pitches:
            at_s = start_s + pitch.at_us / US_PER_S
            pitches.append(Item(at_s, at_s + pitch.length_us / US_PER_S, pitch.listing, PITCH))
    names = [row.name for row in sku_table(scenario)]
    deals = [
        Item(row.open_us / US_PER_S, row.close_us / US_PER_S, f"{names[row.sku]}, {row.units:,} units", BAD)
        for row in deal_table(scenario)
    ]
    videos = []
    for video in programme.videos:
        at_s = video.publish_us / US_PER_S
        videos.append(Item(at_s, at_s, video.name, colours.get(video.name, OTHER)))
    if window.length_s > _PITCHES_UP_TO_S:
        pitches = []
    rows = [("shows", shows), ("pitches", pitches), ("flash deals", deals), ("videos out", videos)]
    inside = [(title, [item for item in items if _inside(item, window)]) for title, items in rows]
    return [(title, items) for title, items in inside if items]


def _inside(item: Item, window: Window) -> bool:
    return item.end_s >= window.start_s and item.start_s < window.end_s


def strip_height_in(rows: Sequence[tuple[str, list[Item]]]) -> float:
    """How high the strip must be."""
    return 0.1 + 0.24 * len(rows)


def draw_strip(axes: Axes, rows: Sequence[tuple[str, list[Item]]], window: Window) -> None:
    """Draw the rows top down, with names where there is room for them."""
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows], fontsize=8)
    axes.tick_params(length=0, pad=9)
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
    for row, (_, items) in enumerate(rows):
        items = sorted(items)
        for k, item in enumerate(items):
            before_s = max((other.end_s for other in items[:k]), default=-window.length_s)
            after_s = items[k + 1].start_s if k + 1 < len(items) else window.end_s
            _draw_item(axes, row, item, (before_s, after_s), window)


def _draw_item(axes: Axes, row: int, item: Item, free_s: tuple[float, float], window: Window) -> None:
    """A bar, or a triangle where the bar would be too thin to see; its name inside, or beside it if it stands alone."""
    start_s, end_s = max(item.start_s, window.start_s), min(item.end_s, window.end_s)
    per_s = _AXES_PT / window.length_s
    inside_pt = (end_s - start_s) * per_s - 1.5
    beside_pt = (min(free_s[1], window.end_s) - end_s) * per_s - 12 if (start_s - free_s[0]) * per_s > 8 else 0.0
    axes.barh(row, end_s - start_s, left=start_s, height=0.72, color=item.colour, edgecolor="white", linewidth=0.8)
    if inside_pt < -1:
        axes.plot([start_s], [row], marker="v", color=item.colour, markersize=5, clip_on=False)
    if inside_pt >= min(beside_pt, _width_pt(item.name)):
        colour = "black" if item.colour in (PITCH, OTHER) else "white"
        middle_s = (start_s + end_s) / 2
        axes.text(
            middle_s, row, _fitting(item.name, inside_pt), ha="center", va="center", fontsize=_TYPE_PT, color=colour
        )
    else:
        text = _fitting(item.name, beside_pt)
        axes.text(end_s + 4 / per_s, row, text, ha="left", va="center", fontsize=_TYPE_PT, color=SOFT)


@cache
def _width_pt(name: str) -> float:
    return float(TextPath((0, 0), name_text(name, 99), size=_TYPE_PT).get_extents().width) if name.strip() else 0.0


def _fitting(name: str, room_pt: float) -> str:
    """The name, cut to the room there is; nothing where a cut name would tell nothing."""
    columns = width(name)
    while columns >= _LEAST_COLUMNS or columns == width(name):
        if _width_pt(shortened(name, columns)) <= room_pt:
            return name_text(name, columns)
        columns -= 1
    return ""


def mark_deals(axes: Sequence[Axes], scenario: Scenario, window: Window) -> None:
    """A dotted line where each flash deal opens, unless there are too many to help."""
    opens_s = [row.open_us / US_PER_S for row in deal_table(scenario)]
    opens_s = [at for at in opens_s if window.start_s <= at <= window.end_s]
    if len(opens_s) <= _MOST_LINES:
        for at in opens_s:
            for ax in axes:
                ax.axvline(at, color=BAD, linewidth=0.9, linestyle=":", zorder=1.5)
