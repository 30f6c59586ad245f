"""`decide(world, command, now_us) -> events`: the rules of the shop, and nothing else.

Reads the world and takes new ids from it; changes nothing. A refusal is an event. An exception means a broken program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.orders import commands, ending, fulfilling, paying, placing, returning, stocking
from sim.orders.commands import Command
from sim.orders.events import Event
from sim.orders.world import World

_RULES: dict[type, Callable[[World, Any, int], tuple[Event, ...]]] = {
    commands.PlaceOrder: placing.place,
    commands.StartPayment: paying.start,
    commands.Capture: paying.capture,
    commands.Decline: paying.decline,
    commands.SettleRefund: paying.settle_refund,
    commands.Confirm: fulfilling.confirm,
    commands.CreatePackage: fulfilling.create_package,
    commands.ShipPackage: fulfilling.ship_package,
    commands.TrackPackage: fulfilling.track_package,
    commands.RequestCancellation: ending.request_cancellation,
    commands.AnswerCancellation: ending.answer_cancellation,
    commands.Elapse: ending.elapse,
    commands.RequestReturn: returning.request_return,
    commands.AnswerReturn: returning.answer_return,
    commands.ShipReturn: returning.ship_return,
    commands.ReceiveReturn: returning.receive_return,
    commands.IssueRefund: returning.issue_refund,
    commands.SetInventory: stocking.set_inventory,
    commands.AdjustInventory: stocking.adjust_inventory,
}


def decide(world: World, command: Command, now_us: int) -> tuple[Event, ...]:
    """What a command makes happen at `now_us`; a refusal comes as the one event `Refused`."""
    return _RULES[type(command)](world, command, now_us)
