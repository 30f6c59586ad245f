"""The waterfall from gross sales to contribution."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from sim.reports.figures.frame import BAD, COLOURS, GOOD, INK, SOFT, Frame
from sim.reports.words import CONTRIBUTION_LINES, amount, count, major, metric, money, percent

_GAIN, _LOSS, _SUM = COLOURS[2], BAD, GOOD
_NET_AFTER = "refunded_sales_minor"


class _Bar(NamedTuple):
    name: str
    start: float
    change: float
    colour: str


def draw_money(frame: Frame) -> None:
    """One bar a line of the contribution, top down; sums in blue."""
    metrics, currency = frame.run.metrics, frame.run.currency
    frame.title = f"Money: from gross sales to contribution ({currency})"
    lines = metrics.get("contribution") or {}
    bars = _bars(lines)
    if not any(bar.change for bar in bars):
        frame.takeaway = "No money moved in this run."
        frame.empty("no money")
        return
    axes = frame.rows([0.3 * len(bars) + 0.5])[0]
    _draw_bars(axes, bars, currency)
    frame.takeaway = _takeaway(frame, lines)


def _bars(lines: dict[str, Any]) -> list[_Bar]:
    known = [*CONTRIBUTION_LINES, *sorted(set(lines) - set(CONTRIBUTION_LINES))]
    bars, level, net_shown = [], 0.0, False
    for key in known:
        value = lines.get(key) or 0
        if value:
            name = CONTRIBUTION_LINES.get(key, key.removesuffix("_minor").replace("_", " "))
            colour = _SUM if key == "gross_sales_minor" else _GAIN if value > 0 else _LOSS
            bars.append(_Bar(name, level, value, colour))
            level += value
        if key == _NET_AFTER and len(bars) > 1 and not net_shown:
            bars.append(_Bar("= net sales", 0.0, level, _SUM))
            net_shown = True
    return [*bars, _Bar("= contribution", 0.0, level, _SUM)]


def _draw_bars(axes: Axes, bars: list[_Bar], currency: str) -> None:
    ends = [value for bar in bars for value in (bar.start, bar.start + bar.change)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low or 1) * 0.01
    halo = withStroke(linewidth=3, foreground="white")  # keeps an amount apart from the line at 0
    for row, bar in enumerate(bars):
        left, right = sorted((bar.start, bar.start + bar.change))
        axes.barh(row, right - left, left=left, height=0.7, color=bar.colour)
        is_sum = bar.colour == _SUM
        axes.text(right + room, row, amount(bar.change, currency, sign=not is_sum), va="center", fontsize=8,
                  fontweight="bold" if is_sum else "normal", color=INK, path_effects=[halo])  # fmt: skip
        if row + 1 < len(bars) and bars[row + 1].start == bar.start + bar.change and not is_sum:
            axes.plot([bar.start + bar.change] * 2, [row, row + 1], color=SOFT, linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if bar.colour == _SUM else "normal")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(low - 0.02 * (high - low), high + 0.14 * (high - low))
    axes.xaxis.set_major_formatter(lambda value, _: count(major(value, currency)))
    axes.set_xlabel(currency)
    axes.grid(False, axis="y")
    kinds = [Patch(color=_SUM, label="sum"), Patch(color=_GAIN, label="gain"), Patch(color=_LOSS, label="cost")]
    axes.legend(handles=kinds, loc="lower right")


def _takeaway(frame: Frame, lines: dict[str, Any]) -> str:
    metrics, currency = frame.run.metrics, frame.run.currency
    total = metric(metrics, "contribution_minor")
    if total is None:
        total = sum(lines.values())
    net = sum(lines.get(key) or 0 for key in list(CONTRIBUTION_LINES)[: list(CONTRIBUTION_LINES).index(_NET_AFTER) + 1])
    text = f"Contribution {money(total, currency)}"
    if net > 0:
        text += f", {percent(total / net)} of net sales"
    costs = {key: value for key, value in lines.items() if value < 0 and key not in list(CONTRIBUTION_LINES)[:4]}
    if costs:
        key = min(costs, key=lambda name: (costs[name], name))
        text += f"; the largest cost is {CONTRIBUTION_LINES.get(key, key)}: {money(-costs[key], currency)}"
    interval = (frame.run.summary.get("intervals") or {}).get("contribution_minor") or {}
    if interval.get("low") is not None and interval.get("high") is not None:
        text += (
            f". Mean of {count(interval['n'])} replications {money(interval['mean'], currency)}, 95 % interval "
            f"{amount(interval['low'], currency)} to {amount(interval['high'], currency)}"
        )
    return text + "."
