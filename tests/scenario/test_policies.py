"""Policies of platforms fill in what a scenario leaves open; public holidays are no business days."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.calendar import dispatch_day_ends, pick_up_times
from sim.scenario.days_off import countries, is_known, public_holidays
from sim.scenario.load import load_scenario, load_with_source, scenario_from_text
from sim.scenario.policies import shipped_policies
from sim.scenario.studies.study import load_study
from sim.scenario.writing.as_run import scenario_yaml
from sim.scenario.writing.provenance import provenance
from tests.scenario.helpers import MINIMAL, load

TIKTOK = "dispatch.policy=tiktok_us_2026_03"
MINE = """
title: Our marketplace, June 2026
read: 2026-06
values:
  dispatch.dispatch_days: {value: 1, source: "handbook, page 12", known: published}
  dispatch.thresholds.ldr_at_most: {value: 5 %, source: "a blog", known: secondhand}
"""


def test_a_shipped_policy_fills_in_what_the_scenario_leaves_open_and_yields_to_what_it_writes() -> None:
    rules = load(TIKTOK, "dispatch.deliver_days=9").dispatch
    assert rules.rules == "TikTok Shop US, March 2026"
    assert (rules.dispatch_days, rules.deliver_days, rules.auto_cancel_days) == (2, 9, 7)
    assert (rules.cut_off_min, rules.event) == (23 * 60 + 59, "carrier_scan")
    limits = rules.thresholds
    assert (limits.ldr_at_most, limits.ldr_enforced_above, limits.otdr_at_least) == (0.04, 0.10, 0.80)
    assert (limits.vtr_at_least, limits.sfcr_at_most) == (0.95, 0.025)
    before = load("dispatch.policy=tiktok_us_before_2026_03").dispatch
    assert before.event == "ready_to_ship"
    assert rules.auto_cancel_event == before.auto_cancel_event == "ready_to_ship"


def test_without_a_policy_the_rules_are_neutral() -> None:
    rules = load().dispatch
    assert (rules.rules, rules.calendar, rules.auto_cancel_days, rules.daily_capacity) == ("", None, None, 0)
    assert (rules.cut_off_min, rules.event, set(rules.thresholds.model_dump().values())) == (
        1440,
        "carrier_scan",
        {None},
    )


@pytest.mark.parametrize("name", shipped_policies())
def test_every_value_of_a_shipped_policy_tells_its_source(tmp_path: Path, name: str) -> None:
    show = tmp_path / "show.yaml"
    show.write_text(MINIMAL, encoding="utf-8")
    loaded = load_with_source(show, [f"dispatch.policy={name}"])
    rows = {row.path: row for row in provenance(loaded.scenario, loaded.written)}
    for path in ("dispatch.dispatch_days", "dispatch.cut_off", "dispatch.calendar.zone", "confirmation.on_hold"):
        assert rows[path].origin == "default"
        assert rows[path].source.startswith(loaded.scenario.dispatch.rules), path
    assert "secondhand" in rows["dispatch.thresholds.vtr_at_least"].source


def test_a_policy_file_of_ones_own_is_found_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    show = tmp_path / "show.yaml"
    show.write_text(MINIMAL + "dispatch: {policy: mine.yaml}\n", encoding="utf-8")
    loaded = load_with_source(show)
    assert (loaded.scenario.dispatch.dispatch_days, loaded.scenario.dispatch.rules) == (1, "Our marketplace, June 2026")
    rows = {row.path: row.source for row in provenance(loaded.scenario, loaded.written)}
    assert rows["dispatch.thresholds.ldr_at_most"] == "Our marketplace, June 2026: a blog (secondhand)"
    again = scenario_from_text(scenario_yaml(loaded.scenario))  # as run: the values, wherever it is read
    assert again == loaded.scenario


def test_strategies_may_name_policies(tmp_path: Path) -> None:
    show = tmp_path / "show.yaml"
    show.write_text(MINIMAL + f"dispatch: {{policy: {shipped_policies()[0]}}}\n", encoding="utf-8")
    study = load_study(show, strategies=["old=dispatch.policy=tiktok_us_before_2026_03"])
    events = [strategy.scenario.dispatch.event for strategy in study.strategies]
    assert events == ["carrier_scan", "ready_to_ship"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: x", "not a policy"),
        (MINE.replace("dispatch_days", "dispatch_dayz"), "not a value of a policy"),
        (MINE.replace("dispatch.dispatch_days", "fees.platform"), "not a value of a policy"),
        (MINE.replace("known: published", "known: maybe"), "wrong form"),
        (MINE.replace(", known: published", ""), "wrong form"),
        (MINE.replace("title: Our marketplace, June 2026", ""), "required, but absent"),
        (MINE.replace("{value: 1,", "{value: many,"), "dispatch_days"),
    ],
)
def test_a_wrong_policy_file_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    show = tmp_path / "show.yaml"
    show.write_text(MINIMAL + "dispatch: {policy: mine.yaml}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=words) as caught:
        load_scenario(show)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize("value", ["4 %", "[4 %]"])
def test_what_a_policy_would_fill_in_below_a_plain_value_is_told_as_it_stands(value: str) -> None:
    text = MINIMAL + f"dispatch: {{policy: tiktok_us_2026_03, thresholds: {value}}}\n"
    with pytest.raises(ScenarioError, match=r"show.yaml:\d+: dispatch.thresholds: not a mapping"):
        load(text=text)


@pytest.mark.parametrize(("name", "words"), [("tiktok_us_2026_3", "did you mean"), ("no.yaml", "no such file")])
def test_a_policy_that_does_not_exist_is_refused(name: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load(f"dispatch.policy={name}")


def test_business_days_of_a_policy_leave_out_weekends_and_public_holidays() -> None:
    """From Friday 20 November on; Thanksgiving is the 26th. 23:59 in Los Angeles is 07:59 UTC of the next day."""
    scenario = load(TIKTOK)
    ends = dispatch_day_ends(scenario)[0]
    utc = [(scenario.start + dt.timedelta(microseconds=end)).strftime("%d %H:%M") for end in ends[:6]]
    assert utc == ["21 07:59", "24 07:59", "25 07:59", "26 07:59", "28 07:59", "01 07:59"]


def test_no_carrier_comes_on_a_public_holiday() -> None:
    """The 30th, Saint Andrew's Day, is one in Scotland; Sundays have no pick-ups anyway."""
    scenario = load("warehouses=[{name: main, public_holidays: GB-SCT}]", "horizon=15d")
    days = [
        (scenario.start + dt.timedelta(microseconds=time)).day
        for time, _ in pick_up_times(scenario, scenario.warehouses[0])
    ]
    assert days == [21, 23, 24, 25, 26, 27, 28, 1, 2, 3, 4]


def test_calendars_are_known_by_their_codes() -> None:
    assert dt.date(2026, 7, 3) in public_holidays("US", 2026)  # the day off for a Saturday
    assert public_holidays("", 2026) == frozenset()
    assert is_known("DE-BY")
    assert {"US", "GB-SCT"} <= set(countries())
    with pytest.raises(ScenarioError, match="no calendar of public holidays"):
        load("regions=[{name: all, public_holidays: XX}]")
