"""The command `liverush`: verbs, and how every error becomes one line and an exit code.

Only plumbing lives here. Each verb imports what it needs when it runs, so that `liverush --help` stays quick.
"""

from __future__ import annotations

import errno
import io
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

import sim
from sim.errors import ExitCode, LiveRushError, ScenarioError, UsageError

if TYPE_CHECKING:
    from sim.experiments.simulate import RunResult

_Verb = TypeVar("_Verb", bound=Callable[..., Any])

FLAGSHIP = "evening_show"
DEFAULT_OUT = Path("results") / "runs"
MAX_REPLICATIONS = 100_000
MAX_SEED = 2**63 - 1
#: Errors of the user's disk or permissions rather than of ours.
_OUTSIDE_ERRNOS = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "ENOSPC", "EROFS", "ENOTDIR", "EISDIR", "EEXIST", "EDQUOT", "ENAMETOOLONG")
    if hasattr(errno, name)
}
_EXIT_TERMINATED = 143
_EXIT_BROKEN_PIPE = 141


@dataclass
class _Session:
    """What `main` must still know after a verb has failed."""

    debug: bool = False


class _Terminated(BaseException):
    """Raised by SIGTERM, so that a killed run cleans up behind itself."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of the one table in `sim.errors`."""
    _prepare_process()
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is told in a line on stderr."""
    session = _Session()
    try:
        return _exit_code_of(verbs.main(args=args, prog_name="liverush", obj=session, standalone_mode=False))
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return ExitCode.INTERRUPTED
    except _Terminated:
        _complain("terminated")
        return _EXIT_TERMINATED
    except SystemExit:  # click leaves this way when the reader of a pipe has gone
        return _EXIT_BROKEN_PIPE
    except Exception as error:
        if session.debug:
            _print_traceback(error)
        return _tell(error, session)


def _prepare_process() -> None:
    """Let output survive a terminal that lacks a character, and let SIGTERM clean up."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def terminate(_signal: int, _frame: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)


def _exit_code_of(result: object) -> int:
    """Return what a verb returned, where that is an exit code."""
    return int(result) if isinstance(result, int) else ExitCode.YES


