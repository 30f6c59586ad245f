"""The commands of the catalogue, joined: goods, what is shown of them, and many changes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sim.engine.catalogue import goods, live
from sim.engine.executor import Handler
from sim.engine.layers import Group

#: Changes the catalogue: (group, now). An exception undoes the whole group.
Step = Callable[[Group, int], Any]


class Fill(msgspec.Struct, frozen=True, gc=False):
    """Take many steps in one transaction; how a scenario is put into a store."""

    steps: tuple[Step, ...]


def fill(group: Group, command: Fill, now_us: int) -> tuple[Any, ...]:
    """Take the steps in their order."""
    for step in command.steps:
        step(group, now_us)
    return ()


#: Handlers of every command of the catalogue, for `Engine.handlers`.
HANDLERS: dict[type, Handler] = {**goods.HANDLERS, **live.HANDLERS, Fill: fill}
