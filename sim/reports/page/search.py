"""The page of a search: what was found, figures, tables, and how it was confirmed."""

from __future__ import annotations

from collections.abc import Mapping

from sim.reports.figures.picture import Picture
from sim.reports.page import parts
from sim.reports.page.html import tag
from sim.reports.run_files import Run
from sim.reports.search_text import search_blocks, strategy_line, verdict_of_search


def search_page(run: Run, pictures: Mapping[str, Picture]) -> str:
    """The whole page."""
    summary = run.summary
    head, _, *blocks = search_blocks(summary)
    line = tag("pre", tag("code", f"strategies:\n  {strategy_line(summary)}")) if summary["found"] else None
    return parts.document(
        f"{summary['scenario']}, optimised",
        tag(
            "header",
            tag("h1", f"Optimised: {summary['scenario']}"),
            *(tag("p", row[0]) for row in head.rows),
            tag("ul", *(tag("li", sentence) for sentence in verdict_of_search(summary))),
            line,
        ),
        tag(
            "main",
            parts.section("figures", "Figures", *(parts.figure(picture) for picture in pictures.values())),
            parts.section("tables", "All numbers", parts.tables(blocks)),
            parts.section("scenario", "What was run", parts.scenario_as_run(run.directory)),
        ),
        tag("footer", "Made by LiveRush from the files of this search."),
    )
