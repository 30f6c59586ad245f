"""What is said of a load run: the verdict first, then objectives, audit, requests, times, refusals, ladder, provenance.

`load_blocks` is what the terminal, the Markdown summary and the page print, from summary.json alone.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from sim.measure.percentiles import ENOUGH_BEYOND
from sim.reports.blocks import Block, Cells, plain_text
from sim.reports.words import (
    AUDIT_RULES,
    NO_VALUE,
    SLO_WORDS,
    count,
    duration,
    milliseconds,
    percent,
    plural,
    reason_name,
)

Summary = Mapping[str, Any]

DASH = f"{NO_VALUE}: fewer than {ENOUGH_BEYOND} requests lie beyond this percentile, so it is not told"
TIMES = (
    ("p50", "p50_us"),
    ("p90", "p90_us"),
    ("p99", "p99_us"),
    ("p99.9", "p999_us"),
    ("p99.99", "p9999_us"),
    ("max", "max_us"),
    ("service p99", "service_p99_us"),
)
OUTCOMES = (
    ("ok", "ok"),
    ("refused", "refused"),
    ("declined", "declined"),
    ("replayed", "replayed"),
    ("shed", "shed"),
    ("errors", "errors"),
    ("time-outs", "timeouts"),
    ("dropped", "dropped"),
    ("cut off", "cut"),
    ("in progress", "in_progress"),
)
#: Ids of a finding that a terminal shows; the page and summary.json hold all that were listed.
_MOST_IDS = 8


def load_text(summary: Summary) -> str:
    """The summary of a load run for a terminal, verdict first, without a trailing line break."""
    return plain_text(load_blocks(summary))


def load_blocks(summary: Summary) -> list[Block]:
    """All tables in the order in which they matter; what the run does not have is left out."""
    blocks = (
        verdict_block(summary),
        slo_block(summary),
        findings_block(summary, _MOST_IDS),
        audit_block(summary),
        ladder_block(summary),
        requests_block(summary),
        times_block(summary),
        buyers_block(summary),
        refusals_block(summary),
        generator_block(summary),
        notes_block(summary),
    )
    return [block for block in blocks if block]


def verdict_line(summary: Summary) -> str:
    """`VALID · SLO MET · AUDIT CLEAN`."""
    return str(summary["verdict"]["line"])


def headline(summary: Summary) -> str:
    """Which run this is, in one line."""
    target = summary["target"]
    where = " ".join(part for part in (target["url"], target["store"]) if part)
    parts = [
        f"{summary['scenario']} on {target_name(summary)} {where}".rstrip(),
        f"{duration(summary['length_us'])} of arrivals",
    ]
    if summary["from_us"]:
        parts.append(f"from {duration(summary['from_us'])} into the show")
    if summary["share"] != 1:
        parts.append(f"{percent(summary['share'])} of the carts")
    if summary["speed"] != 1:
        parts.append(f"at {summary['speed']:g} times the speed")
    return ", ".join([*parts, f"seed {summary['seed']}", plural(summary["workers"], "worker")])


def target_name(summary: Summary) -> str:
    """`loadtests.targets.reference:ReferenceEngine` -> `ReferenceEngine`."""
    return str(summary["target"]["name"]).rpartition(":")[2]


def doubts(summary: Summary) -> list[str]:
    """What stands against trusting the run, most important first: why it is not valid, cut short, incomplete."""
    return [marked(mark, doubt) for mark, part in measurements(summary) for doubt in _doubts(part)]


def _doubts(part: Summary) -> list[str]:
    verdict = part["verdict"]
    found = [] if verdict["valid"] else [f"not valid: {reason}" for reason in verdict["valid_reasons"]]
    if part["aborted"]:
        found.append(f"stopped early by the rule {part['aborted']}")
    elif part["incomplete"]:
        found.append("incomplete: the replay was interrupted before its end")
    return found


def measurements(summary: Summary) -> list[tuple[str, Summary]]:
    """What was judged, each with its mark: the replay (no mark), or every rung of a ladder (`x2`)."""
    return [(f"x{rung['multiple']:g}", rung) for rung in summary.get("ladder") or ()] or [("", summary)]


def marked(mark: str, text: str) -> str:
    """`x2: it was late`; as it is where there is no mark."""
    return f"{mark}: {text}" if mark else text


def verdict_block(summary: Summary) -> Block:
    """The verdict, which run, and how much of the plan was sent."""
    planned = summary["planned"]
    sent = f"{count(summary['sent'])} requests sent for {plural(planned['arrivals'], 'planned arrival')}"
    sent += f", {count(planned['checkouts'])} of them checkouts; {count(summary['dropped'])} dropped"
    rows: list[Cells] = [[headline(summary)], [sent], *([doubt] for doubt in doubts(summary))]
    return Block(verdict_line(summary), rows, indent="")


def slo_block(summary: Summary) -> Block | None:
    """A row an objective."""
    rows = [["", "objective", "measured", "errors", "at most"]]
    for mark, slo in ((mark, slo) for mark, part in measurements(summary) for slo in part["slos"]):
        measured = NO_VALUE if slo["measured_us"] is None else duration(slo["measured_us"])
        shares = [percent(slo["error_share"]), percent(slo["errors_at_most"])]
        rows.append([SLO_WORDS[slo["met"]], marked(mark, objective(slo)), measured, *shares])
    some = any(row[2] == NO_VALUE for row in rows)
    return Block("Objectives", rows, "<<>>>", head=True, notes=[DASH] if some else []) if len(rows) > 1 else None


def objective(slo: Mapping[str, Any]) -> str:
    """`checkout p99 <= 250 ms`."""
    return f"{slo['endpoint']} p{slo['percentile']:g} <= {duration(slo['at_most_us'])}"


def rule_name(rule: str) -> str:
    """`S1` -> `S1 no SKU is oversold`; a rule of a target's own keeps its name."""
    return f"{rule} {AUDIT_RULES[rule]}" if rule in AUDIT_RULES else rule.replace("_", " ")


