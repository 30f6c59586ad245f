"""The page of a study: the verdict in words, figures, tables, and what was compared."""

from __future__ import annotations

from collections.abc import Mapping

from sim.reports.blocks import Block
from sim.reports.compare_text import compare_blocks, sentences
from sim.reports.figures.picture import Picture
from sim.reports.page import parts
from sim.reports.page.html import tag
from sim.reports.run_files import Run


def study_page(run: Run, pictures: Mapping[str, Picture]) -> str:
    """The whole page."""
    summary = run.summary
    head, _, *blocks = compare_blocks(summary)
    return parts.document(
        f"{summary['scenario']}, compared",
        tag(
            "header",
            tag("h1", f"Compared: {summary['scenario']}"),
            *(tag("p", row[0]) for row in head.rows),
            tag("ul", *(tag("li", sentence) for sentence in sentences(summary))),
        ),
        tag(
            "main",
            parts.section("figures", "Figures", *(parts.figure(picture) for picture in pictures.values())),
            parts.section("tables", "All numbers", parts.tables([*blocks, _changes(run)])),
            parts.section("scenario", "What was run", parts.scenario_as_run(run.directory)),
        ),
        tag("footer", "Made by LiveRush from the files of this study."),
    )


def _changes(run: Run) -> Block:
    rows = [["strategy", "changes", "to"]]
    for each in run.summary["strategies"]:
        changes = each["changes"] or {"nothing": ""}
        rows += [[each["name"], path, str(value)] for path, value in changes.items()]
    return Block("What each strategy changes", rows, "<<<", head=True)
