"""The benchmarks: each measures in fresh processes and returns its rows."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.comparing import compare_mega
from tests.bench.engine_group import engine_group
from tests.bench.engine_http import engine_http
from tests.bench.histogram import histogram
from tests.bench.load import load_client, load_lag
from tests.bench.process import Bench, JobFailed, back_memory, environment, timed_command
from tests.bench.rows import Target, make_row
from tests.bench.scaled import scaled_text
from tests.bench.stall import load_stall

Row = dict[str, Any]
RECORD = Target("orders_per_s", 583_000, at_least=True)  # orders a second, 11 November 2020
GOAL = Target("orders_per_s", 1_000_000, at_least=True, goal=True)
MEMORY = Target("bytes_per_row", 250)

#: Shares of double11 and how often each is run; the least time counts, as others use the machine too.
LINEAR = ((0.01, 7), (0.03, 5), (0.1, 3), (0.3, 2), (1, 1))
ORACLE_SHARE, ORACLE_REPEATS = 0.1, 3
HELP_REPEATS, COLD_REPEATS = 5, 3
#: Scenarios and the share of their audience that places about 1,000 orders.
COLD = (("evening_show", 0.1), ("mega_live", 0.0015))


#: A little more than the flow of `double11` needs.
WARM_BYTES = 4 << 30


def double11(bench: Bench) -> list[Row]:
    """The record night through every stage: orders a second on one core, and memory."""
    directory, made = bench.trace("double11")
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        cache = Path(name)
        compiled = bench.job("compile_kernels", cache=cache, scenario="double11")
        back_memory(WARM_BYTES)
        ran = bench.job("flow", cache=cache, scenario="double11", factor=1, directory=directory, write=True)
    ran["wall"] |= made["wall"]
    ran["compile_seconds"] = compiled["seconds"]
    return [_flow_row("double11", "all stages and money", bench, ran, (RECORD, GOAL, MEMORY))]


def linear(bench: Bench) -> list[Row]:
    """Seconds over rows, from 100 thousand to 10 million: seconds = a + b rows."""
    rows = []
    for factor, repeats in LINEAR:
        directory, _ = bench.trace("double11", factor)
        ran = bench.job("flow", scenario="double11", factor=factor, directory=directory, repeats=repeats)
        rows.append(_flow_row("linear", f"double11 x {factor:g}", bench, ran))
    return [*rows, fit_row(rows, bench.command)]


def fit_row(rows: list[Row], command: str) -> Row:
    """The line through the rows, by CPU seconds: the flow has one thread, and others may use the machine."""
    sizes, seconds = [row["rows"] for row in rows], [row["cpu_seconds"] for row in rows]
    a, b = fit_line(sizes, seconds)
    marginal = [(t1 - t0) / (n1 - n0) for (n0, t0), (n1, t1) in pairwise(zip(sizes, seconds, strict=True))]
    wall_a, wall_b = fit_line(sizes, [row["seconds"] for row in rows])
    fit = {
        "a_seconds": a,
        "b_us_per_row": b * 1e6,
        "marginal_us_per_row": [cost * 1e6 for cost in marginal],
        "b_max_over_min": max(marginal) / min(marginal) if min(marginal) > 0 else 1e9,
        "wall_a_seconds": wall_a,
        "wall_b_us_per_row": wall_b * 1e6,
    }
    targets = (Target("a_seconds", 0.5), Target("b_max_over_min", 2))
    return make_row("linear", "fit of CPU seconds", command, targets, fit=fit)


def oracle_ratio(bench: Bench) -> list[Row]:
    """How many times faster than the oracle on mega_live with a tenth of its viewers; both must say the same.

    CPU seconds of both, which have one thread each: others may use the machine.
    """
    ran = bench.job("against_oracle", scenario="mega_live", factor=ORACLE_SHARE, repeats=ORACLE_REPEATS)
    if ran["unequal"]:
        raise JobFailed(f"flow and oracle differ in {', '.join(ran['unequal'])}")
    ratios = [slow / fast for slow, fast in zip(ran["oracle_cpu_s"], ran["flow_cpu_s"], strict=True)]
    seconds = median(ran["flow_cpu_s"])
    row = make_row(
        "oracle_ratio",
        f"mega_live, {ORACLE_SHARE:g} of its viewers; outcomes equal",
        bench.command,
        (Target("oracle_ratio", 60, at_least=True),),
        **_sizes(ran),
        seconds=median(ran["flow_s"]),
        cpu_seconds=seconds,
        orders_per_s=ran["orders"] / median(ran["flow_s"]),
        orders_per_cpu_s=ran["orders"] / seconds,
        rows_per_s=ran["rows"] / median(ran["flow_s"]),
        oracle_ratio=median(ratios),
        stages=ran["stages"],
        parts={"oracle_cpu": median(ran["oracle_cpu_s"])},
        repeats={"flow_cpu_seconds": ran["flow_cpu_s"], "oracle_cpu_seconds": ran["oracle_cpu_s"], "ratios": ratios},
    )
    return [row]


def cold(bench: Bench) -> list[Row]:
    """The command line from a cold shell: help, and small runs with an empty cache of compiled code."""
    shown = [_cold_run(bench, ["--help"]) for _ in range(HELP_REPEATS)]
    rows = [_cold_row(bench, "liverush --help", shown, (Target("cpu_seconds", 0.3),))]
    for name, factor in COLD:
        _, made = bench.trace(name, factor)
        text = scaled_text(name, factor)
        runs = [_cold_run(bench, ["simulate", "show.yaml", "--no-figures"], text) for _ in range(COLD_REPEATS)]
        case = f"liverush simulate --no-figures: {name} x {factor:g}"
        rows.append(_cold_row(bench, case, runs, (Target("seconds", 2), Target("cpu_seconds", 2)), made))
    return rows


def generate(bench: Bench) -> list[Row]:
    """The demand of double11 as a trace."""
    _, made = bench.trace("double11")
    seconds = made["wall"]["generate"]
    row = make_row(
        "generate",
        "double11",
        bench.command,
        (MEMORY,),
        **_sizes(made),
        seconds=seconds,
        cpu_seconds=made["cpu"]["generate"],
        rows_per_s=made["rows"] / seconds,
        bytes_per_row=made["peak_rss_bytes"] / made["rows"],
        peak_rss_bytes=made["peak_rss_bytes"],
        parts=made["wall"],
    )
    return [row]


#: In the order of a full run; double11 and linear share a trace.
BENCHES = {
    "cold": cold,
    "oracle_ratio": oracle_ratio,
    "generate": generate,
    "double11": double11,
    "linear": linear,
    "histogram": histogram,
    "compare": compare_mega,
    "load_client": load_client,
    "load_lag": load_lag,
    "load_stall": load_stall,
    "engine_group": engine_group,
    "engine_http": engine_http,
}


def fit_line(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """a and b of seconds = a + b size, by least squares of the relative errors."""
    weights = [1 / t**2 for t in seconds]
    total = sum(weights)
    n = sum(w * size for w, size in zip(weights, sizes, strict=True)) / total
    t = sum(w * second for w, second in zip(weights, seconds, strict=True)) / total
    points = list(zip(weights, sizes, seconds, strict=True))
    b = sum(w * (size - n) * (second - t) for w, size, second in points) / sum(
        w * (size - n) ** 2 for w, size, _ in points
    )
    return t - b * n, b


def _flow_row(name: str, case: str, bench: Bench, ran: Row, targets: tuple[Target, ...] = ()) -> Row:
    best = min(range(len(ran["walls"])), key=ran["walls"].__getitem__)
    seconds = ran["walls"][best]
    parts = {key: value for key, value in ran["wall"].items() if key != "warm_up"}
    return make_row(
        name,
        case,
        bench.command,
        targets,
        **_sizes(ran),
        seconds=seconds,
        cpu_seconds=ran["cpus"][best],
        orders_per_s=ran["orders"] / seconds,
        orders_per_cpu_s=ran["orders"] / ran["cpus"][best],
        rows_per_s=ran["rows"] / seconds,
        bytes_per_row=ran["peak_rss_bytes"] / ran["rows"],
        peak_rss_bytes=ran["peak_rss_bytes"],
        memory=ran["memory"],
        compile_seconds=ran.get("compile_seconds"),
        stages=ran["stages"],
        parts=parts,
        repeats={"seconds": ran["walls"]},
    )


def _cold_run(bench: Bench, arguments: list[str], scenario: str = "") -> tuple[float, float]:
    """Wall and CPU seconds of one command in an empty folder."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        folder = Path(name)
        if scenario:
            (folder / "show.yaml").write_text(scenario, encoding="utf-8")
        return timed_command(arguments, environment(folder / "cache"), folder)


def _cold_row(
    bench: Bench, case: str, runs: list[tuple[float, float]], targets: tuple[Target, ...], made: Row | None = None
) -> Row:
    walls, cpus = [wall for wall, _ in runs], [cpu for _, cpu in runs]
    return make_row(
        "cold",
        case,
        bench.command,
        targets,
        **(_sizes(made) if made else {}),
        seconds=median(walls),
        cpu_seconds=median(cpus),
        repeats={"seconds": walls, "cpu_seconds": cpus},
    )


def _sizes(ran: Row) -> Row:
    return {key: ran[key] for key in ("rows", "buy_rows", "carts", "orders") if key in ran}
