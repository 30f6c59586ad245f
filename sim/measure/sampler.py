"""What the machine and a server do while they are measured: looked at once a second, by a thread that disturbs neither.

It belongs in the harness's process, never in a load generator's: reading process tables takes milliseconds.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import psutil

PERIOD_S = 1.0
#: How long asking for metrics may take: an engine that is stopped or overloaded must not keep from the other figures.
SCRAPE_WITHIN_S = 0.5
_QUEUE, _HELD, _COMMITTED = "liverush_queue_length", "liverush_held_units", "liverush_committed_units"
_GROUPS, _GROUPED = "liverush_group_size_count", "liverush_group_size_sum"


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """CPU seconds a second (1.0: a whole core) and memory of a process and its children."""

    cpu_share: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class EngineUse:
    """What an engine tells of itself; `group_size_mean` of the groups stored in this second, None for none."""

    queue_length: float | None
    group_size_mean: float | None
    held_units: float | None
    committed_units: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The second that began `tick` seconds after the sampler did. A process that has ended is not in `processes`.

    `steal_share`: share of the machine's processor time that its host kept; None where the system does not tell.
    `engine`: None where nobody was to be asked, or nothing sensible came.
    """

    tick: int
    processes: Mapping[str, ProcessUse]
    steal_share: float | None
    engine: EngineUse | None


@dataclass
class _Tree:
    """CPU seconds of each process under a named one, as last seen."""

    cpu_s: dict[tuple[int, float], float] = field(default_factory=dict)


class Sampler:
    """Samples from `start` to `stop`; `rows` are there at any time. Nothing that it looks at can make it fail.

    `metrics` asks an engine for its metrics, in Prometheus' text format, within SCRAPE_WITHIN_S; it may raise.
    """

    def __init__(self, processes: Mapping[str, int] | None = None, *, metrics: Callable[[], str] | None = None) -> None:
        self.started_unix_us = 0
        self._pids: dict[str, int] = dict(processes or {})
        self._trees: dict[str, _Tree] = {}
        self._scraper = _Scraper(metrics) if metrics else None
        self._rows: list[Sample] = []
        self._times = _machine_times()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, processes: Mapping[str, int]) -> None:
        """Look at these processes (name -> id) too, each with its children; a child that has a name counts there."""
        self._pids = {**self._pids, **{name: int(pid) for name, pid in processes.items()}}

    def rows(self) -> list[Sample]:
        """What was seen so far, a row a second."""
        return list(self._rows)

    def start(self) -> None:
        """Begin. What is taken in before the first second is only what later seconds are compared with."""
        self.started_unix_us = time.time_ns() // 1000
        with contextlib.suppress(Exception):
            self._look(0.0)
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, at once; may be called twice, or without `start`."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        begun = before = time.monotonic()
        tick = 0
        while not self._ended.wait(max(0.0, begun + (tick + 1) * PERIOD_S - time.monotonic())):
            now = time.monotonic()
            with contextlib.suppress(Exception):  # a second that cannot be read is left out
                self._rows.append(Sample(tick, *self._look(now - before)))
            before = now
            tick = max(
                tick + 1, int((time.monotonic() - begun) / PERIOD_S)
            )  # seconds that were slept over are left out

    def _look(self, seconds: float) -> tuple[dict[str, ProcessUse], float | None, EngineUse | None]:
        """Processes, steal and engine; `seconds` since the last look."""
        processes = dict(self._processes(seconds))
        before, self._times = self._times, _machine_times()
        return processes, _steal_share(before, self._times), self._scraper.scrape() if self._scraper else None

    def _processes(self, seconds: float) -> Iterator[tuple[str, ProcessUse]]:
        pids = self._pids
        for name, members in _members(pids).items():
            if not members:
                continue
            tree = self._trees.get(name)
            known = tree.cpu_s if tree else {}
            seen, rss_bytes = {}, 0
            for process in members:
                with contextlib.suppress(psutil.Error, OSError):
                    key, used = (process.pid, process.create_time()), process.cpu_times()
                    held_bytes = process.memory_info().rss
                    if held_bytes:  # one that has ended holds nothing until its parent takes note
                        seen[key] = used.user + used.system
                        rss_bytes += held_bytes
            # A child that is new has done all its work since the last look, unless there was none.
            spent_s = sum(cpu_s - known.get(key, 0.0) for key, cpu_s in seen.items()) if tree else 0.0
            self._trees[name] = _Tree(seen)
            if seen:
                yield name, ProcessUse(spent_s / seconds if seconds > 0 else 0.0, rss_bytes)


def _members(pids: Mapping[str, int]) -> dict[str, list[psutil.Process]]:
    """The processes at and under each named one, each process under the nearest name only."""
    alive = {process.pid: process for process in psutil.process_iter()}
    parents = {}
    for pid, process in alive.items():
        with contextlib.suppress(psutil.Error, OSError):
            parents[pid] = process.ppid()
    names = {pid: name for name, pid in pids.items()}
    found: dict[str, list[psutil.Process]] = {name: [] for name in pids}
    for pid in parents:
        above, steps = pid, 0
        while above and above not in names and steps < len(parents):
            above, steps = parents.get(above, 0), steps + 1
        if above in names:
            found[names[above]].append(alive[pid])
    return found


def _machine_times() -> tuple[float, float | None]:
    """Seconds of all processors since boot, and those that were stolen; None where the system does not tell."""
    try:
        times = psutil.cpu_times()
    except (OSError, psutil.Error):
        return 0.0, None
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice already
    return sum(times) - guest, getattr(times, "steal", None)


def _steal_share(before: tuple[float, float | None], after: tuple[float, float | None]) -> float | None:
    passed = after[0] - before[0]
    if before[1] is None or after[1] is None or passed <= 0:
        return None
    return min(1.0, max(0.0, (after[1] - before[1]) / passed))


class _Scraper:
    """Reads an engine's metrics; remembers the groups that it had stored."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._groups: tuple[float, float] | None = None

    def scrape(self) -> EngineUse | None:
        try:
            told = metrics_in(self._ask())
        except Exception:  # whatever it was, the other figures are worth having
            return None
        mean = self._group_size(told)
        return EngineUse(told.get(_QUEUE), mean, told.get(_HELD), told.get(_COMMITTED)) if told else None

    def _group_size(self, told: Mapping[str, float]) -> float | None:
        if _GROUPS not in told or _GROUPED not in told:
            return None
        before, self._groups = self._groups, (told[_GROUPS], told[_GROUPED])
        groups, calls = (now - then for now, then in zip(self._groups, before or self._groups, strict=True))
        return calls / groups if groups > 0 and calls >= 0 else None


def metrics_in(text: str) -> dict[str, float]:
    """The metrics without labels of a text in Prometheus' format, by name."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value and not name.startswith("#") and "{" not in name:
            with contextlib.suppress(ValueError):
                found[name] = float(value.split()[0])
    return found
