"""Figures of a search: the points as they were tried, each knob, what was found against on-time delivery."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from sim.reports.figures.frame import (
    BAD,
    COLOURS,
    GOOD,
    INK,
    NAME_COLUMNS,
    OTHER_VIDEO,
    SOFT,
    legend,
    name_text,
    plain_numbers,
)
from sim.reports.figures.study import StudyFrame, alternatives, front, share_axis
from sim.reports.search_text import leader_of, verdict_of_search
from sim.reports.words import duration, major, plural

_MOST_KNOBS, _MOST_LABELS = 12, 8
_DASHES = ("--", ":", "-.")  # with the 8 colours 24 lines that can be told apart
Point = dict[str, Any]


class SearchFrame(StudyFrame):
    """A frame whose footer tells of a search."""

    def footer(self) -> str:
        """Which search this is."""
        summary = self.run.summary
        parts = [f"scenario {summary['scenario']}", f"seed {summary['seed']}", plural(summary["tried"], "point")]
        return "  ·  ".join([*parts, *self.notes])

    def gain(self, point: Point) -> float:
        """By how much a point is better than the base, as an axis shows it."""
        return self.in_units(point["gain"]["mean"])

    def gain_axis(self, axes: Axes) -> None:
        """The vertical axis of gains."""
        self.gain_label(axes)
        self.gain_numbers(axes)

    def gain_label(self, axes: Axes, columns: int = NAME_COLUMNS) -> None:
        """Say what the vertical axis shows."""
        axes.set_ylabel(f"better than {name_text(self.run.summary['base'], columns)}\n{self.unit}")

    def gain_numbers(self, axes: Axes) -> None:
        """The numbers of the vertical axis, and a line where a point equals the base."""
        plain_numbers(axes.yaxis)
        axes.axhline(0, color=INK, linewidth=0.8)


def draw_trials(frame: SearchFrame) -> None:
    """Every point in the order in which it was tried, the best so far, and what was there before."""
    summary = frame.run.summary
    points = [point for point in summary["points"] if point["kind"] == "proposed"]
    frame.title = "The search, point by point"
    frame.takeaway = verdict_of_search(summary)[0]
    if not points:
        frame.empty("no point was tried")
        return
    axes = frame.rows([4.0])[0]
    _draw_points(frame, axes, points)
    _draw_best_so_far(frame, axes, points)
    _draw_others(frame, axes)
    leader = leader_of(summary)
    if leader["kind"] == "proposed":
        _ring(axes, _trial(leader), frame.gain(leader), 160, label="leads")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(_few(whole=True))
    frame.gain_axis(axes)
    legend(axes)
    frame.notes.append("larger marks: more replications; a point of few is less sure than it looks")


def _draw_points(frame: SearchFrame, axes: Axes, points: list[Point]) -> None:
    limited = bool(frame.run.summary["limits"])
    for feasible, colour, mark, label in ((True, GOOD, "o", "keeps the limits"), (False, BAD, "x", "breaks a limit")):
        chosen = [point for point in points if point["feasible"] is feasible]
        if chosen:
            sizes = [10 + 4 * point["replications"] for point in chosen]
            axes.scatter([_trial(p) for p in chosen], [frame.gain(p) for p in chosen], s=sizes, color=colour,
                         alpha=0.7, label=label if limited else "point", marker=mark)  # fmt: skip


def _draw_best_so_far(frame: SearchFrame, axes: Axes, points: list[Point]) -> None:
    best, known = -math.inf, []
    for point in points:
        if point["feasible"]:
            best = max(best, frame.gain(point))
        if best > -math.inf:
            known.append((_trial(point), best))
    if known:
        axes.step(*zip(*known, strict=True), where="post", color=SOFT, linewidth=1, label="largest mean so far")


def _draw_others(frame: SearchFrame, axes: Axes) -> None:
    """A line for each strategy and formula that the search began from, but the base."""
    others = [p for p in frame.run.summary["points"] if p["kind"] != "proposed" and p["number"]]
    for k, point in enumerate(others):
        colour, dashes = COLOURS[(k + 1) % len(COLOURS)], _DASHES[k % len(_DASHES)]
        axes.axhline(frame.gain(point), color=colour, linewidth=1, linestyle=dashes, label=name_text(point["name"], 26))


def _ring(axes: Axes, x: float, y: float, size: float, **given: Any) -> None:
    axes.scatter([x], [y], s=size, facecolors="none", edgecolors=INK, **given)


def _trial(point: Point) -> int:
    """The number in the name of a point that was proposed."""
    return int(point["name"].split()[-1])


def draw_knobs(frame: SearchFrame) -> None:
    """One panel a knob: where the points stood, and what they came to."""
    summary = frame.run.summary
    knobs = summary["knobs"][:_MOST_KNOBS]
    points = [point for point in summary["points"] if point["numbers"] is not None]
    frame.title = "Each knob against what the points came to"
    across = min(3, len(knobs))
    down = -(-len(knobs) // across)
    frame.figure.set_size_inches(frame.width_in, 2.7 * down + 1.5)
    grid = frame.figure.add_gridspec(down, across)
    for k in range(len(knobs)):
        axes = frame.figure.add_subplot(grid[k // across, k % across])
        _draw_knob(frame, axes, points, k)
        if k % across == 0:
            frame.gain_label(axes, 14)
    leader = leader_of(summary)
    best = f"{name_text(leader['name'])} leads (ringed)." if leader["numbers"] is not None else ""
    frame.takeaway = f"A knob whose points lie level matters little. {best}"
    frame.notes.append("dark: tried late")
    if any(not point["feasible"] for point in points):
        frame.notes.append("grey crosses break a limit")
    if len(summary["knobs"]) > len(knobs):
        frame.notes.append(f"{len(summary['knobs']) - len(knobs)} more knobs not drawn")


def _draw_knob(frame: SearchFrame, axes: Axes, points: list[Point], k: int) -> None:
    """What points came to at each value of the knob with number `k`."""
    knob, leader = frame.run.summary["knobs"][k], leader_of(frame.run.summary)
    most = max((point["number"] for point in points), default=1) or 1
    for feasible in (False, True):
        chosen = [point for point in points if point["feasible"] is feasible]
        places = [_position(knob, point["numbers"][k]) for point in chosen]
        gains, sizes = [frame.gain(point) for point in chosen], [10 + 3 * p["replications"] for p in chosen]
        if feasible:
            shades = [point["number"] / most for point in chosen]
            axes.scatter(places, gains, s=sizes, c=shades, cmap="viridis_r", vmin=0, vmax=1)
        else:
            axes.scatter(places, gains, s=sizes, color=OTHER_VIDEO, marker="x", linewidths=0.8)
    if leader["numbers"] is not None:
        _ring(axes, _position(knob, leader["numbers"][k]), frame.gain(leader), 140)
    axes.set_title(name_text(knob["path"], 44))
    frame.gain_numbers(axes)
    _knob_axis(axes, knob)


def _position(knob: dict[str, Any], number: float) -> float:
    unit = knob["unit"]
    return major(number, unit) if len(unit) == 3 and unit.isupper() else number


def _knob_axis(axes: Axes, knob: dict[str, Any]) -> None:
    axes.xaxis.set_major_locator(_few(_is_whole(knob)))
    if "choices" in knob:
        axes.set_xticks(range(len(knob["choices"])), [name_text(choice, 16) for choice in knob["choices"]])
        axes.set_xlim(-0.6, len(knob["choices"]) - 0.4)
    elif knob["unit"] == "us":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(max(0.0, value))))
    elif knob["unit"] == "share":
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        plain_numbers(axes.xaxis)
        if knob["unit"]:
            axes.set_xlabel(knob["unit"])


def _is_whole(knob: dict[str, Any]) -> bool:
    """Whether a knob's values are whole numbers: no more of them than fit between its ends."""
    if knob["unit"] or "choices" in knob or not (knob["low"].isdigit() and knob["high"].isdigit()):
        return False
    return int(knob["values"]) <= int(knob["high"]) - int(knob["low"]) + 1


