"""A load run as JUnit XML: a test case for validity, one an objective, one an audit rule; of a ladder so for each rung.

What could not be seen or was not tested is skipped, never passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from sim.reports.load_text import doubts, measurements, objective, rule_name, target_name
from sim.reports.words import NO_VALUE, SLO_WORDS, count, duration, percent, plural

#: What XML 1.0 cannot hold, however it is escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Case:
    """One test case; it passed where it neither failed nor was skipped."""

    group: str
    name: str
    failed: str = ""
    detail: str = ""
    skipped: str = ""


def junit_text(summary: Mapping[str, Any]) -> str:
    """The XML document."""
    name = f"{summary['scenario']} on {target_name(summary)}"
    suites = [
        _suite(f"{name}{mark and ' '}{mark}: {group}", mark, list(cases(part)), summary)
        for mark, part in measurements(summary)
        for group, cases in _GROUPS
    ]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", *suites, "</testsuites>"]) + "\n"


def _validity(summary: Mapping[str, Any]) -> Iterator[_Case]:
    """One case: whether the measurement can be trusted and was whole."""
    found = doubts(summary)
    yield _Case("validity", "the measurement is valid", failed=found[0] if found else "", detail="\n".join(found))


def _objectives(summary: Mapping[str, Any]) -> Iterator[_Case]:
    for slo in summary["slos"]:
        name = objective(slo)
        if slo["met"] is None:
            yield _Case("slo", name, skipped="its endpoint was not asked")
            continue
        measured = NO_VALUE if slo["measured_us"] is None else duration(slo["measured_us"])
        shares = f"{percent(slo['error_share'])} errors (at most {percent(slo['errors_at_most'])})"
        said = f"{SLO_WORDS[slo['met']]}: measured {measured} of {plural(slo['requests'], 'request')}, {shares}"
        yield _Case("slo", name, failed="" if slo["met"] else said, detail=said)


def _audit(summary: Mapping[str, Any]) -> Iterator[_Case]:
    audit = summary["audit"]
    found: dict[str, list[str]] = {}
    for finding in audit["findings"]:
        ids = ", ".join(str(name) for name in finding["ids"])
        found.setdefault(finding["rule"], []).append(f"{finding['found']}: {ids}")
    for rule in [*audit["checked"], *(name for name in found if name not in audit["checked"])]:
        said = found.get(rule, [])
        detail = "\n".join(said) if said else f"{count(audit['checked'][rule])} looked at"
        yield _Case("audit", rule_name(rule), failed=said[0][:200] if said else "", detail=detail)
    for rule, why in audit["unseen"].items():
        yield _Case("audit", rule_name(rule), skipped=f"not seen: {why}")
    if summary["verdict"]["audit"] == "not done" and not audit["unseen"]:
        yield _Case("audit", "the data is audited", skipped="there was nothing to audit")


_GROUPS = (("validity", _validity), ("objectives", _objectives), ("audit", _audit))


def _suite(name: str, mark: str, cases: list[_Case], summary: Mapping[str, Any]) -> str:
    failed, skipped = sum(bool(case.failed) for case in cases), sum(bool(case.skipped) for case in cases)
    head = _attributes(
        name=name,
        tests=str(len(cases)),
        failures=str(failed),
        errors="0",
        skipped=str(skipped),
        timestamp=str(summary["started_at"]),
    )
    return "\n".join([f"  <testsuite{head}>", *(_element(case, mark) for case in cases), "  </testsuite>"])


def _element(case: _Case, mark: str) -> str:
    head = _attributes(classname=".".join(["liverush.load", *([mark] if mark else []), case.group]), name=case.name)
    if case.skipped:
        inner = f"<skipped{_attributes(message=case.skipped)}/>"
    elif case.failed:
        inner = f"<failure{_attributes(message=case.failed)}>{_text(case.detail)}</failure>"
    else:
        inner = f"<system-out>{_text(case.detail)}</system-out>" if case.detail else ""
    return f"    <testcase{head}>{inner}</testcase>"


def _attributes(**values: str) -> str:
    return "".join(f" {key}={quoteattr(_legal(value))}" for key, value in values.items())


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
