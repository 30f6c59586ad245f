"""What to try next: Optuna's tree of Parzen estimators, asked and told (docs/decisions/0010-search.md).

Bergstra, Bardenet, Bengio & Kégl (2011), NIPS 24. It is asked for a whole batch before it is told of it, always in one
order: so the points depend on the seed and on what was found, not on the number of workers.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sim.scenario.studies.knobs import Knob
from sim.scenario.studies.search import Codes

#: The sampler may propose what is known already; after so many proposals in a row it has no other idea.
_ASKS = 40
#: Points drawn at random before the sampler learns.
_RANDOM = 10


class Proposer:
    """Proposes points of the knobs' grid, none of them twice."""

    def __init__(self, knobs: Sequence[Knob], seed: int, most: int) -> None:
        """`most`: how many points there may be; where the grid has no more, all are proposed in order."""
        self._knobs = knobs
        self._told: dict[Codes, tuple[float, list[float]]] = {}
        self._open: list[tuple[Any, Codes]] = []
        self._all: Iterator[Codes] | None = None
        if math.prod(knob.count for knob in knobs) <= most:
            self._all = itertools.product(*(range(knob.count) for knob in knobs))
        else:
            self._study, self._distributions = _study(knobs, seed)

    def ask(self, number: int) -> list[Codes]:
        """Up to `number` new points; fewer, or none, where nothing new comes to mind."""
        if self._all is not None:
            return list(itertools.islice((codes for codes in self._all if codes not in self._told), number))
        asked: list[Codes] = []
        for _ in range(number * _ASKS):
            with _quiet():
                trial = self._study.ask(self._distributions)
            codes = tuple(int(trial.params[knob.name]) for knob in self._knobs)
            if codes in self._told:
                self._tell(trial, codes)
            elif codes not in asked:
                asked.append(codes)
                self._open.append((trial, codes))
            if len(asked) == number:
                break
        return asked

    def tell(self, codes: Codes, gain: float, excess: Sequence[float]) -> None:
        """What a point came to: more is better; `excess` above 0 where a limit is broken, as for a point that makes no
        scenario at all."""
        self._told[codes] = (gain, list(excess))
        if self._all is not None:
            return
        trial = next((trial for trial, asked in self._open if asked == codes), None)
        self._open = [each for each in self._open if each[1] != codes]
        if trial is not None:
            self._tell(trial, codes)
            return
        from optuna.trial import create_trial

        params = {knob.name: code for knob, code in zip(self._knobs, codes, strict=True)}
        constraints = {str(k): each for k, each in enumerate(excess)}
        with _quiet():
            known = create_trial(
                params=params, distributions=self._distributions, value=gain, constraints=constraints or None
            )
            self._study.add_trial(known)

    def _tell(self, trial: Any, codes: Codes) -> None:
        gain, excess = self._told[codes]
        with _quiet():
            for k, each in enumerate(excess):
                trial.set_constraint(str(k), each)
            self._study.tell(trial, gain)


def _study(knobs: Sequence[Knob], seed: int) -> tuple[Any, dict[str, Any]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions: dict[str, Any] = {
        knob.name: optuna.distributions.CategoricalDistribution(list(range(knob.count)))
        if knob.choices
        else optuna.distributions.IntDistribution(0, knob.count - 1)
        for knob in knobs
    }
    start = int.from_bytes(hashlib.sha256(f"search:{seed}".encode()).digest()[:4], "big")
    with _quiet():
        sampler = optuna.samplers.TPESampler(
            seed=start, n_startup_trials=_RANDOM, multivariate=True, constant_liar=True
        )
        return optuna.create_study(direction="maximize", sampler=sampler), distributions


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's remarks that a part of it may change
        yield
