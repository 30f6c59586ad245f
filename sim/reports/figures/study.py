"""Figures of a study: differences from the base, contribution against on-time delivery, stock and backlog over time."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from sim.operations.punctuality import ON_TIME
from sim.reports.compare_text import is_judged, sentences, shown, sign_of
from sim.reports.figures.clock import Window
from sim.reports.figures.frame import BAD, COLOURS, GOOD, INK, SOFT, Frame, count_axis, legend, name_text, plain_numbers
from sim.reports.words import count, major, metric, plural

_MOST_FANS, _MOST_ROWS = 6, 40
_MARKS = ("o", "s", "^", "D", "v")
#: Colour and mark of each strategy. Neighbours differ in both, and since 8 and 5 have no common factor all 40 differ.
SIGNS = [(COLOURS[k % len(COLOURS)], _MARKS[k % len(_MARKS)]) for k in range(_MOST_ROWS)]


class StudyFrame(Frame):
    """A frame whose footer tells of all replications."""

    def footer(self) -> str:
        """Which study this is."""
        summary = self.run.summary
        number = plural(summary["replications"], "replication")
        parts = [f"scenario {summary['scenario']}", f"seed {summary['seed']}", f"{number} of every strategy"]
        if self.has_times:
            parts.append(f"times: {self.clock.zone.key}")
        return "  ·  ".join([*parts, *self.notes])

    def in_units(self, value: float) -> float:
        """A value of the metric that is compared, as an axis shows it."""
        summary = self.run.summary
        if summary["metric"].endswith("_us"):
            return value / 1000
        return major(value, summary["currency"]) if summary["metric"].endswith("_minor") else value

    @property
    def unit(self) -> str:
        """Name and unit of the metric that is compared."""
        path, currency = self.run.summary["metric"], self.run.summary["currency"]
        name = path.removesuffix("_minor").removesuffix("_share").removesuffix("_us").replace("_", " ")
        return f"{name} ({currency})" if path.endswith("_minor") else f"{name} (ms)" if path.endswith("_us") else name


def draw_differences(frame: StudyFrame) -> None:
    """One line a strategy: its difference from the base, with the interval that holds for all pairs together."""
    summary = frame.run.summary
    base = summary["strategies"][0]["name"]
    pairs = [pair for pair in summary["pairs"] if pair["base"] == base][:_MOST_ROWS]
    frame.title = f"Differences from {base}: {frame.unit}"
    frame.takeaway = " ".join(sentences(summary)[:3])
    axes = frame.rows([0.45 * len(pairs) + 0.6])[0]
    for row, pair in enumerate(pairs):
        judged = GOOD if sign_of(summary) * pair["mean"] > 0 else BAD
        colour = SOFT if not pair["told_apart"] else judged if is_judged(summary) else COLOURS[3]
        low, mean, high = (frame.in_units(pair[key] or 0.0) for key in ("low", "mean", "high"))
        axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot([mean], [row], marker="o", color=colour, markersize=7)
        axes.annotate(shown(summary, pair["mean"]), (mean, row), xytext=(0, 7), textcoords="offset points",
                      ha="center", fontsize=8, color=INK)  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(pairs)), [name_text(pair["other"], 40) for pair in pairs])
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_xlabel(f"difference in {frame.unit}: mean and 95 % interval, all pairs together")
    plain_numbers(axes.xaxis)
    axes.grid(False, axis="y")


def draw_pareto(frame: StudyFrame) -> None:
    """Each strategy as a point: what it earns against how much it delivers on time. Those that no other beats in both
    are joined; without `--least` more of a metric beats less."""
    summary = frame.run.summary
    frame.title = f"{frame.unit[:1].upper()}{frame.unit[1:]} against on-time delivery"
    points = [
        (*sign, each["name"], _interval(each, ON_TIME), _interval(each, summary["metric"]))
        for sign, each in zip(SIGNS, _strategies(frame), strict=False)
    ]
    known = [(colour, mark, name, x, y) for colour, mark, name, x, y in points if x and y]
    if not known:
        frame.takeaway = "No order was due for delivery."
        frame.empty("no deliveries")
        return
    axes = frame.rows([max(4.2, 0.22 * len(known))])[0]  # no lower than its legend
    best = front([(x["mean"], sign_of(summary) * y["mean"]) for *_, x, y in known])
    for k, (colour, mark, name, x, y) in enumerate(known):
        across, up = (_arms(each) for each in (x, y))
        axes.errorbar(x["mean"], frame.in_units(y["mean"]), fmt=mark, color=colour, markersize=8, elinewidth=1,
                      fillstyle="full" if k in best else "none", xerr=across,
                      yerr=[[frame.in_units(arm[0])] for arm in up], label=name_text(name, 30))  # fmt: skip
    joined = sorted((x["mean"], frame.in_units(y["mean"])) for *_, x, y in (known[k] for k in best))
    axes.plot(*zip(*joined, strict=True), color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
    share_axis(axes)
    axes.set_ylabel(frame.unit)
    plain_numbers(axes.yaxis)
    legend(axes)
    both = "is better in both" if is_judged(summary) else "has more of both"
    frame.takeaway = f"No other strategy {both} than {alternatives([known[k][2] for k in best])}."
    frame.notes.append(f"95 % intervals of each strategy alone; full marks: no other {both}")


def alternatives(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" (and {len(names) - 4} more)" if len(names) > 4 else ""
    return f"{' or '.join(names[:4])}{more}"


def share_axis(axes: Axes) -> None:
    """Shares of orders on time along the bottom, not beyond all of them."""
    left, right = axes.get_xlim()
    axes.set_xlim(left, min(right, 1 + 0.02 * (1 - left)) if left < 1 else right)
    axes.set_xlabel("orders delivered on time (OTDR)")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))


def _strategies(frame: StudyFrame) -> list[dict[str, Any]]:
    return list(frame.run.summary["strategies"])[:_MOST_ROWS]


def _interval(strategy: dict[str, Any], path: str) -> dict[str, float] | None:
    found = strategy["intervals"].get(path)
    return found if found and found["mean"] is not None else None


def _arms(found: dict[str, float]) -> list[list[float]]:
    low, high = metric(found, "low"), metric(found, "high")
    return [[0.0], [0.0]] if low is None else [[found["mean"] - low], [high - found["mean"]]]


def front(points: list[tuple[float, float]]) -> list[int]:
    """Numbers of the points that no other one beats in one of both and matches in the other."""
    return [k for k, (x, y) in enumerate(points) if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in points)]


def draw_fans(frame: StudyFrame) -> None:
    """Units on hand and orders waiting for the carrier over time: median and middle 90 % of the replications."""
    fans = frame.run.summary["fans"]
    frame.title = "Stock and backlog over time"
    names = [each["name"] for each in _strategies(frame)][:_MOST_FANS]
    axes = frame.rows([2.4, 2.4])
    for panel, (what, label) in zip(axes, (("on_hand", "units on hand"), ("backlog", "orders paid, not collected")),
                                    strict=True):  # fmt: skip
        for k, name in enumerate(names):
            rows = fans[what][name]
            times = [point * fans["step_s"] for point in range(len(rows[0]))]
            colour = COLOURS[k % len(COLOURS)]
            panel.fill_between(times, rows[0], rows[-1], color=colour, alpha=0.15, linewidth=0)
            panel.plot(times, rows[len(rows) // 2], color=colour, label=name_text(name, 30))
        count_axis(panel, label)
        frame.time_axis(panel, Window(0, round(frame.run.summary["horizon_s"])), labelled=panel is axes[-1])
    legend(axes[0])
    peaks = {name: max(fans["backlog"][name][len(fans["shares"]) // 2]) for name in names}
    worst = max(peaks, key=lambda name: peaks[name])
    frame.takeaway = f"The longest median backlog has {worst}: {count(peaks[worst])} orders."
    rest = len(frame.run.summary["strategies"]) - len(names)
    frame.notes.append(
        "line: median; band: middle 90 % of the replications" + (f"; {rest} more not drawn" if rest else "")
    )


DRAWINGS = {"differences": draw_differences, "pareto": draw_pareto, "fans": draw_fans}
