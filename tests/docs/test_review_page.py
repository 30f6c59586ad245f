"""docs/review.md: every query runs on a run directory and says what `liverush review` says; its rules are ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sim.experiments.simulate import RunPlan, run
from sim.reports.review.advice import RULES
from sim.reports.review.reviewing import review
from sim.reports.run_files import Run
from tests.experiments import show
from tests.paths import DOCS

PAGE = (DOCS / "review.md").read_text(encoding="utf-8")
Rows = list[tuple[Any, ...]]


def queries() -> dict[str, str]:
    """The SQL of the page by the sentence before it."""
    found = re.findall(r"^([^\n`]+):\n\n```sql\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == PAGE.count("```sql")
    return {words.split(",")[0].split(";")[0]: sql for words, sql in found}


QUERIES = queries()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A show in which something of everything happens: stock runs out, buyers come again, pick-ups are full."""
    loaded = show.load(
        tmp_path_factory.mktemp("scenario"),
        "funnel.buyers=150",
        "dispatch.dispatch_days=1",
        "warehouses.north.pick_ups[0].capacity=15",
        "horizon=12d",
        "programme.videos[0].click=30 %",
        "programme.videos[0].order_given_click=10 %",
    )
    return run(loaded.scenario, RunPlan(), tmp_path_factory.mktemp("runs"), written=loaded.written).directory


@pytest.fixture(scope="module")
def told(directory: Path) -> dict[str, Any]:
    return review(directory, zone="America/New_York")


def asked(directory: Path, name: str) -> Rows:
    with duckdb.connect(config={"file_search_path": str(directory)}) as database:
        return database.execute(QUERIES[name]).fetchall()


def group(by: str, *keys: str) -> Callable[[dict[str, Any]], Rows]:
    return lambda told: [(row["name"], *(row[key] for key in keys)) for row in told["groups"][by]]


def _refusals(told: dict[str, Any]) -> Rows:
    return [(row["reason"], row["for_good"]) for row in told["refusals"] if row["for_good"]]


def _seconds(told: dict[str, Any]) -> Rows:
    return [(row["refused"], row["taken"], row["tried"], row["placed"]) for row in told["second_choices"]]


def _returns(told: dict[str, Any]) -> Rows:
    rows = [row for row in told["returns"] if row["by"] == "category"]
    return [(row["name"], row["delivered"], row["returned"]) for row in rows]


SAID: dict[str, Callable[[dict[str, Any]], Rows]] = {
    "What each content sold": group("content", "placed", "paid", "gmv_minor"),
    "What each region's orders leave after their own costs": group("region", "contribution_minor"),
    "Orders by the hour of the day in New York": lambda told: [
        (int(row["name"][:2]), row["paid"]) for row in told["groups"]["hour"] if row["intents"]
    ],
    "Why carts were refused for good": _refusals,
    "Buyers who were refused twice or more": lambda told: [(told["repeat_refusals"]["buyers_twice_or_more"],)],
    "What was tried in place of what was refused": _seconds,
    "Returned of delivered": _returns,
    "The trace before checkout: page views of each SKU": group("sku", "views", "paid"),
}
NEAR: dict[str, Callable[[dict[str, Any]], Rows]] = {
    "GMV per thousand views": group("content", "views", "gpm_minor"),
    "What stockouts cost": lambda told: [
        (row["name"], row["lost_to_stockouts_minor"]) for row in told["groups"]["sku"] if row["lost_to_stockouts_minor"]
    ],
}


@pytest.mark.parametrize("name", list(SAID))
def test_a_query_says_what_the_review_says(directory: Path, told: dict[str, Any], name: str) -> None:
    found = asked(directory, name)
    assert found
    assert sorted(found) == sorted(SAID[name](told))


@pytest.mark.parametrize("name", list(NEAR))
def test_a_query_of_ratios_says_what_the_review_says(directory: Path, told: dict[str, Any], name: str) -> None:
    found, said = sorted(asked(directory, name)), sorted(NEAR[name](told))
    assert found
    assert [row[0] for row in found] == [row[0] for row in said]
    for row, expected in zip(found, said, strict=True):
        assert [float(value) for value in row[1:]] == pytest.approx([float(v) for v in expected[1:]], rel=1e-6, abs=1)


def test_the_query_of_late_orders_counts_those_of_the_late_dispatch_rate(directory: Path, told: dict[str, Any]) -> None:
    late = sum(number for _, number in asked(directory, "Orders that left after their deadline"))
    assert late == told["late_dispatch"]["orders_late"] > 0


def test_the_query_of_the_timeline_counts_every_checkout(directory: Path, told: dict[str, Any]) -> None:
    rows = asked(directory, "Checkouts by the minute")
    assert sum(row[1] for row in rows) == told["totals"]["going"]


def test_every_query_of_the_page_is_compared() -> None:
    compared = {*SAID, *NEAR, "Orders that left after their deadline", "Checkouts by the minute"}
    assert set(QUERIES) == compared


def test_the_page_tells_every_rule_and_its_condition() -> None:
    part = PAGE.split("## What stands out")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", part, re.MULTILINE)
    assert rows == [("rule", "condition"), *((rule.name, rule.condition) for rule in RULES)]


def test_the_show_has_something_of_everything(directory: Path, told: dict[str, Any]) -> None:
    assert told["repeat_refusals"]["buyers_twice_or_more"] > 0
    assert {row["name"] for row in told["groups"]["content"]} == {"evening", "clip"}
    assert Run(directory).metrics["contribution_minor"] == told["contribution_minor"]
