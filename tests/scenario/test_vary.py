"""Dotted overrides."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from tests.scenario.helpers import MINIMAL, load


def refusal(*overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(*overrides)
    return str(caught.value)


def test_a_plain_value_is_set() -> None:
    assert load("seed=7").seed == 7


def test_parts_that_the_file_does_not_write_are_made() -> None:
    stock = load("stock.policy=s_S", "stock.S=50").stock
    assert (stock.policy, stock.S) == ("s_S", 50)


def test_list_elements_are_named_by_number() -> None:
    assert load("catalogue[1].price=9.90 GBP").catalogue[1].price.minor == 990


def test_list_elements_are_named_by_name() -> None:
    assert load("catalogue.serum.price=9.90 GBP").catalogue[1].price.minor == 990
    assert load("catalogue[serum].price=9.90 GBP").catalogue[1].price.minor == 990


def test_pitches_are_named_by_their_listing() -> None:
    pitch = load("programme.broadcasts.live.pitches.lipstick.length=3m").programme.broadcasts[0].pitches[0]
    assert pitch.length_us == 180_000_000


def test_elements_of_a_default_list_can_be_set() -> None:
    method = load("payment.methods[0].declines=5 %").payment.methods[0]
    assert (method.name, method.declines) == ("card", 0.05)


def test_a_default_duration_keeps_its_law() -> None:
    pick = load("fulfilment.pick.median=20s").fulfilment.pick
    assert (pick.dist, pick.median_us, pick.sigma) == ("lognormal", 20_000_000, 0.5)


def test_values_are_yaml() -> None:
    regions = load("regions=[{name: uk, audience: 60 %}, {name: ie, audience: 40 %}]").regions
    assert [region.audience for region in regions] == [0.6, 0.4]


def test_the_last_of_two_overrides_wins() -> None:
    assert load("seed=7", "seed=8").seed == 8


def test_an_equals_sign_in_the_value_is_kept() -> None:
    assert load("description=a=b").description == "a=b"


def test_an_empty_value_is_an_empty_text() -> None:
    assert load("description=").description == ""


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "not an override"),
        ("=3", "not an override"),
        ("a..b=3", "not an override"),
        ("[0]=3", "not an override"),
        ("stock.polcy=none", "stock.polcy: unknown key; did you mean 'policy'?"),
        ("catalogue.lipstik.price=1 GBP", "catalogue.lipstik: no element has this name; did you mean 'lipstick'?"),
        ("catalogue[5].price=1 GBP", "catalogue[5]: no such element; allowed: 0 to 1"),
        ("catalogue[0].price.minor=1", "catalogue[0].price.minor: cannot be set here"),
        ("stock[0]=1", "stock[0]: not a list"),
        ("seed=x", "seed: not a whole number; found 'x'"),
        ("seed=[", "not valid YAML"),
        ("stock={policy: none, policy: s_S}", "the key is given twice"),
        ("catalogue[0].stock.leeds=5", "catalogue[0].stock.leeds: there is no warehouse of this name"),
    ],
)
def test_a_wrong_override_is_named_in_its_error(override: str, message: str) -> None:
    told = refusal(override)
    assert told.startswith(f"--set {override}: ")
    assert message in told


def test_wrong_overrides_and_errors_of_the_file_are_told_together() -> None:
    with pytest.raises(ScenarioError) as caught:
        load("stock.polcy=none", "seed=x", text=MINIMAL + "sead: 3\n")
    assert len(caught.value.problems) == 3


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_override_is_a_defect(key: str, value: str) -> None:
    with suppress(ScenarioError):
        load(f"{key}={value}")


@given(st.integers(0, 2**63 - 1))
def test_numbers_survive_an_override(seed: int) -> None:
    assert load(f"seed={seed}").seed == seed


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40))
def test_quoted_text_survives_an_override(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert load(f"description={quoted}").description == text
