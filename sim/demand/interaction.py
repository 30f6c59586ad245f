"""Two kinds of interaction, both of which lift orders: answers lower returns, persuasion raises them.

Moderators' queue is looked at as if in its steady state at every moment (answers take seconds, audiences change over
minutes): questions come at the ask rate x viewers present, and a share a of them is answered (`erlang`). The trace is
drawn at the highest conversion that any number of moderators could bring; answers that are not given thin it by moving
`go_u32` up, so that every number of moderators meets the same buyers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim.arrays import Column, Floats
from sim.demand.choices import ALL
from sim.demand.erlang import shares_answered
from sim.demand.show import Show, viewers
from sim.scenario.lasting import of_last
from sim.scenario.parts.interaction import Questions
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_MIN, US_PER_S

_POINTS = 513  # of the table of answered shares
_FINE = 2.0**-20  # shares are rounded to this: what `exp` may change between two machines is rounded away
_LOOK_US = US_PER_MIN  # of the expected numbers that are told


def asked_per_s(questions: Questions, present: Floats) -> Floats:
    """Questions a second of `present` viewers."""
    return present * (questions.asks_per_viewer_hour / 3600)


def answered_share(questions: Questions, per_s: Floats) -> Floats:
    """The share answered at each rate of questions: by the host up to a limit, the rest by moderators.

    Moderators' share is read by straight lines between points that lie closer at low rates.
    """
    host_per_s = questions.host_answers_per_min / 60
    by_host = np.divide(host_per_s, per_s, out=np.ones_like(per_s), where=per_s > host_per_s)
    if host_per_s == 0:
        by_host = np.zeros_like(per_s)
    by_moderators = _by_moderators(questions, per_s * (1 - by_host))
    return np.asarray(np.rint((by_host + (1 - by_host) * by_moderators) / _FINE) * _FINE)


def _by_moderators(questions: Questions, per_s: Floats) -> Floats:
    top = float(np.max(per_s, initial=0.0))
    if top == 0:
        return np.full_like(per_s, float(questions.moderators > 0))
    table = _answered(questions.handle_us, questions.patience_us, questions.moderators, top)
    points = top * (np.arange(_POINTS) / (_POINTS - 1)) ** 2
    return np.asarray(np.interp(per_s, points, table))


@lru_cache(maxsize=256)
def _answered(handle_us: int, patience_us: int, moderators: int, top_per_s: float) -> Floats:
    """Answered shares at rates 0 to `top_per_s`, those of the points above."""
    leaving = US_PER_S / patience_us if patience_us else 0.0
    rates = top_per_s * (np.arange(_POINTS) / (_POINTS - 1)) ** 2
    rates[0] = rates[1] / 1e6  # without questions there is no share; this is its limit
    return shares_answered(rates, US_PER_S / handle_us, moderators, leaving)


@dataclass(frozen=True)
class Treatment:
    """What interaction does to the carts of a trace, given by their `content` and `time_us`.

    `steps[content]`, for live shows: times, and from each on the share of 2^32 of the potential buyers that goes ahead
    and of the returns that stays; `live` is the number of shows.
    """

    live: int
    content: Column
    time_us: Column
    steps: dict[int, tuple[Column, npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]

    def is_live(self, rows: slice) -> npt.NDArray[np.bool_]:
        """Which carts come from a live show."""
        return np.asarray(self.content[rows] < self.live)

    def going(self, rows: slice) -> npt.NDArray[np.uint64]:
        """Of 2^32 potential buyers like each cart's those who go ahead."""
        return self._at(rows, 1)

    def kept_returns(self, rows: slice) -> npt.NDArray[np.uint64]:
        """Of 2^32 returns of carts like each those that are not spared by an answer."""
        return self._at(rows, 2)

    def _at(self, rows: slice, what: int) -> npt.NDArray[np.uint64]:
        content, time_us = self.content[rows], self.time_us[rows]
        found = np.full(len(content), ALL, np.uint64)
        for number in np.unique(content):
            if int(number) in self.steps:
                step, mine = self.steps[int(number)], np.flatnonzero(content == number)
                place = np.maximum(np.searchsorted(step[0], time_us[mine], side="right") - 1, 0)
                found[mine] = step[what][place]
        return found


def treatment(scenario: Scenario, shows: dict[int, Show], content: Column, time_us: Column) -> Treatment | None:
    """What the scenario's interaction does to these carts; None where it has none. `shows` by content."""
    questions, persuasion = scenario.funnel.questions, scenario.funnel.persuasion
    if questions is None and persuasion is None:
        return None
    pressed = 1.0
    if persuasion is not None:
        pressed = (1 + persuasion.lift * persuasion.level) / (
            1 + persuasion.lift * max(persuasion.level, persuasion.most)
        )
    steps = {}
    for number, show in shows.items():
        gain, kept = np.full(len(show.grid_us), pressed), np.ones(len(show.grid_us))
        if questions is not None:
            answered = answered_share(questions, asked_per_s(questions, show.present))
            lift = questions.ask_share * questions.lift
            gain = gain * ((1 + lift * answered) / (1 + lift))
            kept = 1 - questions.fewer_returns * answered
        steps[number] = (show.grid_us, _of_all(gain), _of_all(kept))
    return Treatment(len(scenario.programme.broadcasts), content, time_us, steps)


def _of_all(share: Floats) -> npt.NDArray[np.uint64]:
    return np.maximum(np.rint(share * ALL), 1.0).astype(np.uint64)


def thinned(go_u32: Column, going: npt.NDArray[np.uint64]) -> Column:
    """`go_u32` moved up so that below any factor a share `going` / 2^32 of what was there remains.

    What is moved past the end comes to rest at 2^32 - 1, where no factor reaches (`conversion.factor_u64`).
    """
    moved = (go_u32.astype(np.uint64) << np.uint64(32)) // going
    return np.asarray(np.minimum(moved, ALL - 1).astype(np.uint32))


@of_last
def questions_told(scenario: Scenario) -> dict[str, float | None]:
    """Expected number of questions in all shows, and the share of them that is answered (None without questions)."""
    questions = scenario.funnel.questions
    if questions is None:
        return {"asked": 0.0, "answered_share": None}
    asked = answered = 0.0
    for show in scenario.programme.broadcasts:
        edges_us = np.append(np.arange(0, show.length_us, _LOOK_US), show.length_us)
        middle_us = (edges_us[1:] + edges_us[:-1]) // 2 + show.start_us
        per_s = asked_per_s(questions, viewers(scenario, show, middle_us))
        number = per_s * np.diff(edges_us) / US_PER_S
        asked += float(number.sum())
        answered += float(number @ answered_share(questions, per_s))
    return {"asked": round(asked, 3), "answered_share": round(answered / asked, 9) if asked else None}
