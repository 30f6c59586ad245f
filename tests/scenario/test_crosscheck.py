"""Checks that need several parts at once."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario.checks.rows import entered, expected_rows, mean_us
from sim.scenario.parts.programme import Broadcast
from tests.scenario.helpers import CATALOGUE, HEAD, MINIMAL, PROGRAMME, load

_B = "programme.broadcasts[0]"
_DEAL = "{sku: lipstick, at: 10m, price: 9 GBP, units: 10}"

REFUSED = [
    ("shops=[{name: a}, {name: a}]", "shops[1].name: shop 0 has this name already"),
    ("shops=[{name: 'a/b'}]", "shops[0].name: not a name"),
    ("shops=[{name: ''}]", "shops[0].name: not a name"),
    ("catalogue[0].shop=x", "catalogue[0].shop: there is no shop of this name"),
    ("catalogue[0].skus=[{name: a}, {name: a}]", "catalogue[0].skus[1].name: SKU 0 has this name already"),
    (
        "catalogue[0].skus=[{name: a, share: 40 %}, {name: b, share: 40 %}]",
        "skus: the shares of the SKUs add up to 80 %",
    ),
    ("catalogue[0].skus=[{name: a, share: 40 %}, {name: b}]", "skus: the shares of the SKUs add up to 140 %"),
    ("catalogue[0].skus=[{name: a, stock: {x: 1}}]", "skus[0].stock.x: there is no warehouse of this name"),
    ("catalogue[0].stock.main=-1", "catalogue[0].stock.main: too small; found -1"),
    ("catalogue[0].shelf=[{on: 2h, off: 1h}]", "shelf[0].off: goes off the shelf before it is on"),
    ("catalogue[0].shelf=[{on: 0, off: 2h}, {on: 1h, off: 3h}]", "shelf[1]: overlaps window 0"),
    ("catalogue[0].shelf=[{on: 2h, off: 3h}, {on: 0, off: 1h}]", "shelf[1].on: comes before the one above it"),
    ("catalogue[0].price=-1 GBP", "catalogue[0].price: an amount below zero"),
    (
        "currencies=[{currency: GBP, rate: 1.2, date: 2026-01-01}]",
        "currencies[0].rate: the reporting currency is worth 1",
    ),
    ("regions=[{name: a, nearest: [main, main]}]", "regions[0].nearest[1]: is named already"),
    ("regions=[{name: a, hour_factors: [1, 2]}]", "regions[0].hour_factors: not one factor an hour; found 2"),
    ("regions=[{name: a, zone: Mars/Base}]", "regions[0].zone: no such time zone"),
    ("regions=[{name: a, zone: '../etc/passwd'}]", "regions[0].zone: no such time zone"),
    ("regions=[{name: a, zone: Europe}]", "regions[0].zone: no such time zone"),
    ("regions=[{name: a, business_days: []}]", "regions[0].business_days: no business day"),
    (
        "warehouses=[{name: main, pickers: {zone: X, shifts: [{servers: 1}]}}]",
        "warehouses[0].pickers.zone: no such time zone",
    ),
    (
        "warehouses=[{name: main, pick_ups: [{at: '18:00'}, {at: '9:00'}]}]",
        "pick_ups[1].at: comes before the one above it",
    ),
    ("warehouses=[{name: main, waves: {every: 10us}}]", "warehouses[0].waves.every: too short a period"),
    (
        "lanes=[{warehouse: main, region: all}, {warehouse: main, region: all}]",
        "lanes[1]: lane 0 joins these two already",
    ),
    ("engine.outages=[{at: 1h, length: 5m}, {at: 62m, length: 5m}]", "engine.outages[1]: overlaps outage 0"),
    ("engine.changes=[{at: 1h, servers: 5}, {at: 1h, servers: 6}]", "engine.changes[1].at: comes before"),
    ("engine.service.checkout=36m", "checkout: too long; found '36m'; allowed: at most 35m 47s"),
    (
        "fulfilment.pick={dist: uniform, low: 0s, high: 36m}",
        "fulfilment.pick.high: too long; found '36m'; allowed: at most 35m 47s, or an `at_most` beside it",
    ),
    ("fulfilment.pick={dist: exponential, mean: 40m}", "pick: its mean would be 23m 39s instead of 40m"),
    ("payment.delay.mean=60d", "payment.delay.mean: too long; found '60d'; allowed: at most 50d"),
    ("payment.sweep=999us", "payment.sweep: too short a period"),
    ("stock.review=1us", "stock.review: too short a period"),
    (
        "after_sales={cancel_on_hold: 60 %, default: {before_shipping: 30 %, after_delivery: 30 %, refund_only: 20 %}}",
        "after_sales.default: these shares and `cancel_on_hold` add up to 140 %; allowed: at most 100 %",
    ),
    (
        "after_sales={cancel_on_hold: 0 %, default: {after_delivery: 80 %, refund_only: 20 %}}",
        "after_sales.default: these shares and `cancel_on_hold` add up to 102 %",
    ),
    (
        "payment.outages=[{at: 1h, length: 5m, crash: true}]",
        "payment.outages[0].crash: the provider's outages lose no work: payments wait for their end; found true",
    ),
    (
        "stock.lead_time={dist: constant, mean: 5d, at_most: 1d}",
        "stock.lead_time.at_most: below the mean, which is always so; found '1d'; allowed: 5d or more",
    ),
    (
        "stock.emergency={level: 1, up_to: 2, lead_time: {dist: constant, mean: 5d, at_most: 1d}}",
        "stock.emergency.lead_time.at_most: below the mean",
    ),
    (
        "funnel.matching={r: 90 %, top: 0 %}",
        "funnel.matching.top: nobody is shown anything, so `r` matches nobody; found '0 %'; allowed: above 0 %",
    ),
    (
        "programme.videos=[{name: v, listing: serum, publish: 0, kernel: {mean: 2h}}]",
        "programme.videos[0].kernel.mean: a seismic kernel takes theta, not mean; found '2h'",
    ),
    (
        "programme.videos=[{name: v, listing: serum, publish: 0, kernel: {kind: exponential, theta: 1}}]",
        "programme.videos[0].kernel.theta: an exponential kernel takes mean, not theta; found 1",
    ),
    (
        "fulfilment.pick={dist: exponential, mean: 30m}",
        "pick: its mean would be 20m 54s instead of 30m; allowed: `at_most` where it ends, 35m 47s or sooner",
    ),
    (
        "fulfilment.pick={dist: lognormal, median: 40s, sigma: 3}",
        "fulfilment.pick: its mean would be 6m ",
    ),
    ("fulfilment.pack={dist: lognormal, median: 20m, sigma: 1}", "fulfilment.pack: its mean would be 21m 1"),
    (
        "payment.methods[0].latency={dist: gamma, mean: 20m, shape: 1}",
        "latency: its mean would be 16m 40s instead of 20m",
    ),
    (
        "stock.lead_time={dist: exponential, mean: 45d}",
        "stock.lead_time: its mean would be 30d 4h 28m instead of 45d",
    ),
    (
        "lanes=[{warehouse: main, region: all, lead_time: {dist: lognormal, median: 1d, sigma: 2.5}}]",
        "lanes[0].lead_time.sigma: too wide to be drawn; found 2.5; allowed: at most 2.4",
    ),
    (
        "lanes=[{warehouse: main, region: all, lead_time: {dist: lognormal, median: 1d, sigma: 2.3}}]",
        "lanes[0].lead_time: its mean would be 6d",
    ),
    (
        "payment.delay={dist: lognormal, median: 1s, sigma: 4}",
        "payment.delay.sigma: too wide to be drawn; found 4; allowed: at most 3, or an `at_most` beside it",
    ),
    ("after_sales.return_delay.mean=60d", "after_sales.return_delay: its mean would be "),
    (
        "funnel.price.reference={serun: 3 GBP}",
        "reference.serun: there is no listing of this name; did you mean 'serum'?",
    ),
    (f"{_B}.start=30d", f"{_B}.start: the broadcast ends at 30d 1h"),
    (f"{_B}.entries=[{{at: 2m, per_min: 1}}, {{at: 1m, per_min: 1}}]", "entries[1].at: comes before the one above it"),
    (f"{_B}.entries=[{{at: 61m, per_min: 1}}]", "entries[0].at: the knot lies after the broadcast"),
    (f"{_B}.bag=[serum, serum]", "bag[1]: stands in the bag already"),
    (f"{_B}.pitches[0].at=55m", "pitches[0].at: the pitch ends 1h 5m after the start"),
    (f"{_B}.deals=[{_DEAL}, {_DEAL}]", "deals[1].at: deal 0 of the same SKU is still open"),
    (f"{_B}.deals=[{_DEAL.replace('9 GBP', '20 GBP')}]", "deals[0].price: dearer than the list price"),
    (f"{_B}.deals=[{_DEAL.replace('units: 10', 'units: 301')}]", "deals[0].units: more than the stock of lipstick"),
    (
        "programme.videos=[{name: live, listing: serum, publish: 1h}]",
        "videos[0].name: a broadcast has this name already",
    ),
    (
        "programme.videos=[{name: v, listing: serum, publish: 31d}]",
        "videos[0].publish: the video is published too late",
    ),
    ("max_rows=1", "programme: about"),
    ("start=9999-12-31T00:00:00+00:00", "start: too far away"),
    ("start=2026", "start: too far away"),
]


@pytest.mark.parametrize(("override", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_a_scenario_that_contradicts_itself_is_refused(override: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(override)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "fulfilment.pick={dist: exponential, mean: 7m}",
        "fulfilment.pick={dist: exponential, mean: 30m, at_most: 35m}",
        "stock.lead_time={dist: exponential, mean: 10d}",
        "lanes=[{warehouse: main, region: all, lead_time: {dist: lognormal, median: 1h, sigma: 1.8}}]",
        "payment.delay={dist: lognormal, median: 1s, sigma: 4, at_most: 1h}",
        "fulfilment.pick=35m",
        "fulfilment.pick={dist: uniform, low: 0s, high: 34m}",
        "fulfilment.pick={dist: uniform, low: 0s, high: 60m, at_most: 20m}",
        "fulfilment.pick={dist: exponential, mean: 40m, at_most: 20m}",
        f"{_B}.stay={{law: {{dist: lognormal, median: 30s, sigma: 3.2}}}}",
        f"{_B}.stay={{law: {{dist: exponential, mean: 60d}}}}",
    ],
)
def test_durations_that_are_drawn_as_written_are_taken(override: str) -> None:
    load(override)


@pytest.mark.parametrize(
    "law",
    [
        "{dist: lognormal, median: 1h, sigma: 3, at_most: 5 dayz}",
        "{dist: uniform, low: 1h, high: 60d, at_most: 5 dayz}",
        "{dist: exponential, mean: 60d, at_most: 5 dayz}",
    ],
)
def test_a_limit_that_is_misspelt_is_the_only_error_of_its_duration(law: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(f"after_sales.return_delay={law}")
    assert [problem.path for problem in caught.value.problems] == ["after_sales.return_delay.at_most"]


#: More units of a deal than there are at the start: 301 of 300. It closes 1h 11m 15s after the start of all.
_MORE = _DEAL.replace("units: 10", "units: 301")


@pytest.mark.parametrize(
    "overrides",
    [
        ["stock={policy: newsvendor, lead_time: 1h}"],
        ["stock={policy: newsvendor, lead_time: 1h}", "catalogue[0].stock.main=0"],
        ["stock={policy: wagner_whitin, lead_time: {dist: exponential, mean: 2d}}"],
        ["stock={policy: s_S, s: 400, S: 500, review: 30m, lead_time: 30m}"],
        ["stock={policy: r_Q, r: 400, Q: 100, lead_time: 1h}"],
        ["stock={emergency: {level: 400, up_to: 500, lead_time: 1h}}"],
        ["allocation.presale=[{sku: lipstick, units: 1, lead: 3d}]"],
    ],
)
def test_a_deal_may_have_more_units_than_the_start_where_stock_can_come_in_time(overrides: list[str]) -> None:
    load(*overrides, f"{_B}.deals=[{_MORE}]")


@pytest.mark.parametrize(
    "overrides",
    [
        ["stock={policy: newsvendor, lead_time: 2h}"],
        ["stock={policy: wagner_whitin, lead_time: {dist: uniform, low: 2h, high: 3d}}"],
        ["stock={policy: s_S, s: 400, S: 500, review: 1h, lead_time: 30m}"],
        ["stock={policy: s_S, s: 400, S: 500, review: 10m, offset: 1h, lead_time: 30m}"],
        ["stock={policy: r_Q, r: 400, Q: 100, lead_time: 1h}", "catalogue[0].stock.main=0"],
        ["stock={emergency: {level: 400, up_to: 500, lead_time: 2h}}"],
        ["allocation.presale=[{sku: serum, units: 1, lead: 3d}]"],
    ],
)
def test_a_deal_of_more_units_than_can_come_in_time_is_refused(overrides: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(*overrides, f"{_B}.deals=[{_MORE}]")
    assert f"{_B}.deals[0].units: more than the stock of lipstick" in str(caught.value)
    assert ("and what is ordered comes too late" in str(caught.value)) == overrides[0].startswith("stock")


@pytest.mark.parametrize(
    ("override", "path"),
    [
        (f"{_B}.deals=[{_DEAL}]", f"{_B}.deals[0].sku"),
        ("catalogue[1]={name: kit, price: 9 GBP, bundle: [{sku: lipstick}]}", "catalogue[1].bundle[0].sku"),
    ],
)
def test_a_listing_with_variants_stands_for_none_of_them(override: str, path: str) -> None:
    variants = "catalogue[0].skus=[{name: ruby}, {name: coral}]"
    with pytest.raises(ScenarioError) as caught:
        load(variants, override)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert "this listing has variants: name one of them" in str(problem)
    assert "found 'lipstick'; allowed: lipstick/ruby, lipstick/coral" in str(problem)
    load(variants, override.replace("sku: lipstick", "sku: lipstick/coral"))


@pytest.mark.parametrize(
    "nobody",
    ["0", "[{servers: 0}, {from: '09:00', servers: 0}]", "[{servers: 3, days: []}]", "{zone: UTC, shifts: []}"],
)
def test_work_that_nobody_ever_does_is_refused(nobody: str) -> None:
    staff = f"confirmation={{mode: staff, staff: {nobody}}}"
    for override, path in (
        (f"warehouses=[{{name: main, pickers: {nobody}}}]", "warehouses[0].pickers"),
        (f"warehouses=[{{name: main, packers: {nobody}}}]", "warehouses[0].packers"),
        (staff, "confirmation.staff"),
    ):
        with pytest.raises(ScenarioError) as caught:
            load(override)
        assert [problem.path for problem in caught.value.problems] == [path]
        assert "nobody is ever at work" in str(caught.value)
    load(staff.replace("mode: staff", "mode: automatic"))


def test_an_engine_that_never_has_a_worker_is_refused() -> None:
    for override in ("engine.workers=0", "engine={workers: 0, changes: [{at: 1h, servers: 0}]}"):
        with pytest.raises(ScenarioError, match=r"engine.workers: no worker ever; found 0; allowed: 1 or more"):
            load(override)
    load("engine={workers: 0, changes: [{at: 1h, servers: 2}]}")
    load("engine={workers: 2, changes: [{at: 1h, servers: 0}]}")


_BASE_STOCK = "stock={policy: base_stock, S: 9, levels: {%s: {S: 5}}}"
_LISTINGS = (
    "catalogue=[{name: mug, price: 9 GBP, stock: {main: 1}}, {name: lid, price: 9 GBP, stock: {main: 0}}, "
    "{name: cup, price: 9 GBP, skus: [{name: a, stock: {main: 1}}, {name: b}]}, "
    "{name: set, price: 9 GBP, bundle: [{sku: mug}]}]"
)
_NO_PITCHES = "programme.broadcasts[0].pitches=[]"


@pytest.mark.parametrize("name", ["lid", "cup/b"])
def test_levels_of_what_has_no_stock_at_the_start_are_refused(name: str) -> None:
    message = f"stock.levels.{name}: base_stock orders only what has stock at the start"
    with pytest.raises(ScenarioError) as caught:
        load(_LISTINGS, _NO_PITCHES, _BASE_STOCK % name)
    assert message in str(caught.value)
    load(_LISTINGS, _NO_PITCHES, _BASE_STOCK.replace("base_stock", "newsvendor") % name)


def test_levels_of_what_has_stock_at_the_start_are_not() -> None:
    for name in ("mug", "cup", "cup/a"):
        load(_LISTINGS, _NO_PITCHES, _BASE_STOCK % name)


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("stock.levels={set: {S: 5}}", "stock.levels.set"),
        ("stock.forecast.given={set: {mean: 5, sd: 1}}", "stock.forecast.given.set"),
    ],
)
def test_a_bundle_has_neither_levels_nor_demand_of_its_own(override: str, path: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(_LISTINGS, _NO_PITCHES, override)
    assert f"{path}: a bundle holds no stock itself; allowed: the SKUs that it is packed from" in str(caught.value)


ALLOWED = [
    "payment.outages=[{at: 1h, length: 5m, crash: false}]",
    "stock.lead_time={dist: constant, mean: 5d, at_most: 5d}",
    "funnel.matching={r: 0, top: 0}",
    "programme.videos=[{name: v, listing: serum, publish: 0, kernel: {kind: exponential, mean: 2h}}]",
    "programme.videos=[{name: v, listing: serum, publish: 0, kernel: {kind: seismic, mean: 1h}}]",
    "catalogue[0].skus=[{name: a}, {name: b}, {name: c}]",
    "regions=[{name: a}, {name: b}, {name: c}]",
    "regions=[{name: a, audience: 33.3333333 %}, {name: b, audience: 66.6666667 %}]",
    "engine.outages=[{at: 1h, length: 5m}, {at: 65m, length: 5m}]",
    f"{_B}.entries=[{{at: 0, per_min: 1}}, {{at: 1m, per_min: 1}}, {{at: 1m, per_min: 9}}]",
    f"{_B}.pitches=[{{listing: serum, at: 0, length: 30m}}, {{listing: serum, at: 30m, length: 30m}}]",
    f"{_B}.deals=[{{sku: lipstick, at: 0, countdown: 0, duration: 1h, price: 12.90 GBP, units: 300}}]",
    "currencies=[{currency: GBP, rate: 1, date: 2026-01-01}]",
    "after_sales={cancel_on_hold: 60 %, default: {before_shipping: 10 %, after_delivery: 20 %, refund_only: 10 %}}",
    "after_sales={cancel_on_hold: 10 %, default: {before_shipping: 0, after_delivery: 70 %, refund_only: 20 %}}",
]


@pytest.mark.parametrize("override", ALLOWED)
def test_what_just_fits_is_allowed(override: str) -> None:
    load(override)


def test_a_deal_on_a_bundle_is_held_to_the_stock_of_its_parts() -> None:
    kit = "\n  - {name: kit, price: 40 GBP, bundle: [{sku: serum, units: 3}, {sku: lipstick}]}"
    text = HEAD + CATALOGUE.rstrip() + kit + PROGRAMME
    deal = "programme.broadcasts[0].deals=[{sku: kit, at: 10m, price: 9 GBP, units: %d}]"
    load(deal % 33, text=text)
    with pytest.raises(ScenarioError, match="more than the stock of kit; found 34; allowed: at most 33"):
        load(deal % 34, text=text)


def test_a_deal_in_another_currency_is_compared_at_the_dated_rate() -> None:
    rate = "currencies=[{currency: EUR, rate: 0.5, date: 2026-01-01}]"
    deal = "programme.broadcasts[0].deals=[{sku: lipstick, at: 10m, price: %s EUR, units: 3}]"
    load(rate, deal % "25.80")
    with pytest.raises(ScenarioError, match="dearer than the list price"):
        load(rate, deal % "25.82")


def test_problems_between_parts_are_told_beside_those_of_the_schema() -> None:
    with pytest.raises(ScenarioError) as caught:
        load("seed=x", "catalogue[0].shop=y", "regions=[{name: a, zone: Mars}]")
    assert len(caught.value.problems) == 3


def test_nothing_is_blamed_on_what_could_not_be_read() -> None:
    with pytest.raises(ScenarioError) as caught:
        load(text=MINIMAL.replace("name: lipstick", "nam: lipstick"))
    assert {problem.path for problem in caught.value.problems} == {"catalogue[0].nam"}


def test_entries_are_the_area_under_the_curve() -> None:
    knots = load().programme.broadcasts[0].entries
    assert entered(knots, 3_600_000_000) == pytest.approx(60 * 55)
    assert entered(knots, 0) == 0


def test_one_knot_is_a_constant_rate() -> None:
    data = {"name": "b", "start": 0, "length": "1h", "entries": [{"at": "10m", "per_min": 6}]}
    assert entered(Broadcast.model_validate(data).entries, 3_600_000_000) == pytest.approx(360)


def test_expected_rows_follow_from_viewers_stay_and_hazard() -> None:
    scenario = load("funnel.pitch_lift=0", f"{_B}.stay={{bounce: 0, law: 6m}}")
    assert expected_rows(scenario) == pytest.approx(3300 * 0.1 * 4 * 0.05)
    assert expected_rows(load("funnel.views_per_buy=3")) == pytest.approx(4 * expected_rows(load()))


def test_the_mean_of_a_lognormal_is_that_of_its_law() -> None:
    law = load("payment.delay={dist: lognormal, median: 30s, sigma: 1.4}").payment.delay
    assert mean_us(law) == pytest.approx(79.93e6, rel=1e-3)
