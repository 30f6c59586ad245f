"""The sampler: what it sees of processes, the machine and an engine, and that nothing makes it fail."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
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


class Engine(HTTPServer):
    """Answers with metrics; each time ten more calls were stored in four groups."""

    asked = 0
    status = 200
    said = ""


class Handler(BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.said = self.headers.get("X-LiveRush-Run", "")
        body = TEXT.format(groups=4 * self.server.asked, calls=10 * self.server.asked).encode()
        self.send_response(self.server.status if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    server = Engine(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def rows_of(url: str, count: int = 1) -> list[Sample]:
    seen = Sampler(metrics_url=url, run_id="run7")
    seen.start()
    until(lambda: len(seen.rows()) >= count)
    seen.stop()
    return seen.rows()


@pytest.mark.usefixtures("fast")
def test_an_engines_metrics_are_read_each_second(engine: Engine) -> None:
    rows = rows_of(f"http://127.0.0.1:{engine.server_port}/metrics", 2)
    assert rows[0].engine == rows[1].engine == sampler.EngineUse(4.0, 2.5, 12.0, 1000.0)
    assert engine.said == "run7", "a target's own logs tell what a run asked"


@pytest.mark.usefixtures("fast")
def test_an_engine_that_does_not_answer_leaves_no_figures(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "SCRAPE_WITHIN_S", 0.05)
    assert rows_of("http://127.0.0.1:1/metrics")[0].engine is None
    assert rows_of(f"http://127.0.0.1:{engine.server_port}/other")[0].engine is None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert rows_of(f"http://127.0.0.1:{silent.getsockname()[1]}/metrics")[0].engine is None


def test_metrics_with_labels_and_lines_that_are_no_numbers_are_passed_over() -> None:
    assert metrics_in('a 1\nb{x="y z"} 2\n# c 3\nd four\ne NaN 17\n\nf') == {
        "a": 1.0,
        "e": pytest.approx(float("nan"), nan_ok=True),
    }
