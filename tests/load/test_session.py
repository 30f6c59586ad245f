"""One replay around a generator that sends nothing: what is checked before it, and what is kept after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests import session
from loadtests.options import LoadOptions
from loadtests.schedule import VIEW
from loadtests.session import Replayed, replay
from loadtests.targets.base import Cart, Http, Step, Target, World, ok
from sim.errors import UsageError
from sim.scenario import load_scenario
from tests.load.made_schedules import even_schedule
from tests.load.running import ROOT


class Idle:
    """In place of the generator: it is there, sends nothing and ends at once."""

    pid = os.getpid()

    def __init__(self, folder: Path, plan: dict[str, Any], workers: int) -> None:
        """See `Generator`."""

    def start(self) -> None:
        """See `Generator`."""

    def begin(self, at_unix_us: int) -> None:
        """See `Generator`."""

    def wait(self, until_s: float, each: Callable[[], None]) -> bool:
        """See `Generator`."""
        return True

    def stop(self) -> None:
        """See `Generator`."""


class Shop(Target):
    """A shop that runs at a port where nobody listens."""

    url = "http://127.0.0.1:9"

    def setup(self, world: World) -> dict[str, Any]:
        """See `Target`."""
        return {"url": self.url}

    def place(self, http: Http, cart: Cart, key: str) -> Step:
        """See `Target`."""
        return ok()


class Elsewhere(Shop):
    """Its class knows better where it is than --url."""

    url = "http://192.0.2.2"


class Nowhere(Shop):
    """Says nothing of where it is."""

    def setup(self, world: World) -> dict[str, Any]:
        """See `Target`."""
        return {}


def replayed(folder: Path, target: type[Target], **given: Any) -> Replayed:
    """Replay a second of nothing on a target of this module."""
    scenario = load_scenario(ROOT / "scenarios" / "minimal.yaml", [])
    options = LoadOptions(scenario, folder, target=f"tests.load.test_session:{target.__name__}")
    return replay(folder / "raw", even_schedule(10, 1, VIEW), replace(options, **given), lambda _text: None)


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Generator", Idle)
    monkeypatch.setattr(session, "QUIET_WITHIN_S", 0.1)


@pytest.mark.parametrize(("target", "said"), [(Elsewhere, "--allow-host 192.0.2.2"), (Nowhere, "is no http")])
def test_where_the_class_goes_is_guarded_as_the_url_is(tmp_path: Path, target: type[Target], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replayed(tmp_path, target)


def test_a_class_may_go_elsewhere_within_what_is_allowed(tmp_path: Path) -> None:
    assert replayed(tmp_path, Shop).state == {"url": Shop.url}
    allowed = {"allow_host": ("192.0.2.2",), "max_per_s": 50.0, "max_orders": 10}
    assert replayed(tmp_path, Elsewhere, **allowed).state == {"url": Elsewhere.url}
