"""docs/load-your-own.md: the class on the page is taken from it and run against a shop that is not ours, over HTTPS."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.records import Outcome
from loadtests.targets.base import Answer, Target, Unexpected
from loadtests.targets.loading import load_target
from loadtests.targets.process import ServerProcess
from sim.cli import run
from sim.errors import UsageError
from tests.load.shop import certificates
from tests.load.small_replay import SmallReplay, cart, offer, world
from tests.paths import DOCS

PAGE = DOCS / "load-your-own.md"
OFFERS = [offer("mug/blue", units=3, price_minor=1290), offer("lamp", units=50, price_minor=4999)]
TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    if not certificates.available():
        pytest.skip("HTTPS is not tested: there is no openssl command to make a certificate")
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def my_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's classes as my_shop.py in the current folder."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "my_shop.py").write_text("\n\n".join(blocks), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    yield
    sys.modules.pop("my_shop", None)


@contextlib.contextmanager
def shop(folder: Path, certificate: tuple[Path, Path, Path], *arguments: str) -> Iterator[str]:
    """A shop of its own; gives its URL."""
    _ca, cert, key = map(str, certificate)
    database = str(folder / "shop.sqlite3")
    command = [sys.executable, "-m", "tests.load.shop", "--cert", cert, "--key", key, "--database", database]
    server = ServerProcess([*command, *arguments], folder, "shop.log")
    try:
        yield server.start({"url": r"^(https\S+) is open"})["url"]
    finally:
        server.stop()


@contextlib.contextmanager
def replaying(
    name: str, folder: Path, url: str, ca: Path | str, **options: Any
) -> Iterator[tuple[Target, SmallReplay]]:
    target = load_target(f"my_shop:{name}")
    try:
        state = target.setup(world(folder, OFFERS, url=url, ca_file=str(ca), **options))
        target.attach(state)
        with contextlib.closing(SmallReplay(target, state, folder, str(ca))) as replay:
            yield target, replay
    finally:
        target.teardown()


def some_orders(replay: SmallReplay) -> None:
    assert replay.buy(cart(1, (0, 2), (1, 1))).outcome is Outcome.OK
    assert replay.buy(cart(2, (0, 2))).reason == "NOT_ENOUGH"
    assert replay.buy(cart(3, (1, 1), declines=1)).outcome is Outcome.DECLINED
    assert replay.buy(cart(1, (0, 2), (1, 1))).outcome is Outcome.OK  # a retry with the same key
    assert replay.buy(cart(4, (1, 3)), pays=False).outcome is Outcome.OK
    assert replay.target.cancel(replay.http, replay.orders[4], "k").outcome is Outcome.OK


SEEN = {"O1", "O2", "O4", "O5", "S1", "S3", "M1", "M4"}


@pytest.mark.usefixtures("my_shop")
def test_the_class_on_the_page_buys_over_https_and_its_shop_is_clean(
    tmp_path: Path, certificate: tuple[Path, Path, Path]
) -> None:
    with (
        shop(tmp_path, certificate) as url,
        replaying("MyShop", tmp_path, url, certificate[0]) as (target, replay),
    ):
        assert target.view(replay.http, 0).outcome is Outcome.OK
        some_orders(replay)
        result = target.audit(replay.http, tmp_path)
        assert result.findings == ()
        assert set(result.checked) == SEEN
        assert set(result.unseen) == {"O3", "E1", "T1", "S5"}, "no schedule says what was asked for"
        assert result.checked["O1"] == 3


@pytest.mark.usefixtures("my_shop")
def test_the_class_with_a_database_sees_the_same(tmp_path: Path, certificate: tuple[Path, Path, Path]) -> None:
    sql = f"sqlite://{tmp_path / 'shop.sqlite3'}"
    with (
        shop(tmp_path, certificate) as url,
        replaying("MyShopWithDatabase", tmp_path, url, certificate[0], audit_sql=sql) as (target, replay),
    ):
        some_orders(replay)
        result = target.audit(replay.http, tmp_path)
        assert result.findings == ()
        assert set(result.checked) == SEEN


@pytest.mark.usefixtures("my_shop")
@pytest.mark.parametrize("name", ["MyShop", "MyShopWithDatabase"])
def test_bookings_of_others_are_not_the_runs(tmp_path: Path, certificate: tuple[Path, Path, Path], name: str) -> None:
    options = {"audit_sql": f"sqlite://{tmp_path / 'shop.sqlite3'}"} if name == "MyShopWithDatabase" else {}
    with (
        shop(tmp_path, certificate) as url,
        replaying(name, tmp_path, url, certificate[0], **options) as (target, replay),
    ):
        replay.buy(cart(1, (1, 1)))
        target.run, own = "somebody", target.run  # type: ignore[attr-defined]
        order = target.place(replay.http, cart(2, (1, 1)), "theirs").order
        assert target.pay(replay.http, order, cart(2), "p").paid
        target.run = own  # type: ignore[attr-defined]
        assert {finding.rule for finding in target.audit(replay.http, tmp_path).findings} <= {"S3"}


@pytest.mark.usefixtures("my_shop")
@pytest.mark.parametrize(("fault", "rules"), [("oversell", {"S1"}), ("double_capture", {"M1"})])
def test_faults_of_a_shop_that_is_not_ours_are_found(
    tmp_path: Path, certificate: tuple[Path, Path, Path], fault: str, rules: set[str]
) -> None:
    with (
        shop(tmp_path, certificate, "--fault", fault) as url,
        replaying("MyShop", tmp_path, url, certificate[0]) as (target, replay),
    ):
        replay.buy(cart(1, (0, 2)))
        replay.buy(cart(2, (0, 2)))
        found = target.audit(replay.http, tmp_path).findings
        assert {finding.rule for finding in found} == rules
        assert any("A-1" in name for finding in found for name in finding.ids)


@pytest.mark.usefixtures("my_shop")
def test_a_slow_shop_is_waited_for(tmp_path: Path, certificate: tuple[Path, Path, Path]) -> None:
    with (
        shop(tmp_path, certificate, "--checkouts-per-s", "5", "--latency-s", "0.5") as url,
        replaying("MyShop", tmp_path, url, certificate[0]) as (_target, replay),
    ):
        begun = time.monotonic()
        assert replay.buy(cart(1, (1, 1))).outcome is Outcome.OK
        assert time.monotonic() - begun > 0.5


@pytest.mark.usefixtures("my_shop")
def test_what_is_wrong_with_the_setting_up_is_told_in_a_line(
    tmp_path: Path, certificate: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = certificate[0]
    with shop(tmp_path, certificate) as url:
        with (
            pytest.raises(UsageError, match=r"cannot be reached.*certificate verify failed"),
            replaying("MyShop", tmp_path, url, ""),
        ):
            pass
        missing = f"sqlite://{tmp_path / 'none.sqlite3'}"
        with (
            pytest.raises(UsageError, match="unable to open database file"),
            replaying("MyShopWithDatabase", tmp_path, url, ca, audit_sql=missing),
        ):
            pass
        with (
            pytest.raises(UsageError, match="MyShop has no audit_queries"),
            replaying("MyShop", tmp_path, url, ca, audit_sql=missing),
        ):
            pass
        monkeypatch.setenv("SHOP_TOKEN", "wrong")
        with pytest.raises(UsageError, match="is SHOP_TOKEN right"), replaying("MyShop", tmp_path, url, ca):
            pass
        monkeypatch.delenv("SHOP_TOKEN")
        with pytest.raises(UsageError, match="--secret SHOP_TOKEN"), replaying("MyShop", tmp_path, url, ca):
            pass
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    with pytest.raises(UsageError, match="cannot be reached"), replaying("MyShop", tmp_path, url, ca):
        pass
    with pytest.raises(UsageError, match="say where with --url"), replaying("MyShop", tmp_path, "", ca):
        pass


@pytest.mark.usefixtures("my_shop")
def test_the_command_on_the_page_gets_as_far_as_the_shop(
    tmp_path: Path, certificate: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its bounds hold what its plan sends: it fails only as nobody listens at the port that stands for the shop's."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    _export, command = block.replace("\\\n", " ").strip().splitlines()
    (tmp_path / "ca.pem").write_bytes(certificate[0].read_bytes())
    words = shlex.split(command.replace("https://staging.example.com", "https://127.0.0.1:9"))
    assert words[0] == "liverush"
    assert run([*words[1:], "--out", str(tmp_path)]) == 2
    assert "the target cannot be reached" in capsys.readouterr().err


@pytest.mark.usefixtures("my_shop")
def test_the_class_on_the_page_tells_a_shop_that_sheds_from_one_that_fails(
    tmp_path: Path, certificate: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        shop(tmp_path, certificate) as url,
        replaying("MyShop", tmp_path, url, certificate[0]) as (target, replay),
    ):
        monkeypatch.setattr(replay.http, "post", lambda *_args, **_named: Answer(503, {}, b"<html>"))
        with pytest.raises(Unexpected) as met:
            target.place(replay.http, cart(1, (1, 1)), "k")
        assert met.value.status == 503
