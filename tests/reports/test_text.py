"""The text summary, held to golden pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.reports import words
from sim.reports.text import summary_text

GOLDEN = Path(__file__).parent / "golden"


def a_summary() -> dict[str, Any]:
    """A summary with something in every block."""
    endpoint = {"requests": 4100, "failed": 41, "failed_share": 0.01, "p50_us": 14_200, "p95_us": 88_400}
    return {
        "format": 1,
        "scenario": "night_market",
        "start_utc": "2026-11-20T18:00:00+00:00",
        "horizon_s": 2_592_000.0,
        "programme_end_s": 14_400,
        "currency": "GBP",
        "seed": 7,
        "replications": 1,
        "timeline_step_s": 1,
        "metrics": {
            "intents": 5000,
            "orders_going": 4800,
            "orders_placed": 4100,
            "orders_refused": 650,
            "orders_failed": 50,
            "orders_second_choice": 120,
            "orders_split": 33,
            "orders_paid": 3700,
            "orders_late_payment": 2,
            "orders_expired": 398,
            "orders_confirmed": 3650,
            "orders_cancelled_by_buyer": 150,
            "orders_not_confirmed": 0,
            "orders_lost": 11,
            "orders_collected": 3560,
            "orders_delivered": 3549,
            "orders_returned": 280,
            "orders_refund_only": 30,
            "orders_by_state": {"NONE": 900, "COMPLETED": 3549, "CANCELLED": 551},
            "refusals_by_reason": {"SOLD_OUT": 500, "DEAL_SOLD_OUT": 150, "ENGINE_BUSY": 50},
            "fill_rate_share": 0.8913,
            "gmv_minor": 8_412_345,
            "captured_minor": 8_412_345,
            "refunded_minor": 812_300,
            "contribution_minor": 1_912_345,
            "contribution": {
                "salvage_minor": 40_000,
                "gross_sales_minor": 9_000_000,
                "deal_discounts_minor": -400_000,
                "seller_vouchers_minor": -187_655,
                "refunded_sales_minor": -812_300,
                "platform_commission_minor": 0,
                "goods_sold_minor": -5_727_700,
            },
            "margin_lost_to_stockouts_minor": 321_000,
            "response": {
                "checkout": {**endpoint, "p99_us": 912_000, "p99_9_us": None, "max_us": 4_980_000},
                "payment": {**endpoint, "p99_us": 99_960, "p99_9_us": None, "max_us": 101_000, "failed_share": 0.0},
                "confirmation": {"requests": 0},
            },
            "slos": [
                {"endpoint": "checkout", "percentile": 99.0, "at_most_us": 800_000, "errors_share": 0.01,
                 "requests": 4100, "within_share": 0.9871, "failed_share": 0.01, "met": False},
                {"endpoint": "payment", "percentile": 99.9, "at_most_us": 1_000_000, "errors_share": 0.005,
                 "requests": 3700, "within_share": 1.0, "failed_share": 0.0, "met": True},
                {"endpoint": "confirmation", "percentile": 99.0, "at_most_us": 1_000_000, "errors_share": 0.01,
                 "requests": 0, "within_share": None, "failed_share": None, "met": None},
            ],
            "slos_met": False,
            "engine": {"queue_peak_requests": 400, "queue_full_attempts": 71, "timed_out_attempts": 1,
                       "crashed_attempts": 0},
            "payment": {"declined_tries": 132},
            "parcels": {"made": 3650, "packed": 3610, "collected": 3593, "arrived": 3582, "lost": 11,
                        "carried_over": 240},
            "late_dispatch": {"orders_due": 3560, "orders_late": 89, "ldr_share": 0.025},
            "on_time_delivery": {"orders_due": 3560, "orders_on_time": 3382, "otdr_share": 0.95},
            "stock": {"initial_units": 5000, "received_units": 1000, "restocked_units": 200, "shipped_units": 4100,
                      "on_hand_units": 2100, "available_units": 2100, "left_share": 0.35},
            "deals": [{"sku": "lipstick/ruby", "broadcast": "show", "units": 600, "left_units": 12}],
        },
        "intervals": {
            "slos_met": {"mean": 0, "low": None, "high": None, "n": 1},
            "slos.0.met": {"mean": 0, "low": None, "high": None, "n": 1},
            "slos.1.met": {"mean": 1, "low": None, "high": None, "n": 1},
        },
    }  # fmt: skip


def with_replications() -> dict[str, Any]:
    """The same of 20 replications: every figure has an interval, but for one that cannot have."""
    summary = a_summary()
    summary["replications"] = 20

    def spread(values: dict[str, Any], path: str) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                spread(value, f"{path}{key}.")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                mean = value * 1.01
                summary["intervals"][path + key] = {"mean": mean, "low": mean * 0.9, "high": mean * 1.1, "n": 20}

    spread(summary["metrics"], "")
    summary["intervals"]["fill_rate_share"] = {"mean": 0.9, "low": None, "high": None, "n": 1}
    del summary["intervals"]["parcels.carried_over"]
    summary["intervals"]["slos.0.met"] = {"mean": 0.15, "low": 0.0, "high": 0.32, "n": 20}
    summary["intervals"]["slos.1.met"] = {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 20}
    return summary


@pytest.mark.parametrize(("name", "summary"), [("one", a_summary()), ("many", with_replications())])
def test_the_text_is_the_golden_page(name: str, summary: dict[str, Any]) -> None:
    assert summary_text(summary) + "\n" == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_text_of_an_empty_run_tells_zeros_and_no_shares() -> None:
    metrics = {"intents": 0, "orders_placed": 0, "gmv_minor": 0, "contribution_minor": 0, "refunded_minor": 0,
               "captured_minor": 0, "orders_paid": 0, "fill_rate_share": None}  # fmt: skip
    text = summary_text({**a_summary(), "metrics": metrics})
    assert "nan" not in text
    assert "None" not in text
    assert "intents to buy" in text


def test_a_dash_among_the_response_times_is_explained_below_them_and_only_then() -> None:
    summary, note = a_summary(), "-: fewer than 10 answers lie beyond this percentile"
    lines = [line.strip() for line in summary_text(summary).splitlines()]
    assert lines.count(note) == 1
    assert lines[lines.index(note) + 1].startswith("longest queue")
    for endpoint in ("checkout", "payment"):
        summary["metrics"]["response"][endpoint]["p99_9_us"] = 4_000_000
    assert note not in summary_text(summary)


def test_the_stock_tells_what_was_received_and_only_where_there_was_some() -> None:
    summary = a_summary()
    assert "  received units                           1,000" in summary_text(summary).splitlines()
    summary["metrics"]["stock"]["received_units"] = 0
    assert "received units" not in summary_text(summary)


def test_what_only_other_replications_met_is_told() -> None:
    summary = with_replications()
    summary["metrics"]["orders_not_confirmed"] = 0
    summary["intervals"]["orders_not_confirmed"] = {"mean": 3.5, "low": 1.0, "high": 6.0, "n": 20}
    assert any("not confirmed" in line and "3.5" in line for line in summary_text(summary).splitlines())


def test_lines_fit_a_terminal_and_have_no_blanks_at_their_end() -> None:
    for line in summary_text(with_replications()).splitlines():
        assert len(line) <= 120
        assert line == line.rstrip()


def test_wide_names_are_cut_and_stay_aligned() -> None:
    summary = a_summary()
    summary["metrics"]["deals"] = [{"sku": "口红" * 30, "broadcast": "b", "units": 10, "left_units": 3}]
    line = next(line for line in summary_text(summary).splitlines() if "口红" in line)
    assert words.width(line.split("%")[0]) == words.width("  " + "x" * 32 + "  " + "x" * 11)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.00001, "<0.1 %"),
        (0.99999, ">99.9 %"),
        (0.123, "12.3 %"),
        (-0.5, "-50.0 %"),
        (None, "-"),
    ],
)
def test_shares(share: float | None, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "0 us"),
        (250, "250 us"),
        (12_345, "12.3 ms"),
        (413_600, "414 ms"),
        (3_200_000, "3.2 s"),
        (300_000_000, "5 min"),
        (9_000_000_000, "2.5 h"),
        (30 * 86_400_000_000, "30 d"),
    ],
)
def test_durations(time_us: int, text: str) -> None:
    assert words.duration(time_us) == text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1290, "GBP", "12.90 GBP"),
        (-5, "EUR", "-0.05 EUR"),
        (1290, "JPY", "1,290 JPY"),
        (12_345, "KWD", "12.345 KWD"),
    ],
)
def test_money_has_the_digits_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert words.money(minor, currency) == text


def test_names_are_cut_by_the_room_they_take() -> None:
    assert words.shortened("lipstick", 8) == "lipstick"
    assert words.shortened("lipsticks", 8) == "lipstic…"
    assert words.width(words.shortened("口红口红口红", 8)) <= 8
    assert words.shortened("two\nlines", 20) == "two lines"
