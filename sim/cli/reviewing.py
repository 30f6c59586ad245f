"""The verb that reviews a run: what was sold where, why it was late or refused, and which defaults decide."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from sim.cli.frame import debug_option, verbs
from sim.cli.progress import progress, sayer
from sim.cli.reporting import of_run
from sim.errors import ExitCode, UsageError
from sim.reports.review import BY


@verbs.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--by", type=click.Choice(BY), help="Only this grouping, with all its rows.")
@click.option("--zone", metavar="NAME", default="", help="Zone of the hours. [default: the first region's]")
@click.option("--explain", is_flag=True, help="Also simulate which defaults move contribution most.")
@click.option("--replications", type=click.IntRange(2, 1_000), help="Of those that move most. [default: 5]")
@click.option("--runs", type=click.IntRange(2, 1_000_000), help="Simulations at most. [default: 400]")
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes that simulate. [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Also write page, Markdown, JSON and figures there."
)
@debug_option
def review(run: Path, by: str | None, zone: str, as_json: bool, out: Path | None, **given: Any) -> ExitCode:
    """Review the orders of the run directory RUN as a shop would.

    By content, listing, SKU, region and hour: views, conversion, GMV per thousand views, contribution, stockouts and
    returns; then why orders were refused, late or cancelled; and what stands out, with the figures behind it.
    """
    from sim.reports.review.reviewing import review as make
    from sim.reports.review.text import review_text

    found = of_run(run, lambda directory: make(directory, [by] if by else BY, zone))
    if given.pop("explain"):
        found["explain"] = _explained(run, given, quiet=as_json)
    elif any(given.values()):
        raise UsageError("--replications, --runs and --workers go with --explain")
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


def _explained(run: Path, given: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    from sim.experiments.explain import MOST_RUNS, REPLICATIONS, Limits, explain

    limits = Limits(given["replications"] or REPLICATIONS, given["runs"] or MOST_RUNS, given["workers"])
    with progress("simulations", shown=not quiet and sys.stderr.isatty()) as tell:
        found: dict[str, Any] = of_run(run, lambda directory: explain(directory, limits, tell, sayer(quiet=quiet)))
    return found
