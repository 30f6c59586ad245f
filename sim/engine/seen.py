"""Which idempotency keys may be in the store: a filter that never misses one.

Nearly every key is new, and to ask the store costs a round trip a group. A key that the filter does not know is surely
not stored; of those that it knows, a few are not either, and the store is asked for them all.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Each key marks two slots. With a million keys one in sixty new ones is asked for in vain.
_SLOTS = 1 << 24
_MASK = _SLOTS - 1
#: The second slot lies within these of the first, in the same line of the processor's cache.
_NEAR = 63
_SECOND = 24  # bits of a hash before those that choose the second slot


class SeenKeys:
    """The keys of all calls since `begin`; before that, every key may be stored."""

    def __init__(self) -> None:
        self._slots = bytearray()

    def begin(self, stored: Iterable[bytes]) -> None:
        """Know the keys that the store has."""
        self._slots = bytearray(_SLOTS)
        self.add(stored)

    def add(self, keys: Iterable[bytes]) -> list[bytes]:
        """Remember keys before they are stored, and return those that may be stored already."""
        slots = self._slots
        if not slots:
            return [*keys]
        known = []
        for key in keys:
            mark = hash(key)
            first = mark & _MASK
            second = first ^ (mark >> _SECOND & _NEAR)
            if slots[first] and slots[second]:
                known.append(key)
            else:
                slots[first] = slots[second] = 1
        return known
