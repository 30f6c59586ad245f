"""Numbers and names as people read them: money, shares, times, reasons. Shared by the text and the figures."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from sim.scenario.units import US_PER_H, US_PER_MIN, US_PER_S, minor_digits

#: Of an objective that was met, missed, or of which nothing came.
SLO_WORDS = {True: "SLO MET", False: "SLO MISSED", None: "SLO NOT TESTED"}
NO_VALUE = "-"
REASONS = {
    "NOT_GOING": "changed their mind",
    "OFF_SHELF": "off the shelf",
    "DEAL_CLOSED": "deal closed",
    "DEAL_SOLD_OUT": "deal sold out",
    "PURCHASE_LIMIT": "over the deal's limit per buyer",
    "SOLD_OUT": "sold out",
    "ENGINE_BUSY": "engine's queue full",
    "ENGINE_TIMEOUT": "engine too slow",
    "ENGINE_CRASHED": "engine crashed",
    "EXPIRED": "not paid in time",
    "BUYER_CANCELLED": "cancelled by the buyer",
    "NOT_CONFIRMED": "not confirmed",
    "LOST": "lost by the carrier",
    "RETURNED": "returned",
    "REFUNDED": "refunded, not returned",
    "NOT_SUPPLIED": "waited for stock in vain",
    "AUTO_CANCELLED": "too late, cancelled by the platform",
}
DISPATCH_LIMITS = {
    "ldr_at_most": "LDR at most",
    "ldr_enforced_above": "LDR enforced above",
    "otdr_at_least": "OTDR at least",
    "vtr_at_least": "valid tracking at least",
    "sfcr_at_most": "seller-fault cancels at most",
}
#: What the rules of the audits say, in short; sentences are in docs/engine.md, load-your-own.md and load.md.
AUDIT_RULES = {
    "S1": "no SKU is oversold",
    "S2": "stock is what came less what went",
    "S3": "kept units are those of the orders",
    "S4": "no flash deal is oversold",
    "S5": "nobody is refused what is there",
    "M1": "each order is captured once, its total",
    "M2": "the books balance",
    "M3": "no more is refunded than was captured",
    "M4": "no capture without an order",
    "O1": "no acknowledged order is lost",
    "O2": "a key makes one order",
    "O3": "orders went only allowed ways",
    "O4": "late and cancelled money went back",
    "O5": "no order that nobody asked for",
    "P1": "the provider tells the same captures",
    "E1": "events have no gap",
    "T1": "nothing is unpaid after its time",
}
CONTRIBUTION_LINES = {
    "gross_sales_minor": "gross sales",
    "deal_discounts_minor": "flash-deal discounts",
    "seller_vouchers_minor": "vouchers paid by the seller",
    "refunded_sales_minor": "refunded sales",
    "platform_commission_minor": "platform commission",
    "creator_commission_minor": "creator commission",
    "payment_fees_minor": "payment fees",
    "goods_sold_minor": "cost of goods sold",
    "goods_written_off_minor": "goods written off",
    "pick_pack_minor": "pick and pack",
    "freight_minor": "freight",
    "returns_minor": "returns: freight, handling",
    "late_dispatch_minor": "late-dispatch penalties",
    "moderators_minor": "moderators' wages",
    "holding_minor": "holding stock",
    "replenishment_minor": "replenishment orders",
    "goods_left_minor": "cost of stock left",
    "salvage_minor": "salvage of stock left",
}


def reason_name(reason: str) -> str:
    """`SOLD_OUT` -> `sold out`."""
    return REASONS.get(reason.upper(), reason.replace("_", " ").lower())


def count(value: float | None) -> str:
    """1234567 -> `1,234,567`; a mean that is not whole keeps one decimal; None is `-`."""
    if value is None:
        return NO_VALUE
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.1f}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.0312 -> `3.1 %`; what is not quite all or nothing never reads as 100 % or 0 %."""
    if share is None:
        return NO_VALUE
    if share in (0, 1):
        return f"{share * 100:.0f} %"
    text, least = f"{share * 100:.{digits}f}", 10.0**-digits
    if 0 < share and float(text) == 0:
        return f"<{least:.{digits}f} %"
    if share < 1 and float(text) == 100:
        return f">{100 - least:.{digits}f} %"
    return f"{text} %"


def share_of(part: float | None, whole: float | None) -> str:
    """`part / whole` as a percentage, `-` where that means nothing."""
    return NO_VALUE if part is None or not whole else percent(part / whole)


def money(minor: float | None, currency: str, *, sign: bool = False) -> str:
    """1290, `GBP` -> `12.90 GBP`; with `sign`, a plus before gains."""
    return NO_VALUE if minor is None else f"{amount(minor, currency, sign=sign)} {currency}"


def amount(minor: float | None, currency: str, *, sign: bool = False) -> str:
    """1290, `GBP` -> `12.90`: money where the currency stands elsewhere."""
    if minor is None:
        return NO_VALUE
    digits = minor_digits(currency)
    return f"{minor / 10**digits:{'+' if sign else ''},.{digits}f}"


def major(minor: float, currency: str) -> float:
    """Minor units as a number of the currency, for axes."""
    return float(minor / 10 ** minor_digits(currency))


def milliseconds(time_us: float | None) -> str:
    """12345 -> `12.3`: for columns headed ms."""
    if time_us is None:
        return NO_VALUE
    value = time_us / 1000
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def duration(time_us: float) -> str:
    """A length of time with the unit that suits it: `250 us`, `12.3 ms`, `3.20 s`, `5 min`, `2.5 h`, `30 d`."""
    for unit, size, digits in (("us", 1, 0), ("ms", 1000, 1), ("s", US_PER_S, 2), ("min", US_PER_MIN, 1)):
        following = {"us": 1000, "ms": US_PER_S, "s": US_PER_MIN, "min": US_PER_H}[unit]
        if time_us < following:
            return f"{_short(time_us / size, digits if time_us < 100 * size else 0)} {unit}"
    hours = time_us / US_PER_H
    return f"{_short(hours, 1)} h" if hours < 48 else f"{_short(hours / 24, 1)} d"


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plural(number: float, one: str, many: str = "") -> str:
    """`1 SKU`, `3 SKUs`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def width(text: str) -> int:
    """Columns of a terminal (or an axis label) that `text` takes: wide East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def shortened(text: str, columns: int) -> str:
    """`text` on one line in at most `columns` columns, cut with an ellipsis."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def metric(metrics: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path into the metrics of summary.json, None where there is none."""
    value: Any = metrics
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
