"""The summary of a run as `liverush simulate` prints it.

Verdicts and money first, then orders, response times, parcels, stock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.measure.percentiles import ENOUGH_BEYOND
from sim.operations.responses import ENDPOINTS
from sim.reports.blocks import Block, Cells, plain_text
from sim.reports.objectives import verdicts
from sim.reports.words import (
    CONTRIBUTION_LINES,
    DISPATCH_LIMITS,
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
)
from sim.scenario.units import US_PER_S

Show = Callable[[float | None], str]
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
    ("cancelled too late", "orders_cancel_too_late"),
    ("not confirmed", "orders_not_confirmed"),
    ("lost by the carrier", "orders_lost"),
    ("returned", "orders_returned"),
    ("refunded, not returned", "orders_refund_only"),
)
_LIMIT_VERDICTS = {True: "kept", False: "MISSED", None: "nothing due"}
_NAME_COLUMNS, _VALUE_COLUMNS = 32, 12  # at least, so that the tables stand below each other
_MOST_DEALS = 8


def summary_text(summary: dict[str, Any]) -> str:
    """What summary.json holds, for people: plain text without a trailing line break."""
    return plain_text(summary_blocks(summary))


def summary_blocks(summary: dict[str, Any]) -> list[Block]:
    """The same as tables; the first tells which run it is and the verdicts."""
    page = _Page(summary)
    blocks = (
        page.head(),
        page.money(),
        page.orders(),
        page.refusals(),
        page.after_placing(),
        page.responses(),
        page.parcels(),
        page.limits(),
        page.stock(),
    )
    return [block for block in blocks if block]


class _Page:
    """The blocks of the text. With several replications each figure is told as mean, 95 % interval, replication 0."""

    def __init__(self, summary: dict[str, Any]) -> None:
        self.summary = summary
        self.metrics: dict[str, Any] = summary["metrics"]
        self.intervals: dict[str, dict[str, float | None]] = summary.get("intervals") or {}
        self.currency: str = summary["currency"]
        self.many = summary["replications"] > 1

    def head(self) -> Block:
        """Which run this is, and the verdict of every SLO."""
        summary = self.summary
        start = str(summary["start_utc"])[:16].replace("T", " ")
        length = duration(summary["horizon_s"] * US_PER_S)
        replications = plural(summary["replications"], "replication")
        title = f"{summary['scenario']}: {length} from {start} UTC, seed {summary['seed']}, {replications}"
        rows = verdicts(summary)
        columns = "Columns: mean of the replications, its 95 % interval, replication 0."
        shares = "Objectives are met where they are in every replication; their shares are those of replication 0."
        limits = "Limits: replication 0." if self.metrics.get("dispatch_limits") else ""
        notes = ["", " ".join(filter(None, (columns, limits))), *([shares] if rows else [])] if self.many else []
        return Block(title, rows, "<<><<", notes=notes, indent="")

    def money(self) -> Block:
        """Contribution first, then where it comes from."""
        value = {key: metric(self.metrics, f"{key}_minor") for key in ("gmv", "contribution", "refunded", "captured")}
        paid = metric(self.metrics, "orders_paid")
        each = f"{money(value['gmv'] / paid, self.currency)} an order" if value["gmv"] and paid else ""
        refunded = share_of(value["refunded"], value["captured"])
        rows = [
            self._money_row(
                "contribution", "contribution_minor", f"{share_of(value['contribution'], value['gmv'])} of GMV"
            ),
            self._money_row("GMV", "gmv_minor", each),
            self._money_row("refunded to buyers", "refunded_minor", f"{refunded} of what they paid"),
        ]
        if self._some("margin_lost_to_stockouts_minor"):
            note = "estimate, not in contribution"
            rows.append(self._money_row("lost to stockouts", "margin_lost_to_stockouts_minor", note))
        lines = self.metrics.get("contribution", {})
        parts = [
            self._row(f"  {CONTRIBUTION_LINES.get(key, key)}", f"contribution.{key}", self._signed)
            for key in sorted(lines, key=_line_order)
            if self._some(f"contribution.{key}")
        ]
        return self._table(
            f"Money ({self.currency})", [*rows, *([["contribution is made of"]] if parts else []), *parts]
        )

    def orders(self) -> Block:
        """How far the intents came."""
        rows, before = [], None
        for name, path in _ORDER_STEPS:
            value = metric(self.metrics, path)
            rows.append(self._row(name, path, count, f"{share_of(value, before)} of those" if before else ""))
            before = value
        if metric(self.metrics, "orders_by_state.COMPLETED") is not None:
            note = f"{share_of(metric(self.metrics, 'orders_by_state.COMPLETED'), before)} of those"
            rows.append(self._row("completed", "orders_by_state.COMPLETED", count, note))
        if metric(self.metrics, "fill_rate_share") is not None:
            rows.append(self._row("fill rate", "fill_rate_share", percent, "of units asked for"))
        if self._some("questions.asked"):
            note = f"of {count(metric(self.metrics, 'questions.asked'))} expected in live shows"
            rows.append(self._row("questions answered", "questions.answered_share", percent, note))
        placed = metric(self.metrics, "orders_placed")
        for name, path in (("by second choice", "orders_second_choice"), ("split over warehouses", "orders_split")):
            if self._some(path):
                rows.append(self._row(name, path, count, f"{share_of(metric(self.metrics, path), placed)} of placed"))
        return self._table("Orders", [*rows, *self._waits()])

    def _waits(self) -> list[list[str]]:
        """Orders that waited for stock, where there were any."""
        if not self._some("orders_waited"):
            return []
        placed, mean_h = metric(self.metrics, "orders_placed"), metric(self.metrics, "waits.mean_h")
        share = f"{share_of(metric(self.metrics, 'orders_waited'), placed)} of placed"
        told = f"{share}; served ones after {mean_h:.1f} h on average" if mean_h is not None else share
        rows = [self._row("waited for stock", "orders_waited", count, told)]
        if self._some("orders_not_supplied"):
            rows.append(self._row("of these in vain", "orders_not_supplied", count, "cancelled and refunded"))
        return rows

    def refusals(self) -> Block | None:
        """Intents that never became an order, by reason."""
        reasons: dict[str, int] = self.metrics.get("refusals_by_reason", {})
        intents = metric(self.metrics, "intents")
        rows = [
            self._row(reason_name(key), f"refusals_by_reason.{key}", count, f"{share_of(number, intents)} of intents")
            for key, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
            if self._some(f"refusals_by_reason.{key}")
        ]
        going = metric(self.metrics, "orders_going")
        stayed = (intents or 0) - (going or 0) if going is not None else 0
        if stayed:
            gap = [NO_VALUE, ""] if self.many else []
            rows.insert(0, ["did not go to checkout", *gap, count(stayed), f"{share_of(stayed, intents)} of intents"])
        put_off = metric(self.metrics, "orders_put_off")
        if put_off:
            gap = [NO_VALUE, ""] if self.many else []
            note = f"{share_of(put_off, intents)} of intents"
            rows.insert(1, ["of these for slow checkouts or stockouts", *gap, count(put_off), note])
        return self._table("Never became an order, because", rows) if rows else None

    def after_placing(self) -> Block | None:
        """What went wrong after an order was placed."""
        placed = metric(self.metrics, "orders_placed")
        found = [(name, path, metric(self.metrics, path) or 0) for name, path in _AFTER]
        rows = [
            self._row(name, path, count, f"{share_of(number, placed)} of placed")
            for name, path, number in sorted(found, key=lambda item: -item[2])
            if self._some(path)
        ]
        return self._table("Placed, but", rows) if rows else None

    def responses(self) -> Block | None:
        """Response times of the engine by endpoint."""
        head = ["", "requests", *(name for name, _ in _PERCENTILES), "failed"]
        rows = [head + (["p99: mean and 95 % interval"] if self.many else [])]
        for endpoint in ENDPOINTS:
            found = metric(self.metrics, f"response.{endpoint}") or {}
            if found.get("requests"):
                rows.append([endpoint, count(found["requests"])])
                rows[-1] += [*(milliseconds(found.get(key)) for _, key in _PERCENTILES), percent(found["failed_share"])]
                if self.many:
                    mean, interval = self._interval(f"response.{endpoint}.p99_us", milliseconds)
                    rows[-1].append(f"{mean} ({interval})" if interval else mean)
        if len(rows) == 1:
            return None
        title = "Response times in ms" + (", replication 0" if self.many else "")
        return Block(title, rows, "<" + ">" * 7 + "<", head=True, notes=[*self._dashes(rows), self._engine()])

    def _dashes(self, rows: Sequence[Cells]) -> list[str]:
        """What a dash in the table of response times means, if there is one."""
        some = any(NO_VALUE in row[1:] for row in rows)
        return [f"{NO_VALUE}: fewer than {ENOUGH_BEYOND} answers lie beyond this percentile"] if some else []

    def _engine(self) -> str:
        engine = self.metrics.get("engine", {})
        parts = [f"longest queue {plural(engine.get('queue_peak_requests') or 0, 'request')}"]
        for key, words in (("queue_full", "found the queue full"), ("timed_out", "timed out"), ("crashed", "crashed")):
            if engine.get(f"{key}_attempts"):
                parts.append(f"{plural(engine[f'{key}_attempts'], 'attempt')} {words}")
        declined = metric(self.metrics, "payment.declined_tries")
        if declined:
            parts.append(f"{plural(declined, 'payment try', 'payment tries')} declined")
        return ", ".join(parts)

    def parcels(self) -> Block | None:
        """Parcels and the two delivery rates."""
        if not metric(self.metrics, "parcels.made"):
            return None
        late, due = (metric(self.metrics, f"late_dispatch.orders_{key}") for key in ("late", "due"))
        good, owed = (metric(self.metrics, f"on_time_delivery.orders_{key}") for key in ("on_time", "due"))
        packed = metric(self.metrics, "parcels.packed")
        rows = [
            self._row("late dispatch rate (LDR)", "late_dispatch.ldr_share", percent, _of(late, due, "order")),
            self._row("on-time delivery rate (OTDR)", "on_time_delivery.otdr_share", percent, _of(good, owed, "order")),
            self._row("collected", "parcels.collected", count, f"of {count(packed)} packed"),
        ]
        if self._some("parcels.carried_over"):
            note = "times a pick-up was full"
            rows.append(self._row("carried over", "parcels.carried_over", count, note))
        if self._some("parcels.lost"):
            rows.append(self._row("lost", "parcels.lost", count))
        gap = ["", ""] if self.many else []
        for row in self.metrics.get("carriers", []):
            name = shortened(f"by {row['carrier'] or 'its carrier'}, {row['warehouse']}", _NAME_COLUMNS)
            note = f"of {count(row['capacity_parcels'])} that it could take" if row["capacity_parcels"] else ""
            rows.append([name, *gap, count(row["collected"]), note])
        if self._some("orders_auto_cancelled"):
            rows.append(
                self._row("cancelled by the platform", "orders_auto_cancelled", count, "orders too late for it")
            )
        if metric(self.metrics, "overtime.called") is not None:
            wages = amount(metric(self.metrics, "overtime.wages_minor"), self.currency)
            called = plural(metric(self.metrics, "overtime.called") or 0, "time")
            rows.append(self._row("overtime, hours", "overtime.hours", count, f"called {called}, wages {wages}"))
        return self._table("Parcels", rows)

    def limits(self) -> Block | None:
        """The platform's limits, and which of them are missed."""
        limits = self.metrics.get("dispatch_limits", [])
        if not limits:
            return None
        gap = ["", ""] if self.many else []
        rows = [
            [
                f"{DISPATCH_LIMITS[row['limit']]} {percent(row['limit_share'])}",
                *gap,
                _LIMIT_VERDICTS[row["met"]],
                f"{percent(row['found_share'])} found",
            ]
            for row in limits
        ]
        if any(row["met"] is False for row in limits) and self.metrics.get("dispatch_penalties"):
            rows.append(["the platform may act", *gap, "", ", ".join(self.metrics["dispatch_penalties"])])
        return self._table(f"Limits: {self.metrics.get('dispatch_rules') or 'of the scenario'}", rows)

    def stock(self) -> Block:
        """Stock left, and what is left of the flash deals."""
        stock = self.metrics.get("stock", {})
        had = (stock.get("initial_units") or 0) + (stock.get("received_units") or 0)
        rows = [self._row("left at the end", "stock.left_share", percent, _of(stock.get("on_hand_units"), had, "unit"))]
        for name in ("shipped", "received", "restocked"):
            if self._some(f"stock.{name}_units"):
                rows.append(self._row(f"{name} units", f"stock.{name}_units", count))
        if self._some("stock.ordered_units"):
            rows.append(self._row("ordered units", "stock.ordered_units", count, self._orders_to_suppliers(stock)))
        rows += self._deals(self.metrics.get("deals", []))
        return self._table("Stock", rows)

    def _orders_to_suppliers(self, stock: dict[str, Any]) -> str:
        """In how many orders, and how much of it in a hurry."""
        said = f"in {plural(stock.get('orders_to_suppliers') or 0, 'order')}"
        hasty = stock.get("emergency_units") or 0
        return said + (f", {plural(hasty, 'unit')} from the emergency supplier" if hasty else "")

    def _some(self, path: str) -> bool:
        """Whether there is any of it, in replication 0 or another."""
        return bool(metric(self.metrics, path) or (self.many and (self.intervals.get(path) or {}).get("mean")))

    def _deals(self, deals: list[dict[str, Any]]) -> list[Cells]:
        """A row a flash deal, or one for all of them where they are many."""
        shows = {deal["broadcast"] for deal in deals}
        named = [(f"deal on {d['sku']}" + (f", {d['broadcast']}" if len(shows) > 1 else ""), d) for d in deals]
        if len(deals) > _MOST_DEALS:
            total = {key: sum(deal[key] for deal in deals) for key in ("units", "left_units")}
            named = [(f"{len(deals)} flash deals", total)]
        rows = []
        for name, deal in named:
            sold = deal["units"] - deal["left_units"]
            gap = ["", ""] if self.many else []
            note = f"{_of(sold, deal['units'], 'unit')} sold"
            rows.append([shortened(name, _NAME_COLUMNS), *gap, share_of(sold, deal["units"]), note])
        return rows

    def _money_row(self, name: str, path: str, note: str) -> Cells:
        return self._row(name, path, lambda minor: amount(minor, self.currency), note)

    def _signed(self, minor: float | None) -> str:
        return amount(minor, self.currency, sign=True)

    def _row(self, name: str, path: str, show: Show, note: str = "") -> Cells:
        """Name, [mean, interval,] value, note."""
        value = show(metric(self.metrics, path))
        return [name, *self._interval(path, show), value, note] if self.many else [name, value, note]

    def _interval(self, path: str, show: Show) -> tuple[str, str]:
        found = self.intervals.get(path)
        if not found or found.get("mean") is None:
            return NO_VALUE, ""
        low, high = found.get("low"), found.get("high")
        return show(found["mean"]), "" if low is None or high is None else f"{show(low)} .. {show(high)}"

    def _table(self, title: str, rows: Sequence[Cells]) -> Block:
        values = (_VALUE_COLUMNS, 2 * _VALUE_COLUMNS, _VALUE_COLUMNS) if self.many else (_VALUE_COLUMNS,)
        return Block(title, rows, "<" + ">" * len(values) + "<", least=(_NAME_COLUMNS, *values))


def _of(part: float | None, whole: float | None, what: str) -> str:
    return f"{count(part)} of {plural(whole or 0, what)}"


def _line_order(key: str) -> int:
    known = list(CONTRIBUTION_LINES)
    return known.index(key) if key in known else len(known)
