"""What a worker is told: plan.json, named by the environment variable LIVERUSH_PLAN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from sim.errors import UsageError

VARIABLE = "LIVERUSH_PLAN"


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
    follow_us: int = 50_000  # between two questions for news of payments
    patience_us: int = 10_000_000  # how long such news is waited for
    grace_us: int = 15_000_000  # after the last step that was planned, for what is still under way
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


def read_plan() -> ReplayPlan:
    """Return the plan that the environment names. Raises UsageError."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        raise UsageError(f"{VARIABLE} names no plan; `liverush load` makes one")
    try:
        return msgspec.json.decode(Path(name).read_bytes(), type=ReplayPlan)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{name}: {error}") from error
