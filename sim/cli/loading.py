"""The verb that loads an order engine with a scenario's own bursts."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.frame import find_scenario, verbs
from sim.cli.options import FiniteRange, draw_page, echo_json, run_options
from sim.cli.progress import line_rewriter
from sim.errors import UsageError

if TYPE_CHECKING:
    from loadtests.options import LoadOptions

#: A merchant's confirmation that lies further off than this in the scenario is asked for after this long instead.
CONFIRM_WITHIN_US = 5_000_000
_FOR_TARGET, _HIDDEN = "--target-option", "***"
#: A password in a URL: between the user and the host, which is behind the last @; and among its parameters.
_PASSWORD = re.compile(r"(://[^:/@]*:).*@")
_PARAMETER = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)
_SHARE = FiniteRange(min=0, max=1, min_open=True)


class Duration(click.ParamType[int]):
    """A duration as people write it: 90s, 15m, 1h30m; its value is in microseconds, at least `least_us`."""

    name = "duration"

    def __init__(self, least_us: int = 0) -> None:
        self._least_us = least_us

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from sim.scenario.units import parse_duration_us

        if isinstance(value, int):
            return value
        try:
            duration_us = parse_duration_us(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if duration_us < self._least_us:
            self.fail(f"{value!r} is too short: at least {self._least_us / 1000:g} ms", param, ctx)
        return duration_us


@verbs.command()
@click.argument("scenario")
@click.option("--from", "from_us", type=Duration(), help="Begin here in the scenario. [default: before its peak]")
@click.option("--for", "length_us", type=Duration(), help="Replay this much. [default: 60s, or all of --trace]")
@click.option("--share", type=_SHARE, default=1.0, show_default=True, help="Share of the carts; stock is scaled too.")
@click.option(
    "--speed", type=FiniteRange(0.01, 1e6), default=1.0, show_default=True, help="Divide every duration by this."
)
@click.option("--keep-delays", is_flag=True, help="Confirm as late as the scenario says, not after 5 s at most.")
@click.option(
    "--tail", "tail_us", type=Duration(), default="10s", show_default=True, help="Leave out what is due later still."
)
@click.option("--ladder", default="", metavar="M,M,...", help="Replay at these multiples of the rate, on fresh data.")
@click.option("--trace", "trace_file", type=click.Path(path_type=Path), help="Your own curve: CSV or Parquet.")
@click.option(
    "--as", "as_run", metavar="RUN", type=click.Path(path_type=Path), help="Send what went ahead in this run."
)
@click.option(
    "--twins",
    type=FiniteRange(min=0, max=1),
    default=0.01,
    show_default=True,
    help="Share of the checkouts sent twice at once with one key, to see that it makes one order; 0: none.",
)
@click.option("--target", metavar="MODULE:CLASS", help="What to load; else the reference engine, started for it.")
@click.option("--url", default="", help="Where the target runs already.")
@click.option("--store", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option("--target-option", "target_options", multiple=True, metavar="KEY=VALUE", help="Passed to the target.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME", help="Environment variable with a secret for it.")
@click.option("--ca-file", default="", metavar="FILE", help="Certificates to trust besides the system's.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Locust processes.")
@click.option(
    "--client-timeout",
    "client_timeout_us",
    type=Duration(least_us=1_000),
    default="10s",
    show_default=True,
    help="How long a client waits for an answer.",
)
@click.option("--allow-host", multiple=True, metavar="HOST", help="Load a host that is not this machine.")
@click.option("--max-per-s", type=FiniteRange(min=0), default=0.0, help="Refuse a plan with more in any second.")
@click.option("--max-orders", type=click.IntRange(min=0), default=0, help="Refuse a plan with more checkouts.")
@click.option(
    "--abort-on",
    multiple=True,
    metavar="RULE",
    help="End early, a ladder too: errors>5% or checkout.p99>2s, over 5 s and at least 20 requests; repeatable.",
)
@click.option("--audit-sql", default="", metavar="URL", help="Database in which a target of yours can be audited.")
@run_options
def load(scenario: str, as_json: bool, no_figures: bool, **given: Any) -> int:
    """Replay SCENARIO's peak on an order engine, open loop, and audit it.

    Without --target the reference engine is started for it, filled and audited. Exit code 1: an objective of the
    scenario (`slos:`) was missed; of a --ladder: on any rung, so where it found the first multiple outside them.
    """
    try:
        from loadtests import harness
        from sim.reports.summaries import write_summaries
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing; install 'liverush[load]'") from error
    options = _options(find_scenario(scenario), given)
    result = harness.run(options, line_rewriter(quiet=as_json), write_summaries if no_figures else draw_page)
    if as_json:
        echo_json(result.directory, result.summary)
    else:
        from sim.reports.load_text import load_text

        click.echo(load_text(result.summary).rstrip("\n"))
        click.echo(f"Run directory: {result.directory}")
    return result.exit_code


def _options(path: Path, given: dict[str, Any]) -> LoadOptions:
    """The options of the command line, checked as far as they can be without the trace."""
    from loadtests.choosing import Choice
    from loadtests.options import REFERENCE, LoadOptions
    from sim.scenario.load import load_with_source

    overrides = list(given["overrides"])
    loaded = load_with_source(path, overrides)
    scenario = loaded.scenario
    confirm_us = scenario.confirmation.on_hold_us
    cut = not given["keep_delays"] and confirm_us / given["speed"] > CONFIRM_WITHIN_US
    choice = Choice(
        from_us=given["from_us"],
        length_us=given["length_us"],
        share=given["share"],
        speed=given["speed"],
        confirm_after_us=round(CONFIRM_WITHIN_US * given["speed"]) if cut else None,
        as_run=given["as_run"],
        twins=given["twins"],
        tail_us=given["tail_us"],
    )
    return LoadOptions(
        scenario,
        given["out"],
        choice,
        written=loaded.written,
        command="liverush " + shlex.join(without_secrets(sys.argv[1:])),
        seed=given["seed"],
        trace_file=given["trace_file"],
        target=given["target"] or REFERENCE,
        url=given["url"],
        store=given["store"],
        target_options=_pairs(given["target_options"]),
        secrets=_secrets(given["secrets"]),
        ca_file=given["ca_file"],
        workers=given["workers"],
        client_timeout_us=given["client_timeout_us"],
        allow_host=given["allow_host"],
        max_per_s=given["max_per_s"],
        max_orders=given["max_orders"],
        abort_on=given["abort_on"],
        ladder=_multiples(given["ladder"]),
        audit_sql=given["audit_sql"],
    )


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """A command line that may be written down: a run goes to people who have no business with its passwords.

    Hidden are values of --target-option, whatever they are, and passwords in URLs, before the host or as a parameter.
    """
    told = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if before == _FOR_TARGET:
            argument = f"{option}{equals}{_HIDDEN}"
        elif equals and option == _FOR_TARGET:
            argument = f"{option}={value.partition('=')[0]}={_HIDDEN}"
        told.append(_PARAMETER.sub(rf"\1{_HIDDEN}", _PASSWORD.sub(rf"\1{_HIDDEN}@", argument)))
    return told


def _multiples(text: str) -> tuple[float, ...]:
    try:
        multiples = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"--ladder {text!r}: write multiples such as 0.5,1,1.5,2") from error
    if any(not 0 < multiple <= 1000 for multiple in multiples):
        raise UsageError(f"--ladder {text!r}: multiples lie above 0 and up to 1000")
    named = {f"{multiple:g}": multiple for multiple in multiples}
    if len(named) < len(set(multiples)):
        raise UsageError(f"--ladder {text!r}: two of the multiples are the same to six digits")
    return tuple(sorted(named.values()))


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--target-option {text!r}: write key=value")
        pairs[key] = value
    return pairs


def _secrets(names: tuple[str, ...]) -> dict[str, str]:
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise UsageError(f"the environment has no {', '.join(missing)}")
    return {name: os.environ[name] for name in names}
