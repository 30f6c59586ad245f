"""Who calls: bearer keys with roles, and how often each may call.

Keys come from the environment and are never written. On loopback, and only there, well-known development keys are used
for roles that have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.engine.clock import Clock
from sim.errors import UsageError

ROLES = ("buyer", "merchant", "psp", "admin")
MIN_KEY_LENGTH = 16
#: Headers that are remembered: a key may be sent with more spaces, or another case of the scheme.
_SPELLINGS = 64


@dataclass(slots=True)
class Caller:
    """A key's owner. `tokens` and `filled_us` are its rate limit's bucket."""

    role: str
    tokens: float = 0.0
    filled_us: int = 0


@dataclass(slots=True)
class Keyring:
    """The callers by the hash of their key, so that looking one up takes the same time whatever was sent.

    Headers that were somebody's are remembered: they are compared only with a header of equal hash, which is salted.
    """

    callers: dict[bytes, Caller] = field(default_factory=dict)
    per_s: float = 0.0  # requests a second and key; 0: no limit
    _found: dict[bytes, Caller] = field(default_factory=dict)  # by whole header: those that were somebody's

    def find(self, header: bytes) -> Caller | None:
        """Who an `Authorization` header belongs to, None for nobody."""
        return self._found.get(header) or self._find(header)

    def _find(self, header: bytes) -> Caller | None:
        scheme, _, key = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        caller = self.callers.get(hashlib.sha256(key.strip()).digest())
        if caller is not None and len(self._found) < _SPELLINGS:
            self._found[header] = caller
        return caller

    def admit(self, caller: Caller, clock: Clock) -> bool:
        """Take a token from the caller's bucket, which holds one second's worth but at least one; False if empty."""
        if not self.per_s:
            return True
        now_us = clock()
        caller.tokens = min(max(1.0, self.per_s), caller.tokens + (now_us - caller.filled_us) * self.per_s / 1e6)
        caller.filled_us = now_us
        if caller.tokens < 1:
            return False
        caller.tokens -= 1
        return True


def variable_of(role: str) -> str:
    """The environment variable that holds a role's key."""
    return f"LIVERUSH_KEY_{role.upper()}"


def development_key(role: str) -> str:
    """The well-known key of a role, which only loopback accepts."""
    return f"dev-{role}-key-0000"


def keyring(environment: Mapping[str, str], *, loopback: bool, per_s: float = 0.0) -> Keyring:
    """The keys of all roles.

    Raises UsageError for keys that are missing, too short, shared by two roles, or that no header can hold.
    """
    keys = {
        role: environment.get(variable_of(role), "") or (development_key(role) if loopback else "") for role in ROLES
    }
    missing = [variable_of(role) for role, key in keys.items() if not key]
    if missing:
        raise UsageError(f"not set: {', '.join(missing)}; the development keys work on loopback only")
    short = [variable_of(role) for role, key in keys.items() if len(key) < MIN_KEY_LENGTH]
    if short:
        raise UsageError(f"shorter than {MIN_KEY_LENGTH} characters: {', '.join(short)}")
    odd = [
        variable_of(role)
        for role, key in keys.items()
        if not key.isascii() or not key.isprintable() or key != key.strip()
    ]
    if odd:
        raise UsageError(f"has a space at an end, or a character that no header can hold: {', '.join(odd)}")
    if len(set(keys.values())) < len(keys):
        raise UsageError("two roles have the same key, so that one could do what only the other may")
    ring = Keyring(per_s=per_s)
    for role, key in keys.items():
        ring.callers[hashlib.sha256(key.encode()).digest()] = Caller(role, tokens=max(1.0, per_s))
    return ring
