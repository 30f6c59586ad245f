"""Confirmation, parcels and the carrier, in whole and in part, delivered and lost."""

from __future__ import annotations

import pytest

from sim.orders.commands import Confirm, CreatePackage, IssueRefund, RequestCancellation, ShipPackage, TrackPackage
from sim.orders.entities import PackageStatus
from sim.orders.events import Refusal
from sim.orders.states import Reason, State
from sim.orders.stock import Phase
from tests.orders.shop import LAMP, MUG, RUG, SET, Play

READY, COLLECTED, DELIVERED, LOST = (
    PackageStatus.READY,
    PackageStatus.COLLECTED,
    PackageStatus.DELIVERED,
    PackageStatus.LOST,
)


def test_an_order_goes_all_the_way_in_one_parcel() -> None:
    play = Play()
    order_id = play.delivered((SET, 2), (RUG, 1))
    assert play.steps[order_id] == [
        State.NONE,
        State.UNPAID,
        State.ON_HOLD,
        State.AWAITING_SHIPMENT,
        State.AWAITING_COLLECTION,
        State.IN_TRANSIT,
        State.DELIVERED,
    ]
    assert play.stock(LAMP) == (8, 0, 0, 0, 8)
    assert play.stock(MUG) == (8, 0, 0, 0, 8)
    assert sorted((move.sku_id, move.units) for move in play.world.moves) == [(LAMP, -2), (MUG, -4), (RUG, -1)]
    play.wait(play.world.rules.return_window_us)
    play.sweep()
    assert (play.state(order_id), play.case(order_id).order.reason) == (State.COMPLETED, Reason.NOTHING)


def test_units_leave_the_stock_when_the_carrier_has_them_and_not_before() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 2))
    package_id = play.pack(order_id)
    play.do(ShipPackage(order_id, package_id))
    assert play.stock(LAMP) == (10, 0, 2, 0, 8)
    play.track(order_id, package_id, COLLECTED)
    assert play.stock(LAMP) == (8, 0, 0, 0, 8)


def test_an_order_in_parts_is_partially_shipping_until_its_last_parcel_is_collected() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 1), (MUG, 1))
    first = play.pack(order_id, 1)
    play.do(ShipPackage(order_id, first))
    assert play.state(order_id) == State.PARTIALLY_SHIPPING
    play.track(order_id, first, COLLECTED, DELIVERED)
    assert play.state(order_id) == State.PARTIALLY_SHIPPING
    assert [line.phase for line in play.case(order_id).lines] == [Phase.SHIPPED, Phase.COMMITTED]
    second = play.pack(order_id)
    play.do(ShipPackage(order_id, second))
    assert play.state(order_id) == State.PARTIALLY_SHIPPING
    play.track(order_id, second, COLLECTED)
    assert play.state(order_id) == State.IN_TRANSIT
    play.track(order_id, second, DELIVERED)
    assert play.state(order_id) == State.DELIVERED


def test_an_order_waits_for_collection_once_all_of_its_lines_are_ready() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 1), (MUG, 1))
    parcels = [play.pack(order_id, 2), play.pack(order_id, 1)]
    for package_id in parcels:
        play.do(ShipPackage(order_id, package_id))
    assert play.state(order_id) == State.AWAITING_COLLECTION
    play.track(order_id, parcels[0], COLLECTED)
    assert play.state(order_id) == State.PARTIALLY_SHIPPING


def test_a_lost_parcel_is_refunded_and_the_rest_is_delivered() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 1), (MUG, 2))
    lost, fine = play.pack(order_id, 1), play.pack(order_id, 2)
    for package_id in (lost, fine):
        play.do(ShipPackage(order_id, package_id))
        play.track(order_id, package_id, COLLECTED)
    play.track(order_id, lost, LOST)
    assert (play.state(order_id), play.case(order_id).order.refunded_minor) == (State.IN_TRANSIT, 1290)
    play.track(order_id, fine, DELIVERED)
    assert play.state(order_id) == State.DELIVERED


def test_an_order_of_which_all_is_lost_is_cancelled_and_refunded_in_full() -> None:
    play = Play()
    order_id = play.confirmed((LAMP, 1), (MUG, 2))
    parcels = [play.pack(order_id, 1), play.pack(order_id, 2)]
    for package_id in parcels:
        play.do(ShipPackage(order_id, package_id))
        play.track(order_id, package_id, COLLECTED)
    for package_id in parcels:
        play.track(order_id, package_id, LOST)
    order = play.case(order_id).order
    assert (order.state, order.reason, order.refunded_minor) == (State.CANCELLED, Reason.LOST, order.captured_minor)
    assert (order.due_us, play.balances()) == (0, {})
    assert play.stock(LAMP) == (9, 0, 0, 0, 9), "lost units do not come back"


