"""What the command line says of timers reaches the rules, whole."""

from __future__ import annotations

import json

import pytest

from sim.engine.settings import Settings, check, plan_of
from sim.errors import UsageError
from sim.orders.rules import Rules

#: The timers and the switch of an order's life, as opposed to its limits.
TIMERS = [name for name, kind in Rules.__annotations__.items() if name.endswith("_us") or kind == "bool"]


@pytest.mark.parametrize("name", TIMERS)
def test_every_timer_and_switch_can_be_set(name: str) -> None:
    value = False if name == "confirms_itself" else 7
    settings = Settings(timers=json.dumps({name: value}))
    check(settings)
    assert getattr(plan_of(settings).rules, name) == value


def test_only_the_time_to_cancel_freely_may_be_nothing() -> None:
    for name in TIMERS:
        settings = Settings(timers=json.dumps({name: 0}))
        if name == "cancel_freely_us":
            assert plan_of(settings).rules == Rules()
        else:
            with pytest.raises(UsageError, match="--timers"):
                check(settings)
