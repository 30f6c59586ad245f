"""`liverush load`: from a scenario to a run directory with a verdict.

The run directory is written beside and renamed when whole; a run that was interrupted or cut short is kept too, marked
incomplete, as what was measured is worth having.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import sim
from loadtests import measuring, verdict
from loadtests.choosing import settled
from loadtests.guards import check as check_guards
from loadtests.options import LoadOptions
from loadtests.planning import Left, plan_schedule, whole_of
from loadtests.replay.aborting import parse_rule
from loadtests.schedule import PLACE, Schedule
from loadtests.session import Replayed, replay
from loadtests.targets.base import Target, on_a_line
from loadtests.targets.loading import load_target
from sim.demand.generate import generate
from sim.demand.trace import Trace
from sim.measure.directory import whole_directory, write_json
from sim.measure.machine import LOAD_PACKAGES, describe_machine, package_versions
from sim.scenario.writing.as_run import write_as_run

#: Folder inside the run directory with what the workers wrote and the target's logs.
RAW = "raw"


@dataclass(frozen=True)
class LoadResult:
    """Where a load run is, and its summary (the contents of `summary.json`)."""

    directory: Path
    summary: dict[str, Any]

    @property
    def exit_code(self) -> int:
        code: int = self.summary["verdict"]["exit_code"]
        return code


def run(options: LoadOptions, show: Callable[[str], None], draw: Callable[[Path], object] | None = None) -> LoadResult:
    """Load a target as the options say; `show` gets a line of progress at a time, `draw` makes figures and page.

    Raises ScenarioError or UsageError before the first request, InvalidMeasurement where nothing was measured.
    """
    trace = trace_of(options)
    options = replace(options, choice=settled(options.scenario, trace, options.choice))
    left = _left(options, trace)
    schedule = plan_schedule(options.scenario, trace, options.choice, left)
    check_guards(options, schedule, load_target(options.target).steps)
    for rule in options.abort_on:
        parse_rule(rule)
    started = dt.datetime.now(dt.UTC)
    name = f"{options.scenario.name}-load-{secrets.token_hex(5)}"
    with whole_directory(options.out, name) as partial:
        write_as_run(partial, options.scenario, options.written)
        if options.ladder:
            summary = _climb(partial, options, trace, left, show)
        else:
            summary, _seen = _once(partial, options, schedule, left, show)
        summary = {**_head(options, schedule, started), **summary}
        write_json(partial / "summary.json", summary, indent=2)
        if draw is not None:
            show("writing the report")
            _draw(partial, draw, summary)
    return LoadResult(options.out / name, summary)


def _draw(partial: Path, draw: Callable[[Path], object], summary: dict[str, Any]) -> None:
    """Draw; where that fails the run is worth keeping all the same, and says so."""
    try:
        draw(partial)
    except (Exception, KeyboardInterrupt) as error:
        note = f"figures and page were not drawn ({on_a_line(error)}); `liverush report` draws them"
        summary["notes"] = [*summary["notes"], note]
        write_json(partial / "summary.json", summary, indent=2)


def trace_of(options: LoadOptions) -> Trace:
    """The trace that is replayed: the scenario's own, or the user's curve."""
    if options.trace_file is not None:
        from sim.demand.from_file import trace_from_file

        return trace_from_file(options.trace_file, options.scenario, options.seed_used)
    return generate(options.scenario, options.seed_used, 0)


def _once(
    directory: Path, options: LoadOptions, schedule: Schedule, left: Left | None, show: Callable[[str], None]
) -> tuple[dict[str, Any], Replayed]:
    """Replay once and return what the summary says of it, with the tables in `directory`."""
    raw = directory / RAW
    seen = replay(raw, schedule, options, show)
    measured = measuring.collect(raw, workers=options.workers)
    measuring.write_tables(directory, measured, schedule, seen.samples)
    summary = verdict.summarise(
        measured,
        schedule,
        options.scenario.slos,
        seen.audit,
        steps=seen.target.steps,
        notes=(*options.notes, *_confirmed_early(options, seen.target), *_left_out(schedule, seen.target), *seen.notes),
        doubts=seen.doubts,
        not_scaled=_not_followed(options, schedule, left, seen.target),
        interrupted=seen.interrupted or seen.overran,
    )
    _tidy(raw)
    return summary, seen


def _not_followed(options: LoadOptions, schedule: Schedule, left: Left | None, target: Target) -> list[str]:
    """What a target does not follow, though what it sells out, and when, depends on it."""
    choice = options.choice
    sold = left is not None and left.differs(whole_of(options.scenario))
    told = {
        "--share with its stock": choice.share != 1 and not target.scales_stock,
        "--from with its stock": sold and not target.scales_stock,
        "--speed with its timers": choice.speed != 1 and not target.scales_timers,
        "the times of listings on the shelf": bool(schedule.shelf) and "shelf" not in target.steps,
    }
    return [what for what, is_so in told.items() if is_so]


def _confirmed_early(options: LoadOptions, target: Target) -> tuple[str, ...]:
    after_us, wanted_us = options.choice.confirm_after_us, options.scenario.confirmation.on_hold_us
    if after_us is None or "confirm" not in target.steps:
        return ()
    waited_s = after_us / options.choice.speed / 1e6
    return (f"merchants confirm after {waited_s:g} s, not after {wanted_us / 1e6:g} s (--keep-delays)",)


def _left_out(schedule: Schedule, target: Target) -> tuple[str, ...]:
    late = schedule.header["left_out"]
    told = ", ".join(f"{late[what]} {what}" for what, step in _LATE.items() if late[what] and step in target.steps)
    return (f"due too late and left out: {told} (--tail)",) if told else ()


#: What is left out where it is due too late, and the step that a target needs for it.
_LATE = {"payments": "pay", "confirmations": "confirm", "cancellations": "cancel"}


#: A multiple of the trace's rate, the folder of its tables, and its summary.
Rung = tuple[float, Path, dict[str, Any]]


def _climb(
    directory: Path, options: LoadOptions, trace: Trace, left: Left | None, show: Callable[[str], None]
) -> dict[str, Any]:
    """Replay at each multiple on a fresh target; the run's tables are those of the last multiple within the SLO."""
    measured: list[Rung] = []
    ladder: list[dict[str, Any]] = []
    for multiple in options.ladder:
        folder = directory / f"x{multiple:g}"
        try:
            summary, interrupted = _rung(folder, options, multiple, trace, left, show)
        except (Exception, KeyboardInterrupt) as error:
            if not measured:
                raise
            ladder.append(verdict.not_measured(multiple, error))  # what the rungs before it have measured is kept
            _tidy(folder / RAW)
            break
        measured.append((multiple, folder, summary))
        ladder.append(verdict.rung(multiple, summary))
        if interrupted or summary["aborted"]:  # more than what a rule ended is more than its target may be asked
            break
    within, outside = verdict.limits_of(ladder)
    chosen = next((rung for rung in measured if rung[0] == within), measured[0])
    _take_over(chosen[1], directory)
    return {
        **chosen[2],
        "notes": [*chosen[2]["notes"], *_not_played(options.ladder, len(ladder))],
        "verdict": verdict.worst(rung["verdict"] for rung in ladder),
        "ladder": ladder,
        "ladder_last_within": within,
        "ladder_first_outside": outside,
    }


