"""The price that others are compared with where none is given: that of the file, before anything changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.demand.conversion import factor_u64
from sim.demand.generate import generate
from sim.errors import ScenarioError
from sim.scenario import load_scenario, scenario_from_text
from sim.scenario.schema import Scenario
from sim.scenario.studies.study import load_study
from sim.scenario.writing.as_run import scenario_yaml
from tests.scenario.helpers import HEAD, MINIMAL, PROGRAMME, load

ELASTIC = MINIMAL + "funnel: {clicks_per_viewer_hour: 60, price: {elasticity: 2, ceiling: 2}}\n"
DEAR, CHEAP = "catalogue.lipstick.price=16.77 GBP", "catalogue.lipstick.price=10.32 GBP"  # 1.3 and 0.8 x 12.90


def factors(scenario: Scenario) -> list[float]:
    """Conversion of lipstick and serum against that at the reference."""
    return [float(factor) / 2**32 * scenario.funnel.price.ceiling for factor in factor_u64(scenario)]


def test_a_price_that_an_override_changes_is_compared_with_the_one_written() -> None:
    assert factors(load(text=ELASTIC)) == pytest.approx([1, 1])
    assert factors(load(DEAR, text=ELASTIC)) == pytest.approx([1.3**-2, 1])
    assert factors(load(CHEAP, text=ELASTIC)) == pytest.approx([0.8**-2, 1])


def test_buyers_answer_to_the_price() -> None:
    scenarios = [load(*over, text=ELASTIC) for over in ((), (DEAR,), (CHEAP,))]
    traces = [generate(scenario, 1) for scenario in scenarios]
    assert len({trace.orders for trace in traces}) == 1  # the same buyers
    plain, dear, cheap = (float((t.carts["go_u32"] < t.factor_u64[0]).sum()) for t in traces)
    assert dear / plain == pytest.approx(1.3**-2, abs=0.05)
    assert cheap / plain == pytest.approx(0.8**-2, abs=0.08)


@pytest.mark.parametrize(
    "options",
    [
        {"strategies": [f"dear={DEAR}"], "only": ["dear"]},
        {"vary": ["catalogue.lipstick.price=16.77 GBP:16.77 GBP:1 GBP"]},
        {"strategies": [f"dear={DEAR},funnel.price.elasticity=2"], "overrides": ["funnel.price.elasticity=0"]},
    ],
)
def test_strategies_and_grids_are_compared_with_the_price_written(
    tmp_path: Path, options: dict[str, list[str]]
) -> None:
    path = tmp_path / "show.yaml"
    path.write_text(ELASTIC, encoding="utf-8")
    scenario = load_study(path, **options).strategies[-1].scenario
    assert scenario.funnel.price.reference["lipstick"].minor == 1290
    assert factors(scenario) == pytest.approx([1.3**-2, 1])


def test_an_uncertain_price_is_compared_with_its_most_likely_value(tmp_path: Path) -> None:
    path = tmp_path / "show.yaml"
    path.write_text(ELASTIC.replace("12.90 GBP", "{low: 10 GBP, mode: 12.90 GBP, high: 20 GBP}"), encoding="utf-8")
    strategist = load_study(path, strategies=["more=engine.workers=9"]).strategies[-1]
    drawn = strategist.at({"catalogue[0].price": 1677.0})
    assert drawn.catalogue[0].price.minor == 1677
    assert factors(drawn) == pytest.approx([1.3**-2, 1])


def test_prices_of_a_catalogue_file_count_as_written(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("listing,price,stock:main\nlipstick,12.90 GBP,300\n", encoding="utf-8")
    path = tmp_path / "show.yaml"
    head = HEAD + "catalogue: shop.csv\n" + PROGRAMME
    path.write_text(head + "funnel: {price: {elasticity: 2, ceiling: 2}}\n", encoding="utf-8")
    assert factors(load_scenario(path, [DEAR])) == pytest.approx([1.3**-2])


def test_what_is_given_stays_and_the_scenario_as_run_says_what_it_was_compared_with(tmp_path: Path) -> None:
    given = load(DEAR, "funnel.price.reference={lipstick: 20.00 GBP}", text=ELASTIC)
    assert factors(given) == pytest.approx([(16.77 / 20) ** -2, 1])
    path = tmp_path / "show.yaml"
    path.write_text(ELASTIC, encoding="utf-8")
    ran = load_scenario(path, [DEAR])
    assert scenario_from_text(scenario_yaml(ran)) == ran
    assert load(text=ELASTIC).funnel.price.reference == {}
    assert load(DEAR).funnel.price.reference == {}  # nobody minds the price


def test_a_lower_price_that_nobody_may_answer_to_is_refused_where_the_answer_is_written() -> None:
    flat = MINIMAL + "\nfunnel:\n  price:\n    elasticity: 2\n"
    line = flat.splitlines().index("  price:") + 1
    assert factors(load(DEAR, text=flat)) == pytest.approx([1.3**-2, 1])
    with pytest.raises(ScenarioError) as caught:
        load(CHEAP, text=flat)
    assert (
        f"show.yaml:{line}: funnel.price.ceiling: lipstick is cheaper (10.32 GBP) than its reference or its price in "
        "the file (12.90 GBP), which sells no more at a ceiling of 1; "
        "allowed: a ceiling above 1; 1.5625 lets all of the effect through"
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        (ELASTIC.replace("ceiling: 2", "reference: {lipstick: 10.00 EUR}"), ()),
        (ELASTIC.replace(", ceiling: 2", "").replace("12.90 GBP", "12.90 EUR"), (CHEAP,)),
    ],
)
def test_a_reference_in_a_currency_without_a_rate_is_refused(text: str, overrides: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError, match=r"show.yaml:\d+: .*EUR has no rate in `currencies`"):
        load(*overrides, text=text)


@pytest.mark.parametrize("overrides", [(), (CHEAP,)])
@pytest.mark.parametrize("reference", ["9.00 GBP", "[9.00 GBP]"])
def test_a_reference_that_is_no_mapping_is_told_as_it_stands(reference: str, overrides: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError, match=r"show.yaml:\d+: funnel.price.reference: not a mapping"):
        load(*overrides, text=ELASTIC.replace("ceiling: 2", f"reference: {reference}"))


def test_a_price_that_is_not_known_yet_is_no_reference() -> None:
    known = load(DEAR, text=ELASTIC.replace("12.90 GBP", "TBD"))
    assert (known.catalogue[0].price.minor, known.funnel.price.reference) == (1677, {})
