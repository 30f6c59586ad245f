"""The verb that reviews a run: what was sold where, why it was late or refused, and which defaults decide."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sim.cli.frame import debug_option, verbs
from sim.cli.reporting import of_run
from sim.errors import ExitCode

_BY = ("content", "listing", "sku", "region", "hour")


@verbs.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--by", type=click.Choice(_BY), help="Only this grouping, with all its rows.")
@click.option("--zone", metavar="NAME", default="", help="Zone of the hours. [default: the first region's]")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Also write page, Markdown, JSON and figures there."
)
@debug_option
def review(run: Path, by: str | None, zone: str, as_json: bool, out: Path | None) -> ExitCode:
    """Review the orders of the run directory RUN as a shop would.

    By content, listing, SKU, region and hour: views, conversion, GMV per thousand views, contribution, stockouts and
    returns; then why orders were refused, late or cancelled; and what stands out, with the figures behind it.
    """
    from sim.reports.review.reviewing import review as make
    from sim.reports.review.text import review_text

    found = of_run(run, lambda directory: make(directory, [by] if by else _BY, zone))
    if out is not None:
        from sim.reports.review.files import write_review

        files = of_run(run, lambda directory: write_review(directory, found, out))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return ExitCode.YES
    click.echo(review_text(found, by or "", *([1_000_000] if by else [])))
    if out is not None:
        click.echo(f"Wrote {files[0]} and {len(files) - 1} more in {out}")
    return ExitCode.YES
