"""Between the last request and the audit: a target is waited for until it is quiet, or as long as clients were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests import session
from loadtests.records import Outcome
from loadtests.targets.base import HttpFailed, Target
from tests.load.made_records import records_of


class Telling(Target):
    """Says whether it is quiet; what it says may be an exception."""

    def __init__(self, *said: bool | Exception) -> None:
        self._said = list(said)

    def quiet(self, http: Any) -> bool:
        """See `Target`."""
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time goes by only where it is slept."""
    found: list[float] = []
    monkeypatch.setattr("loadtests.session.time.sleep", found.append)
    monkeypatch.setattr("loadtests.session.time.monotonic", lambda: sum(found))
    return found


def test_a_target_is_waited_for_until_it_says_that_it_is_quiet(slept: list[float]) -> None:
    said = (False, HttpFailed("busy"), ValueError("<html>"), True)
    assert session._wait_until_quiet(Telling(*said), None) == ()  # type: ignore[arg-type]
    assert len(slept) == 3


@pytest.mark.parametrize("said", [False, HttpFailed("gone"), ValueError("<html>")])
def test_a_target_that_never_says_so_is_not_quiet(slept: list[float], said: bool | Exception) -> None:
    assert [doubt.short for doubt in session._wait_until_quiet(Telling(said), None)] == ["not quiet"]  # type: ignore[arg-type]
    assert sum(slept) == pytest.approx(session.QUIET_WITHIN_S, abs=1)


@pytest.mark.parametrize(
    ("outcome", "target", "waited"),
    [
        (Outcome.OK, Target(), []),
        (Outcome.TIMEOUT, Target(), [7.0]),
        (Outcome.CUT, Target(), [7.0]),
        (Outcome.TIMEOUT, Telling(True), []),
    ],
)
def test_what_timed_out_may_still_be_done_where_the_target_cannot_say_that_it_is_quiet(
    tmp_path: Path, slept: list[float], outcome: Outcome, target: Target, waited: list[float]
) -> None:
    records_of(np.arange(3), outcome=outcome).tofile(tmp_path / "requests-0.bin")
    session._wait_for_unanswered(target, tmp_path, 7_000_000)
    assert slept == waited
