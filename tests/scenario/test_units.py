"""Units: what people write and what it becomes, both ways."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sim.scenario.units import (
    MAX_DURATION_US,
    Money,
    minor_digits,
    parse_clock_min,
    parse_duration_us,
    parse_ppm,
    parse_share,
)
from sim.scenario.writing.human import clock_text, duration_text, money_text, ppm_text, share_text


@given(st.integers(0, MAX_DURATION_US))
def test_durations_survive_being_written_and_read(time_us: int) -> None:
    assert parse_duration_us(duration_text(time_us)) == time_us


@given(st.integers(0, 1_000_000))
def test_rates_survive_being_written_and_read(ppm: int) -> None:
    assert parse_ppm(ppm_text(ppm)) == ppm


@given(st.floats(0, 1))
def test_shares_survive_being_written_and_read(share: float) -> None:
    text = share_text(share)
    assert parse_share(text if text.endswith("%") else float(text)) == share


@given(st.integers(0, 1440))
def test_times_of_day_survive_being_written_and_read(minute: int) -> None:
    assert parse_clock_min(clock_text(minute)) == minute


@given(st.integers(-(10**12), 10**12), st.sampled_from(["GBP", "JPY", "KWD"]))
def test_money_survives_being_written_and_read(minor: int, currency: str) -> None:
    money = Money(minor=minor, currency=currency)
    assert Money.model_validate(money_text(money)) == money
    amount = Decimal(money_text(money).split()[0])
    assert amount == Decimal(minor).scaleb(-minor_digits(currency))


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans())
def test_no_value_breaks_a_parser(value: object) -> None:
    for parse in (parse_duration_us, parse_share, parse_ppm, parse_clock_min, Money.model_validate):
        with suppress(ValueError, ValidationError):
            parse(value)


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("15m", 900_000_000),
        ("2h 30m", 9_000_000_000),
        ("1.5s", 1_500_000),
        ("250ms", 250_000),
        ("7us", 7),
        (0, 0),
        ("1d2h", 93_600_000_000),
    ],
)
def test_a_duration_is_read_in_whole_microseconds(text: object, time_us: int) -> None:
    assert parse_duration_us(text) == time_us


@pytest.mark.parametrize(
    "text", ["", "15", 15, 1.5, "m", "-5m", "5m-", "1 hour", "3 mos", True, None, "99999d", "1e3s", "٣m"[1:]]
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration_us(text)


@pytest.mark.parametrize("digits", [30, 5_000, 1_000_000])
def test_endless_numbers_are_refused(digits: int) -> None:
    for parse, unit in (
        (parse_duration_us, "s"),
        (parse_share, "%"),
        (parse_clock_min, ":00"),
        (Money.model_validate, " GBP"),
    ):
        with pytest.raises((ValueError, ValidationError)):
            parse("9" * digits + unit)


@pytest.mark.parametrize("text", ["110 %", "-3 %", 1.5, -0.1, "3", "nan %", float("nan"), True, "x %"])
def test_anything_outside_0_to_1_is_no_share(text: object) -> None:
    with pytest.raises(ValueError, match="share"):
        parse_share(text)


@pytest.mark.parametrize("text", ["24:01", "25:00", "8", 8, 480, "8:5", "08:60", None])
def test_anything_else_is_no_time_of_day(text: object) -> None:
    with pytest.raises(ValueError, match="time of day"):
        parse_clock_min(text)


@pytest.mark.parametrize(
    "text", ["12.90", 12.9, "12.90 gbp", "GBP 12.90", "12,90 EUR", "12.905 GBP", "1.5 JPY", "99999999999999 GBP"]
)
def test_anything_else_is_no_money(text: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate(text)
