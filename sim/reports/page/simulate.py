"""The page of a simulated run: verdicts, what it earns, every figure, every table, and what it was."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.reports.blocks import Block, Cells
from sim.reports.figures.picture import Picture
from sim.reports.objectives import met
from sim.reports.page import parts
from sim.reports.page.html import Markup, firm, tag
from sim.reports.run_files import Run
from sim.reports.text import summary_blocks
from sim.reports.words import SLO_WORDS, count, duration, metric, money, percent

_CARDS = (
    ("orders placed", "orders_placed", count),
    ("orders paid", "orders_paid", count),
    ("fill rate", "fill_rate_share", percent),
    ("late dispatch rate", "late_dispatch.ldr_share", percent),
    ("on-time delivery", "on_time_delivery.otdr_share", percent),
    ("checkout p99", "response.checkout.p99_us", lambda time_us: duration(time_us)),
)


def simulate_page(run: Run, pictures: Mapping[str, Picture]) -> str:
    """The whole page."""
    summary = run.summary
    head, *blocks = summary_blocks(summary)
    return parts.document(
        f"{summary['scenario']}, simulated",
        tag(
            "header",
            tag("h1", "Simulated: ", firm(head.title)),
            parts.verdict(_verdict(summary)),
            parts.cards(_cards(run)),
        ),
        tag(
            "main",
            _objectives(head),
            parts.section("figures", "Figures", *(parts.figure(picture) for picture in pictures.values())),
            parts.section("tables", "All numbers", *_notes(head), parts.tables(blocks)),
            _provenance(run.directory, summary),
        ),
        tag("footer", "Made by LiveRush from the files of this run."),
    )


def _verdict(summary: Mapping[str, Any]) -> str:
    return SLO_WORDS[met(summary)] if summary["metrics"].get("slos") else "NO SLO"


def _cards(run: Run) -> list[tuple[str, str]]:
    """Money first, then what else is known of the run."""
    found = [(key, metric(run.metrics, f"{key}_minor")) for key in ("contribution", "gmv")]
    cards = [("GMV" if key == "gmv" else key, money(value, run.currency)) for key, value in found]
    for name, path, show in _CARDS:
        value = metric(run.metrics, path)
        if value is not None:
            cards.append((name, show(value)))
    return cards


def _objectives(head: Block) -> Markup | None:
    if not head.rows:
        return None
    columns = ["", "objective", "met", "not answered", "replications"][: len(head.rows[0])]
    block = Block("Objectives", [columns, *head.rows], head.sides, head=True)
    return parts.section("objectives", "Objectives", parts.table(block))


def _notes(head: Block) -> list[Markup]:
    return [tag("p", note, class_="soft") for note in head.notes if note]


def _provenance(directory: Path, summary: Mapping[str, Any]) -> Markup:
    told = _json(directory / "run.json") or {}
    values = _json(directory / "provenance.json") or []
    rows = [[key.replace("_", " "), value] for key, value in _flat(told, "")]
    yours = [value for value in values if value.get("origin") == "yours"]
    return parts.section(
        "provenance",
        "What was run",
        parts.table(Block("What was run", rows, "<<")),
        tag("h3", "To repeat it"),
        tag("p", "From the folder of this run, which holds the scenario as it was run:"),
        tag("pre", tag("code", _command(summary))),
        parts.folded(f"Values set by the scenario's author ({len(yours)})", _values(yours)) if yours else None,
        parts.folded(f"Every value, with its origin ({len(values)})", _values(values)) if values else None,
        parts.scenario_as_run(directory),
    )


def _command(summary: Mapping[str, Any]) -> str:
    words = ["liverush", "simulate", "scenario.yaml", "--seed", str(summary["seed"])]
    if summary["replications"] > 1:
        words += ["--replications", str(summary["replications"])]
    return shlex.join(words)


def _values(values: Sequence[Mapping[str, Any]]) -> Markup:
    rows = [[str(v["path"]), json.dumps(v["value"], ensure_ascii=False), _origin(v)] for v in values]
    return parts.table(Block("Values", [["path", "value", "origin"], *rows], "<<<", head=True))


def _origin(value: Mapping[str, Any]) -> str:
    return ": ".join(str(part) for part in (value.get("origin"), value.get("source")) if part)


def _flat(value: Mapping[str, Any], before: str) -> list[Cells]:
    """Nested keys as rows: `machine: cores`, `2`."""
    rows: list[Cells] = []
    for key, found in value.items():
        if isinstance(found, Mapping):
            rows += _flat(found, f"{before}{key}: ")
        elif found not in (None, []):
            rows.append([f"{before}{key}", found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)])
    return rows


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
