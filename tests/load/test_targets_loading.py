"""`--target module:Class`: found in the current folder, and whatever is wrong with it is told in one line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from loadtests.targets.base import Http, World
from loadtests.targets.loading import load_target
from loadtests.targets.plain import PlainTarget, decimal, minor
from loadtests.targets.reference import ReferenceEngine
from sim.errors import UsageError
from tests.load.small_replay import offer, world

WRITTEN = """
from loadtests.targets.base import Target

class Good(Target):
    steps = frozenset({"place", "view", "refresh"})
    def place(self, http, cart, key): ...
    def view(self, http, sku): ...

class Bare(Target): ...

class Promising(Good):
    steps = frozenset({"place", "pay"})

class Misspelt(Good):
    steps = frozenset({"place", "plaze"})

class Demanding(Good):
    def __init__(self, name): ...

class Leaving(Good):
    def __init__(self): raise SystemExit(3)

class Stranger: ...
number = 3
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "written_shop.py").write_text(WRITTEN)
    (tmp_path / "broken_shop.py").write_text("1 / 0")
    (tmp_path / "script_shop.py").write_text("import sys; sys.exit(0)")
    (tmp_path / "needy_shop.py").write_text("import a_library_that_is_not_there")
    (tmp_path / "wrong_shop.py").write_text("class Shop:\n  def")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("written_shop", "broken_shop", "script_shop", "needy_shop", "wrong_shop"):
        sys.modules.pop(name, None)


def test_a_class_in_the_current_folder_is_found() -> None:
    assert type(load_target("written_shop:Good")).__name__ == "Good"


def test_the_reference_engine_is_found() -> None:
    assert isinstance(load_target("loadtests.targets.reference:ReferenceEngine"), ReferenceEngine)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("written_shop", "write module:Class"),
        (":Good", "write module:Class"),
        ("no_such_shop:Shop", "no module no_such_shop in"),
        ("written_shop.inner:Shop", "no module written_shop.inner in"),
        ("needy_shop:Shop", "needs a_library_that_is_not_there, which is not installed"),
        ("broken_shop:Shop", "broken_shop fails: ZeroDivisionError"),
        ("wrong_shop:Shop", "wrong_shop fails: "),
        ("script_shop:Shop", "script_shop fails: SystemExit"),
        ("written_shop:Leaving", "Leaving cannot be made: SystemExit: 3"),
        ("written_shop:Absent", "has no Absent"),
        ("written_shop:Stranger", "is not derived from loadtests.targets.base.Target"),
        ("written_shop:number", "is not derived from loadtests.targets.base.Target"),
        ("written_shop:Bare", "Bare does not write place"),
        ("written_shop:Promising", "Promising does not write pay"),
        ("written_shop:Misspelt", "Misspelt does not write plaze"),
        ("written_shop:Demanding", "cannot be made without arguments"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_target(name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [("12.90", 1290), (12.9, 1290), ("0", 0), ("1e2", 10000), (7, 700)])
def test_decimal_amounts_become_minor_units(text: str | float, expected: int) -> None:
    assert minor(text, "GBP") == expected


@pytest.mark.parametrize("text", ["12.905", "a lot", ""])
def test_what_is_no_amount_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no amount|fraction of a minor unit"):
        minor(text, "GBP")


def test_minor_units_become_decimal_amounts() -> None:
    assert [decimal(amount, "GBP") for amount in (0, 5, 1290, 100000)] == ["0.00", "0.05", "12.90", "1000.00"]


@pytest.mark.parametrize(
    ("currency", "amount_minor", "text"), [("JPY", 1290, "1290"), ("KWD", 12900, "12.900"), ("GBP", 5, "0.05")]
)
def test_amounts_have_as_many_digits_as_their_currency(currency: str, amount_minor: int, text: str) -> None:
    assert (decimal(amount_minor, currency), minor(text, currency)) == (text, amount_minor)


def test_what_prepare_returns_is_read_as_the_workers_read_it(tmp_path: Path) -> None:
    class Prepared(PlainTarget):
        """Prepares a shop, and tells what it is told to."""

        told: ClassVar[dict[str, Any]] = {}

        def prepare(self, http: Http, world: World) -> dict[str, Any]:
            """See `PlainTarget`."""
            return self.told

    shop = Prepared()
    Prepared.told = {"codes": (1, 2)}
    state = shop.setup(world(tmp_path, [offer("mug")], url="http://127.0.0.1:9"))
    assert (state["codes"], state["currency"]) == ([1, 2], "GBP")
    Prepared.told = {"codes": {1, 2}}
    with pytest.raises(UsageError, match=r"Prepared\.prepare: what it returns is no JSON"):
        shop.setup(world(tmp_path, [offer("mug")], url="http://127.0.0.1:9"))


def test_a_buyer_who_comes_twice_at_once_is_logged_in_once() -> None:
    """Twins do so by construction; a shop may allow one session a customer."""
    logins: list[int] = []

    class Slow(PlainTarget):
        """Takes its time to let buyers in."""

        def login(self, http: Any, buyer: int) -> str:
            """See `PlainTarget`."""
            logins.append(buyer)
            time.sleep(0.1)
            return f"session {len(logins)} of {buyer}"

    shop = Slow()
    shop.attach({"run": "r", "names": [], "currency": "GBP"})
    with ThreadPoolExecutor(2) as pool:
        sessions = list(pool.map(lambda buyer: shop.session(None, buyer), (7, 7)))  # type: ignore[arg-type]
    assert (logins, len(set(sessions))) == ([7], 1)
