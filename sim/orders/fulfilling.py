"""Deciding confirmation, parcels and what the carrier says of them."""

from __future__ import annotations

from msgspec.structs import replace

from sim.orders import refunding
from sim.orders.commands import Confirm, CreatePackage, ShipPackage, TrackPackage
from sim.orders.entities import Case, Order, Package, PackageStatus, RequestStatus, StockMove
from sim.orders.events import (
    CancellationAnswered,
    Event,
    OrderConfirmed,
    PackageArrived,
    PackageCollected,
    PackageCreated,
    PackageReady,
    Refusal,
    Refused,
)
from sim.orders.paying import NO_ORDER
from sim.orders.states import TRANSITIONS, State
from sim.orders.world import World

_NO_PACKAGE = Refused(Refusal.NOT_FOUND, "There is no such package.")
#: A parcel's own life: what the carrier may say of it, by where it stands.
_NEXT = {
    PackageStatus.READY: (PackageStatus.COLLECTED,),
    PackageStatus.COLLECTED: (PackageStatus.DELIVERED, PackageStatus.LOST),
}
#: The same with the merchant's own step.
_ONWARD = {PackageStatus.PROCESSING: (PackageStatus.READY,), **_NEXT}
_ARRIVED = (PackageStatus.DELIVERED, PackageStatus.LOST)


def confirm(world: World, command: Confirm, now_us: int) -> tuple[Event, ...]:
    """Make a paid order a formal one."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    if case.order.state != State.ON_HOLD:
        return (illegal(case.order, State.AWAITING_SHIPMENT),)
    return (OrderConfirmed(command.order_id, now_us),)


def create_package(world: World, command: CreatePackage, now_us: int) -> tuple[Event, ...]:
    """Put lines that are in no parcel yet into one."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    if case.order.state not in (State.AWAITING_SHIPMENT, State.PARTIALLY_SHIPPING):
        return (illegal(case.order, State.AWAITING_COLLECTION),)
    free = [line.line_no for line in case.lines if not line.package_id]
    chosen = command.line_nos or tuple(free)
    if not chosen or not set(chosen) <= set(free) or len(set(chosen)) < len(chosen):
        return (Refused(Refusal.LINES_NOT_FREE, "These lines are not free to be packed.", {"free": free}),)
    package = Package(
        world.next_id(),
        command.order_id,
        PackageStatus.PROCESSING,
        command.carrier,
        command.tracking_number,
        now_us,
        0,
        0,
        0,
    )
    return (PackageCreated(package, tuple(sorted(chosen))),)


def ship_package(world: World, command: ShipPackage, now_us: int) -> tuple[Event, ...]:
    """Say that a parcel is ready; the order waits for collection once all of its lines are in ready parcels."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    package = find_package(case, command.package_id)
    if package is None:
        return (_NO_PACKAGE,)
    if package.status != PackageStatus.PROCESSING or case.order.state == State.CANCELLED:
        return (_illegal_parcel(case.order, package, PackageStatus.READY),)
    package = replace(package, status=PackageStatus.READY, ready_us=now_us)
    return (PackageReady(package, _state_with(case, package)),)


def track_package(world: World, command: TrackPackage, now_us: int) -> tuple[Event, ...]:
    """Follow the carrier. Units leave the stock at collection; what is lost is refunded."""
    case = world.cases.get(command.order_id)
    if case is None:
        return (NO_ORDER,)
    package = find_package(case, command.package_id)
    if package is None:
        return (_NO_PACKAGE,)
    if case.order.state == State.CANCELLED or command.status not in _NEXT.get(package.status, ()):
        return (_illegal_parcel(case.order, package, command.status),)
    if command.status == PackageStatus.COLLECTED:
        package = replace(package, status=command.status, collected_us=now_us)
        moves = tuple(_moves_out(world, case, package, now_us))
        collected = PackageCollected(package, _state_with(case, package), moves)
        return (collected, *_refuse_cancellation(case, now_us))
    package = replace(package, status=command.status, closed_us=now_us)
    arrived = PackageArrived(package, _state_with(case, package))
    return (arrived, *_lost_refund(world, case, package, now_us))


def find_package(case: Case, package_id: int) -> Package | None:
    """A parcel of an order, None where it has no such."""
    return next((package for package in case.packages if package.id == package_id), None)


def illegal(order: Order, to: State) -> Refused:
    """The refusal of a step that the table of transitions does not allow now."""
    # Where the table has the step but not for this asker (a lost parcel's order ends), it is not legal for them.
    allowed = sorted(state.name for state in TRANSITIONS[order.state] if state != to)
    facts = {"from": order.state.name, "to": to.name, "allowed": allowed}
    return Refused(Refusal.ILLEGAL_TRANSITION, f"The order is {order.state.name}.", facts)


def _illegal_parcel(order: Order, package: Package, to: PackageStatus) -> Refused:
    """The refusal of a parcel's step; those of a cancelled order go nowhere."""
    onward = () if order.state == State.CANCELLED else _ONWARD.get(package.status, ())
    facts = {"from": package.status.name, "to": to.name, "allowed": sorted(status.name for status in onward)}
    return Refused(Refusal.ILLEGAL_TRANSITION, f"The package is {package.status.name}.", facts)


def _state_with(case: Case, changed: Package) -> State:
    """The order's state once `changed` is one of its parcels: what its least advanced lines allow."""
    packages = {package.id: package for package in case.packages} | {changed.id: changed}
    statuses = [
        packages[line.package_id].status if line.package_id else PackageStatus.PROCESSING for line in case.lines
    ]
    if all(status == PackageStatus.LOST for status in statuses):
        return State.CANCELLED
    if all(status in _ARRIVED for status in statuses):
        return State.DELIVERED
    collected = [status >= PackageStatus.COLLECTED for status in statuses]
    if all(collected):
        return State.IN_TRANSIT
    if any(collected) or not all(status >= PackageStatus.READY for status in statuses):
        return State.PARTIALLY_SHIPPING
    return State.AWAITING_COLLECTION


def _refuse_cancellation(case: Case, now_us: int) -> tuple[Event, ...]:
    """Refuse an open wish to cancel: it is too late once something has left the house."""
    if not case.order.cancellation_id:
        return ()
    request = next(known for known in case.cancellations if known.id == case.order.cancellation_id)
    return (CancellationAnswered(replace(request, status=RequestStatus.REJECTED, decided_us=now_us)),)


def _moves_out(world: World, case: Case, package: Package, now_us: int) -> list[StockMove]:
    return [
        StockMove(world.next_id(), part.part_id, "shipped", -part.units * line.quantity, line.order_id, now_us)
        for line in case.lines
        if line.package_id == package.id
        for part in world.parts[line.sku_id]
    ]


def _lost_refund(world: World, case: Case, package: Package, now_us: int) -> tuple[Event, ...]:
    """Refund a lost parcel's lines, as far as they are not refunded yet."""
    if package.status != PackageStatus.LOST:
        return ()
    units = {line.line_no: line.quantity for line in case.lines if line.package_id == package.id}
    return refunding.of_goods(world, case, units, now_us, "lost")
