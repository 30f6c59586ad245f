"""Values as people write them in a scenario file: the way back from the schema's units."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.functional_validators import BeforeValidator

from sim.scenario.units import (
    US_PER_DAY,
    US_PER_H,
    US_PER_MIN,
    US_PER_S,
    Money,
    minor_digits,
    parse_clock_min,
    parse_duration_us,
    parse_ppm,
    parse_share,
)

_UNITS = (
    ("d", US_PER_DAY),
    ("h", US_PER_H),
    ("m", US_PER_MIN),
    ("s", US_PER_S),
    ("ms", 1_000),
    ("us", 1),
)


def duration_text(time_us: int) -> str:
    """`5_400_000_000` -> `1h 30m`; 0 -> `0s`."""
    parts = []
    for unit, size_us in _UNITS:
        count, time_us = divmod(time_us, size_us)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def share_text(share: float) -> str:
    """`0.03` -> `3 %` where that reads back to the same number, otherwise the number."""
    text = f"{share * 100:.12g} %"
    return text if parse_share(text) == share else repr(share)


def ppm_text(ppm: int) -> str:
    """`50_000` -> `5 %`."""
    return f"{ppm / 10_000:.10g} %"


def clock_text(minute: int) -> str:
    """`1080` -> `18:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def money_text(money: Money) -> str:
    """`1290 GBP` in minor units -> `12.90 GBP`."""
    digits = minor_digits(money.currency)
    sign, whole = "-" if money.minor < 0 else "", abs(money.minor)
    amount = f"{whole // 10**digits}.{whole % 10**digits:0{digits}d}" if digits else str(whole)
    return f"{sign}{amount} {money.currency}"


_WRITERS = {parse_duration_us: duration_text, parse_share: share_text, parse_ppm: ppm_text, parse_clock_min: clock_text}


def field_text(info: FieldInfo, value: Any) -> Any:
    """The value of one schema field as people write it; parts and collections of parts are left as they are."""
    for mark in info.metadata:
        if isinstance(mark, BeforeValidator) and mark.func in _WRITERS and value is not None:
            return _WRITERS[mark.func](value)
    return value_text(value)


def value_text(value: Any) -> Any:
    """Money and dates as text; everything else as it is."""
    if isinstance(value, Money):
        return money_text(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
