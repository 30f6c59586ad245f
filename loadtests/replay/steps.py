"""One step of a journey: called, timed from when it was due, recorded, and told to Locust's listeners."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gevent import GreenletExit

from loadtests.records import Endpoint, Outcome
from loadtests.replay.pacing import Pacer
from loadtests.replay.recorder import Recorder
from loadtests.targets.base import Http, HttpDropped, HttpFailed, HttpTimeout, Step

Fire = Callable[..., None]
_log = logging.getLogger(__name__)
_NAMES = tuple(endpoint.name.lower() for endpoint in Endpoint)
_TIMEOUT, _DROPPED, _FAILED = Step(Outcome.TIMEOUT), Step(Outcome.DROPPED), Step(Outcome.ERROR)
_MISSED_FROM = int(Outcome.SHED)
#: Kinds of failures of which an example is kept.
_EXAMPLES_MOST = 20


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
    sent: int = 0
    max_lag_us: int = 0
    examples: dict[str, str] = field(default_factory=dict)
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
        """Do a step now; returns what came of it and when it was done."""
        now_us = self.pacer.now_us
        self.in_flight += 1
        self.sent += 1
        sent_us = now_us()
        try:
            step = call(self.http, *arguments)
        except HttpDropped:
            step = _DROPPED
        except HttpTimeout:
            step = _TIMEOUT
        except HttpFailed as error:
            step = self._failed(endpoint, error)
        except GreenletExit:  # the replay ends while this is under way: nobody knows what came of it
            self._keep(endpoint, cart, due_us, ready_us, sent_us, now_us(), _TIMEOUT, attempt, twin)
            raise
        except Exception as error:
            _log.debug("%s", endpoint, exc_info=True)
            step = self._failed(endpoint, error)
        finally:
            self.in_flight -= 1
        done_us = now_us()
        self._keep(endpoint, cart, due_us, ready_us, sent_us, done_us, step, attempt, twin)
        return step, done_us

    def _keep(
        self,
        endpoint: Endpoint,
        cart: int,
        due_us: int,
        ready_us: int,
        sent_us: int,
        done_us: int,
        step: Step,
        attempt: int,
        twin: int,
    ) -> None:
        outcome = step.outcome
        self.recorder.add(
            due_us, ready_us, sent_us, done_us, cart, step.status, endpoint, outcome, attempt, step.reason, twin
        )
        lag_us = sent_us - (due_us if due_us > ready_us else ready_us)
        if lag_us > self.max_lag_us:
            self.max_lag_us = lag_us
        self.fire(
            request_type="STEP",
            name=_NAMES[endpoint],
            response_time=(done_us - due_us) / 1000,
            response_length=0,
            response=None,
            context={},
            exception=None if outcome < _MISSED_FROM else self._exception(endpoint, step),
            start_time=self.epoch_s + due_us / 1e6,
            url="",
        )

    def _exception(self, endpoint: int, step: Step) -> StepMissed:
        kind = (endpoint, step.outcome, step.status)
        if kind not in self._missed:
            said = f"{step.outcome.name.lower()} {step.status or ''} {step.reason}".strip()
            self._missed[kind] = StepMissed(" ".join(said.split()))
        return self._missed[kind]

    def _failed(self, endpoint: Endpoint, error: Exception) -> Step:
        kind = f"{_NAMES[endpoint]}: {type(error).__name__}"
        if kind not in self.examples and len(self.examples) < _EXAMPLES_MOST:
            self.examples[kind] = str(error)[:300]
        return _FAILED
