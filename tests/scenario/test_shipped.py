"""The scenarios that come with LiveRush, and those that `new` writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.demand.show import viewers
from sim.errors import UsageError
from sim.scenario import load_scenario, new_scenario, scenario_from_text
from sim.scenario.checks.rows import entered, expected_rows
from sim.scenario.tables import deal_table, sku_table
from tests.paths import SCENARIOS

SHIPPED = sorted(SCENARIOS.glob("*.yaml"))


def test_the_named_scenarios_are_there() -> None:
    named = {"minimal", "evening_show", "flash_drop", "video_tail", "mega_live", "double11"}
    assert {path.stem for path in SHIPPED} >= named


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_loads_and_is_called_like_its_file(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert expected_rows(scenario) < 2 * scenario.max_rows
    assert all(row.units >= 1 for row in deal_table(scenario))
    assert len(sku_table(scenario)) >= len(scenario.catalogue)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_opens_with_a_comment(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_minimal_scenario_is_about_twenty_lines_long() -> None:
    lines = (SCENARIOS / "minimal.yaml").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= 22


def test_the_flagship_is_as_described() -> None:
    show = load_scenario(SCENARIOS / "evening_show.yaml")
    (broadcast,) = show.programme.broadcasts
    assert (broadcast.length_us, len(broadcast.pitches), len(broadcast.deals)) == (3 * 3_600_000_000, 8, 2)
    assert (len(show.regions), len(show.warehouses)) == (3, 2)
    assert len({region.currency for region in show.regions}) == 3


def test_the_comment_of_the_flagship_tells_the_peak_of_its_room() -> None:
    path = SCENARIOS / "evening_show.yaml"
    scenario = load_scenario(path)
    (broadcast,) = scenario.programme.broadcasts
    peak = viewers(
        scenario, broadcast, np.arange(broadcast.start_us, broadcast.start_us + broadcast.length_us, 10**7)
    ).max()
    told = re.search(r"peaks near ([\d,]+) viewers", path.read_text(encoding="utf-8"))
    assert told is not None
    assert float(told[1].replace(",", "")) == pytest.approx(peak, rel=0.02)


def test_the_comment_of_the_week_tells_its_intents() -> None:
    text = (SCENARIOS / "mega_live.yaml").read_text(encoding="utf-8")
    intents = json.loads((SCENARIOS / "fingerprints.json").read_text(encoding="utf-8"))["mega_live"]["orders"]
    told = re.search(r"half as many intents again, ([\d,]+):", text)
    assert told is not None
    assert float(told[1].replace(",", "")) == pytest.approx(intents, rel=0.02)


def test_the_drop_has_500_units_and_50_000_viewers() -> None:
    drop = load_scenario(SCENARIOS / "flash_drop.yaml")
    (deal,) = deal_table(drop)
    assert (deal.units, sum(sku_table(drop)[0].stock)) == (500, 500)
    entries = drop.programme.broadcasts[0].entries
    assert entered(entries, deal.open_us) >= 50_000


def test_the_video_tail_is_20_videos_over_14_days() -> None:
    videos = load_scenario(SCENARIOS / "video_tail.yaml").programme.videos
    assert len(videos) == 20
    assert 11 * 86_400_000_000 < max(video.publish_us for video in videos) < 14 * 86_400_000_000


@pytest.mark.parametrize("name", ["mega_live", "double11"])
def test_the_large_scenarios_have_every_feature_on(name: str) -> None:
    s = load_scenario(SCENARIOS / f"{name}.yaml")
    assert any(listing.bundle for listing in s.catalogue)
    assert any(listing.skus for listing in s.catalogue)
    assert any(listing.shelf for listing in s.catalogue)
    assert {outage.crash for outage in s.engine.outages} == {True, False}
    assert s.engine.changes
    assert s.payment.outages
    assert s.engine.store != "immediate"
    assert s.confirmation.mode == "staff"
    assert s.confirmation.staff.shifts
    assert len(s.warehouses) == 2
    assert all(house.waves for house in s.warehouses)
    assert all(pick_up.capacity for house in s.warehouses for pick_up in house.pick_ups)
    assert any(lane.lost for lane in s.lanes)
    assert s.stock.policy == "s_S"
    assert s.funnel.voucher.share > 0
    assert s.funnel.price.elasticity > 0
    assert s.funnel.second_choice > 0
    assert s.funnel.lines_per_cart > 1
    if name == "mega_live":
        assert s.funnel.questions is not None
        assert s.funnel.persuasion is not None
        assert s.funnel.feedback is not None
    assert s.after_sales.restock > 0
    assert s.programme.videos
    assert s.programme.broadcasts


@settings(max_examples=30, deadline=None)
@given(
    listings=st.integers(1, 30),
    pitches=st.integers(1, 30),
    viewers=st.integers(1, 10**6),
    minutes=st.integers(10, 3_000),
    deal=st.booleans(),
)
def test_a_new_scenario_always_loads(listings: int, pitches: int, viewers: int, minutes: int, deal: bool) -> None:
    text = new_scenario("a-show", listings, pitches, viewers, f"{minutes}m", deal)
    scenario = scenario_from_text(text)
    (broadcast,) = scenario.programme.broadcasts
    assert (len(scenario.catalogue), len(broadcast.pitches), bool(broadcast.deals)) == (listings, pitches, deal)
    assert entered(broadcast.entries, broadcast.length_us) == pytest.approx(viewers, rel=1e-3)


def test_parcels_of_a_new_scenario_cost_what_they_cost() -> None:
    scenario = scenario_from_text(new_scenario())
    assert all(lane.cost and lane.cost.minor > 0 for lane in scenario.lanes)
    assert scenario.fees.pick_pack is not None
    assert scenario.after_sales.return_freight is not None


def test_a_new_scenario_explains_itself() -> None:
    assert new_scenario().count("#") >= 10


@pytest.mark.parametrize(
    "answers",
    [
        {"name": "a b"},
        {"name": ""},
        {"listings": 0},
        {"pitches": 0},
        {"viewers": 0},
        {"viewers": 10**10},
        {"length": "2"},
        {"length": "5s"},
        {"length": "100d"},
        {"pitches": 1000, "length": "1h"},
    ],
)
def test_answers_that_make_no_show_are_refused(answers: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        new_scenario(**answers)  # type: ignore[arg-type]
