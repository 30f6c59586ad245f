"""Webhook endpoints of integrators: registering, ending and asking again; and the outbox's own book-keeping.

All of it goes through the writer. What waits for an endpoint is a row of `deliveries`; the events themselves were
written in the transaction of their cause.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from sim.engine.calls import Reply
from sim.engine.executor import Handler
from sim.engine.layers import Group
from sim.engine.problems import refused
from sim.engine.resources import Id, Instant, instant
from sim.engine.stores.store import Store
from sim.engine.stores.tables import DeliveryRow, EndpointRow
from sim.orders.events import Refusal, Refused

WAITING, DELIVERED, GIVEN_UP = 1, 2, 3
#: Each costs some connections and a look at every event.
MAX_ENDPOINTS = 50

_NO_ENDPOINT = Refused(Refusal.NOT_FOUND, "There is no such webhook endpoint.")
_NOBODY = Refused(Refusal.CONFLICT, "No webhook endpoint is active.")
_TOO_MANY = Refused(Refusal.CONFLICT, f"There are {MAX_ENDPOINTS} webhook endpoints already.")


class CreateEndpoint(msgspec.Struct, frozen=True, gc=False):
    """Send all events from now on to `url`, signed with `secret`. The caller has checked both."""

    url: str
    secret: str


class DeleteEndpoint(msgspec.Struct, frozen=True, gc=False):
    """Send nothing more to an endpoint."""

    endpoint_id: int


class Redeliver(msgspec.Struct, frozen=True, gc=False):
    """Send an event again to every active endpoint; `about` is the order that it is about (see `redelivery`)."""

    event_seq: int
    about: int = 0


class QueueDeliveries(msgspec.Struct, frozen=True, gc=False):
    """Let events, as (seq, order id), wait for an endpoint. `cursor` is the last that was looked at."""

    endpoint_id: int
    events: tuple[tuple[int, int], ...]
    cursor: int


class RecordDeliveries(msgspec.Struct, frozen=True, gc=False):
    """Write down how deliveries went. With `gone` the endpoint wants no more."""

    endpoint_id: int
    rows: tuple[DeliveryRow, ...]
    gone: bool = False


class Redelivery(msgspec.Struct, frozen=True, gc=False):
    """An event waits for this many endpoints again."""

    event_seq: int
    endpoints: int


class EndpointView(msgspec.Struct, gc=False):
    """A webhook endpoint."""

    id: Id
    url: str
    active: bool
    created_at: Instant


class NewEndpointView(EndpointView, gc=False):
    """A webhook endpoint with its secret, which is shown this once."""

    secret: str


class RedeliveryView(msgspec.Struct, gc=False):
    """An event is sent again."""

    event_id: Id
    endpoints: int


def create(group: Group, command: CreateEndpoint, now_us: int) -> tuple[Any, ...]:
    """Add an endpoint for the events after this moment."""
    if len(_active(group)) >= MAX_ENDPOINTS:
        return (_TOO_MANY,)
    endpoint = EndpointRow(group.next_id(), command.url, command.secret, True, group.last_seq, now_us)
    group.endpoints[endpoint.id] = endpoint
    return (endpoint,)


def delete(group: Group, command: DeleteEndpoint, _now_us: int) -> tuple[Any, ...]:
    """Deactivate an endpoint; what waits for it stays where it is."""
    endpoint = group.endpoints.get(command.endpoint_id)
    if endpoint is None or not endpoint.active:
        return (_NO_ENDPOINT,)
    group.endpoints[endpoint.id] = ended = replace(endpoint, active=False)
    return (ended,)


def redeliver(group: Group, command: Redeliver, now_us: int) -> tuple[Any, ...]:
    """Let an event wait anew, whatever became of it before."""
    active = _active(group)
    if not active:
        return (_NOBODY,)
    group.deliveries.extend(
        DeliveryRow(endpoint.id, command.event_seq, command.about, WAITING, 0, now_us, "") for endpoint in active
    )
    # The same endpoints in new records: by that their lanes see that there is something to look for.
    group.endpoints.update((endpoint.id, replace(endpoint)) for endpoint in active)
    return (Redelivery(command.event_seq, len(active)),)


def queue(group: Group, command: QueueDeliveries, now_us: int) -> tuple[Any, ...]:
    """Let events wait for an endpoint, once."""
    endpoint = group.endpoints.get(command.endpoint_id)
    if endpoint is None or not endpoint.active or command.cursor <= endpoint.cursor:
        return ()
    group.deliveries.extend(
        DeliveryRow(endpoint.id, seq, order_id, WAITING, 0, now_us, "") for seq, order_id in command.events
    )
    group.endpoints[endpoint.id] = replace(endpoint, cursor=command.cursor)
    return ()


def record_deliveries(group: Group, command: RecordDeliveries, _now_us: int) -> tuple[Any, ...]:
    """Keep how deliveries went."""
    group.deliveries.extend(command.rows)
    endpoint = group.endpoints.get(command.endpoint_id)
    if command.gone and endpoint is not None:
        group.endpoints[endpoint.id] = replace(endpoint, active=False)
    return ()


HANDLERS: dict[type, Handler] = {
    CreateEndpoint: create,
    DeleteEndpoint: delete,
    Redeliver: redeliver,
    QueueDeliveries: queue,
    RecordDeliveries: record_deliveries,
}


async def redelivery(store: Store, event_seq: int) -> Redeliver | None:
    """The command that sends a stored event again, None where there is no such event."""
    rows = await store.select("SELECT order_id FROM events WHERE seq = ?", (event_seq,))
    return Redeliver(event_seq, int(rows[0][0])) if rows else None


def endpoint_view(endpoint: EndpointRow) -> EndpointView:
    """An endpoint as the API shows it."""
    return EndpointView(str(endpoint.id), endpoint.url, endpoint.active, instant(endpoint.created_us))


def endpoint_created(_group: Any, _command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer with a new endpoint and its secret."""
    made = happened[0]
    if isinstance(made, Refused):
        return refused(made)
    view = NewEndpointView(str(made.id), made.url, made.active, instant(made.created_us), made.secret)
    return Reply(201, msgspec.json.encode(view), f"/v1/webhook-endpoints/{made.id}")


def endpoint_deleted(_group: Any, _command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer with an endpoint that gets nothing more."""
    ended = happened[0]
    return refused(ended) if isinstance(ended, Refused) else Reply(200, msgspec.json.encode(endpoint_view(ended)))


def redelivery_queued(_group: Any, _command: Any, happened: tuple[Any, ...]) -> Reply:
    """Answer that an event will be sent again."""
    queued = happened[0]
    if isinstance(queued, Refused):
        return refused(queued)
    return Reply(202, msgspec.json.encode(RedeliveryView(str(queued.event_seq), queued.endpoints)))


def _active(group: Group) -> list[EndpointRow]:
    known = group.endpoints
    # A layer has what this group changed; its base all others.
    base = getattr(known, "base", {})
    return [known[key] for key in sorted({*base, *known}) if known[key].active]
