"""Which idempotency keys may be in the store: a filter that never misses one.

Nearly every key is new, and to ask the store costs a round trip a group. A key that the filter does not know is surely
not stored; of those that it knows, a few are not either, and the store is asked for them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

#: Each key sets two bits of one byte: with a million keys one in eighty new ones is asked for in vain.
_BYTES = 1 << 22
_MASK = _BYTES - 1
_PAIRS = bytes([1 << first | 1 << second for first, second in combinations(range(8), 2)] * 2)
#: Bits of a hash before those that choose the pair, and which they are.
_SHIFT, _PAIR_MASK = 32, 31


class SeenKeys:
    """The keys of all calls since `begin`; before that, every key may be stored."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def begin(self, stored: Iterable[bytes]) -> None:
        """Know the keys that the store has."""
        self._bytes = bytearray(_BYTES)
        self.add([*stored])

    def add(self, keys: Sequence[bytes]) -> list[bytes]:
        """Remember keys before they are stored, and return those that may be stored already."""
        marked, pairs = self._bytes, _PAIRS
        if not marked:
            return [*keys]
        known = []
        for key, number in zip(keys, map(hash, keys), strict=True):
            place, pair = number & _MASK, pairs[number >> _SHIFT & _PAIR_MASK]
            bits = marked[place]
            if bits & pair == pair:
                known.append(key)
            else:
                marked[place] = bits | pair
        return known
