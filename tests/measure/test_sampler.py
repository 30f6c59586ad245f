"""The sampler: what it sees of processes, the machine and an engine, and that nothing makes it fail."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import psutil
import pytest

from sim.measure import sampler
from sim.measure.sampler import Sample, Sampler, metrics_in

BUSY = "while True: pass"
PARENT = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'while True: pass'])\ntime.sleep(60)"
TEXT = """# HELP liverush_queue_length Calls that wait for the writer.
# TYPE liverush_queue_length gauge
liverush_queue_length 4.0
liverush_requests_total{{route="POST /orders",status="201"}} 10.0
liverush_group_size_bucket{{le="1.0"}} 3.0
liverush_group_size_count {groups}
liverush_group_size_sum {calls}
liverush_held_units 12.0
liverush_committed_units 1e3
"""


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "PERIOD_S", 0.1)


@pytest.fixture
def run() -> Iterator[Callable[[str], int]]:
    """Start Python code in a process, which is killed with its children in the end; returns its id."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> int:
        started.append(subprocess.Popen([sys.executable, "-I", "-c", code]))
        return started[-1].pid

    yield start
    for process in started:
        below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
        for child in below:
            child.kill()


def until(found: Callable[[], bool], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.usefixtures("fast")
def test_a_process_is_seen_with_its_children(run: Callable[[str], int]) -> None:
    pid = run(PARENT)
    until(lambda: len(psutil.Process(pid).children()) == 1)
    seen = Sampler({"http": pid})
    seen.start()
    until(lambda: any(row.processes["http"].cpu_share > 0.2 for row in seen.rows() if row.processes))
    seen.stop()
    rows = seen.rows()
    assert all(row.processes["http"].cpu_share < 1.6 for row in rows), "one child uses one core"
    assert rows[0].processes["http"].rss_bytes > psutil.Process(pid).memory_info().rss
    assert [row.tick for row in rows] == sorted({row.tick for row in rows})


@pytest.mark.usefixtures("fast")
def test_a_child_that_has_a_name_counts_under_it_only(run: Callable[[str], int]) -> None:
    pid = run(PARENT)
    until(lambda: len(psutil.Process(pid).children()) == 1)
    seen = Sampler()
    seen.watch({"http": pid, "store": psutil.Process(pid).children()[0].pid})
    seen.start()
    until(lambda: any(row.processes["store"].cpu_share > 0.2 for row in seen.rows()))
    seen.stop()
    assert all(row.processes["http"].cpu_share < 0.2 for row in seen.rows())


@pytest.mark.usefixtures("fast")
def test_a_process_that_has_ended_is_left_out_and_the_others_are_still_seen(run: Callable[[str], int]) -> None:
    doomed, other = run(BUSY), run(BUSY)
    seen = Sampler({"doomed": doomed, "other": other, "never": 2**22 + 1})
    seen.start()
    until(lambda: any({"doomed", "other"} <= set(row.processes) for row in seen.rows()))
    psutil.Process(doomed).kill()
    until(lambda: any(set(row.processes) == {"other"} for row in seen.rows()))
    seen.stop()


@pytest.mark.usefixtures("fast")
def test_a_process_may_be_named_while_the_sampler_runs(run: Callable[[str], int]) -> None:
    seen = Sampler()
    seen.start()
    until(lambda: len(seen.rows()) > 0)
    seen.watch({"late": run(BUSY)})
    until(lambda: any("late" in row.processes for row in seen.rows()))
    seen.stop()
    first = next(row.processes["late"] for row in seen.rows() if "late" in row.processes)
    assert first.cpu_share == 0, "what it used before is not known"


def test_stopping_joins_at_once_even_if_it_never_started() -> None:
    seen = Sampler()
    seen.stop()
    seen.start()
    seen.stop()
    seen.stop()
    assert "sampler" not in {thread.name for thread in threading.enumerate()}
    assert seen.rows() == []


@pytest.mark.usefixtures("fast")
def test_nothing_that_fails_inside_ends_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = iter([True, True, False])

    def members(pids: object) -> dict[str, list[psutil.Process]]:
        if next(broken, False):
            raise RuntimeError("the table of processes cannot be read")
        return {}

    monkeypatch.setattr(sampler, "_members", members)
    seen = Sampler()
    seen.start()
    until(lambda: len(seen.rows()) > 1)
    seen.stop()
    assert seen.rows()[0].tick > 0, "the second that could not be read is left out"


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(("stolen", "share"), [((5.0, 7.0), 0.5), ((5.0, 5.0), 0.0), (None, None)])
def test_steal_is_the_share_of_the_time_that_the_host_kept(
    monkeypatch: pytest.MonkeyPatch, stolen: tuple[float, float] | None, share: float | None
) -> None:
    """Four processor seconds pass; the host kept two. A system that does not tell gives None."""

    class Times(tuple[float, ...]):
        steal: float

    def times(at: int) -> Times:
        found = Times((100.0 + 4.0 * at,))
        if stolen:
            found.steal = stolen[min(at, 1)]
        return found

    answers = iter([times(0), times(0), *[times(1)] * 1_000])
    monkeypatch.setattr(sampler, "psutil", SimpleNamespace(cpu_times=lambda: next(answers), process_iter=list))
    seen = Sampler()
    seen.start()
    until(lambda: len(seen.rows()) > 0)
    seen.stop()
    assert seen.rows()[0].steal_share == share


def rows_of(metrics: Callable[[], str], count: int = 1) -> list[Sample]:
    seen = Sampler(metrics=metrics)
    seen.start()
    until(lambda: len(seen.rows()) >= count)
    seen.stop()
    return seen.rows()


@pytest.mark.usefixtures("fast")
def test_an_engines_metrics_are_read_each_second() -> None:
    """Each time ten more calls were stored in four groups."""
    asked = itertools.count(1)

    def answer() -> str:
        times = next(asked)
        return TEXT.format(groups=4 * times, calls=10 * times)

    rows = rows_of(answer, 2)
    assert rows[0].engine == rows[1].engine == sampler.EngineUse(4.0, 2.5, 12.0, 1000.0)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("answer", ["", RuntimeError("no answer")])
def test_an_engine_that_does_not_answer_leaves_no_figures(answer: str | Exception) -> None:
    def ask() -> str:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert rows_of(ask)[0].engine is None


def test_metrics_with_labels_and_lines_that_are_no_numbers_are_passed_over() -> None:
    assert metrics_in('a 1\nb{x="y z"} 2\n# c 3\nd four\ne NaN 17\n\nf') == {
        "a": 1.0,
        "e": pytest.approx(float("nan"), nan_ok=True),
    }