def audit_block(summary: Summary) -> Block:
    """A row an audit rule: how many it looked at and how many broke it; rules that could not be seen say why.

    Of a ladder a rule has one row, with what it looked at on all rungs and the rungs on which it was broken.
    """
    looked: dict[str, int | None] = {}
    broken: dict[str, list[str]] = {}
    unseen: dict[tuple[str, str], None] = {}
    for mark, part in measurements(summary):
        for rule, things in part["audit"]["checked"].items():
            looked[rule] = (looked.get(rule) or 0) + things
        for rule, things in _broken(part["audit"]).items():
            looked.setdefault(rule)
            broken.setdefault(rule, []).append(count(things) + (f" at {mark}" if mark else ""))
        unseen |= dict.fromkeys(part["audit"]["unseen"].items())
    rows = [["rule", "looked at", "found"]]
    for rule, all_things in looked.items():
        found = f"broken: {', '.join(broken[rule])}" if rule in broken else "clean"
        rows.append([rule_name(rule), count(all_things), found])
    rows += [[rule_name(rule), NO_VALUE, f"not seen: {why}"] for rule, why in unseen]
    title = f"Audit of the data: {audit_status(summary)}"
    return Block(title, rows, "<><", head=True) if len(rows) > 1 else Block(title, [["no rule was checked"]])


def audit_status(summary: Summary) -> str:
    """What came of the audit; of a ladder's audits the one that says most against the target."""
    found = {part["verdict"]["audit"] for _mark, part in measurements(summary)}
    return next(status for status in _AUDIT_STATUS if status in found)


_AUDIT_STATUS = ("findings", "failed", "clean", "not done")


def _broken(audit: Mapping[str, Any]) -> dict[str, int]:
    """How many things were found by each rule that was broken."""
    broken: dict[str, int] = {}
    for finding in audit["findings"]:
        broken[finding["rule"]] = broken.get(finding["rule"], 0) + max(len(finding["ids"]), 1)
    return broken


