"""Was anybody refused as sold out who need not have been? A shop that refuses everybody is never oversold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.audit.books import MOST_FINDINGS, Report, SeenOrder, SeenStock, parts_of
from loadtests.audit.client import Acknowledged
from loadtests.schedule import DealPlan, Offer, read_schedule

Lines = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asked for: (index of the offer, units), and the deal that it is after, -1 for none."""

    lines: Lines
    deal: int = -1


def read_wanted(folder: Path) -> dict[int, Wanted] | None:
    """What each cart of a run wants, by the cart's number; None where the run has no schedule."""
    path = folder / "schedule.npz"
    if not path.exists():
        return None
    schedule = read_schedule(path)
    pairs = list(zip(schedule.lines["sku"].tolist(), schedule.lines["quantity"].tolist(), strict=True))
    columns = (schedule.carts[name].tolist() for name in ("number", "first_line", "lines", "deal"))
    return {
        number: Wanted(tuple(pairs[first : first + count]), deal)
        for number, first, count, deal in zip(*columns, strict=True)
    }


def least_left(
    orders: Iterable[SeenOrder], offers: Sequence[Offer], stock: Iterable[SeenStock], *, filled: bool
) -> dict[int, int]:
    """How many units of an offer were there all the time at least, for those of which that can be told.

    Units go, and come back with cancelled orders only: there were never fewer than are left, less those that came back.
    Where it is not told what is left, it is what was put in less all that any order ever took; `filled`: what was put
    in is what the offer says, where nothing else is told.
    """
    ever: dict[int, int] = defaultdict(int)
    back: dict[int, int] = defaultdict(int)
    for order in orders:
        for part, units in parts_of(order.lines or (), offers):
            ever[part] += units
            back[part] += 0 if order.live else units
    told = {seen.offer: seen for seen in stock}
    found = {}
    for number, offer in enumerate(offers):
        seen = told.get(number, SeenStock(number))
        put_in = offer.units if seen.put_in is None and filled else seen.put_in
        if seen.left is not None:
            found[number] = seen.left - back[number]
        elif put_in is not None:
            found[number] = put_in - ever[number]
    return {number: units for number, units in found.items() if not offers[number].parts}


@dataclass(frozen=True)
class OnSale:
    """What a shop was filled with, how much was there all the time (`least_left`), and its codes for sold out."""

    offers: Sequence[Offer]
    deals: Sequence[DealPlan]
    left: Mapping[int, int]
    codes: Collection[str]


def check_refusals(
    report: Report,
    told: Acknowledged,
    wanted: Mapping[int, Wanted] | None,
    orders: Iterable[SeenOrder],
    sale: OnSale,
) -> None:
    """Check S5.

    What carts without an order may have held for a while, and what deals may keep for themselves, counts as not there.
    """
    refused = sorted(cart for cart, code in told.refused.items() if code in sale.codes)
    if told.refused and not refused:
        report.hidden(
            ["S5"], f"no client was refused with a code for sold out ({', '.join(sorted(sale.codes)) or 'none'})"
        )
    elif refused and wanted is None:
        report.hidden(["S5"], "what the clients asked for is not known")
    else:
        named = _named(told, refused, wanted or {}, orders, sale)
        for offer, carts in named.items():
            ids = (sale.offers[offer].name, *(f"cart {cart}" for cart in carts[:MOST_FINDINGS]))
            report.add(
                "S5", ids, f"{len(carts)} refused as sold out, and there was enough for each of them all the time"
            )
        report.looked("S5", len(refused))


def _named(
    told: Acknowledged,
    refused: Sequence[int],
    wanted: Mapping[int, Wanted],
    orders: Iterable[SeenOrder],
    sale: OnSale,
) -> dict[int, list[int]]:
    """The carts that were refused and need not have been, by the first offer that they wanted."""
    held = _held(told, wanted, {order.cart for order in orders}, sale.offers)
    found: dict[int, list[int]] = defaultdict(list)
    for cart in refused:
        want = wanted[cart]
        needed: dict[int, int] = defaultdict(int)
        for part, units in parts_of(want.lines, sale.offers):
            needed[part] += units
        if all(
            part in sale.left and sale.left[part] - held[part] - _kept_apart(part, want.deal, sale.deals) >= units
            for part, units in needed.items()
        ):
            found[want.lines[0][0]].append(cart)
    return found


def _held(
    told: Acknowledged, wanted: Mapping[int, Wanted], ordered: Collection[int | None], offers: Sequence[Offer]
) -> dict[int, int]:
    """The units that carts without an order may have held: not those that were refused all that they wanted."""
    held: dict[int, int] = defaultdict(int)
    for cart, want in wanted.items():
        asked = told.asked is None or cart in told.asked
        if asked and cart not in ordered and not (cart in told.refused and len(want.lines) == 1):
            for part, units in parts_of(want.lines, offers):
                held[part] += units
    return held


def _kept_apart(part: int, own: int, deals: Sequence[DealPlan]) -> int:
    return sum(deal.units for number, deal in enumerate(deals) if number != own and deal.sku == part)
