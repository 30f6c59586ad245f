"""Shapes for plain Locust: how many users there are, and when. Users are a closed loop; for arrivals use a replay.

A shape is made from an argument like `ramp:users=200,over=2m,hold=5m`; `choose_shape` lists them all. Durations are
`90s`, `1m 30s`, `1h`. Each is an ordinary Locust LoadTestShape, so a locustfile of yours can derive from them too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from locust import LoadTestShape

from sim.errors import UsageError
from sim.scenario.units import US_PER_S, parse_duration_us

Tick = tuple[int, float]
#: Users that are started or stopped a second, where the shape wants more at once: Locust advises against more.
MOST_PER_S = 100.0


class _Shape(LoadTestShape):
    """Base: `users_at` says how many users there are at a second of the run, None that it is over."""

    abstract = True  # Locust takes no shape by itself: the locustfile's --shape says which
    per_s = MOST_PER_S
    defaults: ClassVar[dict[str, float]] = {}

    def __init__(self, **given: float) -> None:
        init: Any = super().__init__  # has no types
        init()
        unknown = sorted(set(given) - set(self.defaults))
        if unknown:
            raise UsageError(f"{type(self).__name__} has no {unknown[0]!r}; there are {', '.join(self.defaults)}")
        self.settings = {**self.defaults, **given}
        for name, value in self.settings.items():
            if value < 0 or (name == "every" and not value):
                raise UsageError(f"{type(self).__name__}: {name}={value:g} is too small")

    def users_at(self, second: float) -> float | None:
        """The users at a second, None once the run is over."""
        raise NotImplementedError

    def tick(self) -> Tick | None:
        """What Locust asks once a second: how many users there should be, and how many are started a second."""
        clock: Any = self
        users = self.users_at(clock.get_run_time())
        return None if users is None else (round(users), self.per_s)


class StepShape(_Shape):
    """`users` more each `every`, up to `steps` times."""

    defaults: ClassVar[dict[str, float]] = {"users": 10, "every": 30, "steps": 5}

    def users_at(self, second: float) -> float | None:
        """See `_Shape`."""
        step = second // self.settings["every"]
        return None if step >= self.settings["steps"] else self.settings["users"] * (step + 1)


class RampShape(_Shape):
    """Evenly up to `users` within `over`, then `hold`."""

    defaults: ClassVar[dict[str, float]] = {"users": 50, "over": 60, "hold": 60}

    def users_at(self, second: float) -> float | None:
        """See `_Shape`."""
        users, over = self.settings["users"], self.settings["over"]
        if second >= over + self.settings["hold"]:
            return None
        return users if second >= over else max(1.0, users * second / over)


class SpikeShape(_Shape):
    """`base` users, `users` from `at` for `width`, then `base` again for `after`."""

    defaults: ClassVar[dict[str, float]] = {"base": 5, "users": 100, "at": 30, "width": 15, "after": 60}

    def users_at(self, second: float) -> float | None:
        """See `_Shape`."""
        begin, end = self.settings["at"], self.settings["at"] + self.settings["width"]
        if second >= end + self.settings["after"]:
            return None
        return self.settings["users"] if begin <= second < end else self.settings["base"]


class SoakShape(RampShape):
    """`users` for a long time, after a short ramp: what leaks, grows or fills up."""

    defaults: ClassVar[dict[str, float]] = {"users": 20, "over": 30, "hold": 3600}


class BurstShape(_Shape):
    """The barrier burst: `users` come at once, each prepares a cart, all check out together; then it is over.

    The users must wait for `loadtests.barrier.Barrier` before their last step. `within` is for preparing, `after` for
    the answers.
    """

    defaults: ClassVar[dict[str, float]] = {"users": 100, "within": 30, "after": 30}

    def __init__(self, **given: float) -> None:
        super().__init__(**given)
        self.per_s = max(1.0, self.settings["users"])

    def users_at(self, second: float) -> float | None:
        """See `_Shape`."""
        return None if second >= self.settings["within"] + self.settings["after"] else self.settings["users"]


SHAPES: dict[str, type[_Shape]] = {
    "step": StepShape,
    "ramp": RampShape,
    "spike": SpikeShape,
    "soak": SoakShape,
    "burst": BurstShape,
}


def choose_shape(text: str) -> _Shape:
    """The shape that `name` or `name:key=value,...` says. Raises UsageError."""
    name, _, rest = text.partition(":")
    if name not in SHAPES:
        raise UsageError(f"no shape {name!r}; there are {', '.join(SHAPES)}")
    given = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"shape {text!r}: write key=value, such as {_example(name)}")
        given[key.strip()] = _number(value.strip(), text)
    return SHAPES[name](**given)


def describe_shapes() -> str:
    """A line a shape, for a help text."""
    first_line: Callable[[Any], str] = lambda shape: (shape.__doc__ or "").splitlines()[0]  # noqa: E731
    return "; ".join(f"{_example(name)} ({first_line(shape).rstrip('.')})" for name, shape in SHAPES.items())


def _example(name: str) -> str:
    counts = ("users", "base", "steps")
    defaults = SHAPES[name].defaults.items()
    return f"{name}:" + ",".join(f"{key}={value:g}{'' if key in counts else 's'}" for key, value in defaults)


def _number(text: str, whole: str) -> float:
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    try:
        return parse_duration_us(text) / US_PER_S
    except ValueError as error:
        raise UsageError(f"shape {whole!r}: {text!r} is no number, and {error}") from error
