"""A row of a benchmark: the same keys whatever was measured, with its targets and whether they were met."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sim
from sim.measure.machine import describe_machine, package_versions
from tests.paths import ROOT

#: Every row has these keys, in this order; null where a benchmark does not measure it.
KEYS: dict[str, str] = {
    "bench": "name of the benchmark",
    "case": "which of its cases",
    "rows": "rows of the trace",
    "buy_rows": "those that want to buy",
    "carts": "carts of the trace: orders, if they are placed",
    "orders": "orders that were paid in time and reached COMPLETED or CANCELLED",
    "seconds": "wall time of what is measured",
    "cpu_seconds": "CPU time of the same, user and system",
    "orders_per_s": "orders / seconds",
    "orders_per_cpu_s": "orders / cpu_seconds: what an idle machine would show, where others use this one",
    "rows_per_s": "rows / seconds",
    "oracle_ratio": "time of the oracle / time of the flow",
    "ns_per_record": "CPU time to count one value in a histogram, nanoseconds",
    "largest_error": "the largest of `errors`, without its sign",
    "errors": "of percentiles, relative to the exact ones",
    "bytes_per_row": "peak memory of the whole process / rows",
    "peak_rss_bytes": "peak memory of the whole process",
    "memory": "bytes a row: of columns held, and of the process's peak so far at each step",
    "compile_seconds": "a small run with an empty cache of compiled code",
    "stages": "how many passed each stage",
    "parts": "seconds of parts, and of what is timed apart",
    "fit": "of seconds = a + b rows",
    "engine": "figures of the order engine: rates, ratios to what it is measured against, microseconds a request",
    "requests_per_cpu_s": "requests of a load generator / its CPU time",
    "client_ratio": "the same / that of Locust's FastHttpUser, in turn with it",
    "lag_p99_us": "99th percentile of sent - due of a load generator",
    "lag_us": "percentiles of the same",
    "response_ms": "percentiles of response by who tells them, and requests planned and sent",
    "repeats": "every measured value, where one is chosen from several",
}
PLACE = ("targets", "met", "load_1m", "liverush", "commit", "command", "machine", "packages")


@dataclass(frozen=True)
class Target:
    """A bound on one figure; `goal` ones are aimed at, the others required."""

    figure: str
    bound: float
    at_least: bool = False
    goal: bool = False

    @property
    def text(self) -> str:
        """The bound as people write it."""
        return f"{'>=' if self.at_least else '<='} {self.bound:,.10g}{' (goal)' if self.goal else ''}"

    def met_by(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


def make_row(bench: str, case: str, command: str, targets: tuple[Target, ...] = (), **figures: Any) -> dict[str, Any]:
    """A row with every key; `figures` are some of KEYS. A target's figure may lie in `fit` or `engine`."""
    unknown = set(figures) - set(KEYS)
    if unknown:
        raise ValueError(f"no such keys: {', '.join(sorted(unknown))}")
    row = {key: rounded(figures.get(key)) for key in KEYS}
    row |= {"bench": bench, "case": case}
    told = [(target, figure_of(row, target.figure)) for target in targets]
    return row | {
        "targets": [f"{target.figure} {target.text}" for target in targets],
        "met": [target.met_by(value) for target, value in told],
        "load_1m": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "liverush": sim.__version__,
        "commit": commit(),
        "command": command,
        "machine": describe_machine(),
        "packages": package_versions(),
    }


def figure_of(row: dict[str, Any], name: str) -> float:
    """A figure of a row, of its fit or of the engine."""
    value = row[name] if name in row else {**(row["fit"] or {}), **(row["engine"] or {})}[name]
    return float(value)


def rounded(value: Any) -> Any:
    """Floats to six significant digits, throughout."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return value


@cache
def commit() -> str | None:
    """The commit that was measured, with `+` where the code has changed since; None outside of a checkout."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD").strip()
        return head + ("+" if _git("status", "--porcelain", "--", "sim", "scenarios").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON object a line; the file is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")


def table(rows: list[dict[str, Any]]) -> str:
    """The closing table: every target with what was measured."""
    lines = [("bench", "case", "figure", "measured", "target", "")]
    for row in rows:
        for text, met in zip(row["targets"], row["met"], strict=True):
            figure, bound = text.split(" ", 1)
            value = f"{figure_of(row, figure):,.6g}"
            lines.append((row["bench"], row["case"], figure, value, bound, "met" if met else "MISSED"))
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
