"""One replay around a generator that sends nothing: what is checked before it, and what is kept after it."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from loadtests import harness, session, verdict
from loadtests.choosing import Choice
from loadtests.harness import LoadResult
from loadtests.options import LoadOptions
from loadtests.planning import Left, plan_schedule, whole_of
from loadtests.schedule import VIEW, ShelfPlan
from loadtests.session import Replayed, replay
from loadtests.targets.base import AuditResult, Cart, Http, HttpFailed, Step, Target, World, in_words, ok
from loadtests.targets.reference import ReferenceEngine
from sim.engine.settings import Settings, plan_of
from sim.errors import InvalidMeasurement, UsageError
from sim.orders.rules import DAY_US
from sim.scenario import load_scenario
from tests.load.made_schedules import even_schedule
from tests.load.small_replay import world
from tests.paths import ROOT


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


class NeverQuiet(Shop):
    """Answers in HTML, or is interrupted, whenever it is asked whether it is quiet."""

    raises: ClassVar[BaseException] = ValueError("JSON is malformed")

    def quiet(self, http: Http) -> bool:
        """See `Target`."""
        raise self.raises


class NeverAudited(Shop):
    """Its user has waited long enough."""

    def audit(self, http: Http, acknowledged: Path) -> AuditResult:
        """See `Target`."""
        raise KeyboardInterrupt


class OneShelf(Shop):
    """One of its shelves cannot be reached."""

    steps = frozenset({"place", "shelf"})
    moved: ClassVar[list[int]] = []

    def put_on_shelf(self, http: Http, sku: int, *, on: bool) -> None:
        """See `Target`."""
        self.moved.append(sku)
        if sku == 0:
            raise UsageError("it answered 409")


class OnceOnly(Shop):
    """Can be set up once."""

    set_up: ClassVar[list[str]] = []

    def setup(self, world: World) -> dict[str, Any]:
        """See `Target`."""
        self.set_up.append(world.run_id)
        if len(self.set_up) > 1:
            raise UsageError("the port is taken")
        return super().setup(world)


class Breaks(Shop):
    """Meets HTML where it wants JSON, in the method that `breaks` names; or ends the process."""

    breaks: ClassVar[str] = ""
    error: ClassVar[BaseException] = ValueError("JSON is malformed")

    def setup(self, world: World) -> dict[str, Any]:
        """See `Target`."""
        self._at("setup")
        return super().setup(world)

    def attach(self, state: dict[str, Any]) -> None:
        """See `Target`."""
        self._at("attach")

    def start(self, http: Http, at_unix_us: int) -> None:
        """See `Target`."""
        self._at("start")

    def _at(self, method: str) -> None:
        if method == self.breaks:
            raise self.error


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


def test_a_target_that_fails_to_say_whether_it_is_quiet_is_audited_all_the_same(tmp_path: Path) -> None:
    seen = replayed(tmp_path, NeverQuiet)
    (doubt,) = seen.doubts
    assert doubt.sentence.endswith("after the last request: ValueError: JSON is malformed")
    assert "all" in seen.audit.unseen


def test_an_interrupt_after_the_load_ends_the_waiting_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NeverQuiet, "raises", KeyboardInterrupt())
    seen = replayed(tmp_path, NeverQuiet)
    assert seen.interrupted
    assert "all" in seen.audit.unseen, "it was audited"
    seen = replayed(tmp_path, NeverAudited)
    assert (seen.interrupted, seen.audit.checked) == (True, {})


def test_one_failed_move_on_the_shelf_is_told_and_the_others_are_made() -> None:
    schedule = even_schedule(10, 1, VIEW)
    schedule.shelf[:] = [
        ShelfPlan(at_us, sku, on=on) for at_us, sku, on in ((1, 1, True), (2, 0, False), (3, 1, False))
    ]
    keeper = session._ShelfKeeper(schedule, OneShelf(), {"url": Shop.url}, "", "run")
    OneShelf.moved.clear()
    keeper.start(0)
    until = time.monotonic() + 10
    while len(OneShelf.moved) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    keeper.stop()
    assert OneShelf.moved == [1, 0, 1]
    assert keeper.notes == ["pen was not put off the shelf: UsageError: it answered 409"]


def loaded(out: Path, target: type[Target], draw: Callable[[Path], object] | None = None, **given: Any) -> LoadResult:
    """Load a target of this module with the smallest show."""
    scenario = load_scenario(ROOT / "scenarios" / "minimal.yaml", [])
    options = LoadOptions(scenario, out, target=f"tests.load.test_session:{target.__name__}", **given)
    return harness.run(options, lambda _text: None, draw)


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), KeyboardInterrupt()])
def test_a_run_that_cannot_be_drawn_is_kept_and_says_so(tmp_path: Path, error: BaseException) -> None:
    def draw(_directory: Path) -> object:
        raise error

    result = loaded(tmp_path, Shop, draw)
    kept = json.loads((result.directory / "summary.json").read_text())
    assert kept == result.summary
    assert kept["notes"][-1].startswith(f"figures and page were not drawn ({type(error).__name__}")


def test_the_rungs_before_one_that_cannot_be_set_up_are_kept(tmp_path: Path) -> None:
    OnceOnly.set_up.clear()
    result = loaded(tmp_path, OnceOnly, ladder=(1.0, 2.0))
    assert [rung["multiple"] for rung in result.summary["ladder"]] == [1.0, 2.0]
    assert result.exit_code == 4
    assert result.summary["ladder"][1]["verdict"]["line"].startswith("INVALID (x2 not measured)")
    told = verdict.not_measured(2.0, UsageError("the port is taken"))
    assert told["verdict"]["valid_reasons"] == ["nothing was measured at x2: UsageError: the port is taken"]
    assert verdict.not_measured(2.0, KeyboardInterrupt())["verdict"]["exit_code"] == 130
    with pytest.raises(UsageError, match="the port is taken"):
        loaded(tmp_path, OnceOnly, ladder=(1.0, 2.0))


def test_a_ladder_goes_no_higher_than_a_rung_that_a_rule_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = harness._once

    def ended_at_two(folder: Path, *rest: Any) -> Any:
        summary, seen = once(folder, *rest)
        return ({**summary, "aborted": "errors>5%: 40.0% over 5 s"} if folder.name == "x2" else summary), seen

    monkeypatch.setattr(harness, "_once", ended_at_two)
    summary = loaded(tmp_path, Shop, ladder=(1.0, 2.0, 4.0, 8.0)).summary
    assert [rung["multiple"] for rung in summary["ladder"]] == [1.0, 2.0]
    assert summary["notes"][-1] == "the ladder ended at x2: x4, x8 were not played"


def test_an_interrupt_between_two_rungs_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copy
    interrupts = iter([KeyboardInterrupt()])

    def interrupted_at_two(scenario: Any, trace: Any, choice: Choice, left: Any) -> Any:
        if choice.multiple == 2:
            raise KeyboardInterrupt
        return plan_schedule(scenario, trace, choice, left)

    def interrupted_once(*paths: Any) -> None:
        for interrupt in interrupts:
            raise interrupt
        copy(*paths)

    monkeypatch.setattr(harness, "plan_schedule", interrupted_at_two)
    monkeypatch.setattr(shutil, "copy", interrupted_once)
    result = loaded(tmp_path, Shop, ladder=(1.0, 2.0, 4.0))
    assert (result.directory / "requests.parquet").is_file()
    assert result.summary["ladder"][1]["verdict"]["exit_code"] == 130
    assert result.summary["notes"][-1] == "the ladder ended at x2: x4 was not played"


@pytest.mark.parametrize(("method", "what"), [("setup", "set up"), ("attach", "set up"), ("start", "started")])
@pytest.mark.parametrize("error", [ValueError("JSON is malformed"), HttpFailed("reset"), SystemExit(3)])
def test_what_a_class_raises_before_the_load_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, what: str, error: BaseException
) -> None:
    monkeypatch.setattr(Breaks, "breaks", method)
    monkeypatch.setattr(Breaks, "error", error)
    with pytest.raises(UsageError, match=re.escape(f"the target cannot be {what}: {in_words(error)}")):
        replayed(tmp_path, Breaks)


class Slow(Shop):
    """Needs longer to open its deals than it says."""

    start_within_s = 0.01

    def start(self, http: Http, at_unix_us: int) -> None:
        """See `Target`."""
        time.sleep(0.02)


def test_nothing_is_sent_to_a_target_that_started_when_time_0_was_near_or_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LEAD_S", 0.99)
    with pytest.raises(
        InvalidMeasurement, match=r"its start took \d+\.\d\d s; start_within_s of its class allows 0.01 s"
    ):
        replayed(tmp_path, Slow)
    assert "sampler" not in {thread.name for thread in threading.enumerate()}


class Fixed(Shop):
    """Its stock is what it is."""

    scales_stock = False


@pytest.mark.parametrize(
    ("target", "choice", "said"),
    [
        (Fixed, Choice(share=0.5), ["--share with its stock"]),
        (Fixed, Choice(share=0.5, speed=2), ["--share with its stock", "--speed with its timers"]),
        (Fixed, Choice(), []),
        (Shop, Choice(share=0.5, speed=2), ["--speed with its timers"]),
        (ReferenceEngine, Choice(share=0.5, speed=2), []),
    ],
)
def test_what_a_target_cannot_follow_is_found_by_its_class(
    target: type[Target], choice: Choice, said: list[str]
) -> None:
    assert harness._not_followed(options_of(choice), even_schedule(10, 1, VIEW), None, target()) == said


def options_of(choice: Choice) -> LoadOptions:
    return LoadOptions(load_scenario(ROOT / "scenarios" / "minimal.yaml", []), ROOT, choice)


def test_a_target_whose_stock_or_shelf_is_not_the_scenarios_at_that_time_does_not_follow() -> None:
    options = options_of(Choice(from_us=3_600_000_000))
    whole = whole_of(options.scenario)
    less, plain = Left(whole.stock - 1, whole.deals), even_schedule(10, 1, VIEW)
    assert harness._not_followed(options, plain, less, Fixed()) == ["--from with its stock"]
    assert harness._not_followed(options, plain, whole, Fixed()) == [], "nothing was sold until then"
    assert harness._not_followed(options, plain, less, Shop()) == []
    shelved = replace(plain, shelf=[ShelfPlan(5, 0, on=True)])
    assert harness._not_followed(options, shelved, whole, Shop()) == ["the times of listings on the shelf"]
    assert harness._not_followed(options, shelved, whole, OneShelf()) == []


@pytest.mark.parametrize(("on_hold", "ready_within_d"), [("1h", 3), ("4d", 8)])
def test_a_scenario_may_hold_orders_longer_than_they_have_to_be_ready_by_default(
    tmp_path: Path, on_hold: str, ready_within_d: int
) -> None:
    path = tmp_path / "long_hold.yaml"
    minimal = (ROOT / "scenarios" / "minimal.yaml").read_text()
    path.write_text(f"{minimal}\nconfirmation: {{on_hold: {on_hold}}}\n")
    served = plan_of(Settings(scenario=path)).rules
    loaded = plan_of(Settings(timers=json.dumps(session._timers(load_scenario(path, []))))).rules
    assert served == loaded
    assert served.ready_within_us == ready_within_d * DAY_US
    with pytest.raises(UsageError, match="must be longer"):
        plan_of(Settings(scenario=path, timers=json.dumps({"ready_within_us": 1_000_000})))


def test_an_engine_that_runs_already_has_timers_of_its_own(tmp_path: Path) -> None:
    engine = ReferenceEngine()
    with pytest.raises(UsageError, match="does not answer"):
        engine.setup(world(tmp_path, [], url="http://127.0.0.1:9"))
    assert not engine.scales_timers
