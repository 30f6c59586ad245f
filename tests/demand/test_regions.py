"""Regional weights by local clock."""

import numpy as np

from sim.demand.regions import seasons
from sim.demand.streams import stream, uniform_u32
from sim.scenario.load import scenario_from_text
from sim.scenario.schema import Scenario

H = 3_600_000_000


def scenario(regions: str, start: str = "2026-11-20T19:00:00+00:00") -> Scenario:
    return scenario_from_text(f"""
name: r
start: {start}
catalogue: [{{name: a, price: 5 GBP, stock: {{main: 5}}}}]
regions: {regions}
programme: {{videos: [{{name: v, listing: a, publish: 0}}]}}
""")


def test_without_factors_all_time_is_one_stretch() -> None:
    found = seasons(scenario("[{name: a, audience: 0.25}, {name: b, audience: 0.75}]"), 0, 100 * H, hourly=True)
    assert found.total.tolist() == [1.0]
    picked = found.pick(np.zeros(40_000, np.int64), uniform_u32(stream(1, 0, "r"), 40_000))
    assert abs((picked == 0).mean() - 0.25) < 0.01


def test_weekday_factors_change_at_local_midnight() -> None:
    # The start is Friday 19:00 UTC: Saturday begins in Shanghai before the start, in New York 10 hours after it.
    regions = """
  - {name: cn, audience: 0.5, zone: Asia/Shanghai, day_factors: {sat: 3}}
  - {name: us, audience: 0.5, zone: America/New_York, day_factors: {sat: 2}}"""
    found = seasons(scenario(regions), 0, 30 * H, hourly=False)
    assert (found.from_us / H).tolist() == [0, 10, 21]
    assert found.total.tolist() == [2.0, 2.5, 1.5]
    weights = found.at(np.array([-5, 0, 10 * H - 1, 10 * H, 25 * H]))
    assert weights.tolist() == [0, 0, 0, 1, 2]


def test_hour_factors_count_for_videos_only_and_follow_half_hour_zones() -> None:
    hours = ", ".join(["2"] + ["0"] * 23)
    regions = f"[{{name: in, zone: Asia/Kolkata, hour_factors: [{hours}]}}]"
    found = seasons(scenario(regions, "2026-11-20T18:10:00+00:00"), 0, 24 * H, hourly=True)
    assert (found.from_us / H * 60).tolist() == [0, 20, 80]  # midnight in Kolkata is 18:30 UTC
    assert found.total.tolist() == [0.0, 2.0, 0.0]
    assert seasons(scenario(regions), 0, 24 * H, hourly=False).total.tolist() == [1.0]


def test_the_clock_change_moves_local_hours() -> None:
    hours = ", ".join(["0"] * 12 + ["1"] + ["0"] * 11)
    regions = f"[{{name: uk, zone: Europe/London, hour_factors: [{hours}]}}]"
    found = seasons(scenario(regions, "2026-10-24T00:00:00+00:00"), 0, 48 * H, hourly=True)
    assert (found.from_us / H).tolist() == [0, 11, 12, 36, 37]  # noon is 11:00 UTC on the 24th, 12:00 on the 25th
