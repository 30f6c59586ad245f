"""Knobs: ranges in every unit, choices, and what is told of those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.errors import Problem, ScenarioError, UsageError
from sim.scenario.load import load_scenario
from sim.scenario.reading.vary import node_at
from sim.scenario.studies.knobs import parse_knob
from sim.scenario.studies.search import load_search
from tests.experiments.test_compare import TEXT


@pytest.mark.parametrize(
    ("text", "count", "first", "last"),
    [
        ("stock.S=500:5000", 4501, "500", "5000"),
        ("stock.S=500:5000:100", 46, "500", "5000"),
        ("stock.S=0:10:4", 3, "0", "8"),
        ("warehouses.main.waves.every=5m:1h", 56, "5m", "1h"),
        ("fees.platform=2 %:8 %", 61, "2 %", "8 %"),
        ("fees.pick_pack=0.50 GBP:1.20 GBP", 71, "0.50 GBP", "1.20 GBP"),
        ("funnel.clicks_per_viewer_hour=5:12:0.5", 15, "5.0", "12.0"),
        ("stock.policy=none|s_S", 2, "none", "s_S"),
        ("warehouses.main.waves=null|{every: 15m, capacity: 9}", 2, "null", "{every: 15m, capacity: 9}"),
    ],
)
def test_a_range_has_the_values_that_people_would_write(text: str, count: int, first: str, last: str) -> None:
    knob = parse_knob(text)
    assert (knob.count, knob.shown(0), knob.shown(count - 1)) == (count, first, last)
    assert all(knob.code_of(knob.node(code)) == code for code in (0, 1, count - 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stock.S", "write KEY=LOW:HIGH"),
        ("stock.S=5", "write KEY=LOW:HIGH"),
        ("=1:2", "write KEY=LOW:HIGH"),
        ("stock.S=a:b", "write KEY=LOW:HIGH"),
        ("stock.S=5:5", "the range is empty"),
        ("stock.S=9:5", "the range is empty"),
        ("stock.S=5:9:0", "the range is empty"),
        ("stock.S=5:9:7", "one value leaves nothing to search"),
        ("stock.S=1s:2", "need one unit"),
        ("stock.S=1.5:9", "takes whole numbers"),
        ("stock.policy=none|none", "a choice is given twice"),
    ],
)
def test_a_knob_that_cannot_be_read_is_told(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_knob(text)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    block = "optimise: {knobs: {stock.S: 10:50:10, stock.policy: none|base_stock}, subject_to: [ldr <= 4 %]}\n"
    path.write_text(TEXT + block, encoding="utf-8")
    return path


def test_knobs_and_limits_of_the_scenario_are_taken_and_replaced_by_those_given(scenario: Path) -> None:
    search = load_search(scenario, knobs=["stock.S=1:9"], limits=["otdr>=90 %"])
    assert [(knob.name, knob.count) for knob in search.knobs] == [("stock.S", 9), ("stock.policy", 2)]
    assert search.limits == ("ldr <= 4 %", "otdr>=90 %")


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("knobs: {payment.pays: rubbish}", r'optimise.knobs\["payment.pays"\]: write KEY=LOW:HIGH'),
        ("knobs: {stock.T: 1:5}", r'optimise.knobs\["stock.T"\]: stock.T: unknown key'),
        ("knobs: {seed: 1:5}", "optimise.knobs.seed: seed: a strategy cannot change the seed"),
        (
            "knobs: {stock: 'null|{S: 3}', stock.S: 1:5}",
            r'optimise.knobs\["stock.S"\]: lies inside another knob, stock',
        ),
        ("subject_to: [ldr <= 4 %, rubbish everywhere]", r"optimise.subject_to\[1\]: write METRIC<=VALUE"),
        ("subject_to: [ldr <= fast]", r"optimise.subject_to\[0\]: write METRIC<=VALUE"),
    ],
)
def test_a_wrong_search_of_the_file_is_told_with_its_line(tmp_path: Path, block: str, told: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT + f"optimise: {{{block}}}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=rf"tiny.yaml:{TEXT.count(chr(10)) + 1}: {told}"):
        load_scenario(path)


def test_a_knob_may_be_on_what_only_a_strategy_has(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    second = "  - {name: two, set: {warehouses: [{name: main}, {name: other}]}}\n"
    text = TEXT + second + 'optimise: {knobs: {warehouses.other.pickers: "1:5"}}\n'
    path.write_text(text, encoding="utf-8")
    assert load_search(path, start="two").knobs[0].name == "warehouses.other.pickers"


def test_a_point_is_a_scenario_and_knows_where_it_stands(scenario: Path) -> None:
    search = load_search(scenario, start="cheaper")
    made = search.at((2, 1), "x")
    assert not isinstance(made, Problem)
    assert (made.scenario.stock.S, made.scenario.stock.policy) == (30, "base_stock")
    assert made.scenario.fees.platform == 30_000
    assert search.point_of(made.tree) == (2, 1)
    assert search.point_near({"stock.S": 44.0}) == (3, 0)
    assert search.point_near({"stock.policy": "base_stock"}) == (0, 1)
    assert load_search(scenario, start="cheaper", knobs=["stock.S=0:50:10"]).point_of(search.tree) == (0, 0)  # defaults
    node = node_at(made.tree, ("catalogue", "mug", "price"))
    assert node is not None
    assert node.value == "10.00 GBP"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"knobs": ["stock.T=1:2"]}, "stock.T: unknown key"),
        ({"knobs": ["catalogue.cup.price=1 GBP:2 GBP"]}, "no element has this name"),
        ({"knobs": ["stock.S=1:2", "stock.S=3:4"]}, "given twice"),
        ({"knobs": ["warehouses.main.waves=null|{every: 1h}", "warehouses.main.waves.every=5m:1h"]}, "inside another"),
        ({"start": "nobody"}, "no strategy is called 'nobody'"),
    ],
)
def test_a_search_that_cannot_be_made_is_told(scenario: Path, options: dict[str, list[str]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_search(scenario, **options)  # type: ignore[arg-type]


def test_a_scenario_without_knobs_says_how_to_name_them(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to search: name knobs with --knob"):
        load_search(path)
