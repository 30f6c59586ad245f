"""Studies: the same whatever the workers, kept when killed, stopped when precise, honest about inputs."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from sim.cli.options import names_in
from sim.demand.generate import generate
from sim.errors import ExitCode, UsageError
from sim.experiments import compare as experiment
from sim.experiments import replicating
from sim.experiments.ahead import Ahead
from sim.experiments.compare import Compared, Plan, compare
from sim.experiments.journal import Journal
from sim.experiments.replicating import make_traces, replicate_study
from sim.experiments.study_summary import summary_of_study
from sim.operations.strategies import start
from sim.reports.compare_files import draw_study
from sim.reports.compare_text import compare_text, sentences, shown
from sim.reports.run_changes import changes_of, changes_text
from sim.scenario.schema import Scenario
from sim.scenario.studies.study import Study, demand_key, load_study
from sim.stats.sequential import Precision

TEXT = """
name: tiny
start: 2026-06-01T10:00:00+00:00
horizon: 40d
catalogue:
  - {name: mug, price: 10.00 GBP, cost: 4.00 GBP, salvage: 1.00 GBP, stock: {main: 20}}
  - {name: shirt, price: 25.00 GBP, cost: 9.00 GBP, salvage: 8.00 GBP, stock: {main: 90}}
programme:
  broadcasts:
    - name: evening
      start: 0
      length: 20m
      entries: [{at: 0, per_min: 120}]
      pitches: [{listing: mug, at: 2m}, {listing: shirt, at: 10m}]
funnel: {clicks_per_viewer_hour: 8, order_given_click: 20 %}
fees: {holding_per_day: 0.1 %, pick_pack: 0.80 GBP}
strategies:
  - {name: today}
  - {name: cheaper, set: {fees.platform: 3 %}}
  - {name: same, set: {dispatch.dispatch_days: 3}}
  - {name: dear, set: {catalogue.mug.price: 11.00 GBP}}
