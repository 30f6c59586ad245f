"""The verb that compares: strategies of a scenario, or two runs that are there already."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from sim.cli.frame import find_scenario, verbs
from sim.cli.options import echo_json, names_in, study_options
from sim.cli.progress import progress, sayer
from sim.cli.reporting import refuse_no_run
from sim.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sim.experiments.compare import Plan
    from sim.stats.sequential import Precision

_COUNT = click.IntRange(2, 1_000_000)


@verbs.command()
@click.argument("what", nargs=-1, required=True, metavar="SCENARIO | RUN_A RUN_B")
@click.option("--vary", multiple=True, metavar="KEY=LOW:HIGH:STEP", help="Every strategy at each value; repeatable.")
@click.option("--replications", type=_COUNT, help="How many of each strategy. [default: 20]")
@click.option("--precision", metavar="AMOUNT", help="Go on until differences are known to 1 % of the base, or 500 GBP.")
@click.option("--max-replications", type=_COUNT, default=1_000, show_default=True, help="Stop here in any case.")
@click.option("--metric", default="contribution_minor", show_default=True, help="Dotted path of what is compared.")
@click.option("--least", is_flag=True, help="Less of the metric is better.")
@study_options
def compare(what: tuple[str, ...], as_json: bool, no_figures: bool, **given: Any) -> ExitCode:
    """Compare the strategies of SCENARIO, or two run directories.

    Strategies meet the same buyers, replication by replication. A study that was stopped goes on where it was when
    it is started again. With two run directories: what changed in their inputs, then in their results.

    Exit code 1: the precision asked for was not reached.
    """
    if len(what) == 2:
        return _runs(Path(what[0]), Path(what[1]), as_json)
    if len(what) > 2:
        raise UsageError("compare takes one scenario or two run directories")
    return _study(find_scenario(what[0]), given, as_json=as_json, figures=not no_figures)


def _study(path: Path, given: dict[str, Any], *, as_json: bool, figures: bool) -> ExitCode:
    from sim.experiments import compare as experiment
    from sim.scenario.studies.study import load_study

    only = names_in(given["only"])
    study = load_study(path, given["overrides"], given["strategies"], only, given["vary"])
    plan = _plan(given, study.scenario.reporting_currency)
    if figures:  # what draws takes a second to import: done while the workers begin, which this process waits for
        Thread(target=import_module, args=("sim.reports.compare_files",), daemon=True).start()
    with progress("replications", shown=not as_json and sys.stderr.isatty()) as tell:
        done = experiment.compare(
            study,
            plan,
            given["out"],
            draw=_draw if figures else None,
            tell=tell,
            say=sayer(quiet=as_json),
            overrides=given["overrides"],
        )
    if as_json:
        echo_json(done.directory, done.summary)
    else:
        from sim.reports.compare_text import compare_text

        click.echo(compare_text(done.summary))
        click.echo(f"Run directory: {done.directory}")
    short = experiment.imprecise(done)
    if short:
        click.echo(f"liverush: {short}", err=True)
    return ExitCode.NO if short else ExitCode.YES


def _plan(given: dict[str, Any], currency: str) -> Plan:
    from sim.experiments.compare import REPLICATIONS, Plan

    if given["precision"] and given["replications"]:
        raise UsageError("--replications and --precision: give one of them; --max-replications limits the other")
    return Plan(
        replications=given["replications"] or REPLICATIONS,
        precision=_precision(given["precision"], given["metric"], currency) if given["precision"] else None,
        most=given["max_replications"],
        metric=given["metric"],
        least=given["least"],
        seed=given["seed"],
        workers=given["workers"],
        cluster=given["cluster"],
    )


def _precision(text: str, metric: str, currency: str) -> Precision:
    """`1 %` of the base's mean, an amount of the reporting currency, or a plain number in the metric's unit."""
    from sim.scenario.units import Money
    from sim.stats.sequential import Precision

    try:
        if text.strip().endswith("%"):
            return Precision(relative=float(text.strip()[:-1]) / 100)
        if text.strip()[-3:].isalpha():
            money = Money.model_validate(text)
            if money.currency != currency or not metric.endswith("_minor"):
                raise ValueError
            return Precision(absolute=float(money.minor))
        return Precision(absolute=float(text))
    except ValueError:
        form = f"write 1 %, 500 {currency}, or a number in the unit of {metric}; above 0"
        raise UsageError(f"--precision {text!r}: {form}") from None


def _draw(directory: Path) -> object:
    from sim.reports.compare_files import draw_study

    return draw_study(directory)


def _runs(first: Path, second: Path, as_json: bool) -> ExitCode:
    from sim.reports.run_changes import changes_of, changes_text

    for directory in (first, second):
        refuse_no_run(directory)
    found = changes_of(first, second)
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo(changes_text(found))
    return ExitCode.YES
