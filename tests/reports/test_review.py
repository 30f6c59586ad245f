"""The review of a run: its sums are those of the summary, its advice stands on figures, its files are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from sim.cli import verbs
from sim.demand.generate import generate
from sim.demand.reach import Views, audience
from sim.demand.trace import KINDS
from sim.errors import UsageError
from sim.experiments.simulate import RunPlan, RunResult, run
from sim.reports.review import BY
from sim.reports.review.advice import RULES, advice
from sim.reports.review.causes import DELIVERY_CAUSES
from sim.reports.review.files import write_review
from sim.reports.review.reviewing import review
from sim.reports.review.text import group_block, review_text
from sim.reports.run_files import Run
from sim.scenario.tables import sku_names
from tests.experiments import show
from tests.reports.load_runs import write_load_run

BUSY = (
    "funnel.buyers=150",
    "dispatch.dispatch_days=1",
    "warehouses.north.pick_ups[0].capacity=15",
    "horizon=12d",
    "programme.videos[0].click=30 %",
    "programme.videos[0].order_given_click=10 %",
)


def made(tmp_path_factory: pytest.TempPathFactory, *overrides: str) -> RunResult:
    loaded = show.load(tmp_path_factory.mktemp("scenario"), *overrides)
    return run(loaded.scenario, RunPlan(), tmp_path_factory.mktemp("runs"), written=loaded.written)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return made(tmp_path_factory, *BUSY)


@pytest.fixture(scope="module")
def told(busy: RunResult) -> dict[str, Any]:
    return review(busy.directory)


def test_groups_and_what_belongs_to_no_order_make_up_the_contribution(busy: RunResult, told: dict[str, Any]) -> None:
    for by in BY:
        whole = sum(row["contribution_minor"] for row in told["groups"][by]) + sum(told["not_by_group"].values())
        assert whole == busy.summary["metrics"]["contribution_minor"], by


def test_wages_and_moderators_belong_to_no_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    done = made(tmp_path_factory, "warehouses.north.wage_per_h=20 GBP", "horizon=5d")
    found = review(done.directory)
    whole = sum(row["contribution_minor"] for row in found["groups"]["region"]) + sum(found["not_by_group"].values())
    assert whole == done.summary["metrics"]["contribution_minor"]
    assert found["not_by_group"]["pick_pack_minor"] < 0


@pytest.mark.parametrize("by", BY)
def test_groups_add_up_to_the_summary(busy: RunResult, told: dict[str, Any], by: str) -> None:
    metrics = busy.summary["metrics"]
    for key, path in (("going", "orders_going"), ("placed", "orders_placed"), ("paid", "orders_paid"),
                      ("refused", "orders_refused"), ("failed", "orders_failed"), ("gmv_minor", "gmv_minor"),
                      ("expired", "orders_expired"), ("delivered", "orders_delivered")):  # fmt: skip
        assert sum(row[key] for row in told["groups"][by]) == metrics[path], key


def test_late_rates_are_those_of_the_summary(busy: RunResult, told: dict[str, Any]) -> None:
    metrics = busy.summary["metrics"]
    left, came = told["late_dispatch"], told["late_delivery"]
    assert (left["orders_due"], left["orders_late"]) == (
        metrics["late_dispatch"]["orders_due"],
        metrics["late_dispatch"]["orders_late"],
    )
    assert came["orders_due"] - came["orders_late"] == metrics["on_time_delivery"]["orders_on_time"]
    for found in (left, came):
        assert sum(row["orders"] for row in found["causes"]) == found["orders_late"] > 0


@pytest.mark.parametrize("rules", [
    ("dispatch.policy=tiktok_us_2026_03", "dispatch.dispatch_days=0", "dispatch.daily_capacity=40"),
    ("dispatch.event=ready_to_ship", "dispatch.dispatch_days=0", "fulfilment.pack=30m"),
])  # fmt: skip
def test_late_orders_are_those_of_a_policy(tmp_path_factory: pytest.TempPathFactory, rules: tuple[str, ...]) -> None:
    done = made(tmp_path_factory, *BUSY[:1], *BUSY[2:], "horizon=20d", "confirmation.on_hold=2d", *rules)
    metrics, left = done.summary["metrics"]["late_dispatch"], review(done.directory)["late_dispatch"]
    assert (left["orders_due"], left["orders_late"]) == (metrics["orders_due"], metrics["orders_late"])
    assert sum(row["orders"] for row in left["causes"]) == left["orders_late"] > 0


def test_the_margin_lost_by_group_is_the_estimate_of_the_summary(busy: RunResult, told: dict[str, Any]) -> None:
    lost = busy.summary["metrics"]["margin_lost_to_stockouts_minor"]
    assert lost > 0
    for by in BY:
        found = [row["lost_to_stockouts_minor"] for row in told["groups"][by]]
        assert sum(found) == pytest.approx(lost, abs=2 + len(found))


@pytest.mark.parametrize("second", ["0", "60 %"])
def test_only_what_ran_out_is_told_to_be_sold_out(tmp_path_factory: pytest.TempPathFactory, second: str) -> None:
    plenty = ("catalogue[0].stock={north: 5}", "catalogue[1].stock={north: 5000}", "programme.broadcasts[0].deals=[]")
    done = made(tmp_path_factory, *plenty, "funnel.lines_per_cart=1.8", f"funnel.second_choice={second}")
    found = [row for row in review(done.directory)["stockouts"] if row["reason"] == "SOLD_OUT"]
    assert {row["sku"] for row in found} == {"mug", "set"}  # a set has mugs in it
    orders = pq.read_table(done.directory / "orders.parquet").to_pylist()
    short = [row for row in orders if "SOLD_OUT" in (row["first_refusal"], row["reason"])]
    assert sum(row["carts"] for row in found) == len(short)
    first = [row for row in short if row["second"]]
    last = [row for row in short if not row["second"]]
    units = sum(row["first_refused_units"] for row in first) + sum(row["refused_units"] for row in last)
    assert sum(row["units"] for row in found) == units < sum(row["quantity"] for row in short)
    assert {row["sku"] for row in short} > {"mug", "set"}  # first lines are of others too


def test_full_pick_ups_are_told_as_the_cause_of_late_parcels(told: dict[str, Any]) -> None:
    top = told["late_dispatch"]["causes"][0]
    assert (top["cause"], top["warehouse"]) == ("pick-up full", "north")


def test_slow_confirmation_is_told_as_the_cause_of_late_parcels(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = review(made(tmp_path_factory, "confirmation.on_hold=3d", "dispatch.dispatch_days=1").directory)
    assert {row["cause"] for row in found["late_dispatch"]["causes"]} == {"confirmed late"}


def test_slow_packers_are_told_as_the_cause_of_late_parcels(tmp_path_factory: pytest.TempPathFactory) -> None:
    late_start = "start=2026-06-01T20:00:00+00:00"
    slow = (late_start, "fulfilment.pack=30m", "warehouses.north.packers=1", "dispatch.dispatch_days=1", "horizon=12d")
    found = review(made(tmp_path_factory, *slow).directory)
    assert {row["cause"] for row in found["late_dispatch"]["causes"]} >= {"packed late"}


def test_stock_that_came_late_is_told_as_the_cause_of_late_parcels(tmp_path_factory: pytest.TempPathFactory) -> None:
    waiting = "allocation.presale=[{sku: mug, units: 400, lead: 0}]"
    late = ("stock={policy: s_S, s: 0, S: 60, review: 1d, lead_time: 4d}", "dispatch.dispatch_days=1", "horizon=12d")
    found = review(made(tmp_path_factory, waiting, *late).directory)
    waited = next(row for row in found["late_dispatch"]["causes"] if row["cause"] == "waited for stock")
    assert waited["orders"] > 10
    assert "without stock until after the deadline" in review_text(found)


def test_buyers_who_are_refused_again_are_counted_by_buyer(busy: RunResult, told: dict[str, Any]) -> None:
    table = pq.read_table(busy.directory / "orders.parquet", columns=["buyer", "state", "reason", "second"]).to_pylist()
    refusals = {"OFF_SHELF", "DEAL_CLOSED", "DEAL_SOLD_OUT", "PURCHASE_LIMIT", "SOLD_OUT"}
    times: dict[int, int] = {}
    for row in table:
        number = row["second"] + (row["state"] == "NONE" and row["reason"] in refusals)
        times[row["buyer"]] = times.get(row["buyer"], 0) + number
    again = [number for number in times.values() if number >= 2]
    found = told["repeat_refusals"]
    assert (found["buyers_twice_or_more"], found["their_refusals"]) == (len(again), sum(again))
    assert again


@pytest.mark.parametrize(("cause", "words"), DELIVERY_CAUSES.items())
def test_what_made_orders_late_ends_a_sentence(busy: RunResult, told: dict[str, Any], cause: str, words: str) -> None:
    late = {"orders_due": 100, "orders_late": 40, "otdr_share": 0.6, "causes": [{"cause": cause, "orders": 30}]}
    found = advice({**told, "late_delivery": {**told["late_delivery"], **late}}, Run(busy.directory))
    said = " ".join(each["sentence"] for each in found)
    assert f"30 of 40 late ones {words}." in said
    assert words.startswith(("had ", "left "))


def test_page_views_are_the_lines_of_the_trace(tmp_path: Path, busy: RunResult) -> None:
    scenario = show.load(tmp_path, *BUSY).scenario
    trace = generate(scenario, scenario.seed)
    pages = Run(busy.directory).numbers("pages")
    for kind, name in ((0, "views"), (1, "refreshes"), (2, "quotes")):
        assert pages[name].sum() == np.count_nonzero(trace.lines["kind"] == kind), KINDS[kind]


def test_views_of_a_broadcast_are_its_expected_entries(told: dict[str, Any]) -> None:
    row = next(row for row in told["groups"]["content"] if row["name"] == "evening")
    assert row["views"] == pytest.approx(30 * (200 + 50) / 2, abs=0.01)
    assert row["gpm_minor"] == pytest.approx(1000 * row["gmv_minor"] / row["views"])


def test_views_of_a_video_are_its_showings_before_the_horizon(tmp_path: Path) -> None:
    scenario = show.load(tmp_path, "programme.videos[0].branching=0", "programme.videos[0].quality=1").scenario
    views = Views(scenario)
    generate(scenario, 3, 0, views)
    found = audience(scenario, views)
    assert found["views"][found["content"] == 1].sum() == 300 + 2000
    assert all(time_s % 900 == 0 for time_s in found["time_s"])


def test_quarters_are_those_of_the_clock_where_the_show_starts_between_them(tmp_path: Path) -> None:
    scenario = show.load(tmp_path, "start=2026-06-01T10:07:30+00:00").scenario
    views = Views(scenario)
    generate(scenario, 3, 0, views)
    times = np.unique(audience(scenario, views)["time_s"])
    assert times[:3].tolist() == [0, 450, 1350]


def test_hours_follow_the_zone_that_is_asked_for(busy: RunResult, told: dict[str, Any]) -> None:
    there = review(busy.directory, ["hour"], "Asia/Kolkata")  # 5 h 30 min on
    assert (told["zone"], there["zone"]) == (Run(busy.directory).scenario.regions[0].zone, "Asia/Kolkata")
    (show_,) = [row for row in there["groups"]["hour"] if row["name"] == "15:00"]
    assert show_["placed"] >= next(row["placed"] for row in told["groups"]["content"] if row["name"] == "evening")
    assert sum(row["paid"] for row in there["groups"]["hour"]) == there["totals"]["paid"]


def test_a_zone_that_does_not_exist_is_told(busy: RunResult) -> None:
    with pytest.raises(UsageError, match="--zone Atlantis: no such time zone"):
        review(busy.directory, zone="Atlantis")


def test_nothing_is_advised_where_nothing_stands_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    calm = ("programme.videos=[]", "programme.broadcasts[0].deals=[]", "engine.workers=20", "engine.queue_bound=0",
            "catalogue[0].stock={north: 500, south: 500}", "catalogue[0].cost=0.01 GBP", "catalogue[1].cost=0.01 GBP",
            "fees.creator=0", "horizon=12d")  # fmt: skip
    found = review(made(tmp_path_factory, *calm).directory)
    assert found["advice"] == []
    assert "Nothing stands out" in review_text(found)


def test_views_that_a_scenario_does_not_make_are_not_told_as_none(told: dict[str, Any]) -> None:
    rows = [row | {"views": 0} for row in told["groups"]["sku"]]
    unseen = group_block(told | {"groups": {"sku": rows}}, "sku", 9)
    assert {row[1] for row in unseen.rows[1:]} == {"-"}
    assert "-" not in {row[1] for row in group_block(told, "sku", 9).rows[1:]}


def test_every_advice_carries_its_figures(told: dict[str, Any]) -> None:
    names = {rule.name for rule in RULES}
    assert {each["rule"] for each in told["advice"]} >= {"sold out", "late dispatch"}
    assert all(each["rule"] in names and each["evidence"] for each in told["advice"])


def test_a_content_is_weak_only_where_chance_hardly_makes_it(busy: RunResult, told: dict[str, Any]) -> None:
    def videos(paid: int) -> list[dict[str, Any]]:
        base = dict(told["groups"]["content"][0], kind="video", views=1000.0)
        good = {**base, "name": "good", "paid": 100, "gmv_minor": 100_000, "gpm_minor": 100_000.0}
        return [good, {**base, "name": "weak", "paid": paid, "gmv_minor": paid * 1000, "gpm_minor": paid * 1000.0}]

    def weak(paid: int) -> list[str]:
        found = advice({**told, "groups": {**told["groups"], "content": videos(paid)}}, Run(busy.directory))
        return [each["sentence"] for each in found if each["rule"] == "weak content"]

    assert weak(40) == []  # below the mean, but more than half of it
    assert weak(10) != []
    assert "weak earned 100.00 GBP per thousand views over 1,000 views" in weak(10)[0]


def test_videos_are_told_together_where_there_are_several(told: dict[str, Any]) -> None:
    clip = next(row for row in told["groups"]["content"] if row["kind"] == "video")
    one, two = (dict(clip, name=name, views=500.0, paid=5, gmv_minor=1000) for name in ("one", "two"))
    text = review_text({**told, "groups": {"content": [one, two]}}, "content")
    assert "2 videos: 1,000 views, 1.00 % converted, 10 paid, GMV 20.00, GPM 20.00" in text
    assert "broadcasts:" not in text


def test_the_files_are_made_of_the_same_numbers(busy: RunResult, told: dict[str, Any], tmp_path: Path) -> None:
    files = {path.name for path in write_review(busy.directory, told, tmp_path / "a")}
    assert files == {"review.html", "review.md", "review.json", *(f"review-{by}.png" for by in BY)}
    assert json.loads((tmp_path / "a" / "review.json").read_text("utf-8")) == json.loads(json.dumps(told))
    page, markdown = ((tmp_path / "a" / name).read_text("utf-8") for name in ("review.html", "review.md"))
    assert "default-src &#x27;none&#x27;" in page
    for text in (page, markdown):
        assert "What stands out" in text
        assert "Repeat refusals" in text
    write_review(busy.directory, told, tmp_path / "b")
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_run_in_which_nobody_came_is_reviewed(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    empty = made(tmp_path_factory, "funnel.order_given_click=0", "programme.videos=[]",
                 "programme.broadcasts[0].deals=[]")  # fmt: skip
    found = review(empty.directory)
    assert found["advice"] == []
    assert review_text(found).startswith("Review of small")
    write_review(empty.directory, found, tmp_path)


def invoked(*args: str) -> Any:
    return CliRunner().invoke(verbs, ["review", *args])


def test_the_verb_prints_one_grouping_with_all_its_rows(busy: RunResult) -> None:
    result = invoked(str(busy.directory), "--by", "sku")
    assert result.exit_code == 0
    assert "shirt/m" in result.output
    assert "By region" not in result.output


def test_the_verb_prints_everything_as_json(busy: RunResult, told: dict[str, Any]) -> None:
    result = invoked(str(busy.directory), "--json")
    assert json.loads(result.output) == json.loads(json.dumps(told))


def test_a_run_of_an_older_version_is_told(busy: RunResult, tmp_path: Path) -> None:
    import shutil

    old = Path(shutil.copytree(busy.directory, tmp_path / "old"))
    table = pq.read_table(old / "orders.parquet").drop_columns(["dispatch_due_us"])
    pq.write_table(table, old / "orders.parquet")
    with pytest.raises(UsageError, match=r"older version \(orders.parquet has no dispatch_due_us\): simulate it again"):
        review(old)


def test_the_directory_of_a_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"kind": "compare"}', encoding="utf-8")
    with pytest.raises(UsageError, match="run directory of a compare"):
        review(tmp_path)


def test_a_load_run_tells_carts_and_refusals(tmp_path: Path) -> None:
    directory = write_load_run(tmp_path / "run", "nothing")
    found = review(directory)
    assert found["of"] == "load"
    total = found["totals"]
    assert total["placed"] + total["refused"] + total["missed"] <= total["checkouts"]
    assert "Review of a load run" in review_text(found)


def test_a_load_run_is_told_by_group_where_its_trace_can_be_made_again(tmp_path: Path) -> None:
    scenario = show.load(tmp_path).scenario
    trace = generate(scenario, scenario.seed)
    directory = write_load_run(tmp_path / "run", "nothing")
    (directory / "scenario.yaml").write_text(show.TEXT, encoding="utf-8")
    summary = json.loads((directory / "summary.json").read_text("utf-8"))
    summary |= {"seed": scenario.seed, "trace": {"fingerprint": trace.fingerprint(), "carts": trace.orders}}
    (directory / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    schema = pq.read_schema(directory / "requests.parquet")
    asked = [("checkout", "ok", 0), ("checkout", "shed", 1), ("checkout", "ok", 1), ("checkout", "refused", 2),
             ("checkout", "timeout", 3), ("payment", "ok", 0), ("payment", "declined", 1)]  # fmt: skip
    rows = [
        dict.fromkeys(schema.names, 0) | {"endpoint": endpoint, "outcome": outcome, "reason": "", "cart": cart}
        for endpoint, outcome, cart in asked
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), directory / "requests.parquet")
    found = review(directory)
    wanted = {"checkouts": 4, "placed": 2, "paid": 1, "confirmed": 0, "refused": 1, "missed": 1, "tried_again": 1}
    assert {key: found["totals"][key] for key in wanted} == wanted
    for rows_of in found["groups"].values():
        assert sum(row["checkouts"] for row in rows_of) == 4
    first = trace.lines["sku"][np.flatnonzero(trace.lines["kind"] == 3)[0]]
    names = {row["name"] for row in found["groups"]["sku"]}
    assert sku_names(scenario)[first] in names
