"""What the command line says of timers reaches the rules, whole."""

from __future__ import annotations

import json

import pytest

from sim.engine.auth import keyring
from sim.engine.settings import Settings, check, plan_of
from sim.errors import UsageError
from sim.orders.rules import HOUR_US, Rules

#: The timers and the switch of an order's life, as opposed to its limits.
TIMERS = [name for name, kind in Rules.__annotations__.items() if name.endswith("_us") or kind == "bool"]


@pytest.mark.parametrize("name", TIMERS)
def test_every_timer_and_switch_can_be_set(name: str) -> None:
    value = {"confirms_itself": False, "ready_within_us": 2 * HOUR_US}.get(name, 7)
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


@pytest.mark.parametrize(
    ("timers", "speed", "message"),
    [
        ({"ready_within_us": 1_000_000, "on_hold_us": 4_000_000}, 1.0, "must be longer"),
        ({"ready_within_us": 60_000_000}, 1.0, "must be longer"),
        ({"pay_window_us": 10**15}, 0.001, "pay_window_us is more than"),
    ],
)
def test_timers_with_which_no_order_could_live_are_refused(timers: dict[str, int], speed: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_of(Settings(timers=json.dumps(timers), speed=speed))
    plan_of(Settings(timers=json.dumps(timers | {"confirms_itself": False}), speed=max(1.0, speed)))


@pytest.mark.parametrize("key", ["key-of-buyer-000000 ", "key-of-buyer-\u00fc00000", "key-of-buyer-\t000000\n"])
def test_a_key_that_no_request_could_send_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="LIVERUSH_KEY_BUYER"):
        keyring({"LIVERUSH_KEY_BUYER": key}, loopback=True)
