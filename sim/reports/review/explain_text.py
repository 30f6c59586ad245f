"""What `--explain` found, in words and as a table."""

from __future__ import annotations

from typing import Any

from sim.reports.blocks import Block, Cells
from sim.reports.words import amount, count, plural, shortened

_MOST_NAMES = 6


def explain_block(review: dict[str, Any]) -> Block | None:
    """The defaults that move contribution most, each step with its difference; None where it was not asked for."""
    found = review.get("explain")
    if found is None:
        return None
    currency = review["run"]["currency"]
    head: Cells = ["default", "is", "were it", "contribution changes by", "95 % interval", "rests on"]
    rows: list[Cells] = [head]
    for row in found["values"]:
        path = row["path"] + (f" ({row['places']} places)" if row["places"] > 1 else "")
        for k, step in enumerate(row["steps"]):
            first = [path, _short(row["value"])] if k == 0 else ["", ""]
            source = _short(row["source"], 60) if k == 0 else ""
            change = amount(step["mean"], currency, sign=True)
            rows.append([*first, _short(step["value"]), change, _interval(step, currency), source])
    return Block(_TITLE, rows if len(rows) > 1 else [], "<<<>><", head=len(rows) > 1, notes=_notes(found, currency))


_TITLE = "Defaults that move contribution most"


def explain_sentence(review: dict[str, Any]) -> str:
    """The largest of them in a sentence."""
    found, currency = review["explain"], review["run"]["currency"]
    if not found["values"]:
        return "No default that has a step moves the contribution of this run."
    top = found["values"][0]
    step = max(top["steps"], key=lambda each: abs(each["mean"]))
    change = amount(step["mean"], currency, sign=True)
    instead = f"{step['value']} instead of {_short(top['value'])}"
    return f"Of what nobody set, {top['path']} decides most: {instead} changes contribution by {change} {currency}."


def _interval(step: dict[str, Any], currency: str) -> str:
    if step["low"] is None:
        return "one replication"
    return f"{amount(step['low'], currency, sign=True)} .. {amount(step['high'], currency, sign=True)}"


def _notes(found: dict[str, Any], currency: str) -> list[str]:
    idle, stepless = found["moved_nothing"], found["without_step"]
    notes = [
        f"{plural(found['defaults'], 'default')}, each changed alone; the same buyers, "
        f"{plural(found['replications'], 'replication')}, {count(found['runs'])} simulations; "
        f"contribution as run {amount(found['base']['mean'], currency)}",
    ]
    known = [step for row in found["values"] for step in row["steps"] if step["low"] is not None]
    open_ = [step for step in known if step["low"] <= 0 <= step["high"] and step["low"] < step["high"]]
    if open_:
        notes.append(f"{len(open_)} of {len(known)} changes cannot be told from none in so few replications")
    if idle:
        notes.append(f"{len(idle)} moved nothing: {_names(idle)}")
    if stepless:
        notes.append(f"{len(stepless)} have no sensible step: {_names(stepless)}")
    return notes


def _names(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMES} more" if len(paths) > _MOST_NAMES else ""
    return ", ".join(paths[:_MOST_NAMES]) + more


def _short(text: Any, most: int = 28) -> str:
    return shortened(str(text), most)
