"""Values of any unit as numbers, and the way back: what studies vary, search, step and draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, get_args, get_origin

from sim.scenario.reading.nodes import Scalar
from sim.scenario.units import Money, parse_duration_us, parse_share
from sim.scenario.writing.human import duration_text, money_text, share_text

#: A unit ('share', 'us', a currency, or '' for a plain number) and a number of it.
Measured = tuple[str, float]


def measure(text: Any) -> Measured | None:
    """A unit and a number, or None for what has none."""
    if isinstance(text, bool) or text is None:
        return None
    if isinstance(text, int | float):
        return "", float(text)
    if not isinstance(text, str):
        return None
    try:
        if text.strip().endswith("%"):
            return "share", parse_share(text)
        if text.strip()[-3:].isupper():
            money = Money.model_validate(text)
            return money.currency, float(money.minor)
        return "us", float(parse_duration_us(text))
    except ValueError:
        return None


def measured(texts: Iterable[Any]) -> list[Measured] | None:
    """Several values measured, or None where one of them has no number."""
    found = [measure(text) for text in texts]
    read = [each for each in found if each is not None]
    return read if len(read) == len(found) else None


def common_unit(values: Sequence[Measured]) -> str | None:
    """The one unit of values that go together, plain numbers as shares beside shares; None where they do not."""
    units = {unit for unit, _ in values}
    if units == {"", "share"}:
        return "share"
    return units.pop() if len(units) == 1 else None


def count_of(low: float, high: float, step: float) -> int:
    """How many values `low`, `low + step`, ... there are up to `high`; a step above 0."""
    return int((high - low) / step + 1e-9) + 1


def write(unit: str, whole: bool, number: float) -> Scalar:
    """A number of a unit as a scenario takes it; a share stays a number."""
    if unit == "us":
        return duration_text(round(number))
    if unit == "share":
        return min(1.0, max(0.0, number))
    if unit:
        return money_text(Money(minor=round(number), currency=unit))
    return round(number) if whole else number


def written(unit: str, whole: bool, number: float) -> Scalar:
    """A number of a unit as people write it: a share in per cent."""
    value = write(unit, whole, number)
    return share_text(value) if unit == "share" and isinstance(value, float) else value


def is_whole(annotation: Any) -> bool:
    """Whether a field takes whole numbers only."""
    if get_origin(annotation) is Annotated:
        return is_whole(get_args(annotation)[0])
    kinds = [each for each in get_args(annotation) or (annotation,) if each is not type(None)]
    return bool(kinds) and all(each is int or (get_args(each) and is_whole(each)) for each in kinds)