def test_a_lost_parcel_of_what_was_refunded_already_refunds_nothing() -> None:
    play = Play()
    order_id = play.collected((LAMP, 1))
    (package,) = play.case(order_id).packages
    play.do(IssueRefund(order_id, 1290, "GBP"))
    happened = play.do(TrackPackage(order_id, package.id, LOST))
    assert [event.TYPE for event in happened] == ["package.arrived"]


def test_a_confirmation_is_refused_of_all_but_orders_on_hold() -> None:
    play = Play()
    assert play.refusal(Confirm(999)) == Refusal.NOT_FOUND
    assert play.refusal(Confirm(play.place())) == Refusal.ILLEGAL_TRANSITION
    assert play.refusal(Confirm(play.confirmed())) == Refusal.ILLEGAL_TRANSITION
    assert play.refusal(Confirm(play.delivered())) == Refusal.ILLEGAL_TRANSITION


def test_only_free_lines_of_a_confirmed_order_can_be_packed() -> None:
    play = Play()
    assert play.refusal(CreatePackage(999)) == Refusal.NOT_FOUND
    assert play.refusal(CreatePackage(play.paid())) == Refusal.ILLEGAL_TRANSITION
    order_id = play.confirmed((LAMP, 1), (MUG, 1))
    for line_nos in ((3,), (1, 1), (0,)):
        assert play.refusal(CreatePackage(order_id, line_nos)) == Refusal.LINES_NOT_FREE
    play.pack(order_id, 1)
    assert play.refusal(CreatePackage(order_id, (1, 2))) == Refusal.LINES_NOT_FREE
    play.pack(order_id)
    assert play.refusal(CreatePackage(order_id)) == Refusal.LINES_NOT_FREE


def test_a_parcel_is_shipped_once_and_not_of_a_cancelled_order() -> None:
    play = Play()
    order_id = play.confirmed()
    package_id = play.pack(order_id)
    assert play.refusal(ShipPackage(999, package_id)) == Refusal.NOT_FOUND
    assert play.refusal(ShipPackage(order_id, 999)) == Refusal.NOT_FOUND
    play.do(ShipPackage(order_id, package_id))
    assert play.refusal(ShipPackage(order_id, package_id)) == Refusal.ILLEGAL_TRANSITION
    other = play.confirmed()
    waiting = play.pack(other)
    play.do(RequestCancellation(other, "merchant"))
    assert play.refusal(ShipPackage(other, waiting)) == Refusal.ILLEGAL_TRANSITION


@pytest.mark.parametrize("status", [READY, DELIVERED, LOST, PackageStatus.PROCESSING])
def test_a_parcel_skips_no_step(status: PackageStatus) -> None:
    play = Play()
    order_id = play.confirmed()
    package_id = play.pack(order_id)
    assert play.refusal(TrackPackage(order_id, package_id, COLLECTED)) == Refusal.ILLEGAL_TRANSITION
    play.do(ShipPackage(order_id, package_id))
    assert play.refusal(TrackPackage(order_id, package_id, status)) == Refusal.ILLEGAL_TRANSITION


def test_the_carrier_is_not_heard_twice_nor_of_what_is_not_there() -> None:
    play = Play()
    order_id = play.delivered()
    (package,) = play.case(order_id).packages
    for status in (COLLECTED, DELIVERED, LOST):
        assert play.refusal(TrackPackage(order_id, package.id, status)) == Refusal.ILLEGAL_TRANSITION
    assert play.refusal(TrackPackage(order_id, 999, COLLECTED)) == Refusal.NOT_FOUND
    assert play.refusal(TrackPackage(999, package.id, COLLECTED)) == Refusal.NOT_FOUND


def test_a_parcel_that_was_ready_when_its_order_was_cancelled_is_not_collected() -> None:
    play = Play()
    order_id = play.confirmed()
    package_id = play.pack(order_id)
    play.do(ShipPackage(order_id, package_id))
    play.do(RequestCancellation(order_id, "merchant"))
    assert play.refusal(TrackPackage(order_id, package_id, COLLECTED)) == Refusal.ILLEGAL_TRANSITION
