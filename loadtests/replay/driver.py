"""Locust's side of a replay: a user class that is a whole generator, one in each process.

    LIVERUSH_PLAN=folder/plan.json PYTHONPATH=. locust -f loadtests/replay/driver.py --headless --only-summary --users 1
    LIVERUSH_PLAN=folder/plan.json PYTHONPATH=. locust -f loadtests/replay/driver.py --headless --users 2 --processes 2

or, over several machines, with `--master --expect-workers N --users N` on one and `--worker --master-host HOST` on N
(the plan's paths must hold on each). plan.json is `loadtests.replay.plan.ReplayPlan`; its `workers` is that N.

All that is for programmers: no verb writes such a plan or judges what comes of it. `tests/load/running.py` shows how to
do the first, `loadtests.harness` does the second. What a run of `liverush load` leaves in raw/ cannot be played again:
its schedule is gone.

What is in ~/.locust.conf, locust.conf and pyproject.toml is not for it: say it on the command line.

Each worker loads its part and writes `ready-<worker>` into the plan's folder. It begins at the instant of start.json
there, `{"at_unix_us": ...}`, which the harness writes (the master passes it on to workers elsewhere), or, with
`"start": "ready"` in the plan, at once when all are ready. It ends by itself. What it leaves in the folder:

    requests-<w>.bin     records of loadtests.records.RECORD     reasons-<w>.json     their refusal codes, by index
    acks-<w>.jsonl       AckLine: what the target acknowledged   progress-<w>.jsonl   live figures, a line a second
    worker-<w>.json      its last word: complete or why not, planned and sent, CPU, lag, clock steps, connections

Every step fires Locust's standard request event with the response counted from when it was due, so that Locust's
statistics, web UI, --csv and listeners of others work, with the rounding that Locust's own figures have.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from locust import User, events, task
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtests.replay.plan import ReplayPlan, read_plan
from loadtests.replay.worker import Worker
from sim.errors import UsageError

READY, START, DONE = "liverush-ready", "liverush-start", "liverush-done"
#: From all ready to the replay's time 0, where no harness says when.
LEAD_S = 0.5
#: For what is under way when the replay is ended early.
END_WITHIN_S = 5.0
_POLL_S = 0.02
_log = logging.getLogger(__name__)


def _nothing() -> None:
    pass


def _read_plan() -> ReplayPlan:
    try:
        return read_plan()
    except UsageError as error:
        raise SystemExit(f"liverush: {error}") from error


_plan = _read_plan()


class ReplayUser(User):
    """Not one buyer: everything that this process sends. Locust starts one in each worker."""

    fixed_count = _plan.workers

    @task
    def replay(self) -> None:
        """Send this worker's part, once."""
        _process.send(self.environment)
        Event().wait()  # Locust ends it


class _Process:
    """What this process does: the worker that it has, if it is one, and the master's part, if it is that."""

    def __init__(self, plan: ReplayPlan) -> None:
        self._plan = plan
        self._runner: Any = None
        self._stop: Callable[[], None] = _nothing
        self._headless = True
        self._begin: AsyncResult = AsyncResult()
        self._worker: Worker | None = None
        self._ready: set[int] = set()
        self._done: set[int] = set()
        self._finished = Event()

    def init(self, environment: Any) -> None:
        """Locust is there: listen to the others."""
        self._runner = environment.runner
        options = environment.parsed_options
        self._headless = options is None or bool(options.headless)
        if options is not None:
            options.spawn_rate = max(options.spawn_rate or 0, self._plan.workers)
            options.num_users = options.num_users or self._plan.workers
        environment.process_exit_code = 0  # errors are measured; the verdict is not Locust's
        if isinstance(self._runner, MasterRunner | LocalRunner):
            self._runner.register_message(READY, self._one_ready)
            self._runner.register_message(DONE, self._one_done)
            gevent.spawn(self._look_for_start)
        if isinstance(self._runner, WorkerRunner):
            self._runner.register_message(START, self._started)
            runner: Any = self._runner
            self._stop, runner.stop = runner.stop, self._stopped
        gevent.signal_handler(signal.SIGINT, self._interrupted)

    def send(self, environment: Any) -> None:
        """Load, wait for the start, send, and say that it is done."""
        number = self._runner.worker_index
        if self._worker is not None or number >= self._plan.workers:
            return  # the plan has no part for this one
        try:
            worker = self._worker = Worker(self._plan, number, environment.events.request.fire)
        except Exception:
            _log.exception("liverush: worker %d cannot begin", number)
            environment.process_exit_code = 1
            self._runner.send_message(DONE, {"worker": number, "why": "not begun"})
            return
        try:
            worker.prepare()
            self._runner.send_message(READY, {"worker": number})
            worker.run(self._begin.get())
        except gevent.GreenletExit:
            worker.end("stopped")
            raise
        finally:
            try:
                worker.close()
            finally:  # even where its records are lost: the others wait for this word
                self._finished.set()
                if worker.why != "stopped":
                    self._runner.send_message(DONE, {"worker": number, "why": worker.why})

    def close(self) -> None:
        """Locust ends: keep what was measured."""
        if self._worker is not None:
            self._worker.end("stopped")
            self._finished.wait(END_WITHIN_S)
            self._worker.close()

    def _stopped(self) -> None:
        """End first: before Locust stops anything it reads all its source files (inspect.stack), which takes a second.

        What was due meanwhile would be sent late, all at once.
        """
        if self._worker is not None:
            self._worker.end("stopped")
        self._stop()

    def _interrupted(self) -> None:
        if self._worker is not None:
            self._worker.end("interrupted")
        self._runner.greenlet.kill(block=False)  # what Locust's main waits for: it shuts down, and tells its listeners

    def _look_for_start(self) -> None:
        """Find the instant of the start, and tell it to all."""
        path = self._plan.path / "start.json"
        while self._plan.start == "file" and not path.exists():
            gevent.sleep(_POLL_S)
        while len(self._ready) < self._plan.workers:
            gevent.sleep(_POLL_S)
        at_unix_us = round((time.time() + LEAD_S) * 1e6)
        if self._plan.start == "file":
            at_unix_us = msgspec.json.decode(path.read_bytes())["at_unix_us"]
        self._begin.set(at_unix_us)
        if isinstance(self._runner, MasterRunner):
            self._runner.send_message(START, {"at_unix_us": at_unix_us})

    def _started(self, environment: Any, msg: Any) -> None:
        self._begin.set(msg.data["at_unix_us"])

    def _one_ready(self, environment: Any, msg: Any) -> None:
        self._ready.add(msg.data["worker"])

    def _one_done(self, environment: Any, msg: Any) -> None:
        self._done.add(msg.data["worker"])
        if len(self._done) == self._plan.workers or msg.data["why"]:
            gevent.spawn(self._runner.quit if self._headless else self._runner.stop)


_process = _Process(_plan)


def _init(environment: Any, **_: Any) -> None:
    _process.init(environment)


def _quitting(**_: Any) -> None:
    _process.close()


def _no_configuration(parser: Any, **_: Any) -> None:
    """Read options from the command line alone: a locust.conf that lies about has another test in mind."""
    parser._default_config_files = []  # as Locust does itself where it wants its defaults


_events: Any = events  # has no types
_events.init_command_line_parser.add_listener(_no_configuration)
_events.init.add_listener(_init)
_events.quitting.add_listener(_quitting)
