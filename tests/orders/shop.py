"""A small shop to test the order core with, and one who plays its buyers, merchant, carrier, provider and time."""

from __future__ import annotations

from typing import Any

from sim.orders.commands import (
    Capture,
    Command,
    Confirm,
    CreatePackage,
    Elapse,
    PlaceOrder,
    RequestReturn,
    ShipPackage,
    StartPayment,
    TrackPackage,
    Wanted,
)
from sim.orders.decide import decide
from sim.orders.entities import Case, Deal, PackageStatus, Part, Product, ReturnType, Room, RoomStatus, Shop, Sku
from sim.orders.events import Event, OrderPlaced, Refusal, Refused
from sim.orders.evolve import evolve
from sim.orders.rules import Rules
from sim.orders.states import TRANSITIONS, State
from sim.orders.stock import Stock
from sim.orders.world import World

START_US = 1_750_000_000_000_000
MINUTE_US = 60_000_000

LAMP, MUG, SET, RUG, TASSE, ATTIC = 11, 12, 13, 21, 31, 14
PRICES = {LAMP: 1290, MUG: 455, SET: 1999, RUG: 9900, TASSE: 500, ATTIC: 100}
ON_HAND = {LAMP: 10, MUG: 12, RUG: 5, TASSE: 5, ATTIC: 5}
ROOM, DARK_ROOM = 201, 202
DEAL, ROOM_DEAL, LATER_DEAL = 101, 102, 103


def catalogue(rules: Rules | None = None) -> World:
    """Three shops: lamps and mugs (and a set of one lamp and two mugs), rugs, and cups for euros."""
    world = World(rules or Rules(), last_id=1000)
    for shop_id, currency, ppm in ((1, "GBP", 50_000), (2, "GBP", 123_457), (3, "EUR", 0)):
        world.shops[shop_id] = Shop(shop_id, f"Shop {shop_id}", currency, ppm)
    for sku_id, price in PRICES.items():
        shop_id = sku_id // 10
        world.products[sku_id] = Product(sku_id, shop_id, f"Product {sku_id}", "home", sku_id != ATTIC)
        currency = world.shops[shop_id].currency
        world.skus[sku_id] = Sku(sku_id, sku_id, shop_id, f"sku-{sku_id}", price, currency)
        world.parts[sku_id] = (Part(sku_id, sku_id, 1),)
    world.parts[SET] = (Part(SET, LAMP, 1), Part(SET, MUG, 2))
    for sku_id, units in ON_HAND.items():
        world.stocks[sku_id] = Stock(sku_id, units)
    world.rooms[ROOM] = Room(ROOM, 1, "Evening show", RoomStatus.LIVE)
    world.rooms[DARK_ROOM] = Room(DARK_ROOM, 1, "Tomorrow", RoomStatus.SCHEDULED)
    end_us = START_US + 60 * MINUTE_US
    world.deals[DEAL] = Deal(DEAL, LAMP, 990, 5, 2, START_US, end_us, 0)
    world.deals[ROOM_DEAL] = Deal(ROOM_DEAL, MUG, 99, 0, 0, START_US, end_us, ROOM)
    world.deals[LATER_DEAL] = Deal(LATER_DEAL, RUG, 5000, 3, 0, end_us, end_us + MINUTE_US, 0)
    return world


