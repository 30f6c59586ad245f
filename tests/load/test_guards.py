"""The guards: what may be loaded, how fast, with how many orders; and that secrets are written nowhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests import schedule as sc
from loadtests.guards import check, extent_of
from loadtests.options import LoadOptions
from loadtests.schedule import Schedule
from sim.cli.loading import without_secrets
from sim.errors import UsageError


def schedule(due_us: list[int], *, pay_us: int = 10_000_000, confirm_us: int = sc.NEVER, twice: int = 0) -> Schedule:
    """A schedule of checkouts, each of a cart of its own."""
    number = len(due_us)
    arrivals = {name: np.zeros(number, kind) for name, kind in sc.ARRIVALS.items()}
    arrivals["due_us"][:] = due_us
    arrivals["kind"][:] = sc.PLACE
    arrivals["cart"][:] = np.arange(number)
    carts = {name: np.zeros(number, kind) for name, kind in sc.CARTS.items()}
    carts["pay_delay_us"][:] = pay_us
    carts["confirm_delay_us"][:] = confirm_us
    carts["duplicate"][:twice] = 1
    return Schedule(arrivals, carts, {name: np.zeros(number, kind) for name, kind in sc.LINES.items()}, [])


STEPS = frozenset({"place", "pay", "confirm"})
TEN = schedule([100_000 * number for number in range(10)])


def options(**given: Any) -> LoadOptions:
    """Options without a scenario: the guards do not look at it."""
    return replace(LoadOptions(None, Path("out")), **given)  # type: ignore[arg-type]


ALLOWED = {"url": "https://staging.example.com", "allow_host": ("staging.example.com",)}


@pytest.mark.parametrize(
    "url",
    ["", "http://localhost:8080", "http://127.0.0.1", "http://127.8.9.1:1", "https://[::1]:443", "http://x.localhost"],
)
def test_this_machine_may_be_loaded_without_asking(url: str) -> None:
    check(options(url=url), TEN, STEPS)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"url": "https://staging.example.com"}, "--allow-host staging.example.com, --max-per-s, --max-orders"),
        ({**ALLOWED, "max_per_s": 50.0}, "--max-orders"),
        ({**ALLOWED, "max_orders": 50}, "--max-per-s"),
        ({**ALLOWED, "allow_host": ("example.com",), "max_orders": 50, "max_per_s": 9.0}, "--allow-host staging"),
        ({"url": "http://127.0.0.1.example.com"}, "--allow-host 127.0.0.1.example.com"),
        ({"url": "http://10.0.0.1"}, "--allow-host 10.0.0.1"),
        ({"url": "http://0.0.0.0"}, "--allow-host 0.0.0.0"),
    ],
)
def test_another_host_needs_its_name_and_both_bounds(given: dict[str, Any], missing: str) -> None:
    with pytest.raises(UsageError, match="is not this machine: to load it, say ") as caught:
        check(options(**given), TEN, STEPS)
    assert missing in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_host_with_all_of_them_may_be_loaded() -> None:
    check(options(**ALLOWED, max_per_s=50.0, max_orders=10), TEN, STEPS)
    check(
        options(url="https://STAGING.example.com", allow_host=("Staging.Example.com",), max_per_s=50.0, max_orders=10),
        TEN,
        STEPS,
    )


def test_a_plan_beyond_its_bounds_is_refused_by_how_much() -> None:
    with pytest.raises(UsageError, match="the plan has 10 checkouts, --max-orders allows 9"):
        check(options(max_orders=9), TEN, STEPS)
    with pytest.raises(UsageError, match=r"up to 10 requests in a second, --max-per-s allows 9\.5"):
        check(options(max_per_s=9.5), TEN, STEPS)
    check(options(max_orders=10, max_per_s=10.0), TEN, STEPS)


def test_a_ladder_is_bounded_by_its_fastest_rung_and_the_orders_of_all() -> None:
    extent = extent_of(schedule([0, 600_000, 1_200_000, 1_800_000]), STEPS, options(ladder=(1.0, 2.0)))
    assert extent.orders == 8
    assert extent.most_per_s == 4


def test_what_follows_a_checkout_counts_too() -> None:
    def most(due_us: list[int], *more: str, **of: int) -> int:
        return extent_of(schedule(due_us, **of), STEPS | set(more), options()).most_per_s

    assert most([0, 1], pay_us=0, confirm_us=0) == 6
    assert most([0, 1], pay_us=0, confirm_us=0, twice=1) == 7
    assert most([0, 1], pay_us=sc.NEVER, confirm_us=0) == 2
    assert most([0, 1], "read", pay_us=0, confirm_us=0) == 8
    assert most([0, 1], "follow", pay_us=0, confirm_us=0) == 6 + 20, "news are asked for every 50 ms"
    assert most([0, 1], pay_us=0, confirm_us=2_000_000) == 4


def test_what_a_target_does_not_do_does_not_count() -> None:
    plan = schedule([0, 1], pay_us=0, confirm_us=0)
    assert extent_of(plan, frozenset({"place"}), options()).most_per_s == 2
    plan.arrivals["kind"][0] = sc.VIEW
    assert extent_of(plan, frozenset({"place"}), options()).most_per_s == 1


def test_payments_that_will_be_declined_and_cancellations_count() -> None:
    plan = schedule([0, 1], pay_us=0, confirm_us=0)
    plan.carts["declines"][0] = 2
    most = extent_of(plan, STEPS, options(backoff_us=100_000)).most_per_s
    assert most == 2 + 4 + 2
    slow = extent_of(plan, STEPS, options(backoff_us=600_000)).most_per_s
    assert slow == 6, "the last payment and its confirmation are later"
    plan.carts["after"][1] = sc.CANCEL
    cancels = extent_of(plan, STEPS | {"cancel"}, options(backoff_us=100_000)).most_per_s
    assert cancels == most, "in place of a confirmation"


@pytest.mark.parametrize("url", ["staging.example.com", "ftp://staging.example.com", "http://", "file:///etc"])
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="is no http or https URL"):
        check(options(url=url), TEN, STEPS)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="--secret") as caught:
        check(options(url="https://me:hush@staging.example.com"), TEN, STEPS)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--audit-sql", "postgresql://me:hush@db/shop"], ["--audit-sql", "postgresql://me:***@db/shop"]),
        (["--audit-sql=postgresql://me:hu@s/h@db/shop"], ["--audit-sql=postgresql://me:***@db/shop"]),
        (["postgresql://db/shop?user=me&password=hush&x=1"], ["postgresql://db/shop?user=me&password=***&x=1"]),
        (["--target-option", "card=hush"], ["--target-option", "card=***"]),
        (["--target-option=card=hush=hush"], ["--target-option=card=***"]),
        (
            ["load", "flash_drop", "--url", "http://127.0.0.1:80"],
            ["load", "flash_drop", "--url", "http://127.0.0.1:80"],
        ),
        (
            ["--set", "a.b=1", "--audit-sql", "sqlite:///shop.db"],
            ["--set", "a.b=1", "--audit-sql", "sqlite:///shop.db"],
        ),
    ],
)
def test_no_password_is_written_with_the_command(given: list[str], told: list[str]) -> None:
    assert without_secrets(given) == told


@pytest.mark.parametrize("name", ["url", "store", "ca_file", "audit_sql"])
def test_what_has_an_option_of_its_own_is_no_option_of_the_target(name: str) -> None:
    with pytest.raises(UsageError, match=f"say it with --{name.replace('_', '-')}"):
        check(options(target_options={name: "http://192.0.2.2"}), TEN, STEPS)


def test_no_plan_is_within_bounds_that_are_no_numbers() -> None:
    with pytest.raises(UsageError, match="--max-per-s allows nan"):
        check(options(max_per_s=float("nan")), TEN, STEPS)


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        check(options(ca_file=str(tmp_path / "none.pem")), TEN, STEPS)
    (tmp_path / "some.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="no certificate in PEM format"):
        check(options(ca_file=str(tmp_path / "some.pem")), TEN, STEPS)


def test_loopback_is_a_matter_of_the_host_alone() -> None:
    for url, said in (("http://example.com/127.0.0.1", "is not this machine"), ("http://127.0.0.1@a.com", "password")):
        with pytest.raises(UsageError, match=said):
            check(options(url=url), TEN, STEPS)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://[::1", "http://[::1"),
        ("http://127.0.0.1:99999", "http://127.0.0.1:99999"),
        ("http://127.0.0.1:eighty", "http://127.0.0.1:eighty"),
        ("ftp://me:hush@127.0.0.1", "ftp://127.0.0.1"),
        ("http://me:hu/sh@[::1", "http://[::1"),
        ("me:hush@127.0.0.1", "127.0.0.1"),
        ("http:///shop", "http:///shop"),
    ],
)
def test_what_is_no_url_is_told_without_its_password(url: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"'{told}' is no http or https URL")):
        check(options(url=url), TEN, STEPS)