"""
UNCERTAIN = """
after_sales: {default: {after_delivery: {low: 5 %, mode: 30 %, high: 60 %}}, restock: 0 %}
"""
#: Earns more a parcel and loses more a return: behind where much comes back.
RISKY = "risky=fees.pick_pack=0.10 GBP,after_sales.return_freight=4 GBP"


def study(folder: Path, text: str = TEXT, *strategies: str, **options: Any) -> Study:
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, strategies=strategies, **options)


def run(folder: Path, plan: Plan, found: Study | None = None, out: str = "runs", **options: Any) -> Compared:
    return compare(found or study(folder), plan, folder / out, **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("study")
    return run(folder, Plan(replications=8, workers=1), draw=draw_study)


def test_the_directory_holds_what_is_documented(done: Compared) -> None:
    names = {path.name for path in done.directory.iterdir()}
    assert {"summary.json", "run.json", "scenario.yaml", "provenance.json", "results.parquet", "money.parquet"} <= names
    assert {"workbook.xlsx", "report.html", "differences.png", "pareto.png", "fans.png"} <= names
    assert json.loads((done.directory / "summary.json").read_text(encoding="utf-8")) == done.summary
    assert not list(done.directory.parent.glob(".progress-*"))


def test_money_adds_up_line_by_line(done: Compared) -> None:
    rows = pq.read_table(done.directory / "money.parquet").to_pylist()
    totals = {(r["strategy"], r["replication"]): r["amount_minor"] for r in rows if r["line"] == "contribution_minor"}
    assert len(totals) == 4 * 8
    for (strategy, replication), total in totals.items():
        lines = [
            r["amount_minor"]
            for r in rows
            if (r["strategy"], r["replication"]) == (strategy, replication) and r["line"] != "contribution_minor"
        ]
        assert sum(lines) == total


def test_strategies_meet_the_same_buyers(done: Compared) -> None:
    rows = pq.read_table(done.directory / "results.parquet").to_pylist()
    intents = {(r["replication"], r["strategy"]): r["value"] for r in rows if r["metric"] == "intents"}
    assert all(intents[n, "today"] == intents[n, "cheaper"] for n in range(8))
    assert done.summary["traces_made"] == 16  # one for `dear`, whose price buyers answer to, one for all others


def test_where_no_strategy_differs_in_anything_it_is_asked_why(done: Compared) -> None:
    alike = {"mean": 0, "low": 0, "high": 0, "told_apart": False}
    pairs = [pair | alike for pair in done.summary["pairs"]]
    hint, only = (
        "No strategy differs: does 'today' use what the others set",
        "None differs in contribution, but some differ",
    )
    base = done.summary["strategies"][0]["intervals"]
    strategies = [each | {"intervals": base} for each in done.summary["strategies"]]
    for changed, told in (
        ({}, [False, False]),
        ({"pairs": pairs}, [False, True]),
        ({"pairs": pairs, "strategies": strategies}, [True, False]),
    ):
        found = " ".join(sentences(done.summary | changed))
        assert [sentence in found for sentence in (hint, only)] == told


def test_the_verdict_is_in_words(done: Compared) -> None:
    told = " ".join(sentences(done.summary))
    assert "more than today, 95 % interval" in told
    assert "same comes to exactly the same as today." in told
    assert "Best: " in told
    assert "Money statement" in compare_text(done.summary)
    pair = done.summary["pairs"][0]
    assert pair["told_apart"]
    assert pair["low"] > 0


def test_a_strategy_that_loses_money_is_told_in_amounts(tmp_path: Path) -> None:
    ruin = study(tmp_path, TEXT, "ruin=fees.pick_pack=90 GBP", only=["today", "ruin"])
    told = sentences(run(tmp_path, Plan(replications=3, workers=1), ruin).summary)[0]
    assert re.fullmatch(r"ruin earns [\d,.]+ GBP less than today, 95 % interval [\d,.]+ GBP to [\d,.]+ GBP\.", told)


def test_strategies_that_tie_may_both_be_best(tmp_path: Path) -> None:
    found = run(tmp_path, Plan(replications=3, workers=1), study(tmp_path, only=["today", "same"])).summary
    assert [each["may_be_best"] for each in found["strategies"]] == [True, True]
    assert sentences(found)[-1] == "Best: today or same."


def test_where_less_is_better_the_least_is_best(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT, "ruin=fees.pick_pack=90 GBP", only=["today", "ruin"])
    summary = run(tmp_path, Plan(replications=3, workers=1, least=True), found, draw=draw_study).summary
    assert [each["is_best"] for each in summary["strategies"]] == [False, True]
    assert [each["may_be_best"] for each in summary["strategies"]] == [False, True]
    assert summary["strategies"][1]["against_best"]["mean"] > 0 > summary["pairs"][0]["mean"]
    assert sentences(summary)[-1] == "Best: ruin."
    other = run(tmp_path, Plan(replications=3, workers=1, metric="contribution.pick_pack_minor"), found).summary
    assert sentences(other)[-1] == "Most: today.", "nobody said that more of it is better"
    assert "best" not in compare_text(other).lower()


def test_times_are_told_as_times() -> None:
    summary = {"metric": "response.checkout.p99_us", "currency": "GBP"}
    told = [shown(summary, value) for value in (500.0, -12_345.6, 3_200_000.0, None)]
    assert told == ["500 us", "-12.3 ms", "3.2 s", "-"]


def test_the_workbook_has_units_in_its_headers(done: Compared) -> None:
    book = openpyxl.load_workbook(done.directory / "workbook.xlsx")
    assert book.sheetnames == ["verdict", "strategies", "pairs", "money", "results"]
    assert [cell.value for cell in book["money"][1]] == [
        "line, mean",
        *(f"{n} (GBP)" for n in ("today", "cheaper", "same", "dear")),
    ]
    total = next(row for row in book["money"].iter_rows(values_only=True) if row[0] == "contribution")
    assert total[1] == pytest.approx(done.summary["strategies"][0]["mean"] / 100)
    assert book["pairs"]["C1"].value == "difference in contribution (GBP)"


def test_the_workbook_does_not_tell_when_it_was_written(done: Compared) -> None:
    with zipfile.ZipFile(done.directory / "workbook.xlsx") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        dates = re.findall(r"20\d\d-\d\d-\d\d", archive.read("docProps/core.xml").decode())
    assert dates == [], "the same study is the same bytes"


def test_results_do_not_depend_on_the_number_of_workers(tmp_path: Path, done: Compared) -> None:
    other = run(tmp_path, Plan(replications=8, workers=2))
    assert other.summary == done.summary
    names = ("results.parquet", "money.parquet", "summary.json")
    assert all((other.directory / n).read_bytes() == (done.directory / n).read_bytes() for n in names)


def test_results_do_not_depend_on_who_made_the_traces(
    tmp_path: Path, done: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("sim.experiments.ahead.will_compile", lambda _scenario, _runs: True)
    other = run(tmp_path, Plan(replications=8, workers=2), say=said.append)
    assert other.summary == done.summary
    assert said == ["compiling the kernels, once; it takes about 20 s"]


def test_a_trace_made_ahead_is_taken_once(tmp_path: Path) -> None:
    found, ahead = study(tmp_path), Ahead(tmp_path)
    make_traces(found, 7, ahead, 3)
    key = demand_key(found.scenario)
    assert not ahead.wants(3, key)
    trace = ahead.take(3, key)
    assert trace is not None
    assert trace.fingerprint() == generate(found.scenario, 7, 3).fingerprint()
    assert ahead.take(3, key) is None


def test_a_study_goes_on_where_it_was_stopped(tmp_path: Path, done: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(finished: int, _of: int) -> None:
        if finished == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Plan(replications=8, workers=1), tell=stop)
    journal = next((tmp_path / "runs").glob(".progress-*"))
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"replication": 5, "inp')  # a line cut off by a kill
    made: list[int] = []

    def counted(scenario: Scenario, seed: int, replication: int, *rest: Any) -> Any:
        made.append(replication)
        return generate(scenario, seed, replication, *rest)

    monkeypatch.setattr(replicating, "generate", counted)
    assert run(tmp_path, Plan(replications=8, workers=1)).summary == done.summary
    assert set(made) == {5, 6, 7}


def test_progress_of_another_study_or_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, "a" * 64)
    journal.start({})
    journal.add({"replication": 0})
    assert set(journal.read()) == {0}
    assert Journal(tmp_path, "a" * 16 + "b" * 48).read() == {}
    monkeypatch.setattr("sim.__version__", "0.0.0")
    assert Journal(tmp_path, "a" * 64).read() == {}


def test_a_journal_is_whole_even_where_its_rewriting_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, "a" * 64)
    journal.start({3: {"replication": 3}})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        journal.start({})
    assert set(journal.read()) == {3}


def test_it_stops_as_soon_as_it_is_precise(tmp_path: Path) -> None:
    found = study(tmp_path, only=["today", "cheaper"])
    precise = run(tmp_path, Plan(precision=Precision(relative=0.5), workers=1, most=40), found)
    assert precise.precise
    assert precise.summary["replications"] == 10
    assert not experiment.imprecise(precise)


def test_a_precision_out_of_reach_says_what_it_would_take(tmp_path: Path) -> None:
    found = study(tmp_path, only=["today", "cheaper"])
    stopped = run(tmp_path, Plan(precision=Precision(absolute=1.0), workers=1, most=12), found)
    assert stopped.summary["replications"] == 12
    told = experiment.imprecise(stopped)
    assert re.search(r"not reached: about [\d,]+ replications would; stopped at --max-repl.* 12", told)
    stopped.summary["precision"]["needed_replications"] = None
    assert "not even 10,000,000 replications would;" in experiment.imprecise(stopped)


def test_a_policy_that_raises_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise ZeroDivisionError("of mine")

    monkeypatch.setattr(start, "s_s", broken)
    found = study(tmp_path, TEXT, "mine=stock.policy=s_S,stock.S=9")
    with pytest.raises(UsageError, match=r"strategy mine, replication 0: ZeroDivisionError in test_compare.py:\d+: of"):
        run(tmp_path, Plan(replications=2, workers=1), found)


def test_a_metric_that_does_not_exist_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    with pytest.raises(UsageError, match="--metric fill_rate: not a number of every replication; did you mean 'fill_r"):
        run(tmp_path, Plan(replications=2, workers=1, metric="fill_rate"), tell=lambda done, _of: told.append(done))
    assert told == [], "it is told after the first replication"
    assert not list(tmp_path.glob("runs/.progress-*"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at 'tcp://127.0.0.1:1': "),
        ("127.0.0.1", "write tcp://HOST:PORT"),
    ],
)
def test_a_cluster_that_is_down_is_told_at_once(tmp_path: Path, address: str, told: str) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    with pytest.raises(UsageError, match=told):
        run(tmp_path, Plan(replications=2, cluster=address))


def test_chance_and_inputs_are_kept_apart_and_the_turn_is_found(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT.partition("strategies:")[0] + UNCERTAIN, RISKY)
    result = run(tmp_path, Plan(replications=40, workers=2), found, draw=draw_study)
    pair = result.summary["pairs"][0]
    assert pair["inputs_share_of_variance"] > 0.5
    assert pair["chance_half_width"] < pair["high"] - pair["mean"]
    assert pair["n"] == 20
    (turn,) = pair["break_evens"]
    assert turn["path"] == "after_sales.default.after_delivery"
    assert turn["leads_below"] == "risky"
    assert 0.10 < turn["at"] < 0.25  # 0.70 GBP a parcel against 4.00 GBP a return: 17.5 % and a little
    assert "risky leads as written until after_sales.default.after_delivery exceeds about" in compare_text(
        result.summary
    )
    inputs = pq.read_table(result.directory / "inputs.parquet").to_pylist()
    drawn = {(r["strategy"], r["replication"]): r["number"] for r in inputs}
    assert len(drawn) == 2 * 40
    assert all(drawn["as written", r] == drawn["risky", r] == drawn["risky", r - r % 2] for r in range(40))
    assert len(set(drawn.values())) == 20


def test_a_spread_of_uncertain_inputs_takes_two_draws(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT.partition("strategies:")[0] + UNCERTAIN, RISKY)
    plan = Plan(precision=Precision(relative=0.01), most=2, workers=1)
    with pytest.raises(UsageError, match="--max-replications 2: a spread takes 4 replications or more, of which 2 sha"):
        run(tmp_path, plan, found)


def test_a_metric_that_some_replications_have_not_is_known_by_whole_draws(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT.partition("strategies:")[0] + UNCERTAIN, RISKY)
    values = [{"contribution_minor": r, "late_dispatch.ldr_share": 0.1 * r, "rare": r} for r in range(8)]
    del values[2]["late_dispatch.ldr_share"]
    values = [each if r == 3 else {k: v for k, v in each.items() if k != "rare"} for r, each in enumerate(values)]
    inputs = {"after_sales.default.after_delivery": 0.1}
    one = [{"inputs": inputs, "values": each, "on_hand": [0] * 121, "backlog": [0] * 121} for each in values]
    results = [{"replication": r, "traces": 1, "strategies": [each, each]} for r, each in enumerate(one)]
    intervals = summary_of_study(found, results, "contribution_minor", 1)["strategies"][0]["intervals"]
    assert intervals["contribution_minor"]["n"] == 4
    assert intervals["late_dispatch.ldr_share"]["n"] == 3
    assert intervals["late_dispatch.ldr_share"]["mean"] == pytest.approx((0.05 + 0.45 + 0.65) / 3)
    assert "rare" not in intervals


def test_strategies_with_two_laws_for_one_input_each_meet_their_own(tmp_path: Path) -> None:
    text = TEXT.partition("strategies:")[0] + UNCERTAIN
    found = study(tmp_path, text, "photos=after_sales.default.after_delivery={low: 5 %, mode: 6 %, high: 7 %}")
    result = run(tmp_path, Plan(replications=10, workers=1), found)
    (pair,) = result.summary["pairs"]
    assert pair["mean"] > 0
    assert pair["break_evens"] == [], "there is no one value at which they would be equal"
    laws = [(each["mode"], each["strategies"]) for each in result.summary["uncertain"]]
    assert laws == [("30 %", ["as written"]), ("6 %", ["photos"])]
    inputs = pq.read_table(result.directory / "inputs.parquet").to_pylist()
    assert all(0.05 <= r["number"] <= 0.07 for r in inputs if r["strategy"] == "photos")
    assert max(r["number"] for r in inputs if r["strategy"] == "as written") > 0.3
    alone = replace(found, strategies=found.strategies[:1])  # as a search does, which groups points by its workers
    assert replicate_study(alone, 7, 1, 3)["strategies"][0] == replicate_study(found, 7, 1, 3)["strategies"][0]


def test_a_grid_makes_a_strategy_of_every_value(tmp_path: Path) -> None:
    text = TEXT.partition("strategies:")[0]
    found = study(tmp_path, text, vary=["catalogue.mug.stock.main=10:30:10", "fees.platform=2 %:4 %:2 %"])
    assert found.names[:2] == [
        "main 10, platform 2 %",
        "main 10, platform 4 %",
    ]
    assert [s.scenario.catalogue[0].stock["main"] for s in found.strategies] == [10, 10, 20, 20, 30, 30]
    result = run(tmp_path, Plan(replications=3, workers=1), found)
    assert result.summary["traces_made"] == 3


def test_names_of_a_grid_are_cut_to_what_a_name_may_be(tmp_path: Path) -> None:
    text = TEXT.replace("name: dear", f"name: {'dear ' * 11}and so on").replace("name: same", f"name: {'dear ' * 11}or")
    names = study(tmp_path, text, vary=["fees.platform=2 %:4 %:2 %"]).names
    assert names[:2] == ["today, platform 2 %", "today, platform 4 %"]
    assert names[-1] == "dear dear dear dear dear dear dear dear dear... 8, platform 4 %"
    assert len(set(names)) == 8
    many = [f"catalogue.{name}.stock.main=1:2:1" for name in ("mug", "shirt")]
    assert all(len(name) <= 64 for name in study(tmp_path, vary=[*many, "fees.platform=2 %:4 %:2 %"]).names)


def test_only_takes_names_with_commas_in_quotes() -> None:
    assert names_in("today, 'small, dear' ,x") == ["today", "small, dear", "x"]


@pytest.mark.parametrize("vary", ["stock.S", "stock.S=1:2", "stock.S=3:1:1", "stock.S=1:9000:1", "x=1s:2:1", "=1:2:1"])
def test_a_grid_that_cannot_be_read_is_told(tmp_path: Path, vary: str) -> None:
    with pytest.raises(UsageError, match="--vary"):
        study(tmp_path, vary=[vary])


def test_two_runs_are_told_apart_by_inputs_then_results(tmp_path: Path, done: Compared) -> None:
    other = run(tmp_path, Plan(replications=8, workers=1, seed=5))
    found = changes_of(done.directory, other.directory)
    assert found["inputs"] == [["seed", done.summary["seed"], 5]]
    assert any(path == "today: contribution_minor" for path, _, _ in found["results"])
    assert "Inputs that changed" in changes_text(found)
    assert changes_of(done.directory, done.directory)["results"] == []


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (20_000, 25_000, "200.00 GBP 250.00 GBP +25.0 %"),
        (-36_052, 13_955, "-360.52 GBP 139.55 GBP +500.07 GBP"),
        (-36_052, -36_382, "-360.52 GBP -363.82 GBP -3.30 GBP"),
        (13_955, -36_052, "139.55 GBP -360.52 GBP -500.07 GBP"),
        (0, 100, "0.00 GBP 1.00 GBP"),
    ],
)
def test_a_change_of_a_loss_is_told_as_an_amount(first: float, second: float, told: str) -> None:
    changes = {"runs": ["a", "b"], "inputs": [], "currencies": ["GBP", "GBP"]}
    text = changes_text({**changes, "results": [["contribution_minor", first, second]]})
    assert " ".join(text.splitlines()[-1].split()) == f"contribution_minor {told}"


def test_the_command_compares_and_exits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sim.cli import run as command

    study(tmp_path)
    scenario, out = str(tmp_path / "tiny.yaml"), str(tmp_path / "runs")
    few = ["--replications", "2", "--workers", "1", "--out", out, "--no-figures"]
    assert command(["compare", scenario, *few, "--json"]) == ExitCode.YES
    assert json.loads(capsys.readouterr().out)["kind"] == "compare"
    for wrong in (
        ["--only", "nobody"],
        ["--precision", "fast"],
        ["--strategy", "x=y"],
        ["--cluster", "tcp://127.0.0.1:1"],
    ):
        assert command(["compare", scenario, *([] if "--precision" in wrong else few), "--seed", "3", *wrong]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert command(["compare", str(tmp_path), str(tmp_path)]) == ExitCode.USAGE
    capsys.readouterr()
    short = ["--precision", "0.01", "--max-replications", "2", *few[2:]]
    assert command(["compare", scenario, *short]) == ExitCode.NO
    assert "the precision asked for was not reached" in capsys.readouterr().err
