"""Text, Markdown and JUnit XML of load runs."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from loadtests.verdict import limits_of
from sim.reports.junit import junit_text
from sim.reports.load_text import DASH, ladder_words, load_text
from sim.reports.markdown import markdown_text
from sim.reports.words import AUDIT_RULES
from tests.reports.load_runs import KINDS, write_load_run
from tests.reports.test_text import a_summary


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("load")
    return {
        kind: json.loads((write_load_run(folder / kind, kind) / "summary.json").read_text("utf-8")) for kind in KINDS
    }


def cases(summary: dict[str, Any]) -> dict[str, str]:
    """`passed`, `failure` or `skipped` by test case."""
    found = {}
    for case in ET.fromstring(junit_text(summary).encode()).iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "skipped")]
        found[str(case.get("name"))] = bad[0] if bad else "passed"
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_comes_first(summaries: dict[str, dict[str, Any]], kind: str) -> None:
    line = summaries[kind]["verdict"]["line"]
    assert load_text(summaries[kind]).splitlines()[0] == line
    assert markdown_text(summaries[kind]).splitlines()[0] == f"## {line}"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_reads_none_or_nan(summaries: dict[str, dict[str, Any]], kind: str) -> None:
    for text in (load_text(summaries[kind]), markdown_text(summaries[kind]), junit_text(summaries[kind])):
        assert "None" not in text
        assert "nan" not in text


def test_a_dash_is_explained_and_only_where_there_is_one(summaries: dict[str, dict[str, Any]]) -> None:
    assert DASH in load_text(summaries["good"])
    summary = json.loads(json.dumps(summaries["good"]))
    for row in summary["endpoints"].values():
        row |= {key: 1000 for key, value in row.items() if key.endswith("_us") and value is None}
    assert DASH not in load_text(summary)


def test_who_still_waited_at_the_end_and_how_many_journeys_there_were_is_told(
    summaries: dict[str, dict[str, Any]],
) -> None:
    text = load_text(summaries["good"])
    assert "with the delays between; 1,500 of 3,000 carts came so far" in text
    assert "still waited" not in text
    buyers = summaries["good"]["buyers"]
    cut = {**summaries["good"], "buyers": {"checkout": {**buyers["checkout"], "unserved": 9, "waiting": 7}}}
    text = load_text(cut)
    assert "7 carts still waited when the replay ended: unserved, and at least so long" in text
    assert "journey" not in text


def test_a_ladder_says_of_which_rung_the_rest_is(summaries: dict[str, dict[str, Any]]) -> None:
    told = "what was sent, requests, times, what buyers waited, refusals and load generator are of x1.5"
    assert told in load_text(summaries["ladder"])


def test_offending_ids_and_unseen_rules_are_told(summaries: dict[str, dict[str, Any]]) -> None:
    text = load_text(summaries["findings"])
    assert "ord_9f3a, ord_b771" in text
    assert "sku-7 and 32 more" in text
    assert "not seen: the target tells no captures" in load_text(summaries["unseen"])


def test_why_a_run_is_not_valid_and_what_stopped_it_is_told(summaries: dict[str, dict[str, Any]]) -> None:
    assert "not valid: lag p99 31.2 ms is over 12.5 ms" in load_text(summaries["invalid"])
    assert "stopped early by the rule checkout errors > 20 % for 2 s" in load_text(summaries["aborted"])


def test_the_ladder_names_the_last_multiple_within_and_the_first_outside(summaries: dict[str, dict[str, Any]]) -> None:
    assert "last within the objectives: x1.5; first outside: x2" in load_text(summaries["ladder"])
    assert "Ladder" not in load_text(summaries["good"])


@pytest.mark.parametrize(
    ("within", "change", "words"),
    [
        ((True, None), {"valid": False}, "last within the objectives: x0.5; x1 says nothing (not valid)"),
        ((None,), {"valid": False}, "x0.5 says nothing (not valid)"),
        ((None,), {"slo_met": None}, "x0.5 says nothing (no objective was tested)"),
        ((False, True), {}, "no multiple was within the objectives; first outside: x0.5"),
        ((True, True), {}, "last within the objectives: x1; none was outside"),
    ],
)
def test_a_ladder_says_no_more_than_it_has_seen(
    within: tuple[bool | None, ...], change: dict[str, Any], words: str
) -> None:
    good = {"valid": True, "slo_met": True}
    rungs = [
        {"multiple": m, "within": one, "verdict": good if one is not None else good | change, "incomplete": False}
        for m, one in zip((0.5, 1.0), within, strict=False)
    ]
    last, first = limits_of(rungs)
    told = {"ladder": rungs, "ladder_last_within": last, "ladder_first_outside": first}
    assert ladder_words(told) == words


def test_what_was_found_on_any_rung_of_a_ladder_is_told_by_all_reports(summaries: dict[str, dict[str, Any]]) -> None:
    """The rung whose tables are kept, x1.5, was clean; x2 was not, and x3 was not valid."""
    summary = summaries["ladder"]
    for text in (load_text(summary), markdown_text(summary).replace("\\", "")):
        assert "ord_9f3a" in text
        assert "x2: captured once" in text
        assert "broken: 40 at x2" in text
        assert "x2: checkout p99 <= 250 ms" in text
        assert "x3: not valid: 4 requests could not be sent" in text
        assert "Audit of the data: findings" in text
    suites = {str(suite.get("name")): suite for suite in ET.fromstring(junit_text(summary).encode()).iter("testsuite")}
    failures = {name: int(suite.get("failures", "")) for name, suite in suites.items()}
    assert {name.partition(" x")[2]: number for name, number in failures.items() if number} == {
        "2: objectives": 1, "2: audit": 2, "3: validity": 1, "3: objectives": 1
    }  # fmt: skip
    assert len(suites) == 15
    classes = [case.get("classname") for suite in suites.values() for case in suite.iter("testcase")]
    assert "liverush.load.x2.audit" in classes


def test_an_objective_whose_payments_were_never_made_is_told_as_missed(summaries: dict[str, dict[str, Any]]) -> None:
    """Its endpoint was not asked, and should have been."""
    summary = json.loads(json.dumps(summaries["good"]))
    del summary["endpoints"]["confirmation"]
    summary["slos"][1] |= {"met": False, "measured_us": None, "error_share": 1.0}
    (row,) = [line for line in load_text(summary).splitlines() if "confirmation p99" in line]
    assert row.split()[:2] == ["SLO", "MISSED"]


def test_junit_has_a_case_for_validity_each_objective_and_each_rule(summaries: dict[str, dict[str, Any]]) -> None:
    assert cases(summaries["good"]) == {
        "the measurement is valid": "passed",
        "checkout p99 <= 250 ms": "passed",
        "confirmation p99 <= 500 ms": "passed",
        "no oversell": "passed",
        "captured once": "passed",
        "acknowledged orders exist": "passed",
    }
    assert cases(summaries["findings"])["no oversell"] == "failure"
    assert cases(summaries["invalid"])["the measurement is valid"] == "failure"
    assert cases(summaries["missed"])["checkout p99 <= 250 ms"] == "failure"
    assert cases(summaries["aborted"])["the data is audited"] == "skipped"


def test_junit_skips_what_could_not_be_judged(summaries: dict[str, dict[str, Any]]) -> None:
    summary = json.loads(json.dumps(summaries["unseen"]))
    summary["audit"]["checked"].pop("captured_once")
    summary["slos"][1] |= {"met": None, "measured_us": None, "error_share": None}
    found = cases(summary)
    assert found["captured once"] == "skipped"
    assert found["confirmation p99 <= 500 ms"] == "skipped"


def test_junit_counts_what_it_holds(summaries: dict[str, dict[str, Any]]) -> None:
    for suite in ET.fromstring(junit_text(summaries["findings"]).encode()).iter("testsuite"):
        assert int(suite.get("tests", "")) == len(list(suite.iter("testcase")))
        assert int(suite.get("failures", "")) == len(list(suite.iter("failure")))


def test_what_comes_from_outside_cannot_become_markup(summaries: dict[str, dict[str, Any]]) -> None:
    summary = json.loads(json.dumps(summaries["findings"]))
    summary["scenario"] = summary["target"]["name"] = '<b>"a" | `x` \x07 ]]> &'
    summary["audit"]["findings"][0]["found"] = "a|b\n<script>\x00"
    ET.fromstring(junit_text(summary).encode())
    text = markdown_text(summary)
    assert "<script>" not in text
    assert r"a\|b \<script\>" in text


def test_markdown_tables_have_as_many_cells_in_each_row(summaries: dict[str, dict[str, Any]]) -> None:
    for summary in (*summaries.values(), a_summary()):
        rows = 0
        for line in markdown_text(summary).splitlines():
            cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
            assert cells == rows or not (cells and rows)
            rows = cells


def test_lines_of_the_text_fit_a_terminal(summaries: dict[str, dict[str, Any]]) -> None:
    for kind in ("good", "missed", "ladder", "unseen"):
        assert max(len(line) for line in load_text(summaries[kind]).splitlines()) <= 132


def test_every_rule_of_the_audits_has_words() -> None:
    from loadtests.audit.books import RULES
    from sim.engine.audit.queries import MEANINGS

    assert set(AUDIT_RULES) == {*RULES, *MEANINGS}
