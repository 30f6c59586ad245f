"""The tornado: what each step of a default does to contribution, the largest on top."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from sim.reports.figures.frame import COLOURS, INK, SOFT, Frame, name_text, plain_numbers
from sim.reports.figures.frame import OTHER as GREY
from sim.reports.review.explain_text import explain_sentence
from sim.reports.run_files import Run
from sim.reports.words import amount, major, plural, shortened

_LOWER, _HIGHER, _OTHER = COLOURS[4], COLOURS[0], COLOURS[3]


class TornadoFrame(Frame):
    """A frame that knows a review with what `--explain` found; its footer tells of all replications."""

    def __init__(self, run: Run, review: dict[str, Any]) -> None:
        super().__init__(run)
        self.review = review

    def footer(self) -> str:
        """Which run this is, and in how many replications the defaults were changed."""
        summary, number = self.run.summary, self.review["explain"]["replications"]
        parts = [f"scenario {summary['scenario']}", f"seed {summary['seed']}", plural(number, "replication")]
        return "  ·  ".join([*parts, *self.notes])


def draw_tornado(frame: TornadoFrame) -> None:
    """A row a default, a bar a step of it, with the 95 % interval of the paired difference."""
    found, currency = frame.review["explain"], frame.run.currency
    frame.title = f"Defaults that move contribution most ({currency})"
    frame.takeaway = explain_sentence(frame.review)
    rows = found["values"]
    if not rows:
        frame.empty("nothing moves")
        return
    axes = frame.rows([0.52 * len(rows) + 0.7])[0]
    ends = [0.0]
    for number, row in enumerate(rows):
        height = 0.76 / len(row["steps"])
        for k, step in enumerate(row["steps"]):
            at = number - 0.38 + height * (k + 0.5)
            ends += _draw_step(axes, at, height, step, _colour(row, k), currency)
    axes.axvline(0, color=INK, linewidth=0.8)
    low, high = min(ends), max(ends)
    axes.set_xlim(low - 0.27 * (high - low), high + 0.27 * (high - low))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"change of contribution, {currency}: mean and 95 % interval")
    plain_numbers(axes.xaxis)
    frame.notes.append("at each bar the value in the default's place; grey: not told from no change")


def _colour(row: dict[str, Any], k: int) -> str:
    step = row["steps"][k]
    if step["low"] is not None and step["low"] <= 0 <= step["high"]:
        return GREY
    return (_LOWER, _HIGHER)[k] if len(row["steps"]) == 2 else _OTHER


def _label(row: dict[str, Any]) -> str:
    places = f" ×{row['places']}" if row["places"] > 1 else ""
    return f"{name_text(row['path'], 44)}{places}\n= {shortened(row['value'], 30)}"


def _draw_step(
    axes: Axes, at: float, height: float, step: dict[str, Any], colour: str, currency: str
) -> tuple[float, float]:
    """One bar; returns how far it reaches to either side."""
    mean = major(step["mean"], currency)
    low, high = (mean if step[key] is None else major(step[key], currency) for key in ("low", "high"))
    axes.barh(at, mean, height * 0.86, color=colour)
    axes.plot([low, high], [at, at], color=INK, linewidth=1)
    right = mean >= 0
    text = f"{shortened(step['value'], 22)}: {amount(step['mean'], currency, sign=True)}"
    axes.annotate(text, (max(high, 0) if right else min(low, 0), at), xytext=(4 if right else -4, 0),
                  textcoords="offset points", ha="left" if right else "right", va="center", fontsize=7.5,
                  color=SOFT)  # fmt: skip
    return min(low, 0.0), max(high, 0.0)
