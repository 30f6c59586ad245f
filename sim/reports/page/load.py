"""The page of a load run: verdict and audit first, then objectives, rates, response times, and what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.reports import load_text as told
from sim.reports.blocks import Block
from sim.reports.figures.picture import Picture
from sim.reports.load_files import LoadRun
from sim.reports.page import parts
from sim.reports.page.html import Child, Markup, firm, tag
from sim.reports.words import count, percent

Pictures = Mapping[str, Picture]
#: More ids than these are in summary.json only, so that the page stays one that a phone can open.
MOST_IDS = 500


def load_page(run: LoadRun, pictures: Pictures) -> str:
    """The whole page."""
    summary = run.summary
    return parts.document(
        f"{told.verdict_line(summary)}: {summary['scenario']}, load",
        tag("header", *_head(summary)),
        tag(
            "main",
            _audit(summary),
            _objectives(summary),
            _figures("ladder", "Ladder", pictures, ["ladder"], told.ladder_block(summary)),
            _figures("rates", "Rates", pictures, ["rates"]),
            _figures("times", "Response times", pictures, ["checkout", "confirmation"], told.times_block(summary),
                     told.buyers_block(summary)),
            _figures("requests", "Requests by endpoint", pictures, [], told.requests_block(summary)),
            _figures("refusals", "Refusals", pictures, ["refusals"], told.refusals_block(summary)),
            _figures("generator", "Load generator and server", pictures, ["lag", "server"],
                     told.generator_block(summary)),
            _provenance(run),
        ),
        tag("footer", "Made by LiveRush from the files of this run. Percentiles are never averaged."),
    )  # fmt: skip


def _head(summary: told.Summary) -> list[Child]:
    planned = summary["planned"]
    cards = [
        ("planned arrivals", count(planned["arrivals"])),
        ("of them checkouts", count(planned["checkouts"])),
        ("requests sent", count(summary["sent"])),
        ("could not be sent", count(summary["dropped"])),
    ]
    rates = summary["rates"]
    cards += [(name, f"{told.rate(rates[key])}/s") for name, key in _RATES if rates[key] is not None]
    doubts = [tag("li", firm(doubt)) for doubt in told.doubts(summary)]
    notes = [tag("li", firm(note)) for note in told.notes(summary)]
    return [
        tag("h1", "Load: ", firm(told.headline(summary))),
        parts.verdict(told.verdict_line(summary)),
        tag("ul", *doubts) if doubts else None,
        parts.cards(cards),
        tag("ul", *notes, class_="soft", aria_label="Notes") if notes else None,
    ]


_RATES = (("offered, mean", "offered_per_s"), ("answered, mean", "achieved_per_s"))


def _audit(summary: told.Summary) -> Markup:
    block = told.audit_block(summary)
    findings = told.findings_block(summary, MOST_IDS)
    return parts.section("audit", block.title, parts.table(findings) if findings else None, parts.table(block))


def _objectives(summary: told.Summary) -> Markup:
    block = told.slo_block(summary)
    if block is None:
        return parts.section("objectives", "Objectives", tag("p", "The scenario sets no objective."))
    return parts.section("objectives", block.title, parts.table(block))


def _figures(name: str, title: str, pictures: Pictures, wanted: Sequence[str], *blocks: Block | None) -> Markup | None:
    """A section of figures and of tables; None where there is nothing to show."""
    shown = [parts.figure(pictures[key]) for key in wanted if key in pictures]
    tables = [parts.table(block) for block in blocks if block]
    return parts.section(f"section-{name}", title, *shown, *tables) if shown or tables else None


def _provenance(run: LoadRun) -> Markup:
    summary = run.summary
    target, trace = summary["target"], summary["trace"]
    rows = [
        ["scenario", summary["scenario"]],
        ["seed", str(summary["seed"])],
        ["started", summary["started_at"]],
        ["target", " ".join(part for part in (target["name"], target["url"], target["store"]) if part)],
        ["workers", str(summary["workers"])],
        ["share of the carts", percent(summary["share"])],
        ["speed", f"x{summary['speed']:g}"],
        *([f"trace: {key}", str(value)] for key, value in trace.items()),
        *told.provenance_rows(summary),
    ]
    return parts.section(
        "provenance",
        "What was run",
        parts.table(Block("What was run", [row for row in rows if row], "<<")),
        tag("h3", "To repeat it"),
        tag("p", "The scenario as it was run is in this folder too, as scenario.yaml."),
        tag("pre", tag("code", told.command(summary))),
        parts.scenario_as_run(run.directory),
    )
