"""Signed webhooks: who knows the secret is believed, nobody else, and nobody for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.webhooks.signatures import (
    MAX_KEY_BYTES,
    MIN_KEY_BYTES,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE_S,
    SignatureError,
    key_of,
    secret_of,
    sign,
    signed_headers,
    verify,
)

SECRET = secret_of(b"k" * 32)
OTHER = secret_of(b"o" * 32)
NOW_S = 1_800_000_000
BODY = b'{"type":"payment.captured"}'

keys = st.binary(min_size=MIN_KEY_BYTES, max_size=MAX_KEY_BYTES)


def code(headers: dict[str, str], body: bytes = BODY, *, now_s: int = NOW_S, secret: str = SECRET) -> str:
    with pytest.raises(SignatureError) as caught:
        verify([secret], headers, body, now_s)
    return caught.value.code


def test_the_example_of_the_standard_has_the_signature_that_the_standard_gives() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(keys, st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), st.binary())
def test_what_was_signed_is_believed(key: bytes, message_id: str, body: bytes) -> None:
    headers = signed_headers(secret_of(key), message_id, NOW_S, body)
    assert verify([secret_of(key)], headers, body, NOW_S) == message_id


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_body_with_one_changed_byte_is_not_believed(place: int, change: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= change
    assert code(signed_headers(SECRET, "id", NOW_S, BODY), bytes(changed)) == "bad_signature"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "x", "-1", "1_0", "²", "9" * 5000, "v1,", "v1,é", "v1a,AAAA", "\udcff"])
def test_a_missing_or_odd_header_is_a_bad_signature(header: str, value: str | None) -> None:
    headers = signed_headers(SECRET, "id", NOW_S, BODY)
    if value is None:
        del headers[header]
    else:
        headers[header] = value
    assert code(headers) == "bad_signature"


def test_the_timestamp_is_part_of_what_is_signed() -> None:
    headers = signed_headers(SECRET, "id", NOW_S, BODY) | {TIMESTAMP_HEADER: str(NOW_S + 1)}
    assert code(headers) == "bad_signature"


def test_another_secret_is_a_bad_signature() -> None:
    assert code(signed_headers(OTHER, "id", NOW_S, BODY)) == "bad_signature"


@pytest.mark.parametrize("offset_s", [-TOLERANCE_S, TOLERANCE_S])
def test_a_message_counts_until_the_tolerance_ends(offset_s: int) -> None:
    assert verify([SECRET], signed_headers(SECRET, "id", NOW_S + offset_s, BODY), BODY, NOW_S) == "id"


@pytest.mark.parametrize("offset_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_a_message_from_another_time_is_stale(offset_s: int) -> None:
    assert code(signed_headers(SECRET, "id", NOW_S + offset_s, BODY)) == "stale_timestamp"


def test_one_right_signature_among_several_is_enough() -> None:
    headers = signed_headers(SECRET, "id", NOW_S, BODY)
    headers[SIGNATURE_HEADER] = f"v2,abc {sign(OTHER, 'id', NOW_S, BODY)} {headers[SIGNATURE_HEADER]}"
    assert verify([SECRET], headers, BODY, NOW_S) == "id"


def test_while_a_secret_is_replaced_both_are_believed() -> None:
    for secret in (SECRET, OTHER):
        assert verify([SECRET, OTHER], signed_headers(secret, "id", NOW_S, BODY), BODY, NOW_S) == "id"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_AAAA", secret_of(b"k" * 65), "A" * 32])
def test_what_is_no_secret_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret is") as caught:
        key_of(secret)
    assert len(secret) < 8 or secret not in str(caught.value)