def findings_block(summary: Summary, most_ids: int) -> Block | None:
    """What the audit found, with the ids that it names."""
    rows = []
    for mark, finding in ((mark, one) for mark, part in measurements(summary) for one in part["audit"]["findings"]):
        names = [str(name) for name in finding["ids"]]
        more = f" and {count(len(names) - most_ids)} more" if len(names) > most_ids else ""
        found = [_told(finding["found"]), ", ".join(names[:most_ids]) + more]
        rows.append([marked(mark, rule_name(finding["rule"])), *found])
    return Block("Audit findings", [["rule", "found", "ids"], *rows], "<<<", head=True) if rows else None


def _told(found: object) -> str:
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def requests_block(summary: Summary) -> Block | None:
    """A row an endpoint: how its requests ended. Outcomes that nobody met are left out."""
    found = _endpoints(summary)
    met = [(name, key) for name, key in OUTCOMES if any(row.get(key) for _, row in found)]
    rows = [["", "requests", "a second", *(name for name, _ in met)]]
    for endpoint, row in found:
        cells = [endpoint, count(row["requests"]), rate(row.get("rate_per_s"))]
        rows.append(cells + [count(row.get(key) or 0) for _, key in met])
    notes = ["refused, declined: correct answers of the target; shed, errors, time-outs and dropped miss any objective"]
    if any(key == "in_progress" for _, key in met):
        notes.append("in progress: 409 to one of two checkouts that were sent at once with one key")
    return Block("Requests", rows, "<" + ">" * (len(rows[0]) - 1), head=True, notes=notes) if found else None


def times_block(summary: Summary) -> Block | None:
    """A row an endpoint: percentiles of the response time, from due to done."""
    rows = [["", *(name for name, _ in TIMES)]]
    for endpoint, row in _endpoints(summary):
        rows.append([endpoint, *(milliseconds(row.get(key)) for _, key in TIMES)])
    notes = ["each try from when it was due (a retry: after its back-off) to its answer; service: from its sending"]
    if any(NO_VALUE in row[1:] for row in rows):
        notes.append(DASH)
    title = "Response times in ms"
    return Block(title, rows, "<" + ">" * len(TIMES), head=True, notes=notes) if len(rows) > 1 else None


def buyers_block(summary: Summary) -> Block | None:
    """What buyers waited, over all tries: the times above count each try from when it was due itself."""
    rows = [["", "carts", *(name for name, _ in _WAITS), "unserved"]]
    for name, row in summary["buyers"].items():
        waits = [milliseconds(row[key]) for _, key in _WAITS]
        rows.append([name, count(row["carts"]), *waits, count(row["unserved"]) if "unserved" in row else ""])
    notes = ["checkout: from when a cart's first try was due to the end of its last one, back-offs included"]
    waiting = sum(row.get("waiting", 0) for row in summary["buyers"].values())
    if waiting:
        notes.append(f"{plural(waiting, 'cart')} still waited when the replay ended: unserved, and at least so long")
    if "journey" in summary["buyers"]:
        journey = summary["buyers"]["journey"]
        came = f"{count(journey['carts'])} of {plural(journey['planned'], 'cart')} came so far"
        notes.append(
            f"journey: from there to the answer to a cart's last planned step, with the delays between; {came}"
        )
    title = "What buyers waited, in ms"
    return Block(title, rows, "<" + ">" * (len(rows[0]) - 1), head=True, notes=notes) if len(rows) > 1 else None


_WAITS = tuple((name, key) for name, key in TIMES if key in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us"))


def _endpoints(summary: Summary) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, row) for name, row in summary["endpoints"].items() if row["requests"]]


def rate(per_s: float | None) -> str:
    """`1,234`, `12.3`, `0.45`: a rate a second."""
    if per_s is None:
        return NO_VALUE
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:,.1f}" if per_s >= 1 else f"{per_s:.2g}"


def refusals_block(summary: Summary) -> Block | None:
    """Why the target refused, by its own codes."""
    codes = sorted(summary["refusals"].items(), key=lambda item: (-item[1], item[0]))
    return Block("Refused, because", [[reason_name(code), count(n)] for code, n in codes], "<>") if codes else None