def _rung(
    folder: Path,
    options: LoadOptions,
    multiple: float,
    trace: Trace,
    left: Left | None,
    show: Callable[[str], None],
) -> tuple[dict[str, Any], bool]:
    """Replay at one multiple; returns what the summary says of it, and whether it was interrupted."""
    show(f"ladder: {multiple:g} times the trace's rate")
    folder.mkdir()
    schedule = plan_schedule(options.scenario, trace, replace(options.choice, multiple=multiple), left)
    summary, seen = _once(folder, options, schedule, left, show)
    return summary, seen.interrupted


def _take_over(rung: Path, directory: Path) -> None:
    """Copy a rung's tables into the run's directory; who interrupts that has all of them all the same."""
    tables = [path for path in rung.iterdir() if path.is_file()]
    while tables:
        with contextlib.suppress(KeyboardInterrupt):
            shutil.copy(tables[-1], directory / tables[-1].name)
            tables.pop()


def _not_played(ladder: tuple[float, ...], rungs: int) -> tuple[str, ...]:
    """What is said of the multiples beyond the one at which a ladder ended early."""
    left = [f"x{multiple:g}" for multiple in ladder[rungs:]]
    was = "was" if len(left) == 1 else "were"
    return (f"the ladder ended at x{ladder[rungs - 1]:g}: {', '.join(left)} {was} not played",) if left else ()


def _left(options: LoadOptions, trace: Trace) -> Left | None:
    """What the simulation has left when the replay begins; None where that is the beginning."""
    if not options.choice.from_us or options.trace_file is not None:
        return None
    from loadtests.simulated import left_at

    return left_at(options.scenario, trace, options.choice.from_us)


def _head(options: LoadOptions, schedule: Schedule, started: dt.datetime) -> dict[str, Any]:
    choice = options.choice
    return {
        "kind": "load",
        "scenario": options.scenario.name,
        "seed": options.seed_used,
        "started_at": started.isoformat(timespec="seconds"),
        "command": options.command,
        "target": {"name": options.target, "url": options.url, "store": "" if options.url else options.store},
        "share": choice.share,
        "speed": choice.speed,
        "from_us": schedule.header["from_us"],
        "length_us": schedule.header["until_us"] - schedule.header["from_us"],
        "workers": options.workers,
        "planned": {
            "arrivals": len(schedule.arrivals["due_us"]),
            "checkouts": int(np.count_nonzero(schedule.arrivals["kind"] == PLACE)),
        },
        "trace": {"fingerprint": schedule.header["fingerprint"], "carts": schedule.header["trace_carts"]},
        "versions": {"liverush": sim.__version__, **package_versions(LOAD_PACKAGES)},
        "machine": describe_machine(),
        "ladder": None,
        "ladder_last_within": None,
        "ladder_first_outside": None,
    }


def _tidy(raw: Path) -> None:
    """Remove what only the running needed: databases can be large, records are in the tables now."""
    for path in raw.iterdir() if raw.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix in (".bin", ".npz", ".sqlite3") or ".sqlite3-" in path.name or path.name.endswith(".lock"):
            path.unlink()
