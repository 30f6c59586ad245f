"""How an engine is to run: what the command line says, checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from sim.engine.psp.behaviour import Behaviour
from sim.engine.stores.store import Store
from sim.engine.writer import MAX_GROUP, QUEUE_BOUND
from sim.errors import UsageError
from sim.orders.rules import HOUR_US, SECOND_US, Rules

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

DEFAULT_FOLDER = Path("results") / "engine"
DEFAULT_PORT = 8080
NO_FAULTS = "{}"
NO_TIMERS = "{}"
KEEP_KEYS_H = 24.0

#: Thirty years: from any day on that stays within what a date can be.
LONGEST_US = 10**15
Duration = Annotated[int, Meta(ge=1, le=LONGEST_US)]
DurationOrNone = Annotated[int, Meta(ge=0, le=LONGEST_US)]


class Timers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What `--timers` can set: the timers and the switch of `sim.orders.rules.Rules`, and how often a sweep comes."""

    pay_window_us: Duration | None = None
    on_hold_us: Duration | None = None
    cancel_freely_us: DurationOrNone | None = None
    cancel_answer_us: Duration | None = None
    ready_within_us: Duration | None = None
    collected_within_us: Duration | None = None
    return_window_us: Duration | None = None
    return_answer_us: Duration | None = None
    return_ship_us: Duration | None = None
    return_receive_us: Duration | None = None
    sweep_us: Duration | None = None
    confirms_itself: bool | None = None

    def set(self) -> dict[str, Any]:
        """What is set."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Settings:
    """One engine's settings. `database` is a file (SQLite), a URL (PostgreSQL) or empty for the default place."""

    store: str = "sqlite"
    database: str = ""
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    scenario: Path | None = None
    psp: bool = False
    psp_url: str = ""
    psp_behaviour: str = NO_FAULTS
    speed: float = 1.0
    timers: str = NO_TIMERS
    keep_keys: float = KEEP_KEYS_H
    unsafe: bool = False
    max_group: int = MAX_GROUP
    queue_bound: int = QUEUE_BOUND
    rate_per_s: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the engine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the store process is told: where the data are, what fills them, by which rules."""

    store: str
    database: str
    unsafe: bool
    scenario: Scenario | None
    rules: Rules
    sweep_us: int
    keep_keys_us: int
    speed: float
    max_group: int
    queue_bound: int
    loopback: bool
    from_us: int = 0  # the engine's time is no earlier


def check(settings: Settings) -> None:
    """Raise UsageError for settings that do not go together or cannot be read."""
    if settings.psp and settings.psp_url:
        raise UsageError("--psp starts a payment provider, --psp-url names one that runs: give one of them")
    if settings.psp_url and not settings.psp_url.startswith(("http://", "https://")):
        raise UsageError(f"--psp-url {settings.psp_url}: not a URL; it begins with http:// or https://")
    if settings.psp_behaviour != NO_FAULTS and not settings.psp:
        raise UsageError("--psp-behaviour is for the provider that --psp starts: give that too")
    try:
        msgspec.json.decode(settings.psp_behaviour, type=Behaviour)
    except msgspec.MsgspecError as error:
        known = ", ".join(Behaviour.__struct_fields__)
        raise UsageError(f"--psp-behaviour: {error}; a JSON object with any of: {known}") from error
    _timers(settings)


def _timers(settings: Settings) -> dict[str, Any]:
    try:
        return msgspec.json.decode(settings.timers, type=Timers).set()
    except msgspec.MsgspecError as error:
        known = ", ".join(Timers.__struct_fields__)
        raise UsageError(f"--timers: {error}; a JSON object with any of: {known}") from error


def plan_of(settings: Settings) -> Plan:
    """The plan of the settings, its scenario read. Raises ScenarioError."""
    scenario, rules, sweep_us = None, Rules(), SECOND_US
    if settings.scenario is not None:
        from sim.engine.catalogue.seed import rules_of
        from sim.scenario import load_scenario

        scenario = load_scenario(settings.scenario, [])
        rules, sweep_us = rules_of(scenario), scenario.payment.sweep_us
    timers = _timers(settings)
    sweep_us = timers.pop("sweep_us", sweep_us)
    rules = msgspec.structs.replace(rules, **timers)
    _check_rules(rules, settings.speed)
    return Plan(
        settings.store,
        settings.database,
        settings.unsafe,
        scenario,
        rules,
        sweep_us,
        round(settings.keep_keys * HOUR_US),
        settings.speed,
        settings.max_group,
        settings.queue_bound,
        settings.loopback,
    )


def _check_rules(rules: Rules, speed: float) -> None:
    """Raise UsageError for timers with which no order could live, or that reach beyond the calendar."""
    if rules.confirms_itself and rules.ready_within_us <= rules.on_hold_us:
        raise UsageError(
            f"ready_within_us ({rules.ready_within_us}) runs from payment, as on_hold_us ({rules.on_hold_us}) does: it "
            "must be longer, or each order is cancelled as soon as it is confirmed; set --timers"
        )
    for name in Timers.__struct_fields__:
        if name.endswith("_us") and getattr(rules, name, 0) / speed > LONGEST_US:
            raise UsageError(f"{name} is more than {LONGEST_US} us at --speed {speed:g}")


def open_store(plan: Plan) -> Store:
    """The store of a plan, not opened yet. Raises UsageError."""
    if plan.store == "sqlite":
        from sim.engine.stores.sqlite import SqliteStore

        if "://" in plan.database:
            raise UsageError("--store sqlite takes a file, not a URL; did you mean --store postgres?")
        path = Path(plan.database) if plan.database else DEFAULT_FOLDER / "engine.sqlite3"
        if not plan.database:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise UsageError(f"{path.parent}: no such folder for the database")
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give the database a file name")
        return SqliteStore(path, unsafe=plan.unsafe, threaded=False)
    try:
        from sim.engine.stores import pgserver, postgres
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing; install 'liverush[postgres]'") from error
    if plan.database and "://" not in plan.database:
        raise UsageError(f"{plan.database}: --store postgres takes a URL such as postgresql://user@host/name")
    if plan.database:
        return postgres.PostgresStore(plan.database, unsafe=plan.unsafe)
    return pgserver.OwnedPostgresStore(DEFAULT_FOLDER / "postgres", unsafe=plan.unsafe)
