"""What every verb shares: the group, `--debug`, scenarios by name, and how an error becomes a line and an exit code."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

import sim
from sim.errors import ExitCode, LiveRushError, ScenarioError, UsageError

_Verb = TypeVar("_Verb", bound=Callable[..., Any])

#: Errors of the user's disk or permissions rather than of ours.
_OUTSIDE_ERRNOS = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "ENOSPC", "EROFS", "ENOTDIR", "EISDIR", "EEXIST", "EDQUOT", "ENAMETOOLONG", "EFBIG")
    if hasattr(errno, name)
}
_LARGEST_KEPT = (32 << 20) - (64 << 10)


@dataclass
class _Session:
    """What `main` must still know after a verb has failed."""

    debug: bool = False


#: What every verb's help ends with; the table is in `sim.errors`.
EXIT_CODES = (
    "Exit codes: 0 yes, 1 measured and the answer is no, 2 usage or scenario, 3 audit findings, 4 invalid "
    "measurement, 70 a defect of ours, 130 interrupted."
)


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
        return ExitCode.TERMINATED
    except SystemExit:  # click leaves this way when the reader of a pipe has gone
        return ExitCode.BROKEN_PIPE
    except Exception as error:
        if session.debug:
            _print_traceback(error)
        return _tell(error, session)


def _prepare_process() -> None:
    """Let output survive a terminal that lacks a character, let SIGTERM clean up, and keep memory once it was used."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # to look for them it reads of every installed package
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def terminate(_signal: int, _frame: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    # glibc gives back what is freed, and the system then clears it anew, page by page, for every column of a small run.
    # Above the largest block that was freed it does not: here one of its own limit, of which nothing is ever touched.
    bytes(_LARGEST_KEPT)


def _exit_code_of(result: object) -> int:
    """What a verb returned, where that is an exit code."""
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


def debug_option(verb: _Verb) -> _Verb:
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


@contextmanager
def loading() -> Iterator[None]:
    """Modules and a scenario are loaded, which stay to the end: the garbage collector need not look at them, ever.

    It would walk through all of them again and again, a twentieth of the time of a small run. Once a process.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def shipped_scenarios() -> dict[str, Path]:
    """The scenarios that come with LiveRush by name."""
    return {path.stem: path for path in sorted(_coming_along("scenarios").glob("*.yaml"))}


def _coming_along(name: str) -> Path:
    """A folder that comes with LiveRush, from the installed wheel or from the checkout."""
    package = Path(sim.__file__).resolve().parent
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name


def find_scenario(text: str) -> Path:
    """The file that SCENARIO means: a path, or the bare name of a shipped scenario.

    Raises UsageError where there is neither.
    """
    path = Path(text)
    if path.is_file() or path.name != text or path.suffix:
        return path
    shipped = shipped_scenarios()
    if text not in shipped:
        raise UsageError(f"no file and no shipped scenario is called {text!r}; shipped: {', '.join(shipped) or 'none'}")
    return shipped[text]


class _VerbCommand(click.Command):
    """A verb: its help tells the exit codes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"epilog": EXIT_CODES, **options})


class _Verbs(click.Group):
    command_class = _VerbCommand


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"{EXIT_CODES}\n\n\b\nDocuments (docs/...): {_coming_along('docs')}",
)
@click.version_option(sim.__version__, prog_name="liverush", message="%(prog)s %(version)s")
@debug_option
def verbs() -> None:
    """Simulate a live-commerce show from one scenario file."""
