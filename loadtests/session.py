"""One replay on one freshly filled target: set up, send, wait until all is quiet, audit, tear down."""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlunsplit

import msgspec
import numpy as np

from loadtests.blocking import BlockingHttp
from loadtests.generator import LEAD_S, OVERTIME_S, Generator
from loadtests.guards import check_host
from loadtests.options import LoadOptions
from loadtests.progress import Progress
from loadtests.records import Outcome, read_records
from loadtests.replay.plan import ReplayPlan, planned_end_us, time_is_over_us
from loadtests.schedule import Schedule
from loadtests.targets.base import AuditResult, Target, World, in_words, split_url
from loadtests.targets.loading import load_target
from loadtests.verdict import NOT_DONE, Doubt
from sim.errors import InvalidMeasurement, LiveRushError, UsageError
from sim.measure.sampler import SCRAPE_WITHIN_S, Sampler
from sim.orders.rules import Rules
from sim.scenario.schema import Scenario

#: Seconds for a target to become quiet after the last request, before the audit looks.
QUIET_WITHIN_S = 30.0
_OVERRAN = Doubt("generator overran", "the load generator did not end by itself when its time was over")


@dataclass
class Replayed:
    """What a replay left behind in its folder, and what was seen of it."""

    folder: Path
    target: Target
    state: dict[str, Any]
    audit: AuditResult
    samples: Sampler
    interrupted: bool = False
    overran: bool = False
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def replay(folder: Path, schedule: Schedule, options: LoadOptions, show: Callable[[str], None]) -> Replayed:
    """Replay a schedule; `folder` gets the plan, the records and the logs. The target is torn down whatever happens.

    Ctrl-C ends the sending; what was measured until then is kept. Raises UsageError where the target cannot be set up
    and InvalidMeasurement where the generator cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = load_target(options.target)
    world = _world(folder, schedule, options)
    try:
        with _work_of_target("set up"):
            state = target.setup(world)
            check_host(options, state.get("url", ""))  # a class may load another host than --url names
            target.attach(state)
        return _send(folder, schedule, options, target, state, world.run_id, show)
    finally:
        target.teardown()


def _send(
    folder: Path,
    schedule: Schedule,
    options: LoadOptions,
    target: Target,
    state: dict[str, Any],
    run_id: str,
    show: Callable[[str], None],
) -> Replayed:
    http = BlockingHttp(state["url"], ca_file=options.ca_file, run_id=run_id)
    schedule.write(folder / "schedule.npz")
    (folder / "state.json").write_text(json.dumps(state))
    plan = _plan(folder, options, run_id)
    generator = Generator(folder, msgspec.to_builtins(plan), options.workers)
    sampler = Sampler(metrics=_metrics(state.get("metrics_url", ""), options.ca_file, run_id))
    seen = Replayed(folder, target, state, NOT_DONE, sampler)
    progress = Progress(folder, options.workers, planned_end_us(schedule) / 1e6, show)
    keeper = _ShelfKeeper(schedule, target, state, options.ca_file, run_id)
    try:
        with _until_interrupted(seen):
            generator.start()
            sampler.watch({**state.get("processes", {}), "generator": generator.pid})
            sampler.start()
            at_unix_us = _begin(generator, target, http)
            keeper.start(at_unix_us)
            until_s = time.monotonic() + at_unix_us / 1e6 - time.time()
            until_s += time_is_over_us(plan, schedule) / 1e6 + OVERTIME_S
            seen.overran = not generator.wait(until_s, progress.poll)
    except BaseException:
        sampler.stop()
        raise
    finally:
        generator.stop()
        keeper.stop()
    progress.poll()
    seen.notes += tuple(keeper.notes)
    seen.doubts += (_OVERRAN,) * seen.overran
    show("waiting until the target is quiet")
    with _until_interrupted(seen):
        _wait_for_unanswered(target, folder, options.client_timeout_us)
        seen.doubts += _wait_until_quiet(target, http)
    sampler.stop()
    show("auditing")
    with _until_interrupted(seen):
        seen.audit = _audit(target, http, folder)
    return seen


def _metrics(url: str, ca_file: str, run_id: str) -> Callable[[], str] | None:
    """What asks an engine for its metrics; None without a URL."""
    if not url:
        return None
    parts = split_url(url)
    origin, path = urlunsplit((*parts[:2], "", "", "")), urlunsplit(("", "", *parts[2:]))
    http = BlockingHttp(origin, timeout_s=SCRAPE_WITHIN_S, ca_file=ca_file, run_id=run_id)

    def ask() -> str:
        answer = http.get(path)
        return answer.body.decode("utf-8", "replace") if answer.status == 200 else ""

    return ask


def _begin(generator: Generator, target: Target, http: BlockingHttp) -> int:
    """Start the target and tell the workers; returns the replay's time 0, in Unix microseconds.

    Time 0 is told to the target before it starts. Were it over when that is done, all that was due until then would be
    sent at once.
    """
    began_s = time.time()
    lead_s = math.ceil(target.start_within_s + LEAD_S)  # whole seconds: the sampler's are then the replay's
    at_unix_us = round((began_s + lead_s) * 1e6)
    with _work_of_target("started"):
        target.start(http, at_unix_us)
    took_s = time.time() - began_s
    if took_s > lead_s - LEAD_S:
        allowed = f"start_within_s of its class allows {target.start_within_s:g} s"
        raise InvalidMeasurement(f"nothing was sent to the target: its start took {took_s:.2f} s; {allowed}")
    generator.begin(at_unix_us)
    return at_unix_us


@contextlib.contextmanager
def _work_of_target(what: str) -> Iterator[None]:
    """Tell in a line what a class of the user's raises, or ours at a server that is not what it was taken for."""
    try:
        yield
    except LiveRushError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"the target cannot be {what}: {in_words(error)}") from error


