"""Deciding changes of the units on hand that no order makes."""

from __future__ import annotations

from sim.orders.commands import AdjustInventory, SetInventory
from sim.orders.entities import StockMove
from sim.orders.events import Event, Refusal, Refused, StockChanged
from sim.orders.stock import Stock
from sim.orders.world import World

_NO_STOCK = Refused(Refusal.NOT_FOUND, "There is no such SKU, or it is a bundle and has no stock of its own.")


def set_inventory(world: World, command: SetInventory, now_us: int) -> tuple[Event, ...]:
    """Set the units on hand, if nobody has changed the stock since the caller looked."""
    stock = world.stocks.get(command.sku_id)
    if stock is None:
        return (_NO_STOCK,)
    if command.version and command.version != stock.version:
        return (Refused(Refusal.VERSION_CHANGED, "The stock has changed since it was read."),)
    return _change(world, stock, command.on_hand - stock.on_hand, "adjusted", now_us)


def adjust_inventory(world: World, command: AdjustInventory, now_us: int) -> tuple[Event, ...]:
    """Add units, or take them off as far as they are not reserved."""
    stock = world.stocks.get(command.sku_id)
    if stock is None:
        return (_NO_STOCK,)
    return _change(world, stock, command.units, command.cause, now_us)


def _change(world: World, stock: Stock, units: int, kind: str, now_us: int) -> tuple[Event, ...]:
    if stock.available + units < 0:
        facts = {"on_hand": stock.on_hand, "reserved": stock.reserved}
        return (Refused(Refusal.BELOW_RESERVED, "More units are reserved than would be left.", facts),)
    return (StockChanged(StockMove(world.next_id(), stock.sku_id, kind, units, 0, now_us)),)
