"""The benchmarks' own arithmetic: the fit, the rows, the smaller scenarios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.scenario import load_scenario, scenario_from_text
from sim.scenario.tables import deal_table, sku_table
from tests.bench.benches import fit_line
from tests.bench.rows import KEYS, PLACE, Target, make_row, table, write_rows
from tests.bench.scaled import scaled_scenario, scaled_text, scenario_file


def test_the_fit_finds_a_line() -> None:
    sizes = [100, 1_000, 10_000]
    assert fit_line(sizes, [0.25 + 0.002 * size for size in sizes]) == pytest.approx((0.25, 0.002))


def test_every_row_has_every_key_and_says_which_target_it_met(tmp_path: Path) -> None:
    targets = (Target("seconds", 2), Target("a_seconds", 0.5), Target("orders_per_s", 10, at_least=True, goal=True))
    row = make_row("a", "b", "make bench", targets, seconds=2.0, orders_per_s=9.0, fit={"a_seconds": 0.6})
    assert list(row) == [*KEYS, *PLACE]
    assert row["met"] == [True, False, False]
    assert row["targets"][2] == "orders_per_s >= 10 (goal)"
    assert table([row]).count("MISSED") == 2
    write_rows(tmp_path / "bench" / "a.jsonl", [row, row])
    lines = (tmp_path / "bench" / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [row, row]


def test_a_row_takes_no_unknown_key() -> None:
    with pytest.raises(ValueError, match="no such keys: speed"):
        make_row("a", "b", "make bench", speed=1)


@pytest.mark.parametrize("name", ["double11", "mega_live", "evening_show"])
def test_a_smaller_scenario_has_the_same_shape(name: str) -> None:
    whole, tenth = load_scenario(scenario_file(name)), scaled_scenario(name, 0.1)
    assert scenario_from_text(scaled_text(name, 0.1)) == tenth
    assert tenth.programme.broadcasts[0].length_us == whole.programme.broadcasts[0].length_us
    for small, large in zip(deal_table(tenth), deal_table(whole), strict=True):
        assert small.units == pytest.approx(large.units / 10, abs=1)
    for part, listing in zip(sku_table(tenth), sku_table(whole), strict=True):
        assert sum(part.stock) == pytest.approx(sum(listing.stock) / 10, abs=len(listing.stock))


def test_a_thinned_scenario_keeps_its_stock() -> None:
    whole, thin = load_scenario(scenario_file("mega_live")), scaled_scenario("mega_live", 0.1, capacity=False)
    assert sku_table(thin) == sku_table(whole)
    assert thin.programme.broadcasts[0].entries != whole.programme.broadcasts[0].entries
