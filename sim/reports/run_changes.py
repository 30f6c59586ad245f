"""What changed from one run to another: first in their inputs, then in their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sim.errors import UsageError
from sim.reports.blocks import Block, plain_text
from sim.reports.load_files import is_load
from sim.reports.words import NO_VALUE, money

_MOST_ROWS = 60
Values = dict[str, Any]


def changes_of(first: Path, second: Path) -> dict[str, Any]:
    """Values that differ, as `[path, first, second]`: `inputs`, `results`; and each run's currency, "" where unknown.

    Raises UsageError for what are no run directories.
    """
    a, b = (_run(directory) for directory in (first, second))
    return {
        "runs": [str(first), str(second)],
        "inputs": _differing(a[0], b[0]),
        "results": _differing(a[1], b[1]),
        "currencies": [a[2], b[2]],
    }


def _run(directory: Path) -> tuple[Values, Values, str]:
    try:
        rows = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))
        summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
        if is_load(summary):
            raise ValueError("it is a load run: a measurement, which another one does not repeat")
        inputs = {row["path"]: row["value"] for row in rows}
        inputs |= {key: summary[key] for key in ("seed", "replications") if key in summary}
        return inputs, _results(summary), str(summary.get("currency") or "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{directory} is not a run directory that can be compared: {error}") from None


def _results(summary: dict[str, Any]) -> Values:
    """Means by path; of a study with the strategy's name before it."""
    if summary.get("kind") == "optimise":
        summary = summary["confirmation"] or {"intervals": {}}
    if summary.get("kind") == "compare":
        return {
            f"{each['name']}: {path}": found["mean"]
            for each in summary["strategies"]
            for path, found in each["intervals"].items()
        }
    return {path: found["mean"] for path, found in summary["intervals"].items()}


def _differing(first: Values, second: Values) -> list[list[Any]]:
    paths = [*first, *(path for path in second if path not in first)]
    return [[path, first.get(path), second.get(path)] for path in paths if first.get(path) != second.get(path)]


def changes_text(found: dict[str, Any]) -> str:
    """The changes for people."""
    names = [Path(name).name for name in found["runs"]]
    blocks = [Block("", [[f"from {names[0]} to {names[1]}"]], "<", indent="")]
    for key, title in (("inputs", "Inputs that changed"), ("results", "Results that changed (means)")):
        rows = [_row(path, a, b, found["currencies"]) for path, a, b in found[key]]
        more = [f"and {len(rows) - _MOST_ROWS:,} more: --json shows all"] if len(rows) > _MOST_ROWS else []
        blocks.append(Block(title, rows[:_MOST_ROWS] or [["none"]], "<>>>", notes=more))
    return plain_text(blocks)


def _row(path: str, first: Any, second: Any, currencies: list[str]) -> list[str]:
    a, b = (_text(value, path, code) for value, code in zip((first, second), currencies, strict=True))
    return [str(path), a, b, _change(path, first, second, currencies)]


def _text(value: Any, path: str, currency: str) -> str:
    if currency and path.endswith("_minor") and isinstance(value, int | float):
        return money(value, currency)
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return NO_VALUE if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _change(path: str, first: Any, second: Any, currencies: list[str]) -> str:
    """Percent of what it was; of a loss, or where a gain becomes one, by how much: a percentage would be misread."""
    if not first or not all(type(value) in (int, float) for value in (first, second)):
        return ""
    if first > 0 and second >= 0:
        return f"{100 * (second / first - 1):+.1f} %"
    if currencies[0] != currencies[1]:
        return ""
    text = _text(second - first, path, currencies[0])
    return text if second < first else f"+{text}"
