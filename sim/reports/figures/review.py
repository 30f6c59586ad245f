"""Figures of a review: what each group sold and leaves, what a thousand views of it earn, and whom it turned away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from sim.reports.figures.frame import BAD, COLOURS, FAINT, GOOD, INK, OTHER, Frame, legend, name_text, plain_numbers
from sim.reports.run_files import Run
from sim.reports.words import amount, count, major, money, percent

_MOST = 16
_REFUSALS = (
    ("sold out", "sold_out", BAD),
    ("deal sold out", "deal_sold_out", COLOURS[1]),
    ("engine", "failed", "#6B1A00"),
)
_WORDS = {"content": "contents", "listing": "listings", "sku": "SKUs", "region": "regions", "hour": "hours of the day"}


class ReviewFrame(Frame):
    """A frame that knows the review it draws, and one of its groupings."""

    def __init__(self, run: Run, review: dict[str, Any], by: str) -> None:
        super().__init__(run)
        self.review = review
        self.by = by


def draw_groups(frame: ReviewFrame) -> None:
    """Bars side by side: GMV and contribution; GMV per thousand views; carts that were turned away."""
    review, by = frame.review, frame.by
    every = review["groups"][by]
    largest = sorted(every, key=lambda row: (-row["gmv_minor"], -row["refused"] - row["failed"]))[:_MOST]
    rows = [row for row in every if row in largest]
    frame.title = f"What {_WORDS[by]} sold, earned and turned away"
    if not any(row["going"] for row in rows):
        frame.takeaway = "Nobody went to checkout in this run."
        frame.empty("no orders")
        return
    measured = any(row["gpm_minor"] is not None for row in rows)
    axes = frame.columns([2.7, 1.9, 1.6] if measured else [3.6, 2.2], 0.36 * len(rows) + 0.9)
    names = [name_text(row["name"], 26) for row in rows]
    _draw_money(axes[0], rows, frame)
    if measured:
        _draw_gpm(axes[1], rows, frame)
    _draw_refusals(axes[-1], rows)
    for k, panel in enumerate(axes):
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_yticks(range(len(rows)), names if k == 0 else [""] * len(rows))
        panel.tick_params(axis="y", length=0, labelcolor=INK)
        panel.grid(False, axis="y")
    frame.takeaway = _takeaway(frame, every)
    if by == "hour":
        frame.notes.append(f"hours in {review['zone']}")
    if len(every) > len(rows):
        frame.notes.append(f"{len(every) - len(rows)} of less GMV left out")


def _draw_money(axes: Axes, rows: Sequence[dict[str, Any]], frame: ReviewFrame) -> None:
    currency = frame.run.currency
    axes.barh(range(len(rows)), [major(row["gmv_minor"], currency) for row in rows], 0.74, color=OTHER, label="GMV")
    left = [major(row["contribution_minor"], currency) for row in rows]
    colours = [GOOD if value >= 0 else BAD for value in left]
    axes.barh(range(len(rows)), left, 0.4, color=colours, label="contribution")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_title(f"GMV (grey) and contribution, {currency}")
    _plain_numbers(axes)


def _draw_gpm(axes: Axes, rows: Sequence[dict[str, Any]], frame: ReviewFrame) -> None:
    currency = frame.run.currency
    known = [(k, major(row["gpm_minor"], currency)) for k, row in enumerate(rows) if row["gpm_minor"] is not None]
    axes.hlines([k for k, _ in known], 0, [value for _, value in known], color=FAINT, linewidth=2)
    axes.plot([value for _, value in known], [k for k, _ in known], "o", color=COLOURS[2], markersize=6)
    axes.set_xlim(0, max([value for _, value in known], default=1) * 1.08 or 1)
    pages = frame.by in ("listing", "sku")
    axes.set_title(f"GMV per 1,000 {'page ' if pages else ''}views")
    _plain_numbers(axes)


def _draw_refusals(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    start = [0] * len(rows)
    parts = [(name, [row[key] for row in rows], colour) for name, key, colour in _REFUSALS]
    known = [sum(row[key] for _, key, _ in _REFUSALS) for row in rows]
    rest = [row["refused"] + row["failed"] - some for row, some in zip(rows, known, strict=True)]
    for name, values, colour in [*parts, ("other", rest, OTHER)]:
        if any(values):
            axes.barh(range(len(rows)), values, 0.6, left=start, color=colour, label=name)
            start = [a + b for a, b in zip(start, values, strict=True)]
    axes.set_xlim(0, max(start) * 1.08 or 1)
    axes.set_title("carts turned away")
    _plain_numbers(axes)
    legend(axes)


def _plain_numbers(axes: Axes) -> None:
    plain_numbers(axes.xaxis)
    axes.locator_params(axis="x", nbins=4)


def _takeaway(frame: ReviewFrame, rows: Sequence[dict[str, Any]]) -> str:
    currency, total = frame.run.currency, frame.review["totals"]
    best = max(rows, key=lambda row: row["gmv_minor"])
    name = name_text(best["name"], 40)
    text = f"{name}: {percent(best['gmv_minor'] / total['gmv_minor'])} of GMV" if total["gmv_minor"] else "No GMV"
    left = max(rows, key=lambda row: row["contribution_minor"])
    text += f"; most contribution: {name_text(left['name'], 40)}, {money(left['contribution_minor'], currency)}"
    away = max(rows, key=lambda row: row["refused"] + row["failed"])
    if away["refused"] + away["failed"]:
        number = count(away["refused"] + away["failed"])
        lost = frame.review["lost_to_stockouts_minor"]
        text += f"; most were turned away at {name_text(away['name'], 40)}: {number} carts"
        text += f". Stockouts cost about {amount(lost, currency)} {currency} in all" if lost else ""
    return f"{text}."
