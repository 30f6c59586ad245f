"""Signed webhooks as in Standard Webhooks 1.0.0: who holds the secret has said this, and lately.

The signature is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. A header may carry several, separated by
spaces, while a secret is being replaced. Pure functions: the time is an argument.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
from collections.abc import Iterable, Mapping

from sim.errors import LiveRushError

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
PREFIX = "whsec_"
#: How far a message's timestamp may lie from now, either way, before it counts as replayed.
TOLERANCE_S = 300
#: Bytes of key that the standard asks for.
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64

_VERSION = b"v1,"
_MAX_TIMESTAMP_DIGITS = 12


class SignatureError(LiveRushError):
    """A webhook is not to be believed. `code` is `bad_signature` or `stale_timestamp`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def secret_of(key: bytes) -> str:
    """A key as a secret is written: `whsec_` and base64."""
    return PREFIX + base64.b64encode(key).decode()


@functools.lru_cache(maxsize=256)
def key_of(secret: str) -> bytes:
    """The key in a secret. Raises ValueError, without the secret, where it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(
            f"a webhook secret is {PREFIX} and the base64 of {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes"
        ) from None
    return key


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The signature of a message."""
    return _signature(key_of(secret), message_id.encode(), b"%d" % timestamp_s, body).decode()


def signed_headers(secret: str, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers that a signed message carries."""
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp_s),
        SIGNATURE_HEADER: sign(secret, message_id, timestamp_s, body),
    }


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now_s: int) -> str:
    """The id of a message that one of the secrets signed within the tolerance. Raises SignatureError.

    `headers` has lower-case names.
    """
    message_id = headers.get(ID_HEADER, "")
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    # int() takes more than a timestamp may be: signs, underscores, other scripts' digits, thousands of them.
    plain = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MAX_TIMESTAMP_DIGITS
    if not message_id or not plain or not _any_matches(secrets, message_id, timestamp, headers, body):
        raise SignatureError("bad_signature")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise SignatureError("stale_timestamp")
    return message_id


def _any_matches(
    secrets: Iterable[str], message_id: str, timestamp: str, headers: Mapping[str, str], body: bytes
) -> bool:
    given = headers.get(SIGNATURE_HEADER, "").encode(errors="replace").split(b" ")
    right = False
    for secret in secrets:
        wanted = _signature(key_of(secret), message_id.encode(errors="replace"), timestamp.encode(), body)
        for signature in given:
            right |= hmac.compare_digest(signature, wanted)  # no early end: the time tells nothing
    return right


def _signature(key: bytes, message_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    message = b"%b.%b.%b" % (message_id, timestamp, body)
    return _VERSION + base64.b64encode(hmac.digest(key, message, "sha256"))
