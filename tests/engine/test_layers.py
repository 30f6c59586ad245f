"""What a group has changed is told by what it replaced, not by comparing all that there was."""

from __future__ import annotations

from typing import Any

from sim.engine.layers import Cache, Fetched, Group
from sim.orders.commands import IssueRefund
from sim.orders.decide import decide
from sim.orders.entities import Case
from sim.orders.evolve import evolve
from sim.orders.rules import Rules
from tests.orders.shop import Play


class Incomparable:
    """A row of an order's past that nobody should compare with another."""

    def __init__(self, number: int) -> None:
        self.id = number

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _other: object) -> bool:
        raise AssertionError("compared")


def test_an_order_s_past_is_not_compared_row_by_row() -> None:
    play = Play()
    order_id = play.paid()
    case = play.case(order_id)
    past: Any = tuple(Incomparable(number) for number in range(50))
    fetched = Fetched({order_id: Case(case.order, case.lines, case.payments, past)})
    world = play.world
    cache = Cache(shops=dict(world.shops), parts=dict(world.parts), stocks=dict(world.stocks), last_id=world.last_id)
    group = Group(cache, fetched, Rules(), catalogue=False)
    for event in decide(group, IssueRefund(order_id, 5, "GBP"), play.now_us):
        evolve(group, event)
    made = group.changes()
    assert [refund[0] for refund in made["refunds"]] == [group.cases[order_id].refunds[-1].id]
    assert not made.keys() & {"order_lines", "payments", "packages", "returns"}
