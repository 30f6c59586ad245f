"""A scenario written out again is the same scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sim.scenario.fingerprint import scenario_fingerprint
from sim.scenario.load import load_scenario, scenario_from_text
from sim.scenario.schema import Scenario
from sim.scenario.writing.as_run import scenario_yaml
from tests.oracle.cases import FEATURES, MODES, make_case
from tests.paths import SCENARIOS

SHIPPED = sorted(SCENARIOS.glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_reads_back_to_the_same(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario_from_text(scenario_yaml(scenario)) == scenario


@pytest.mark.parametrize("seed", range(30))
def test_scenarios_with_every_feature_and_odd_numbers_do_too(seed: int) -> None:
    scenario, _ = make_case(seed, frozenset(FEATURES), MODES[seed % 3], range(1))
    again = Scenario.model_validate(yaml.safe_load(scenario_yaml(scenario)))
    assert scenario_fingerprint(again) == scenario_fingerprint(scenario)


@pytest.mark.parametrize(
    "text",
    [
        "description: 'yes'",
        "description: 'a: b # c'",
        'description: "two\\nlines"',
        "description: '12'",
        "description: ' blank '",
        "description: 直播",
        "description: '1e5'",
        'description: "a\\x7fb\\x85c\\u2028d\\ufeffe"',
        "after_sales: {categories: {'1e5': {after_delivery: 20 %}}}",
        "after_sales: {categories: {'T-shirts, etc.': {after_delivery: 20 %}}}",
        "regions: [{name: 'on', business_days: [sun]}]",
        "after_sales: {categories: {'no': {after_delivery: 0.123456789}}}",
        "fees: {platform: 0.0001 %, payment_fixed: 0.05 GBP}",
        "confirmation: {staff: [{from: '08:00', to: '24:00', servers: 3, days: [sat]}]}",
        "engine: {store: immediate, client_timeout: 0}",
    ],
)
def test_texts_that_yaml_could_take_for_something_else_stay_what_they_are(text: str) -> None:
    scenario = scenario_from_text(
        "name: odd\ncatalogue: [{name: a, category: 'no', price: 1 GBP, stock: {main: 1}}, "
        "{name: '1e5', category: '1e5', price: 1 GBP}, {name: etc, category: 'T-shirts, etc.', price: 1 GBP}]\n"
        f"programme: {{broadcasts: [{{name: b, start: 0, length: 1h, entries: [{{at: 0, per_min: 1}}]}}]}}\n{text}\n"
    )
    assert scenario_from_text(scenario_yaml(scenario)) == scenario


def test_notes_stand_behind_their_values() -> None:
    scenario = load_scenario(next(path for path in SHIPPED if path.stem == "minimal"))
    text = scenario_yaml(scenario, {"payment.tries": "default", "seed": "--set seed=1"})
    assert "  tries: 3  # default\n" in text
    assert "\nseed: 1  # --set seed=1\n" in text
