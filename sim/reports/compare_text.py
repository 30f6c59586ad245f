"""What a study came to, in words and tables: `liverush compare` prints it, the workbook and the page repeat it."""

from __future__ import annotations

from typing import Any

from sim.reports.blocks import Block, Cells, plain_text
from sim.reports.words import CONTRIBUTION_LINES, NO_VALUE, amount, count, duration, metric, percent, plural
from sim.stats.sequential import MOST

_CONTRIBUTION = "contribution_minor"
#: What the table shows of each strategy beside the metric that is compared.
_COLUMNS = (
    ("fill rate", "fill_rate_share"),
    ("on time", "on_time_delivery.otdr_share"),
    ("late dispatch", "late_dispatch.ldr_share"),
    ("orders paid", "orders_paid"),
)


def compare_text(summary: dict[str, Any]) -> str:
    """What summary.json of a study holds, for people: plain text without a trailing line break."""
    return plain_text(compare_blocks(summary))


def compare_blocks(summary: dict[str, Any]) -> list[Block]:
    """Head, verdict in words, strategies, differences from the base, money line by line."""
    blocks = [_head(summary), Block("Verdict", [[sentence] for sentence in sentences(summary)], "<"), _table(summary)]
    blocks += [_pairs(summary), _money(summary)]
    return [block for block in blocks if block is not None]


def _head(summary: dict[str, Any]) -> Block:
    number = summary["replications"]
    lines = [
        f"{plural(len(summary['strategies']), 'strategy', 'strategies')} of {summary['scenario']}, "
        f"{plural(number, 'replication')} each with the same buyers, seed {summary['seed']}"
    ]
    precision = summary["precision"]
    if precision:
        width = shown(summary, precision["half_width"])
        if precision["reached"]:
            lines.append(f"precise enough: differences are known to +- {width}")
        else:
            needed = precision["needed_replications"]
            would = f"about {count(needed)}" if needed else f"not even {count(MOST)}"
            lines.append(f"not as precise as asked for: +- {width}; {would} replications would be")
    return Block("", [[line] for line in lines], "<", indent="")


def sentences(summary: dict[str, Any]) -> list[str]:
    """The verdict in words: the base against each other strategy, then the best, then what inputs do to it."""
    base = summary["strategies"][0]["name"]
    found = []
    for pair in summary["pairs"]:
        if pair["base"] == base:
            found.append(_difference(summary, pair))
    if all(pair["mean"] == 0 and pair["low"] == pair["high"] == 0 for pair in summary["pairs"]):
        found.append(_no_difference(summary))
    found.append(_best(summary))
    return [sentence for sentence in [*found, *_inputs(summary)] if sentence]


def _no_difference(summary: dict[str, Any]) -> str:
    base, *others = summary["strategies"]
    if any(each["intervals"] != base["intervals"] for each in others):
        return f"None differs in {_name(summary)}, but some differ in other metrics."
    return f"No strategy differs: does {base['name']!r} use what the others set (stock.policy, say)?"


def _name(summary: dict[str, Any]) -> str:
    """The metric that is compared, as the table calls it."""
    return "contribution" if summary["metric"] == _CONTRIBUTION else str(summary["metric"])


def _difference(summary: dict[str, Any], pair: dict[str, Any]) -> str:
    base, other = pair["base"], pair["other"]
    if not pair["told_apart"]:
        if pair["mean"] == 0 and pair["low"] == pair["high"] == 0:
            return f"{other} comes to exactly the same as {base}."
        return f"{other} cannot be told from {base}: {_needed(summary, pair)}"
    verb = "earns" if summary["metric"] == _CONTRIBUTION else "has"
    more, ratio = "more" if pair["mean"] > 0 else "less", pair["percent"]
    means = {each["name"]: each["mean"] for each in summary["strategies"]}
    loses = min(means[base], means[other]) < 0  # percent of a loss, or more than 100 % less, would be misread
    if ratio["low"] is None or loses:
        low, high = sorted((abs(pair["low"]), abs(pair["high"])))
        gap = shown(summary, abs(pair["mean"]))
        interval = f"{shown(summary, low)} to {shown(summary, high)}"
    else:
        low, high = sorted((abs(ratio["low"]), abs(ratio["high"])))
        gap, interval = f"{_figure(abs(ratio['mean']))} %", f"{_figure(low)} to {_figure(high)}"
    return f"{other} {verb} {gap} {more} than {base}, 95 % interval {interval}."


def _figure(value: float) -> str:
    return f"{value:,.1f}" if value >= 0.1 else f"{value:.2g}"


def _needed(summary: dict[str, Any], pair: dict[str, Any]) -> str:
    needed = pair["needed_replications"]
    if needed is None:
        return f"not even {count(MOST)} replications would."
    more = needed - summary["replications"]
    return f"about {count(more)} more {'replication' if more == 1 else 'replications'} would."


def sign_of(summary: dict[str, Any]) -> int:
    """1 where more of the metric is better, -1 where less is."""
    return -1 if summary.get("least") else 1


def is_judged(summary: dict[str, Any]) -> bool:
    """Whether it is known what is better: of a metric like late dispatch nobody said so unless with --least."""
    return bool(summary["metric"] == _CONTRIBUTION or summary.get("least"))


