"""What a search found, in words and tables: `liverush optimise` prints it, the page and Markdown repeat it."""

from __future__ import annotations

import json
from typing import Any

from sim.reports.blocks import Block, Cells, plain_text
from sim.reports.compare_text import compare_blocks, shown
from sim.reports.words import NO_VALUE, count, percent, plural
from sim.scenario.parts.comparing import FOUND

_MOST_ROWS = 8


def search_text(summary: dict[str, Any]) -> str:
    """What summary.json of a search holds, for people: plain text without a trailing line break."""
    return plain_text(search_blocks(summary))


def search_blocks(summary: dict[str, Any]) -> list[Block]:
    """Head, verdict in words, what was found, the best points, and the confirmation."""
    blocks = [_head(summary), Block("Verdict", [[sentence] for sentence in verdict_of_search(summary)], "<")]
    blocks += [_found(summary), _points(summary)]
    if summary["confirmation"] is not None:
        strategies, differences, money = compare_blocks(summary["confirmation"])[2:5]
        blocks += [Block(f"Confirmed: {block.title[:1].lower()}{block.title[1:]}", block.rows, block.sides, block.head)
                   for block in (strategies, differences, money)]  # fmt: skip
    return blocks


def leader_of(summary: dict[str, Any]) -> dict[str, Any]:
    """The best point."""
    return next(point for point in summary["points"] if point["number"] == summary["leader"])


def _head(summary: dict[str, Any]) -> Block:
    simulations = count(sum(point["replications"] for point in summary["points"]))
    what = "as small as can be" if summary["least"] else "as large as can be"
    lines = [
        f"Search of {summary['scenario']}: {summary['metric']} {what}"
        + "".join(f", {limit['text']}" for limit in summary["limits"]),
        f"{plural(summary['tried'], 'point')} of {plural(len(summary['knobs']), 'knob')} tried on {summary['start']!r}:"
        f" {simulations} simulations with the same buyers, seed {summary['seed']}",
    ]
    if summary["refused_points"]:
        reason = summary["refused"][0]["reason"].partition(": ")[2]
        number = plural(summary["refused_points"], "point")
        lines.append(f"{number} of these make no scenario, or lack the metric; the first: {reason}")
    return Block("", [[line] for line in lines], "<", indent="")


def verdict_of_search(summary: dict[str, Any]) -> list[str]:
    """The verdict, a sentence each: what was found, whether it holds on fresh seeds, whether the limits do."""
    leader, found = leader_of(summary), []
    if summary["stopped"]:
        found.append("Stopped before its end; the same command goes on.")
    if not summary["feasible"]:
        found.append(_infeasible(summary, leader))
    elif summary["found"] is None:
        found.append(f"Nothing tried is better than {leader['name']}.")
        found += _idle_knobs(summary)
    elif summary["confirmation"] is None:
        found.append(f"Best found{_by_formula(leader)}: {_setting(summary)}; not confirmed on fresh seeds.")
    else:
        found += _confirmed(summary)
    return found


def _idle_knobs(summary: dict[str, Any]) -> list[str]:
    """What to look at where all trials come to the same, to the penny."""
    results = [tuple(point["gain"].values()) for point in summary["points"] if point["kind"] == "proposed"]
    if len(results) < 2 or len(set(results)) > 1:
        return []
    return [f"No trial differs from another: does {summary['start']!r} use what the knobs set (stock.policy, say)?"]


def _infeasible(summary: dict[str, Any], leader: dict[str, Any]) -> str:
    broken = [
        f"{limit['text']} ({limit['metric']} comes to {_value(summary, limit['metric'], mean)})"
        for limit in summary["limits"]
        if (mean := leader["limits"].get(limit["metric"])) is not None
        and (mean > limit["bound"] if limit["at_most"] else mean < limit["bound"])
    ]
    return f"No point that was tried keeps the limits; {leader['name']} comes nearest: not {' nor '.join(broken)}."


