"""The traces of the shipped scenarios are those whose fingerprints are committed."""

from __future__ import annotations

import pytest

from tests.demand.fingerprints import committed, generated, shipped

LONG = {"double11"}
RENEW = "the generated load has changed; if that is meant: python -m tests.demand.fingerprints"


def test_every_shipped_scenario_has_a_fingerprint() -> None:
    assert sorted(committed()) == shipped(), RENEW


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.soak) if name in LONG else name for name in shipped()]
)
def test_a_shipped_scenario_generates_the_committed_trace(name: str) -> None:
    assert generated(name) == committed()[name], RENEW
