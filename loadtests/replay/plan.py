"""What a worker is told: plan.json, named by the environment variable LIVERUSH_PLAN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from loadtests.schedule import NEVER, NOTHING, Schedule
from sim.errors import UsageError

VARIABLE = "LIVERUSH_PLAN"
FOLLOW_US = 50_000
#: Steps of a cart that wait for one another: checkout, payment, confirmation (or cancellation), return.
_STEPS = 4


class ReplayPlan(msgspec.Struct, kw_only=True):
    """One replay, as all of its workers read it. On other machines the paths must hold the same."""

    schedule: str  # .npz of Schedule.write
    state: str  # JSON that the target's `setup` returned; "url" is the base URL
    folder: str  # takes what is measured
    target: str  # module:Class
    workers: int = 1
    run_id: str = ""  # in each request; the folder's name where empty
    client_timeout_us: int = 10_000_000
    attempts: int = 3  # tries of a step that changes something
    backoff_us: int = 500_000  # before the second try, then doubled; half to one and a half of it, by cart
    follow_us: int = FOLLOW_US  # between two questions for news of payments
    patience_us: int = 10_000_000  # how long such news is waited for
    grace_us: int = 0  # after the last step that was planned, for answers; 0: what a cart's tries may take
    connections: int = 0  # at most; 0: 8,000, or as many as files may be open
    warm: int = 10  # connections opened before the start
    ca_file: str = ""
    abort_on: tuple[str, ...] = ()
    #: "file": the harness writes start.json into the folder. "ready": at once when all workers are ready.
    start: Literal["file", "ready"] = "file"

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @property
    def run_name(self) -> str:
        """What requests carry."""
        return self.run_id or self.path.name


def planned_end_us(schedule: Schedule) -> int:
    """When the last step is due, if no answer takes any time."""
    carts = schedule.carts
    longest = sum(
        np.where(carts[name] == NEVER, 0, carts[name]) for name in ("pay_delay_us", "confirm_delay_us")
    ) + np.where(carts["after"] == NOTHING, 0, carts["after_delay_us"])
    return schedule.length_us + (int(np.max(longest)) if len(carts["number"]) else 0)


def time_is_over_us(plan: ReplayPlan, schedule: Schedule) -> int:
    """When nothing can be under way any more, however slow the target is; it is over sooner where it is quick.

    Each step of a cart may need all its tries, each try all of the clients' patience, and each decline is one more
    payment. A step that takes several requests may take longer still; what is not sent then is told.
    """
    return planned_end_us(schedule) + (plan.grace_us or _answers_us(plan, schedule))


def _answers_us(plan: ReplayPlan, schedule: Schedule) -> int:
    backoffs_us = 3 * plan.backoff_us * ((1 << plan.attempts - 1) - 1) // 2  # doubled each time, at most half more
    tries_us = plan.attempts * plan.client_timeout_us + backoffs_us
    declines = int(schedule.carts["declines"].max(initial=0))
    return (_STEPS + declines) * tries_us + declines * plan.backoff_us + plan.patience_us


def read_plan() -> ReplayPlan:
    """The plan that the environment names. Raises UsageError."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        raise UsageError(f"{VARIABLE} names no plan; `liverush load` makes one")
    try:
        return msgspec.json.decode(Path(name).read_bytes(), type=ReplayPlan)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{name}: {error}") from error
