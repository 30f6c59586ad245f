"""The funnel from intents to completed orders, and what became of the others."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from sim.orders.states import FAILURES, State
from sim.reports.figures.frame import BAD, GOOD, INK, SOFT, WARN, Frame
from sim.reports.words import count, metric, percent, plural, reason_name, share_of

_STEPS = (
    ("intents to buy", "intents"),
    ("went to checkout", "orders_going"),
    ("placed", "orders_placed"),
    ("paid", "orders_paid"),
    ("confirmed", "orders_confirmed"),
    ("collected", "orders_collected"),
    ("delivered", "orders_delivered"),
    ("completed", "orders_by_state.COMPLETED"),
    ("kept and paid for", ""),
)
_AFTER = (
    ("EXPIRED", "orders_expired"),
    ("paid too late, refunded", "orders_late_payment"),
    ("BUYER_CANCELLED", "orders_cancelled_by_buyer"),
    ("NOT_CONFIRMED", "orders_not_confirmed"),
    ("AUTO_CANCELLED", "orders_auto_cancelled"),
    ("NOT_SUPPLIED", "orders_not_supplied"),
    ("LOST", "orders_lost"),
    ("RETURNED", "orders_returned"),
    ("REFUNDED", "orders_refund_only"),
)
_ENGINE = frozenset(reason.name for reason in FAILURES)
_STAYED = "did not go to checkout"
_STOCK, _LATER, _MIND = "#0072B2", "#CC79A7", "#B8B8B8"
_MOST_REASONS = 14
_ENDED = (State.NONE, State.COMPLETED, State.CANCELLED)


def draw_funnel(frame: Frame) -> None:
    """Steps on the left, reasons for what was lost on the right."""
    metrics = frame.run.metrics
    frame.title = "From intent to completed order, and why the others fell out"
    if not metric(metrics, "intents"):
        frame.takeaway = "Nobody wanted to buy in this run."
        frame.empty("no intents")
        return
    steps = _steps(metrics)
    losses = _losses(metrics)
    left, right = frame.columns([1.15, 1.0], 0.42 * max(len(steps), len(losses)) + 0.7)
    rows = max(len(steps), len(losses))
    _draw_steps(left, steps, rows)
    _draw_losses(right, losses, rows, float(metric(metrics, "intents")))
    frame.takeaway = _takeaway(metrics, steps, losses)


def _steps(metrics: dict[str, Any]) -> list[tuple[str, int]]:
    values = [(name, metric(metrics, path) or 0) for name, path in _STEPS if path]
    back = sum(metric(metrics, path) or 0 for path in ("orders_returned", "orders_refund_only"))
    return [*values, (_STEPS[-1][0], max(values[-1][1] - back, 0))]


def _losses(metrics: dict[str, Any]) -> list[tuple[str, int, str, str]]:
    """Reason, number, colour, kind; largest first within its kind."""
    stayed = (metric(metrics, "intents") or 0) - (metric(metrics, "orders_going") or 0)
    found = [(0, _STAYED, stayed, _MIND, "before checkout")]
    for reason, number in (metrics.get("refusals_by_reason") or {}).items():
        if reason == "NOT_GOING":
            continue
        if reason in _ENGINE:
            found.append((2, reason_name(reason), number, BAD, "failed at checkout (engine)"))
        else:
            found.append((1, reason_name(reason), number, _STOCK, "refused at checkout"))
    for reason, path in _AFTER:
        late = path in ("orders_lost", "orders_returned", "orders_refund_only")
        kind, colour = ("after collection", _LATER) if late else ("after the order was placed", WARN)
        found.append(
            (
                4 if late else 3,
                reason_name(reason) if reason.isupper() else reason,
                metric(metrics, path) or 0,
                colour,
                kind,
            )
        )
    found = sorted((row for row in found if row[2]), key=lambda row: (row[0], -row[2], row[1]))
    return [row[1:] for row in found[:_MOST_REASONS]]


def _draw_steps(axes: Axes, steps: list[tuple[str, int]], rows: int) -> None:
    whole, before = steps[0][1], None
    for row, (_, number) in enumerate(steps):
        axes.barh(row, number, height=0.7, color=GOOD, alpha=0.9)
        share = f"{percent(number / whole)} of intents" if row else ""
        step = f"{share_of(number, before)} of the step before" if before and row > 1 else ""
        inside = number > 0.62 * whole
        at, side = (number - 0.012 * whole, "right") if inside else (number + 0.012 * whole, "left")
        text = f"{count(number)}" + (f"   {share}" if share else "")
        colours = ("white", "white") if inside else (INK, SOFT)
        axes.text(at, row - (0.14 if step else 0), text, ha=side, va="center", fontsize=8, color=colours[0])
        axes.text(at, row + 0.17, step, ha=side, va="center", fontsize=7, color=colours[1])
        before = number
    _bare(axes, [name for name, _ in steps], rows, whole)
    axes.set_title("How far they came (orders)")


def _draw_losses(axes: Axes, losses: list[tuple[str, int, str, str]], rows: int, whole: float) -> None:
    most, seen = max((number for _, number, _, _ in losses), default=1), set()
    for row, (_, number, colour, kind) in enumerate(losses):
        axes.barh(row, number, height=0.7, color=colour, label=None if kind in seen else kind)
        axes.text(number + 0.015 * most, row, f"{count(number)}   {percent(number / whole)}", va="center", fontsize=8)
        seen.add(kind)
    _bare(axes, [name for name, *_ in losses], rows, most * 1.3)
    axes.set_title("Why the others did not (orders, share of intents)" if losses else "Nobody fell out")
    if seen:
        axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.01), ncols=2, fontsize=7.5, columnspacing=1.2)


def _bare(axes: Axes, names: list[str], rows: int, right: float) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(0, right)
    axes.set_xticks([])
    axes.grid(False)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines["bottom"].set_visible(False)


def _takeaway(metrics: dict[str, Any], steps: list[tuple[str, int]], losses: list[tuple[str, int, str, str]]) -> str:
    whole, kept = steps[0][1], steps[-1][1]
    placed, kept_share = percent(steps[2][1] / whole), percent(kept / whole)
    text = f"Of {plural(whole, 'intent')} {placed} became orders and {kept_share} were kept"
    losses = [row for row in losses if row[0] != _STAYED]
    if losses:
        name, number, *_ = max(losses, key=lambda row: row[1])
        text += f"; after checkout most fell out as “{name}”: {count(number)}"
    under_way = sum(metric(metrics, f"orders_by_state.{state.name}") or 0 for state in State if state not in _ENDED)
    return text + (f"; {count(under_way)} are still under way at the end." if under_way else ".")