def _confirmed(summary: dict[str, Any]) -> list[str]:
    study, found = summary["confirmation"], []
    for pair in study["pairs"]:
        if pair["other"] != FOUND:
            continue
        broken = next(p for p in summary["points"] if p["name"] == pair["base"])["feasible"] is False
        but = f", which breaks {'the limit' if len(summary['limits']) == 1 else 'a limit'}" if broken else ""
        if not pair["told_apart"]:
            found.append(f"On fresh seeds it cannot be told from {pair['base']}{but}.")
            continue
        word = "more" if pair["mean"] > 0 else "less"
        low, high = sorted((abs(pair["low"]), abs(pair["high"])))
        gap = f"{shown(study, abs(pair['mean']))} {word} than {pair['base']}"
        found.append(
            f"On fresh seeds it comes to {gap}, 95 % interval {shown(study, low)} to {shown(study, high)}{but}."
        )
    for limit in summary["limits"]:
        interval = next(each for each in study["strategies"] if each["name"] == FOUND)["intervals"].get(limit["metric"])
        if interval is not None:
            kept = interval["mean"] <= limit["bound"] if limit["at_most"] else interval["mean"] >= limit["bound"]
            ends = " to ".join(_value(summary, limit["metric"], interval[key]) for key in ("low", "high"))
            mean = _value(summary, limit["metric"], interval["mean"])
            found.append(f"{limit['text']} {'holds' if kept else 'does not hold'} there: {mean}, 95 % interval {ends}.")
    return [f"Best found{_by_formula(leader_of(summary))}: {_setting(summary)}.", *found]


def _by_formula(leader: dict[str, Any]) -> str:
    return f" (what the {leader['name']} says)" if leader["kind"] == "analytic" else ""


def _setting(summary: dict[str, Any]) -> str:
    return ", ".join(f"{path} {value}" for path, value in (summary["found"] or {}).items())


def _value(summary: dict[str, Any], path: str, value: float | None) -> str:
    return shown({**summary, "metric": path}, value)


def _found(summary: dict[str, Any]) -> Block:
    """Each knob: where was searched, and where the formulas' and the best point stand."""
    points = [point for point in summary["points"] if point["values"] is not None]
    analytic = [point for point in points if point["kind"] == "analytic"]
    start = [point for point in points if point["kind"] == "named"]
    leader = leader_of(summary)
    best = [leader] if summary["found"] is not None else []
    columns = [*((point, point["name"]) for point in (*start, *analytic)), *((point, FOUND) for point in best)]
    rows: list[Cells] = [["knob", "searched", *(name for _, name in columns)]]
    for knob in summary["knobs"]:
        searched = " | ".join(knob["choices"]) if "choices" in knob else f"{knob['low']} to {knob['high']}"
        rows.append([knob["path"], searched, *(point["values"][knob["path"]] for point, _ in columns)])
    notes = [f"as a strategy: {strategy_line(summary)}"] if best else []
    notes += [_formula(formula) for formula in summary["formulas"]]
    return Block("Knobs", rows, "<<" + ">" * len(columns), head=True, notes=notes)


def _formula(formula: dict[str, Any]) -> str:
    """What a formula says, before it is moved to the nearest point of the knobs, and what it assumes."""
    values = [
        f"{path} {value if isinstance(value, str) else count(value)}" for path, value in formula["values"].items()
    ]
    return f"{formula['name']}: {', '.join(values)}. It assumes: {formula['assumes']}"


def strategy_line(summary: dict[str, Any]) -> str:
    """What was found as a line of the scenario's `strategies:`."""
    start = {path: json.dumps(value) for path, value in summary["start_changes"].items()}
    changes = {**start, **(summary["found"] or {})}
    values = ", ".join(f"{_key(path)}: {value}" for path, value in changes.items())
    return f"- {{name: found, set: {{{values}}}}}"


def _key(path: str) -> str:
    return json.dumps(path) if any(char in path for char in "[]{},:#\"' ") else path


def _points(summary: dict[str, Any]) -> Block:
    """The best points, those that keep the limits first."""
    ranked = sorted(summary["points"], key=lambda p: (not p["feasible"], -p["gain"]["mean"], p["number"]))
    chosen = [p for p in ranked if p["kind"] != "proposed"] + [p for p in ranked if p["kind"] == "proposed"][
        :_MOST_ROWS
    ]
    limits = [limit["metric"] for limit in summary["limits"]]
    heads = ["point", "mean", f"better than {summary['base']} by", "95 % interval", "replications", "on time", *limits]
    rows: list[Cells] = [[*heads, ""]]
    for point in sorted(chosen, key=ranked.index):
        gain = point["gain"]
        low, high = shown(summary, gain["low"]), shown(summary, gain["high"])
        limited = [_value(summary, path, point["limits"].get(path)) for path in limits]
        note = "leads" if point["number"] == summary["leader"] else "" if point["feasible"] else "breaks a limit"
        told = [point["name"], shown(summary, point["mean"]), shown(summary, gain["mean"])]
        interval = NO_VALUE if gain["low"] is None else f"{low} .. {high}"
        number = count(point["replications"])
        rows.append([*told, interval, number, percent(point["on_time_share"]), *limited, note])
    notes = [
        "each interval alone, on the replications that were searched on: the best of many looks better than it is",
    ]
    return Block("Points, best first", rows, "<" + ">" * (len(heads) - 1) + "<", head=True, notes=notes)