def generator_block(summary: Summary) -> Block:
    """Whether the load generator kept up: lag and CPU against their limits."""
    lag, generator = summary["lag"], summary["generator"]
    most = max([*generator["cpu_share"], *generator["busiest_share"]], default=None)
    limit = f"at most {duration(lag['limit_us'])}"
    late = f"{count(lag['over'])} of {plural(lag['requests'], 'request')} later than {duration(lag['limit_us'])}"
    rows = [
        ["lag p50", _time(lag["p50_us"]), ""],
        ["lag p99", _time(lag["p99_us"]), limit if lag["p99_us"] is not None else late],
        ["lag max", _time(lag["max_us"]), ""],
        ["CPU of the busiest worker, busiest second", percent(most), f"at most {percent(generator['limit'])}"],
    ]
    return Block("Load generator", rows)


def _time(time_us: float | None) -> str:
    return NO_VALUE if time_us is None else duration(time_us)


def ladder_block(summary: Summary) -> Block | None:
    """A row a multiple of the trace's rate."""
    rungs = summary.get("ladder")
    if not rungs:
        return None
    last = summary["ladder_last_within"]
    shown = "what was sent, requests, times, what buyers waited, refusals and load generator are of "
    shown += f"x{rungs[0]['multiple'] if last is None else last:g}"
    rows = [["", "offered/s", "answered/s", "checkout p99", "errors", "verdict"]]
    for rung in rungs:
        cells = [f"x{rung['multiple']:g}", rate(rung["offered_per_s"]), rate(rung["achieved_per_s"])]
        rows.append([*cells, _time(rung["p99_us"]), percent(rung["error_share"]), rung["verdict"]["line"]])
    return Block(
        "Ladder",
        rows,
        "<>>>><",
        head=True,
        notes=[ladder_words(summary), "rates: arrivals of the trace, retries not counted", shown],
    )


def ladder_words(summary: Summary) -> str:
    """The last multiple within the objectives and the first outside, or which rung says nothing, and why."""
    last, first = summary.get("ladder_last_within"), summary.get("ladder_first_outside")
    words = [] if last is None else [f"last within the objectives: x{last:g}"]
    silent = next((rung for rung in summary.get("ladder") or () if rung["within"] is not True), None)
    if first is not None:
        words += [] if words else ["no multiple was within the objectives"]
        words += [f"first outside: x{first:g}"]
    elif silent is not None:
        words += [f"x{silent['multiple']:g} says nothing ({_why_silent(silent)})"]
    else:
        words += ["none was outside"]
    return "; ".join(words)


def _why_silent(rung: Mapping[str, Any]) -> str:
    if not rung["verdict"]["valid"]:
        return "not valid"
    return "not whole" if rung["incomplete"] else "no objective was tested"


def notes_block(summary: Summary) -> Block | None:
    """What a reader must know besides."""
    told = notes(summary)
    return Block("Notes", [[note] for note in told]) if told else None


def notes(summary: Summary) -> list[str]:
    """What a reader must know besides; of a ladder that of every rung, once where all of them say it."""
    every = [(mark, note) for mark, part in measurements(summary) for note in part["notes"]]
    rungs = len(measurements(summary))
    said = [note for _mark, note in every]
    common = [note for note in dict.fromkeys(said) if said.count(note) == rungs]
    whole = [note for note in summary["notes"] if note not in said]
    return [*common, *(marked(mark, note) for mark, note in every if note not in common), *whole]


def command(summary: Summary) -> str:
    """The command line that repeats the run from its own directory; the one given, where the run tells it."""
    if summary["command"]:
        return str(summary["command"])
    parts = ["liverush", "load", "scenario.yaml", "--seed", str(summary["seed"])]
    for flag in ("share", "speed"):
        if summary[flag] != 1:
            parts += [f"--{flag}", f"{summary[flag]:g}"]
    if summary["workers"] != 1:
        parts += ["--workers", str(summary["workers"])]
    if summary.get("ladder"):
        parts += ["--ladder", ",".join(f"{rung['multiple']:g}" for rung in summary["ladder"])]
    return shlex.join(parts)


def provenance_rows(summary: Summary) -> list[Cells]:
    """Versions and machine as rows of name and value."""
    told = [each for part in ("versions", "machine") for each in summary.get(part, {}).items()]
    return [[str(name).replace("_", " "), _told(value)] for name, value in told]
