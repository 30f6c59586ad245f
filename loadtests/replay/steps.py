"""One step of a journey: called, timed from when it was due, recorded, and told to Locust's listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any

from gevent import GreenletExit

from loadtests.records import Endpoint, Outcome
from loadtests.replay.pacing import Pacer
from loadtests.replay.recorder import ROW, Recorder
from loadtests.targets.base import Http, HttpDropped, HttpFailed, HttpTimeout, Step, Unexpected, failed

Fire = Callable[..., None]
_NAMES = tuple(endpoint.name.lower() for endpoint in Endpoint)
_TIMEOUT, _DROPPED, _FAILED, _CUT = (
    Step(outcome) for outcome in (Outcome.TIMEOUT, Outcome.DROPPED, Outcome.ERROR, Outcome.CUT)
)
_pack_into, _ROW_BYTES = ROW.pack_into, ROW.size
_STATUS_BITS = 0xFFFF
_MISSED_FROM, _IN_PROGRESS = int(Outcome.SHED), Outcome.IN_PROGRESS
#: Kinds of failures of which an example is kept.
_EXAMPLES_MOST = 20
#: What a target's step must be made of; it may be a class derived from that.
_KINDS = {"outcome": Outcome, "status": int, "order": str, "reason": str}


class StepMissed(Exception):
    """What Locust's listeners get for a step that met no SLO."""


@dataclass
class Steps:
    """Carries out steps; all that a worker's journeys share."""

    http: Http
    pacer: Pacer
    recorder: Recorder
    fire: Fire  # environment.events.request.fire
    epoch_s: float = 0.0  # the replay's time 0 by the wall clock, as it was then
    in_flight: int = 0
    examples: dict[str, str] = field(default_factory=dict)
    under_way: dict[object, tuple[int, int]] = field(default_factory=dict)  # endpoint, due: of what is watched
    _missed: dict[tuple[int, int, int], StepMissed] = field(default_factory=dict)

    def perform(
        self,
        endpoint: Endpoint,
        cart: int,
        due_us: int,
        ready_us: int,
        call: Callable[..., Step],
        *arguments: Any,
        attempt: int = 1,
        twin: int = 0,
    ) -> tuple[Step, int]:
        """Do a step now; returns what came of it and when it was done.

        All in one, as it is done for every request: a call less is a percent more.
        """
        t0_us, recorder = self.pacer.t0_us, self.recorder
        cut = None
        self.in_flight += 1
        sent_us = monotonic_ns() // 1000 - t0_us
        try:
            step = call(self.http, *arguments)
        except GreenletExit as ending:  # we end while this is under way: that is no time-out of the target
            step, cut = _CUT, ending
        except Exception as error:
            step = self._failed(endpoint, error)
        self.in_flight -= 1
        done_us = monotonic_ns() // 1000 - t0_us
        if step.__class__ is not Step or not (
            step.outcome.__class__ is Outcome
            and step.status.__class__ is int
            and step.order.__class__ is step.reason.__class__ is str
        ):
            step = self._sound(endpoint, step)
        outcome, at = step.outcome, recorder.filled
        if at == recorder.size:
            recorder.grow()
        _pack_into(
            recorder.rows,
            at,
            due_us,
            ready_us,
            sent_us,
            done_us,
            cart,
            step.status & _STATUS_BITS,
            endpoint,
            outcome,
            attempt,
            recorder.worker,
            recorder.code(step.reason) if step.reason else 0,
            twin,
        )
        recorder.filled = at + _ROW_BYTES
        self.fire(
            request_type="STEP",
            name=_NAMES[endpoint],
            response_time=(done_us - due_us) / 1000,
            response_length=0,
            response=None,
            context={},
            exception=None if outcome < _MISSED_FROM or outcome is _IN_PROGRESS else self._exception(endpoint, step),
            start_time=self.epoch_s + due_us / 1e6,
            url="",
        )
        if cut is not None:
            raise cut
        return step, done_us

    def perform_watched(self, endpoint: Endpoint, cart: int, due_us: int, *rest: Any, **named: Any) -> tuple[Step, int]:
        """Do a step as `perform` does; until it is done it is in `under_way`, for those who cannot wait for its end."""
        mark = object()
        self.under_way[mark] = endpoint, due_us
        try:
            return self.perform(endpoint, cart, due_us, *rest, **named)
        finally:
            del self.under_way[mark]

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self.recorder.count + self.in_flight

    def _exception(self, endpoint: int, step: Step) -> StepMissed:
        kind = (endpoint, step.outcome, step.status)
        if kind not in self._missed:
            said = f"{step.outcome.name.lower()} {step.status or ''} {step.reason}".strip()
            self._missed[kind] = StepMissed(" ".join(said.split()))
        return self._missed[kind]

    def _sound(self, endpoint: Endpoint, step: Any) -> Step:
        """A step that can be recorded: one made of the wrong things is a mistake in the target, told as such."""
        if not isinstance(step, Step):
            return self._failed(endpoint, TypeError(f"the target returned {step!r}, no Step"))
        for name, kind in _KINDS.items():
            value = getattr(step, name)
            if not isinstance(value, kind):
                return self._failed(endpoint, TypeError(f"the step's {name} is {value!r}, no {kind.__name__}"))
        return step

    def _failed(self, endpoint: Endpoint, error: Exception) -> Step:
        if isinstance(error, HttpDropped):
            return _DROPPED
        if isinstance(error, HttpTimeout):
            return _TIMEOUT
        if isinstance(error, Unexpected):
            return failed(error.status)
        kind = f"{_NAMES[endpoint]}: {type(error).__name__}"
        if kind not in self.examples and len(self.examples) < _EXAMPLES_MOST:
            self.examples[kind] = str(error)[:300]
        # What was no lack of an answer says what it was: only that is as slow as the clients' patience.
        return _FAILED if isinstance(error, HttpFailed) else Step(Outcome.ERROR, reason=type(error).__name__)