def _tell(error: Exception, session: _Session) -> int:
    """Tell an error in one line (a scenario's in one line a problem) and return its exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    if isinstance(error, click.ClickException):
        _complain(error.format_message().rstrip(".") + _help_hint(error))
        return ExitCode.USAGE
    if isinstance(error, ScenarioError):
        click.echo(str(error), err=True)
        return error.exit_code
    if isinstance(error, LiveRushError) and error.exit_code != ExitCode.DEFECT:
        _complain(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _OUTSIDE_ERRNOS:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return ExitCode.USAGE
    hint = "" if session.debug else "; run again with --debug for the traceback"
    _complain(f"a defect of ours: {type(error).__name__}: {error}{hint}")
    return ExitCode.DEFECT


def _help_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" (see {context.command_path} --help)" if context else ""


def _complain(text: str) -> None:
    click.echo("liverush: " + " ".join(text.split()), err=True)


def _print_traceback(error: Exception) -> None:
    import traceback

    traceback.print_exception(error)


def _remember_debug(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and isinstance(context.obj, _Session):
        context.obj.debug = True


def _debug_option(verb: _Verb) -> _Verb:
    """Give a verb `--debug`."""
    option = click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_debug,
        help="Print the traceback of an error.",
    )
    return option(verb)


def shipped_scenarios() -> dict[str, Path]:
    """Return the scenarios that come with LiveRush by name, from the installed wheel or from the checkout."""
    package = Path(sim.__file__).resolve().parent
    installed = package / "_scenarios"
    folder = installed if installed.is_dir() else package.parent / "scenarios"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_scenario(text: str) -> Path:
    """Return the file that SCENARIO means: a path, or the bare name of a shipped scenario."""
    path = Path(text)
    if path.is_file() or path.name != text or path.suffix:
        return path
    shipped = shipped_scenarios()
    if text not in shipped:
        raise UsageError(f"no file and no shipped scenario is called {text!r}; shipped: {', '.join(shipped) or 'none'}")
    return shipped[text]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sim.__version__, prog_name="liverush", message="%(prog)s %(version)s")
@_debug_option
def verbs() -> None:
    """Simulate a live-commerce show from one scenario file.

    Exit codes: 0 yes, 1 measured and the answer is no, 2 usage or scenario, 3 audit findings, 4 invalid
    measurement, 70 a defect of ours.
    """


@verbs.command()
@click.argument("scenario")
@click.option(
    "--replications", type=click.IntRange(1, MAX_REPLICATIONS), default=1, show_default=True, help="How many runs."
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Seed of every stream; else the scenario's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one value; may be repeated.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    help="Folder for the run directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--no-figures", is_flag=True, help="Draw no figures.")
@_debug_option
def simulate(
    scenario: str,
    replications: int,
    seed: int | None,
    overrides: tuple[str, ...],
    out: Path,
    as_json: bool,
    no_figures: bool,
) -> None:
    """Simulate SCENARIO: a file, or the name of a shipped scenario."""
    result = _simulate(
        find_scenario(scenario),
        list(overrides),
        replications=replications,
        seed=seed,
        out=out,
        figures=not no_figures,
        progress=not as_json and sys.stderr.isatty(),
    )
    if as_json:
        import json

        click.echo(json.dumps({"directory": str(result.directory), **result.summary}, indent=2, ensure_ascii=False))
    else:
        _print_summary(result)


@verbs.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    help="Folder for the run directory.",
)
@_debug_option
def demo(out: Path) -> None:
    """Simulate the flagship show and say where to look."""
    flagship = find_scenario(FLAGSHIP)
    click.echo(f"Simulating {FLAGSHIP} ({flagship})")
    result = _simulate(flagship, [], replications=1, out=out, figures=True, progress=sys.stderr.isatty())
    _print_summary(result)
    click.echo("Look at:")
    for path in sorted(Path(result.directory).glob("*.png")):
        click.echo(f"  {path}")
    click.echo(
        "Beside them: summary.json, the scenario as run, and tables with a row an order, parcel or second (*.parquet)"
    )


def _simulate(path: Path, overrides: list[str], *, figures: bool, **options: Any) -> RunResult:
    """Load a scenario and run it."""
    from sim.scenario.load import load_with_source

    loaded = load_with_source(path, overrides)
    from sim.experiments import simulate as experiment

    draw = _figures() if figures else None
    return experiment.run(loaded.scenario, written=loaded.written, overrides=overrides, draw=draw, **options)


def _figures() -> Callable[[Path], object]:
    """Return the function that draws the figures of a run directory."""

    def draw(directory: Path) -> object:
        from sim.reports.figures import draw_all  # matplotlib is slow to import and needed last

        return draw_all(directory)

    return draw


def _print_summary(result: RunResult) -> None:
    """Print the summary for people, and where the run is."""
    from sim.reports.text import summary_text

    click.echo(summary_text(result.summary).rstrip("\n"))
    click.echo(f"Run directory: {result.directory}")


@verbs.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_debug_option
def validate(files: tuple[str, ...]) -> ExitCode:
    """Check scenario files.

    Prints every error with file, line and path, and exits with 2 when there is one.
    """
    from sim.scenario import load_scenario

    code = ExitCode.YES
    for file in files:
        try:
            load_scenario(find_scenario(file), [])
        except (ScenarioError, UsageError) as error:
            click.echo(str(error), err=True)
            code = ExitCode.USAGE
        else:
            click.echo(f"{file}: ok")
    return code


@verbs.command()
@_debug_option
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    import json

    from sim.scenario import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


#: Questions of `new` on a terminal: option, question, proposed answer.
_QUESTIONS: tuple[tuple[str, str, str | int], ...] = (
    ("name", "Name of the show", "my_show"),
    ("length", "Length of the broadcast", "2h"),
    ("viewers", "Viewers over the whole broadcast", 5_000),
    ("listings", "Listings in the shop", 5),
    ("pitches", "Pitches in the broadcast", 5),
)


@verbs.command()
@click.option("--name", help="Name of the show.")
@click.option("--length", metavar="DURATION", help="Length of the broadcast, such as 2h or 90m.")
@click.option("--viewers", type=click.IntRange(min=1), help="Viewers over the whole broadcast.")
@click.option("--listings", type=click.IntRange(min=1), help="Listings in the shop.")
@click.option("--pitches", type=click.IntRange(min=1), help="Pitches in the broadcast.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; else standard output.")
@_debug_option
def new(out: Path | None, **answers: str | int | None) -> None:
    """Write a commented scenario.

    Asks questions on a terminal when no option is given.
    """
    _refuse_overwriting(out)
    from sim.scenario import new_scenario

    options: dict[str, Any] = {key: value for key, value in answers.items() if value is not None}
    if not options and sys.stdin.isatty():
        options = {key: click.prompt(question, default=proposed, err=True) for key, question, proposed in _QUESTIONS}
    text = new_scenario(**options)
    if out is None:
        click.echo(text.rstrip("\n"))
        return
    with out.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    click.echo(f"Wrote {out}; next: liverush validate {out}")


@verbs.command()
@click.option("--store", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option(
    "--database",
    default="",
    metavar="FILE|URL",
    help="SQLite file or PostgreSQL URL; else one in results/engine (a PostgreSQL of our own is started).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one.")
@click.option("--scenario", metavar="SCENARIO", help="Fill an empty store with its shops, SKUs, stock and deals.")
@click.option("--psp", is_flag=True, help="Start the stand-in payment provider beside the engine.")
@click.option("--psp-url", default="", metavar="URL", help="Use a payment provider that runs already.")
@click.option(
    "--psp-behaviour", default="{}", metavar="JSON", help="Faults and delays of the stand-in; see docs/engine.md."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0.001, max=1e6),
    default=1.0,
    show_default=True,
    help="Divide every timer by this.",
)
@click.option("--unsafe", is_flag=True, help="Accept a database that may lose acknowledged orders.")
@click.option("--max-group", type=click.IntRange(1, 10_000), default=256, show_default=True, help="Stored at once.")
@click.option(
    "--queue-bound",
    type=click.IntRange(1, 10_000_000),
    default=10_000,
    show_default=True,
    help="Calls that may wait; more get 503.",
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Requests a second and key; more get 429. [default: no limit]",
)
@_debug_option
def serve(scenario: str | None, rate_limit: float, **options: Any) -> None:
    """Run the reference order engine.

    Keys come from LIVERUSH_KEY_BUYER, _MERCHANT, _PSP and _ADMIN; on loopback there are development keys.
    """
    import os

    try:
        from sim.engine import serve as serving
        from sim.engine.settings import Settings
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing; install 'liverush[engine]'") from error
    path = find_scenario(scenario) if scenario else None
    settings = Settings(scenario=path, rate_per_s=rate_limit, environment=os.environ, **options)
    serving.run(settings, _announce)


def _announce(url: str, settings: Any, ready: Any) -> None:
    """Say where the engine answers, and with which keys."""
    from sim.engine.auth import ROLES, development_key, variable_of

    for note in ready.notes:
        click.echo(note)
    click.echo(f"{url} answers; {settings.store} in {ready.place}; documentation at {url}/docs")
    open_roles = [role for role in ROLES if not settings.environment.get(variable_of(role))]
    if open_roles:
        keys = ", ".join(development_key(role) for role in open_roles)
        click.echo(f"Development keys, on loopback only: {keys}")
    sys.stdout.flush()


def _refuse_overwriting(out: Path | None) -> None:
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already and is not overwritten")


if __name__ == "__main__":
    main()
