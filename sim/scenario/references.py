"""Reference prices that nobody wrote: those of the file, before overrides, strategies, knobs and grids changed them.

Otherwise a price would be its own reference, and its buyers would answer to no change of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.amounts import measure
from sim.scenario.reading.nodes import Node, Path, plain
from sim.scenario.reading.vary import fill_in, node_at

_RESPONSE: Path = ("funnel", "price")


def with_references(root: Node) -> Node:
    """The tree with the price of the file as reference of each listing whose price has changed since, where buyers mind
    prices and no reference is given."""
    elasticity = node_at(root, (*_RESPONSE, "elasticity"))
    if root.before is None or elasticity is None or elasticity.value == 0:
        return root
    before, given = dict(_prices(root.before)), node_at(root, (*_RESPONSE, "reference"))
    known = given.value if given is not None and isinstance(given.value, dict) else {}
    for name, price in _prices(root):
        old = before.get(name)
        if old is not None and _is_amount(old) and name not in known and plain(old) != plain(price):
            root = fill_in(root, (*_RESPONSE, "reference", name), old)
    return root


def _is_amount(price: Node) -> bool:
    """Whether it is an amount of money: what is not known yet (`TBD`) is no reference."""
    read = measure(price.value)
    return read is not None and read[0].isupper()


def _prices(root: Node) -> Iterator[tuple[str, Node]]:
    """Names and prices of the listings; of an uncertain price the most likely one."""
    catalogue = root.child("catalogue")
    for listing in catalogue.value if catalogue is not None and isinstance(catalogue.value, list) else ():
        name, price = listing.child("name"), listing.child("price")
        if name is not None and price is not None:
            yield str(name.value), price.child("mode") or price