@contextlib.contextmanager
def _until_interrupted(seen: Replayed) -> Iterator[None]:
    """Ctrl-C ends what is under way here, and no more than that: what was measured is kept."""
    try:
        yield
    except KeyboardInterrupt:
        seen.interrupted = True


def _world(folder: Path, schedule: Schedule, options: LoadOptions) -> World:
    return World(
        run_id=secrets.token_hex(6),
        offers=schedule.offers,
        deals=schedule.deals,
        contents=schedule.contents,
        shelf=schedule.shelf,
        speed=options.choice.speed,
        folder=folder,
        options={
            "url": options.url,
            "store": options.store,
            "ca_file": options.ca_file,
            "audit_sql": options.audit_sql,
            **options.target_options,
        },
        secrets=dict(options.secrets),
        timers=_timers(options.scenario),
    )


def _timers(scenario: Scenario) -> dict[str, int]:
    """The timers of an order's life that a scenario sets, for targets that can be told."""
    rules = Rules().held(scenario.confirmation.on_hold_us)
    return {
        "pay_window_us": scenario.payment.hold_window_us,
        "on_hold_us": rules.on_hold_us,
        "ready_within_us": rules.ready_within_us,
        "return_window_us": scenario.after_sales.return_window_us,
        "sweep_us": scenario.payment.sweep_us,
        "confirms_itself": scenario.confirmation.mode == "automatic",
    }


def _plan(folder: Path, options: LoadOptions, run_id: str) -> ReplayPlan:
    """What the workers read."""
    return ReplayPlan(
        schedule=str(folder / "schedule.npz"),
        state=str(folder / "state.json"),
        folder=str(folder),
        run_id=run_id,
        target=options.target,
        workers=options.workers,
        client_timeout_us=options.client_timeout_us,
        attempts=options.attempts,
        backoff_us=max(1, round(options.backoff_us / options.choice.speed)),
        ca_file=options.ca_file,
        abort_on=options.abort_on,
    )


def _wait_for_unanswered(target: Target, folder: Path, client_timeout_us: int) -> None:
    """Give a target that cannot say whether it is quiet as long again as a client waited, where one waited in vain.

    What timed out may be done all the same, after the audit has looked.
    """
    if type(target).quiet is not Target.quiet:
        return
    if np.isin(read_records(folder)["outcome"], (Outcome.TIMEOUT, Outcome.CUT)).any():
        time.sleep(client_timeout_us / 1e6)


def _wait_until_quiet(target: Target, http: BlockingHttp) -> tuple[Doubt, ...]:
    """Wait; a target that fails to say whether it is quiet may say so when it is asked again."""
    until, failed = time.monotonic() + QUIET_WITHIN_S, ""
    while time.monotonic() < until:
        try:
            if target.quiet(http):
                return ()
            failed = ""
        except Exception as error:  # whatever it was, what the load has measured is kept
            failed = f": {in_words(error)}"
        time.sleep(0.2)
    sentence = f"the target was not quiet {QUIET_WITHIN_S:g} s after the last request{failed}"
    return (Doubt("not quiet", sentence),)


def _audit(target: Target, http: BlockingHttp, folder: Path) -> AuditResult:
    """Let the target look; one that does not answer, or not sense, was not audited, and that is a failure."""
    try:
        return target.audit(http, folder)
    except Exception as error:  # whatever it was, what the load has measured is kept
        why = in_words(error)
        return AuditResult({}, {"all": f"the audit failed: {why}"}, (), (why,))


class _ShelfKeeper:
    """Puts listings on and off the shelf while the replay runs, as the scenario says; `notes` tell what failed."""

    def __init__(self, schedule: Schedule, target: Target, state: dict[str, Any], ca_file: str, run_id: str) -> None:
        self._plan = [plan for plan in schedule.shelf if plan.at_us > 0]
        self._names = [offer.name for offer in schedule.offers]
        self._target = target
        self._http = BlockingHttp(state["url"], ca_file=ca_file, run_id=run_id)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.notes: list[str] = []

    def start(self, at_unix_us: int) -> None:
        """Begin, if there is anything to do and the target can do it."""
        if self._plan and "shelf" in self._target.steps:
            self._thread = threading.Thread(target=self._run, args=(at_unix_us,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End soon."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, at_unix_us: int) -> None:
        for plan in self._plan:
            if self._ended.wait(max(0.0, (at_unix_us + plan.at_us) / 1e6 - time.time())):
                return
            try:
                self._target.put_on_shelf(self._http, plan.sku, on=plan.on)
            except Exception as error:  # the other listings still have their times
                self.notes.append(
                    f"{self._names[plan.sku]} was not put {'on' if plan.on else 'off'} the shelf: {in_words(error)}"
                )
