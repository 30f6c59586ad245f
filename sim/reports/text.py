"""The summary of a run as `liverush simulate` prints it: verdicts and money first, then orders, times, parcels, stock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.reports.words import (
    CONTRIBUTION_LINES,
    NO_VALUE,
    amount,
    count,
    duration,
    metric,
    milliseconds,
    money,
    percent,
    plural,
    reason_name,
    share_of,
    shortened,
    width,
)
from sim.scenario.units import US_PER_S

Cells = list[str]
Show = Callable[[float | None], str]
_ENDPOINTS = ("checkout", "payment", "confirmation")
_PERCENTILES = (("p50", "p50_us"), ("p95", "p95_us"), ("p99", "p99_us"), ("p99.9", "p99_9_us"), ("max", "max_us"))
_ORDER_STEPS = (
    ("intents to buy", "intents"),
    ("went to checkout", "orders_going"),
    ("placed", "orders_placed"),
    ("paid", "orders_paid"),
    ("confirmed", "orders_confirmed"),
    ("collected by the carrier", "orders_collected"),
    ("delivered", "orders_delivered"),
)
_AFTER = (
    ("not paid in time", "orders_expired"),
    ("paid too late, refunded", "orders_late_payment"),
    ("cancelled by the buyer", "orders_cancelled_by_buyer"),
    ("not confirmed", "orders_not_confirmed"),
    ("lost by the carrier", "orders_lost"),
    ("returned", "orders_returned"),
    ("refunded, not returned", "orders_refund_only"),
)
_NAME_COLUMNS = 32


def summary_text(summary: dict[str, Any]) -> str:
    """What summary.json holds, for people: plain text without a trailing line break."""
    page = _Page(summary)
    blocks = [
        page.head(),
        page.money(),
        page.orders(),
        page.refusals(),
        page.after_placing(),
        page.states(),
        page.responses(),
        page.parcels(),
        page.stock(),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


class _Page:
    """The blocks of the text. With several replications every figure comes as mean, 95 % interval and replication 0."""

    def __init__(self, summary: dict[str, Any]) -> None:
        self.summary = summary
        self.metrics: dict[str, Any] = summary["metrics"]
        self.intervals: dict[str, dict[str, float | None]] = summary.get("intervals") or {}
        self.currency: str = summary["currency"]
        self.many = summary["replications"] > 1

    def head(self) -> list[str]:
        """Which run this is, and the verdict of every SLO."""
        start = str(self.summary["start_utc"]).replace("T", " ").replace("+00:00", "").removesuffix("Z")
        start = start.removesuffix(":00") if start.count(":") == 2 else start
        lines = [
            f"{self.summary['scenario']}: seed {self.summary['seed']}, {plural(self.summary['replications'], 'replication')}, "
            f"{start} UTC and {duration(self.summary['horizon_s'] * US_PER_S)} on"
        ]
        lines += self._verdicts()
        if self.many:
            lines += [
                "",
                "Mean of all replications, its 95 % interval, and replication 0, whose tables the run directory holds.",
            ]
        return lines

    def _verdicts(self) -> list[str]:
        rows = []
        for slo in self.metrics.get("slos", []):
            verdict = {True: "SLO MET", False: "SLO MISSED", None: "SLO NOT TESTED"}[slo["met"]]
            limit = duration(slo["at_most_us"])
            rows.append(
                [
                    verdict,
                    f"{slo['endpoint']} p{slo['percentile']:g} <= {limit}",
                    f"{percent(slo['within_share'])} within",
                    f"failed {percent(slo['failed_share'])} (allowed {percent(slo['errors_share'])})",
                ]
                if slo["requests"]
                else [verdict, f"{slo['endpoint']} p{slo['percentile']:g} <= {limit}", "no requests", ""]
            )
        return _columns(rows, "<<><", indent="") or ["no SLO in this scenario"]

    def money(self) -> list[str]:
        """Contribution first, then where it comes from."""
        metrics = self.metrics
        show: Show = lambda minor: amount(minor, self.currency)  # noqa: E731
        gmv = metric(metrics, "gmv_minor")
        contribution = metric(metrics, "contribution_minor")
        rows = [
            self._row("contribution", "contribution_minor", show, f"{share_of(contribution, gmv)} of GMV"),
            self._row("GMV", "gmv_minor", show, self._per_order(gmv)),
            self._row(
                "refunded to buyers",
                "refunded_minor",
                show,
                f"{share_of(metric(metrics, 'refunded_minor'), metric(metrics, 'captured_minor'))} of captured",
            ),
        ]
        if metric(metrics, "margin_lost_to_stockouts_minor"):
            note = "margin of buyers who found it sold out: an estimate, not in the contribution"
            rows.append(self._row("lost to stockouts", "margin_lost_to_stockouts_minor", show, note))
        lines = self._table(f"Money ({self.currency})", rows)
        parts = [
            self._row(
                CONTRIBUTION_LINES.get(key, key), f"contribution.{key}", lambda x: amount(x, self.currency, sign=True)
            )
            for key in sorted(metrics.get("contribution", {}), key=_line_order)
            if metric(metrics, f"contribution.{key}")
        ]
        return [*lines, *(["  of which"] if parts else []), *self._table("", parts, indent="    ")]

    def _per_order(self, gmv: float | None) -> str:
        paid = metric(self.metrics, "orders_paid")
        return f"{money(gmv / paid, self.currency)} an order" if gmv and paid else ""

    def orders(self) -> list[str]:
        """How far the intents came."""
        rows, before = [], None
        for name, path in _ORDER_STEPS:
            value = metric(self.metrics, path)
            note = f"{share_of(value, before)} of the line above" if before else ""
            rows.append(self._row(name, path, count, note))
            before = value
        lines = self._table("Orders", rows)
        fill = metric(self.metrics, "fill_rate_share")
        extra = [self._row("fill rate of units asked for", "fill_rate_share", percent)] if fill is not None else []
        for name, path in (
            ("placed with a second choice", "orders_second_choice"),
            ("served by several warehouses", "orders_split"),
        ):
            if metric(self.metrics, path):
                extra.append(
                    self._row(
                        name,
                        path,
                        count,
                        f"{share_of(metric(self.metrics, path), metric(self.metrics, 'orders_placed'))} of placed",
                    )
                )
        return lines + self._table("", extra)

    def refusals(self) -> list[str]:
        """Intents that never became an order, by reason."""
        reasons = _by_size(self.metrics.get("refusals_by_reason", {}))
        intents = metric(self.metrics, "intents")
        rows = [
            self._row(
                reason_name(reason), f"refusals_by_reason.{reason}", count, f"{share_of(number, intents)} of intents"
            )
            for reason, number in reasons
        ]
        return self._table("Never became an order", rows) if rows else ["Never became an order: none"]

    def after_placing(self) -> list[str]:
        """What went wrong after an order was placed."""
        placed = metric(self.metrics, "orders_placed")
        found = [(name, path, metric(self.metrics, path)) for name, path in _AFTER]
        rows = [
            self._row(name, path, count, f"{share_of(number, placed)} of placed")
            for name, path, number in sorted(found, key=lambda item: -(item[2] or 0))
            if number
        ]
        return self._table("Placed, but", rows) if rows else []

    def states(self) -> list[str]:
        """Where every intent stands at the end, on one line or two."""
        states = {
            key: number for key, number in self.metrics.get("orders_by_state", {}).items() if number and key != "NONE"
        }
        if not states:
            return []
        return _wrapped("At the end", [f"{key} {count(number)}" for key, number in states.items()])

    def responses(self) -> list[str]:
        """Response times of the engine by endpoint."""
        head = ["", "requests", *(name for name, _ in _PERCENTILES), "failed"]
        rows = [head + (["p99: mean, 95 % interval"] if self.many else [])]
        for endpoint in _ENDPOINTS:
            found = metric(self.metrics, f"response.{endpoint}") or {}
            if not found.get("requests"):
                continue
            cells = [endpoint, count(found["requests"]), *(milliseconds(found.get(key)) for _, key in _PERCENTILES)]
            cells.append(percent(found.get("failed_share")))
            if self.many:
                mean, interval = self._interval(f"response.{endpoint}.p99_us", milliseconds)
                cells.append(f"{mean} {interval}".strip())
            rows.append(cells)
        if len(rows) == 1:
            return ["Response times: no requests"]
        title = "Response times (ms), first attempt to answer" + (", replication 0" if self.many else "")
        return [title, *_columns(rows, "<" + ">" * 7 + "<"), *self._engine()]

    def _engine(self) -> list[str]:
        engine = self.metrics.get("engine", {})
        parts = [f"longest queue {plural(engine.get('queue_peak_requests') or 0, 'request')}"]
        for key, words in (("queue_full", "queue full"), ("timed_out", "timed out"), ("crashed", "crashed")):
            if engine.get(f"{key}_attempts"):
                parts.append(f"{words} {plural(engine[f'{key}_attempts'], 'attempt')}")
        declined = metric(self.metrics, "payment.declined_tries")
        if declined:
            parts.append(f"declined by the payment provider {plural(declined, 'try', 'tries')}")
        return ["  " + "; ".join(parts)]

    def parcels(self) -> list[str]:
        """Parcels and the two delivery rates."""
        if not metric(self.metrics, "parcels.made"):
            return []
        late, due = metric(self.metrics, "late_dispatch.orders_late"), metric(self.metrics, "late_dispatch.orders_due")
        good, owed = (metric(self.metrics, f"on_time_delivery.orders_{key}") for key in ("on_time", "due"))
        rows = [
            self._row("late dispatch rate (LDR)", "late_dispatch.ldr_share", percent, f"{count(late)} of {count(due)}"),
            self._row(
                "on-time delivery rate (OTDR)",
                "on_time_delivery.otdr_share",
                percent,
                f"{count(good)} of {count(owed)}",
            ),
            self._row(
                "parcels collected",
                "parcels.collected",
                count,
                f"of {count(metric(self.metrics, 'parcels.packed'))} packed",
            ),
        ]
        for name, path, note in (
            ("carried over", "parcels.carried_over", "in time, but the pick-up had no room; counted each time"),
            ("lost", "parcels.lost", ""),
        ):
            if metric(self.metrics, path):
                rows.append(self._row(name, path, count, note))
        return self._table("Parcels", rows)

    def stock(self) -> list[str]:
        """Stock left, and what is left of the flash deals."""
        on_hand = metric(self.metrics, "stock.on_hand_units")
        had = (metric(self.metrics, "stock.initial_units") or 0) + (metric(self.metrics, "stock.received_units") or 0)
        rows = [
            self._row("left", "stock.left_share", percent, f"{count(on_hand)} of {count(had)} units"),
            self._row("shipped", "stock.shipped_units", count),
        ]
        for name, path in (("received", "stock.received_units"), ("returned to the shelf", "stock.restocked_units")):
            if metric(self.metrics, path):
                rows.append(self._row(name, path, count))
        for deal in self.metrics.get("deals", []):
            sold = deal["units"] - deal["left_units"]
            name = shortened(f"deal {deal['sku']}", _NAME_COLUMNS)
            text = f"{percent(sold / deal['units'], 0)} sold"
            rows.append(
                [name, *(["", "", text] if self.many else [text]), f"{count(sold)} of {count(deal['units'])} units"]
            )
        return self._table("Stock (units)", rows)

    def _row(self, name: str, path: str, show: Show, note: str = "") -> Cells:
        """Name, [mean, interval,] value, note."""
        value = show(metric(self.metrics, path))
        return [name, *self._interval(path, show), value, note] if self.many else [name, value, note]

    def _interval(self, path: str, show: Show) -> tuple[str, str]:
        found = self.intervals.get(path)
        if not found or found.get("mean") is None:
            return NO_VALUE, ""
        low, high = found.get("low"), found.get("high")
        return show(found["mean"]), "" if low is None or high is None else f"[{show(low)} .. {show(high)}]"

    def _table(self, title: str, rows: Sequence[Cells], indent: str = "  ") -> list[str]:
        return ([title] if title else []) + _columns(
            rows, "<>><<" if False else ("<>>><" if self.many else "<><"), indent
        )


def _line_order(key: str) -> int:
    known = list(CONTRIBUTION_LINES)
    return known.index(key) if key in known else len(known)


def _by_size(numbers: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(((key, number) for key, number in numbers.items() if number), key=lambda item: (-item[1], item[0]))


def _columns(rows: Sequence[Cells], sides: str, indent: str = "  ") -> list[str]:
    """Cells padded to columns, `<` left and `>` right."""
    widths = [max((width(row[k]) for row in rows if k < len(row)), default=0) for k in range(len(sides))]
    lines = []
    for row in rows:
        cells = [
            (" " * (widths[k] - width(cell)) + cell) if sides[k] == ">" else cell + " " * (widths[k] - width(cell))
            for k, cell in enumerate(row)
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def _wrapped(title: str, parts: list[str], columns: int = 110) -> list[str]:
    lines = [title + ":"]
    for part in parts:
        if len(lines[-1]) + len(part) > columns:
            lines.append(" ")
        lines[-1] += f" {part},"
    lines[-1] = lines[-1].rstrip(",")
    return lines