class Play:
    """Runs commands against a world and keeps every event and every step of an order's state."""

    def __init__(self, world: World | None = None) -> None:
        self.world = catalogue() if world is None else world
        self.now_us = START_US
        self.events: list[Event] = []
        self.steps: dict[int, list[State]] = {}

    def do(self, command: Command) -> tuple[Any, ...]:
        """Decide a command and apply its events; every step must be in the table of transitions."""
        happened = decide(self.world, command, self.now_us)
        for event in happened:
            self._apply(event)
        return happened

    def _apply(self, event: Event) -> None:
        before = {order_id: case.order for order_id, case in self.world.cases.items()}
        evolve(self.world, event)
        self.events.append(event)
        if isinstance(event, Refused):
            return
        for order_id, case in self.world.cases.items():
            earlier = before.get(order_id)
            if earlier is case.order:
                continue
            state = earlier.state if earlier else State.NONE
            assert case.order.state == state or case.order.state in TRANSITIONS[state], (event, state, case.order.state)
            assert case.order.seq == (earlier.seq if earlier else 0) + 1, event
            if case.order.state != state:
                self.steps.setdefault(order_id, [State.NONE]).append(case.order.state)

    def refusal(self, command: Command) -> Refusal:
        """Why a command is refused; it must change nothing."""
        before = snapshot(self.world)
        (refused,) = self.do(command)
        assert isinstance(refused, Refused), refused
        assert snapshot(self.world) == before
        return refused.code

    def wait(self, by_us: int) -> None:
        """Let time go by; nothing happens of itself."""
        self.now_us += by_us

    def sweep(self) -> int:
        """Let time act on every order on which it must, once each; return on how many it did."""
        due = [case.order.id for case in self.world.cases.values() if 0 < case.order.due_us <= self.now_us]
        for order_id in due:
            assert self.do(Elapse(order_id)), self.case(order_id)
        return len(due)

    def case(self, order_id: int) -> Case:
        return self.world.cases[order_id]

    def state(self, order_id: int) -> State:
        return self.world.cases[order_id].order.state

    def place(self, *wanted: tuple[int, int], buyer: str = "ann", deal: int = 0, room: int = 0) -> int:
        """Place an order of (SKU, quantity) that must succeed; return its id."""
        cart = tuple(Wanted(sku_id, quantity) for sku_id, quantity in wanted or ((LAMP, 1),))
        (placed,) = self.do(PlaceOrder(buyer, cart, deal, room))
        assert isinstance(placed, OrderPlaced), placed
        return placed.order.id

    def start(self, order_id: int) -> int:
        """Begin an attempt to pay; return its id."""
        (started,) = self.do(StartPayment(order_id))
        return int(started.payment.id)

    def capture(self, order_id: int, payment_id: int = 0, reference: str = "", amount: int = -1) -> tuple[Any, ...]:
        order = self.case(order_id).order
        amount = order.total_minor if amount < 0 else amount
        return self.do(Capture(order_id, payment_id, amount, order.currency, reference))

    def paid(self, *wanted: tuple[int, int], **how: Any) -> int:
        """Place and pay an order; return its id."""
        order_id = self.place(*wanted, **how)
        self.capture(order_id, self.start(order_id))
        return order_id

    def confirmed(self, *wanted: tuple[int, int], **how: Any) -> int:
        order_id = self.paid(*wanted, **how)
        self.do(Confirm(order_id))
        return order_id

    def pack(self, order_id: int, *line_nos: int) -> int:
        """Put lines into a parcel; return its id."""
        (created,) = self.do(CreatePackage(order_id, line_nos))
        return int(created.package.id)

    def track(self, order_id: int, package_id: int, *statuses: PackageStatus) -> None:
        for status in statuses:
            self.do(TrackPackage(order_id, package_id, status))

    def collected(self, *wanted: tuple[int, int], **how: Any) -> int:
        """Bring an order on its way, in one parcel; return its id."""
        order_id = self.confirmed(*wanted, **how)
        package_id = self.pack(order_id)
        self.do(ShipPackage(order_id, package_id))
        self.track(order_id, package_id, PackageStatus.COLLECTED)
        return order_id

    def delivered(self, *wanted: tuple[int, int], **how: Any) -> int:
        order_id = self.collected(*wanted, **how)
        (package,) = self.case(order_id).packages
        self.track(order_id, package.id, PackageStatus.DELIVERED)
        return order_id

    def asked_back(self, order_id: int, kind: ReturnType, *lines: tuple[int, int]) -> int:
        """Ask for a return; return its id."""
        (requested,) = self.do(RequestReturn(order_id, kind, lines))
        return int(requested.request.id)

    def stock(self, sku_id: int) -> tuple[int, int, int, int, int]:
        """On hand, held, committed, releasing and available units."""
        stock = self.world.stocks[sku_id]
        return stock.on_hand, stock.held, stock.committed, stock.releasing, stock.available

    def balances(self) -> dict[tuple[str, str], int]:
        """What lies in each account, by currency; empty ones aside."""
        sums: dict[tuple[str, str], int] = {}
        for transfer in self.world.transfers:
            for account, amount in ((transfer.debit, -transfer.amount_minor), (transfer.credit, transfer.amount_minor)):
                sums[account, transfer.currency] = sums.get((account, transfer.currency), 0) + amount
        return {key: amount for key, amount in sums.items() if amount}


def snapshot(world: World) -> tuple[Any, ...]:
    """Everything that a command may change."""
    return (
        dict(world.stocks),
        dict(world.deals),
        dict(world.deal_buyers),
        dict(world.cases),
        list(world.transfers),
        list(world.moves),
    )
