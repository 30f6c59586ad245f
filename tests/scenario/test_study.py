"""Strategies and uncertain inputs: read, checked, drawn, and what they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.demand.generate import generate
from sim.errors import ScenarioError, UsageError
from sim.scenario import load_scenario, scenario_from_text
from sim.scenario.fingerprint import canonical_json
from sim.scenario.parts.comparing import AS_WRITTEN
from sim.scenario.studies.study import Study, demand_key, load_strategy, load_study
from sim.scenario.writing.as_run import scenario_yaml
from tests.scenario.helpers import MINIMAL

STRATEGIES = """
strategies:
  - {name: today}
  - name: restock
    set: {stock.policy: s_S, stock.s: 50, stock.S: 400}
  - {name: dear, set: {catalogue.lipstick.price: 14.90 GBP}}
"""
UNCERTAIN = """
after_sales: {default: {after_delivery: {low: 5 %, mode: 8 %, high: 20 %}}}
stock: {lead_time: {low: 1d, mode: 2d, high: 6d}}
fees: {pick_pack: {low: 0.50 GBP, mode: 0.80 GBP, high: 1.50 GBP}}
engine: {workers: {low: 2, mode: 4, high: 9}}
"""


def study(tmp_path: Path, text: str = MINIMAL + STRATEGIES, *strategies: str, **options: list[str]) -> Study:
    path = tmp_path / "show.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, strategies=strategies, **options)


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "show.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return str(caught.value).replace(str(path), "show.yaml")


def test_strategies_change_the_scenario_and_nothing_else(tmp_path: Path) -> None:
    found = study(tmp_path)
    today, restock, dear = found.strategies
    assert found.names == ["today", "restock", "dear"]
    assert canonical_json(today.scenario) == canonical_json(found.scenario)
    assert (restock.scenario.stock.policy, restock.scenario.stock.S) == ("s_S", 400)
    assert dear.scenario.catalogue[0].price.minor == 1490
    assert dear.scenario.stock == today.scenario.stock


def test_a_strategy_alone_is_the_scenario_as_it_changes_it(tmp_path: Path) -> None:
    found = study(tmp_path)
    alone = load_strategy(tmp_path / "show.yaml", "restock", ["stock.lead_time=4d"])
    assert (alone.scenario.stock.policy, alone.scenario.stock.S) == ("s_S", 400)
    assert alone.scenario.stock.lead_time.mean_us == 4 * 86_400_000_000
    assert alone.scenario.strategies == found.scenario.strategies
    with pytest.raises(UsageError, match="no strategy is called 'restok'; did you mean 'restock'"):
        load_strategy(tmp_path / "show.yaml", "restok")


def test_one_strategy_alone_is_compared_with_the_scenario_as_written(tmp_path: Path) -> None:
    found = study(tmp_path, MINIMAL, "big=stock.policy=s_S,stock.S=900,catalogue.serum.stock={main: 7}")
    assert found.names == [AS_WRITTEN, "big"]
    assert found.strategies[1].scenario.stock.S == 900
    assert found.strategies[1].scenario.catalogue[1].stock == {"main": 7}


def test_a_strategy_of_the_command_line_replaces_that_of_its_name(tmp_path: Path) -> None:
    found = study(tmp_path, MINIMAL + STRATEGIES, "restock=stock.policy=s_S,stock.S=70")
    assert found.names == ["today", "dear", "restock"]
    assert found.strategies[2].scenario.stock.S == 70


@pytest.mark.parametrize("text", ["big=", "=stock.S=3", "big=stock.S", "big=stock.S=", "big=stock.S={"])
def test_a_strategy_that_cannot_be_read_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--strategy") as caught:
        study(tmp_path, MINIMAL, text)
    assert "\n" not in str(caught.value)


def test_nothing_to_compare_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        study(tmp_path, MINIMAL)


def test_a_strategy_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no strategy is called 'restok'; did you mean 'restock'\?; there are: today"):
        study(tmp_path, only=["restok"])
    assert study(tmp_path, only=["dear", "today"]).names == ["dear", "today"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "strategies: [{name: a, set: {stock.polcy: none}}]",
            "strategy a: stock.polcy: unknown key; did you mean 'pol",
        ),
        ("strategies: [{name: a, set: {stock.policy: base}}]", "strategy a: stock.policy: not one of the words"),
        ("strategies: [{name: a, set: {stock.policy: s_S}}]", "strategy a: stock: an (s,S) policy needs S above s"),
        ("strategies: [{name: a, set: {catalogue.x.price: 1 GBP}}]", "strategy a: catalogue.x: no element has this"),
        ("strategies: [{name: a, set: {strategies: []}}]", "strategy a: strategies: a strategy cannot change"),
        ("strategies: [{name: a, set: {seed: 99}}]", "strategy a: seed: a strategy cannot change the seed"),
        ("strategies: [{name: a, set: {horizon: 2d}}]", "strategy a: horizon: a strategy cannot change the horizon"),
        (
            "strategies: [{name: a, set: {reporting_currency: USD}}]",
            "strategy a: reporting_currency: a strategy cannot",
        ),
        ("strategies: [{name: a}, {name: a}]", "strategies[1]"),
        ("strategies: [{name: as written}]", "strategies[0].name: studies and searches use this name themselves"),
        ("strategies: [{name: best found}]", "strategies[0].name: studies and searches use this name themselves"),
        ("strategies: [{name: formula for s_S}]", "strategies[0].name: studies and searches use this name themselves"),
        ("strategies: [{set: {}}]", "strategies[0].name: required, but absent"),
        ("strategies: [{name: a, set: {fees.platform: 5 EUR}}]", "strategy a: fees.platform"),
        ("fees: {platform: {low: 5 %, mode: 2 %, high: 9 %}}", "fees.platform: the three values are not in order"),
        ("fees: {platform: {low: 5 %, mode: 2m, high: 9 %}}", "fees.platform: not an uncertain input"),
        ("engine: {workers: {low: 1, mode: 2.5, high: 4}}", "engine.workers: not whole numbers"),
        ("engine: {workers: {low: -1, mode: 2, high: 4}}", "engine.workers: too small; found -1; allowed: 0 or more"),
    ],
)
def test_what_is_wrong_with_a_strategy_or_an_uncertain_input_is_told(tmp_path: Path, text: str, expected: str) -> None:
    told = refusal(tmp_path, f"{MINIMAL}\n{text}\n")
    assert expected in told
    assert told.startswith("show.yaml:")


def test_uncertain_inputs_are_their_mode_until_they_are_drawn(tmp_path: Path) -> None:
    found = study(tmp_path, MINIMAL + UNCERTAIN + STRATEGIES.replace("name: dear,", "name: dear, "))
    assert found.scenario.after_sales.default.after_delivery == 0.08
    assert found.scenario.engine.workers == 4
    assert {each.name for each, _ in found.uncertain} == {
        *("after_sales.default.after_delivery", "stock.lead_time", "fees.pick_pack", "engine.workers")
    }
    restock = found.strategies[1]
    low, high = (restock.at(restock.draw(at)) for at in (lambda _name: 0.0, lambda _name: 1.0 - 1e-12))
    assert (low.engine.workers, high.engine.workers) == (2, 9)
    assert low.after_sales.default.after_delivery == pytest.approx(0.05)
    assert high.stock.lead_time.mean_us == pytest.approx(6 * 86_400e6, rel=1e-5)
    assert low.fees.pick_pack is not None
    assert low.fees.pick_pack.minor == 50
    assert low.stock.policy == "s_S"


def test_the_triangular_law_has_its_mean(tmp_path: Path) -> None:
    (each,) = (
        each
        for each, _ in study(tmp_path, MINIMAL + UNCERTAIN + STRATEGIES).uncertain
        if each.name == "after_sales.default.after_delivery"
    )
    mean = sum(each.number((k + 0.5) / 10_000) for k in range(10_000)) / 10_000
    assert mean == pytest.approx((0.05 + 0.08 + 0.20) / 3, rel=1e-4)


def test_a_strategy_may_settle_an_uncertain_input(tmp_path: Path) -> None:
    text = MINIMAL + UNCERTAIN + "strategies: [{name: a}, {name: b, set: {stock.lead_time: 1d}}]\n"
    a, b = study(tmp_path, text).strategies
    assert {each.name for each in a.uncertain} - {each.name for each in b.uncertain} == {"stock.lead_time"}


def test_each_strategy_draws_from_its_own_law(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + "fees: {platform: {low: 5 %, mode: 8 %, high: 12 %}}\n"
        + "strategies: [{name: a}, {name: b, set: {fees.platform: {low: 50 %, mode: 60 %, high: 70 %}}}, {name: c}]\n"
    )
    found = study(tmp_path, text)
    drawn = [each.draw(lambda _name: 0.5) for each in found.strategies]
    shares = [each.at(numbers).fees.platform for each, numbers in zip(found.strategies, drawn, strict=True)]
    assert shares[0] == shares[2]
    assert 50_000 < shares[0] < 120_000
    assert shares[1] == 600_000
    assert [names for _, names in found.uncertain] == [["a", "c"], ["b"]]


def test_a_scenario_with_strategies_is_written_and_read_again() -> None:
    scenario = scenario_from_text(MINIMAL + STRATEGIES)
    assert scenario_from_text(scenario_yaml(scenario)) == scenario


@pytest.mark.parametrize(
    "override",
    [
        *("stock.policy=s_S,stock.S=9", "fees.platform=9 %", "dispatch.dispatch_days=3", "slos=[]", "engine.workers=1"),
        *("catalogue.serum.stock={main: 5}", "warehouses.main.pickers=2", "warehouses.main.waves={every: 1h}"),
        *(
            "funnel.feedback.period=1m",
            "after_sales.return_delay=1d",
            "confirmation.on_hold=5m",
            "lanes=[{warehouse: main, region: all}]",
        ),
    ],
)
def test_strategies_with_one_demand_key_meet_the_same_trace(tmp_path: Path, override: str) -> None:
    first, second = study(tmp_path, MINIMAL, f"x={override}").strategies
    assert demand_key(first.scenario) == demand_key(second.scenario)
    assert generate(first.scenario, 1).fingerprint() == generate(second.scenario, 1).fingerprint()


def test_wages_of_moderators_leave_the_trace_alone(tmp_path: Path) -> None:
    asking = MINIMAL + "funnel: {questions: {moderators: 1}}\n"
    first, second = study(tmp_path, asking, "x=funnel.questions.wage_per_hour=15 GBP").strategies
    assert demand_key(first.scenario) == demand_key(second.scenario)
    assert generate(first.scenario, 1).fingerprint() == generate(second.scenario, 1).fingerprint()


@pytest.mark.parametrize(
    "override",
    [
        "funnel.order_given_click=2 %",
        "funnel.questions.moderators=1",
        "funnel.exposure.live=5 %",
        "catalogue.serum.price=20 GBP",
        "after_sales.restock=10 %",
        "payment.pays=50 %",
    ],
)
def test_strategies_that_change_demand_have_another_key(tmp_path: Path, override: str) -> None:
    first, second = study(tmp_path, MINIMAL, f"x={override}").strategies
    assert demand_key(first.scenario) != demand_key(second.scenario)