def _few(whole: bool) -> MaxNLocator:
    return MaxNLocator(5, integer=whole)


def draw_pareto(frame: SearchFrame) -> None:
    """What the points came to against on-time delivery; those that no other beats in both are joined."""
    summary = frame.run.summary
    frame.title = f"{frame.unit[:1].upper()}{frame.unit[1:]} against on-time delivery"
    known = [point for point in summary["points"] if point["on_time_share"] is not None]
    if not known:
        frame.takeaway = "No order was due for delivery."
        frame.empty("no deliveries")
        return
    axes = frame.rows([4.2])[0]
    kinds = (("proposed", True, GOOD, "o", "point"), ("proposed", False, BAD, "x", "breaks a limit"),
             ("named", None, COLOURS[1], "s", "named"), ("analytic", None, COLOURS[3], "D", "formula"))  # fmt: skip
    for kind, feasible, colour, mark, label in kinds:
        chosen = [p for p in known if p["kind"] == kind and feasible in (None, p["feasible"])]
        if chosen:
            axes.scatter([p["on_time_share"] for p in chosen], [frame.gain(p) for p in chosen], color=colour,
                         marker=mark, s=36, alpha=0.8, label=label)  # fmt: skip
    best = [known[k] for k in front([(p["on_time_share"], p["gain"]["mean"]) for p in known])]
    ordered = sorted((p["on_time_share"], frame.gain(p)) for p in best)
    axes.plot(*zip(*ordered, strict=True), color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
    share_axis(axes)
    frame.gain_axis(axes)
    _name_points(frame, axes, known)
    legend(axes)
    names = [p["name"] for p in sorted(best, key=lambda p: -p["gain"]["mean"])]
    frame.takeaway = f"No other is better in both than {alternatives(names)}."
    frame.notes.append("means on the replications that were searched on")


def _name_points(frame: SearchFrame, axes: Axes, points: list[dict[str, Any]]) -> None:
    """Name those that somebody named and the one that leads, towards the middle; those in one place share a line."""
    leader = frame.run.summary["leader"]
    places: dict[tuple[float, float], list[str]] = {}
    for point in [p for p in points if p["kind"] != "proposed" or p["number"] == leader][:_MOST_LABELS]:
        places.setdefault((point["on_time_share"], frame.gain(point)), []).append(name_text(point["name"], 20))
    middle = sum(axes.get_xlim()) / 2
    for (share, gain), names in places.items():
        side, alignment = (-6, "right") if share > middle else (6, "left")
        axes.annotate(", ".join(names), (share, gain), xytext=(side, 5), ha=alignment, textcoords="offset points",
                      fontsize=7.5, color=INK)  # fmt: skip


DRAWINGS = {"search": draw_trials, "knobs": draw_knobs, "pareto": draw_pareto}
