"""The whole exception tree, and the one table of exit codes.

::

    Exception
    └── LiveRushError               70   base of all we raise on purpose
        ├── UsageError               2   the command line asks for something impossible
        │   ├── StoreRefused         2   (sim.engine.stores.store) a database must not be used as it is
        │   └── WrongKnobError       2   (sim.scenario.studies.knobs) a knob of a search cannot be read
        ├── ScenarioError            2   a scenario (or a file that it names) is wrong; lists every problem
        ├── InvalidMeasurement       4   the measurement cannot be trusted
        ├── StoreUnavailable        70   (sim.engine.stores.store) the database takes no writes now
        │   └── OutcomeUnknown      70   (sim.engine.stores.store) whether a group was stored cannot be told
        ├── SignatureError          70   (sim.engine.webhooks.signatures) a webhook is not to be believed
        └── Defect                  70   our own mistake: a state that must not occur

Some are caught within the package that raises them::

    Exception
    ├── HttpFailed                  (loadtests.targets.base) no answer
    │   ├── HttpDropped             not sent: as many connections as may be open were busy
    │   ├── HttpTimeout             no complete answer in time
    │   └── HttpStale               a kept connection ended before the answer began
    ├── Unexpected                  (loadtests.targets.base) an answer that a step cannot go on with
    ├── StepMissed                  (loadtests.replay.steps) what Locust's listeners get for a step that met no SLO
    ├── Rejected                    (sim.engine.api.request) a request cannot be served; carries the answer
    └── PspRefused                  (sim.engine.psp.ledger) the stand-in provider cannot do a request

Exit codes of every verb: 0 yes · 1 measured, and the answer is no · 2 usage or scenario · 3 audit findings ·
4 invalid measurement · 70 a defect of ours. Where several hold, precedence is 2, 3, 4, 1. An interrupt exits with 130,
a reader of a pipe that went away with 141, SIGTERM with 143.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a verb's exit code says."""

    YES = 0
    NO = 1
    USAGE = 2
    AUDIT = 3
    INVALID = 4
    DEFECT = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


#: Which answer is told when several hold; a defect outranks all, since nothing else can be trusted then.
_PRECEDENCE = (ExitCode.DEFECT, ExitCode.USAGE, ExitCode.AUDIT, ExitCode.INVALID, ExitCode.NO)


def worst_exit_code(codes: Iterable[int]) -> ExitCode:
    """The one code to exit with when several hold."""
    present = set(codes)
    return next((code for code in _PRECEDENCE if code in present), ExitCode.YES)


class LiveRushError(Exception):
    """Base of every error that LiveRush raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.DEFECT


class UsageError(LiveRushError):
    """The command line asks for something impossible."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in an input file: where it is, what was found there and what is allowed.

    `line` counts from 1 and is 0 where unknown; `place` names a sheet and cell where the file has no lines.
    """

    file: str
    line: int
    path: str
    message: str
    found: str = ""
    allowed: str = ""
    place: str = ""

    def __str__(self) -> str:
        where = self.place or (str(self.line) if self.line else "")
        parts = [f"{self.file}:{where}" if where else self.file]
        if self.path:
            parts.append(self.path)
        return ": ".join([*parts, self._message()])

    def _message(self) -> str:
        text = self.message
        if self.found:
            text += f"; found {self.found}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        return text


class ScenarioError(LiveRushError):
    """A scenario, or a file that it names, is wrong. Carries every problem that was found, not only the first."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class InvalidMeasurement(LiveRushError):
    """The measurement cannot be trusted, so it gives no answer."""

    exit_code = ExitCode.INVALID


class Defect(LiveRushError):
    """Our own mistake: a state that must not occur."""

    exit_code = ExitCode.DEFECT