def _best(summary: dict[str, Any]) -> str:
    strategies, word = summary["strategies"], "best" if is_judged(summary) else "most"
    known = [each["name"] for each in strategies if each["is_best"]]
    if known:
        return f"{word.title()}: {known[0]}."
    ranked = sorted(strategies, key=lambda each: -sign_of(summary) * each["mean"])
    open_ = [each["name"] for each in ranked if each["may_be_best"]]
    if len(open_) == len(strategies) > 2:
        return f"Any may be {word}; {ranked[0]['name']} leads."
    leader = ranked[0]["name"]
    rivals = {p["base"] if p["other"] == leader else p["other"]: p for p in summary["pairs"] if leader in _names(p)}
    told = [
        f"{name} cannot be told from {leader}: {_needed(summary, rivals[name])}"
        for name in open_
        if name != leader and leader != strategies[0]["name"] and name != strategies[0]["name"]
    ]
    return " ".join([f"{word.title()}: {' or '.join(open_)}.", *told])


def _names(pair: dict[str, Any]) -> tuple[str, str]:
    return pair["base"], pair["other"]


def _inputs(summary: dict[str, Any]) -> list[str]:
    if not summary["uncertain"]:
        return []
    base = summary["strategies"][0]["name"]
    found = []
    for pair in summary["pairs"]:
        same = pair["low"] == pair["high"] == 0
        if "inputs_share_of_variance" not in pair or base not in _names(pair) or same:
            continue
        leads = percent(pair["other_leads_in_share_of_draws"], 0)
        chance = shown(summary, pair["chance_half_width"])
        found.append(
            f"Uncertain inputs make {percent(pair['inputs_share_of_variance'], 0)} of the variance of {pair['other']} "
            f"less {pair['base']}; chance alone leaves +- {chance}; {pair['other']} is ahead in {leads} of the draws."
        )
        for turn in pair["break_evens"]:
            value = turn["value"]
            text = percent(value) if isinstance(value, float) and _is_share(summary, turn["path"]) else _input(value)
            found.append(
                f"{turn['leads_below']} leads {turn['leads_above']} until {turn['path']} exceeds about {text}, other "
                "inputs at their most likely values."
            )
    return found


def _is_share(summary: dict[str, Any], path: str) -> bool:
    return any(each["path"] == path and each["unit"] == "share" for each in summary["uncertain"])


def _input(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def shown(summary: dict[str, Any], value: float | None) -> str:
    """A value of the metric that is compared, with its unit."""
    if value is None:
        return NO_VALUE
    path = summary["metric"]
    if path.endswith("_minor"):
        return f"{amount(value, summary['currency'])} {summary['currency']}"
    if path.endswith("_share"):
        return percent(value)
    if path.endswith("_us"):
        return f"{'-' if value < 0 else ''}{duration(abs(value))}"
    return count(value)


def _table(summary: dict[str, Any]) -> Block:
    word = "best" if is_judged(summary) else "most"
    rows: list[Cells] = [["strategy", f"{_name(summary)}, mean", "95 % interval", *(head for head, _ in _COLUMNS), ""]]
    for each in summary["strategies"]:
        found = each["intervals"][summary["metric"]]
        low, high = shown(summary, found["low"]), shown(summary, found["high"])
        others = [_mean(each["intervals"], path) for _, path in _COLUMNS]
        note = word if each["is_best"] else f"may be {word}" if each["may_be_best"] else ""
        rows.append([each["name"], shown(summary, found["mean"]), f"{low} .. {high}", *others, note])
    return Block("Strategies, each alone", rows, "<" + ">" * 6 + "<", head=True)


def _mean(intervals: dict[str, Any], path: str) -> str:
    value = metric(intervals.get(path, {}), "mean")
    return percent(value) if path.endswith("_share") else count(value)


def _pairs(summary: dict[str, Any]) -> Block:
    rows: list[Cells] = [["pair", "difference", "95 % interval, all pairs together", ""]]
    for pair in summary["pairs"]:
        low, high = shown(summary, pair["low"]), shown(summary, pair["high"])
        note = "told apart" if pair["told_apart"] else "not told apart"
        rows.append([f"{pair['other']} less {pair['base']}", shown(summary, pair["mean"]), f"{low} .. {high}", note])
    return Block(
        "Differences", rows[:41], "<>><", head=True, notes=[f"{len(rows) - 1} pairs"] if len(rows) > 41 else []
    )


def _money(summary: dict[str, Any]) -> Block:
    strategies, currency = summary["strategies"], summary["currency"]
    rows: list[Cells] = [["", *(each["name"] for each in strategies[:8])]]
    for key, name in {
        **{f"contribution.{k}": n for k, n in CONTRIBUTION_LINES.items()},
        _CONTRIBUTION: "contribution",
    }.items():
        means = [metric(each["intervals"].get(key, {}), "mean") for each in strategies[:8]]
        if any(means):
            rows.append([name, *(amount(mean, currency) for mean in means)])
    return Block(f"Money statement, means ({currency})", rows, "<" + ">" * len(strategies[:8]), head=True)
