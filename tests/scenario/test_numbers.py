"""Tables, calendars and quantile tables."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import Scenario
from sim.scenario.calendar import capacity_changes, dispatch_day_ends, offset_us, pick_up_times
from sim.scenario.parts.base import Duration
from sim.scenario.quantiles import MAX_TABLE_US, at_u32, quantile_table
from sim.scenario.tables import (
    contents,
    deal_table,
    lane_table,
    nearest_warehouses,
    sku_names,
    sku_table,
    split_units,
    to_reporting_minor,
)
from sim.scenario.units import Money
from tests.scenario.helpers import load

H = 3_600_000_000
DAY = 24 * H
LISTINGS = (
    "catalogue=[{name: hoodie, price: 30 GBP, stock: {main: 10}, skus: [{name: s, share: 50 %, stock: {main: 3}},"
    " {name: m, share: 30 %}, {name: l, share: 20 %}]}, {name: serum, price: 10 EUR, cost: 3 EUR, stock: {main: 5}},"
    " {name: kit, price: 45 GBP, bundle: [{sku: hoodie/m}, {sku: serum, units: 2}]}]"
)
EURO = "currencies=[{currency: EUR, rate: 0.875, date: 2026-01-01}]"
NO_PITCH = "programme.broadcasts[0].pitches=[]"


def shop(*more: str) -> Scenario:
    return load(LISTINGS, EURO, NO_PITCH, *more)


def test_skus_are_numbered_in_the_order_of_the_file() -> None:
    assert sku_names(shop()) == ["hoodie/s", "hoodie/m", "hoodie/l", "serum", "kit"]


def test_the_table_holds_prices_stock_and_parts() -> None:
    rows = sku_table(shop())
    assert [row.price_minor for row in rows] == [3000, 3000, 3000, 875, 4500]
    assert [row.stock for row in rows] == [(8,), (3,), (2,), (5,), (0,)]
    assert rows[4].components == ((1, 1), (3, 2))
    assert rows[3].components == ((3, 1),)
    assert rows[3].cost_minor == 263  # 262.5 rounded up


def test_deals_open_after_their_countdown() -> None:
    deals = "programme.broadcasts[0].deals=[{sku: kit, at: 10m, countdown: 2m, duration: 5m, price: 1 GBP, units: 1}]"
    (row,) = deal_table(shop(deals))
    assert (row.sku, row.open_us, row.close_us, row.price_minor) == (4, H + H // 5, H + H // 5 + H // 12, 100)


@pytest.mark.parametrize("team", ["pickers", "packers"])
@pytest.mark.parametrize("written", ["[{from: '08:00', servers: 3}]", "{shifts: [{from: '08:00', servers: 3}]}"])
def test_shifts_without_a_zone_are_told_in_the_warehouses_own(team: str, written: str) -> None:
    house = f"warehouses=[{{name: main, zone: Asia/Tokyo, {team}: {written}}}]"
    scenario = load("start=2026-06-01T00:00:00+09:00", house)
    servers = getattr(scenario.warehouses[0], team)
    assert servers.zone == "Asia/Tokyo"
    assert capacity_changes(scenario, servers)[:3] == [(0, 0), (8 * H, 3), (24 * H, 0)]
    other = load(house.replace(written, "{zone: Europe/Paris, shifts: [{servers: 3}]}"))
    assert getattr(other.warehouses[0], team).zone == "Europe/Paris"


def test_a_zone_that_does_not_exist_is_told_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        load("warehouses=[{name: main, zone: Mars, pickers: [{servers: 3}], packers: {shifts: [{servers: 1}]}}]")
    assert [problem.path for problem in caught.value.problems] == ["warehouses[0].zone"]


def test_contents_are_broadcasts_and_then_videos() -> None:
    assert contents(shop("programme.videos=[{name: v, listing: kit, publish: 1h}]")) == ["live", "v"]


def test_pairs_without_a_lane_get_the_default_one() -> None:
    s = shop(
        "warehouses=[{name: main}, {name: b}]",
        "regions=[{name: x}, {name: y}]",
        "lanes=[{warehouse: b, region: x, lost: 3 %}]",
    )
    lanes = lane_table(s)
    assert [[lane.lost for lane in row] for row in lanes] == [[0, 0], [0.03, 0]]
    assert (lanes[1][1].warehouse, lanes[1][1].region) == ("b", "y")


def test_warehouses_that_a_region_does_not_name_come_last() -> None:
    s = shop("warehouses=[{name: main}, {name: b}, {name: c}]", "regions=[{name: x, nearest: [c]}, {name: y}]")
    assert nearest_warehouses(s) == [[2, 0, 1], [0, 1, 2]]


@given(st.integers(0, 10**9), st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_units_are_divided_without_loss(units: int, shares: list[float]) -> None:
    parts = split_units(units, shares)
    if sum(shares) == 0:
        assert sum(parts) == 0
        return
    assert sum(parts) == units
    total = math.fsum(shares)
    assert all(abs(part - units * share / total) < 1 + 1e-6 * units for part, share in zip(parts, shares, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"), [("10 GBP", 1000), ("10 EUR", 875), ("0.01 EUR", 1), ("100 JPY", 53), ("1.000 KWD", 250)]
)
def test_money_is_changed_at_the_dated_rate_and_rounded_half_up(text: str, expected: int) -> None:
    rates = ", ".join(
        f"{{currency: {c}, rate: {r}, date: 2026-01-01}}" for c, r in (("EUR", 0.875), ("JPY", 0.0053), ("KWD", 2.5))
    )
    assert to_reporting_minor(load(f"currencies=[{rates}]"), Money.model_validate(text)) == expected


def test_no_money_is_nothing() -> None:
    assert to_reporting_minor(load(), None) == 0


def staffed(start: str, shifts: str, *more: str) -> list[tuple[int, int]]:
    s = load(f"start={start}", f"confirmation.staff={{zone: Europe/London, shifts: [{shifts}]}}", *more)
    return capacity_changes(s, s.confirmation.staff)


def test_a_constant_number_never_changes() -> None:
    s = load("confirmation.staff=7")
    assert capacity_changes(s, s.confirmation.staff) == [(0, 7)]


def test_shifts_follow_local_time() -> None:
    changes = staffed("2026-11-20T18:00:00+00:00", '{from: "08:00", to: "20:00", servers: 5}', "horizon=2d")
    assert changes == [(0, 5), (2 * H, 0), (14 * H, 5), (26 * H, 0), (38 * H, 5)]


def test_overlapping_shifts_add_up() -> None:
    shifts = '{from: "18:00", to: "22:00", servers: 5}, {from: "20:00", to: "24:00", servers: 3}'
    changes = staffed("2026-11-20T18:00:00+00:00", shifts, "horizon=1d")
    assert changes == [(0, 5), (2 * H, 8), (4 * H, 3), (6 * H, 0)]


def test_shifts_that_meet_at_midnight_make_no_step() -> None:
    shifts = '{from: "00:00", to: "12:00", servers: 4}, {from: "12:00", to: "24:00", servers: 4}'
    assert staffed("2026-11-20T18:00:00+00:00", shifts, "horizon=3d") == [(0, 4)]


def test_a_shift_within_the_hour_that_spring_skips_is_not_worked() -> None:
    shifts = '{from: "01:30", to: "02:00", servers: 5}, {from: "09:00", to: "10:00", servers: 1}'
    changes = staffed("2026-03-28T08:00:00+00:00", shifts, "horizon=2d")  # 29 March: 01:00 is followed by 02:00
    next_night_us = 40 * H + H // 2
    assert changes == [
        *[(0, 0), (H, 1), (2 * H, 0), (24 * H, 1), (25 * H, 0)],
        *[(next_night_us, 5), (next_night_us + H // 2, 0)],
    ]


def test_shifts_keep_their_days() -> None:
    changes = staffed(
        "2026-11-20T00:00:00+00:00", '{from: "09:00", to: "10:00", servers: 2, days: [sun]}', "horizon=7d"
    )
    assert changes == [(0, 0), (2 * DAY + 9 * H, 2), (2 * DAY + 10 * H, 0)]


def test_the_night_the_clocks_go_back_has_25_hours() -> None:
    changes = staffed("2026-10-24T12:00:00+01:00", '{from: "12:00", to: "13:00", servers: 1}', "horizon=2d")
    assert changes == [(0, 1), (H, 0), (25 * H, 1), (26 * H, 0)]


def test_the_night_the_clocks_go_forward_has_23_hours() -> None:
    changes = staffed("2026-03-28T12:00:00+00:00", '{from: "12:00", to: "13:00", servers: 1}', "horizon=2d")
    assert changes == [(0, 1), (H, 0), (23 * H, 1), (24 * H, 0), (47 * H, 1)]


def test_pick_ups_keep_local_time_days_and_holidays() -> None:
    house = (
        "warehouses=[{name: main, zone: America/New_York, pick_ups: [{at: 9:00, capacity: 5}, {at: 17:00}],"
        " pick_up_days: [mon, fri, sat], holidays: [2026-11-21]}]"
    )
    s = load("start=2026-11-20T14:00:00+00:00", house, "horizon=4d")  # Friday, 9:00 in New York
    expected = [(8 * H, 0), (3 * DAY, 5), (3 * DAY + 8 * H, 0)]
    assert pick_up_times(s, s.warehouses[0]) == expected


def test_business_days_end_at_local_midnight() -> None:
    s = load("start=2026-11-20T18:00:00+00:00", "regions=[{name: de, zone: Europe/Berlin, holidays: [2026-11-24]}]")
    (ends,) = dispatch_day_ends(s)
    assert ends[:3] == [5 * H, 5 * H + 3 * DAY, 5 * H + 5 * DAY]


def test_offsets_count_from_the_start() -> None:
    moment = dt.datetime(2026, 11, 20, 20, 0, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert offset_us(load(), moment) == H + 1


LAWS = [
    ("constant", {"mean": "45s"}, 45e6, 1e-9),
    ("uniform", {"low": "10s", "high": "20s"}, 15e6, 1e-3),
    ("exponential", {"mean": "45s"}, 45e6, 0.01),
    ("exponential", {"mean": "3d"}, 3 * DAY, 0.01),
    ("gamma", {"mean": "2d", "shape": 8}, 2 * DAY, 0.01),
    ("gamma", {"mean": "36h", "shape": 2}, 1.5 * DAY, 0.01),
    ("lognormal", {"median": "20s", "sigma": 0.4}, 20e6 * math.exp(0.08), 0.01),
    ("lognormal", {"median": "7d", "sigma": 0.3}, 7 * DAY * math.exp(0.045), 0.01),
]


@pytest.mark.parametrize(("dist", "parameters", "mean", "within"), LAWS)
def test_the_mean_of_a_quantile_table_is_that_of_its_law(
    dist: str, parameters: dict[str, object], mean: float, within: float
) -> None:
    table = quantile_table(Duration.model_validate({"dist": dist, **parameters}))
    steps = 1 << 14
    found = sum(at_u32(table, ((2 * i + 1) << 32) // (2 * steps)) for i in range(steps)) / steps
    assert found == pytest.approx(mean, rel=within)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_quantiles_never_fall(one: int, other: int) -> None:
    table = quantile_table(Duration.model_validate({"dist": "gamma", "mean": "2d", "shape": 8}))
    low, high = sorted((one, other))
    assert 0 <= at_u32(table, low) <= at_u32(table, high) <= MAX_TABLE_US


@pytest.mark.parametrize("sigma", [2, 10])  # at 10 the last ones would be more than 64 bits hold
def test_quantiles_are_cut_at_the_limit(sigma: float) -> None:
    table = quantile_table(
        Duration.model_validate({"dist": "lognormal", "median": "20d", "sigma": sigma, "at_most": "30d"})
    )
    assert at_u32(table, 2**32 - 1) == 30 * DAY
