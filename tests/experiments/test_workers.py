"""Work in processes: in order, stopped early, and done again where a worker is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sim.errors import UsageError
from sim.experiments.workers import Meanwhile, at_once, in_order

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="workers are killed by a signal")


def square(number: int) -> int:
    return number * number


def killed_once(marker: Path, number: int) -> int:
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def killed_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def interrupted(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return number


def test_an_interrupt_at_the_terminal_is_ours_and_not_the_workers() -> None:
    assert list(in_order(interrupted, range(4), 2)) == [0, 1, 2, 3]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_results_come_in_order_and_may_be_left() -> None:
    results = in_order(square, range(1_000), 2)
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    results.close()


def test_what_a_killed_worker_did_not_finish_is_done_again(tmp_path: Path) -> None:
    found = list(in_order(partial(killed_once, tmp_path / "killed"), range(6), 2))
    assert found == [0, 1, 4, 9, 16, 25]


def test_work_begun_at_once_is_also_done_again(tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    with at_once(partial(killed_once, marker), range(6), 2) as results:
        end = time.monotonic() + 60
        while not marker.exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert marker.exists(), "nobody worked before a result was asked for"
        assert list(results) == [0, 1, 4, 9, 16, 25]


def test_work_begun_at_once_may_be_left() -> None:
    with at_once(square, range(1_000), 2) as results:
        assert next(results) == 0


def test_work_may_be_left_while_a_task_is_being_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool cancels all tasks, with the last one's number still in its queue: here that number is put there."""
    from joblib.externals.loky.process_executor import _ExecutorManagerThread

    cancel, ended = _ExecutorManagerThread.flag_executor_shutting_down, threading.Event()

    def cancel_just_after_a_task_came(thread: Any) -> None:
        thread.work_ids_queue.put(1_000_000)
        cancel(thread)

    def join(thread: Any, join: Any = _ExecutorManagerThread.join_executor_internals) -> None:
        join(thread)
        ended.set()

    monkeypatch.setattr(_ExecutorManagerThread, "flag_executor_shutting_down", cancel_just_after_a_task_came)
    monkeypatch.setattr(_ExecutorManagerThread, "join_executor_internals", join)
    with at_once(square, range(1_000), 2) as results:
        assert next(results) == 0
    assert ended.wait(60), "the pool's thread ended without closing its queues"


def test_workers_that_are_killed_every_time_are_told() -> None:
    with pytest.raises(UsageError, match="worker processes were killed 3 times at replication"):
        list(in_order(killed_always, range(6), 2))


def grown(number: int) -> int:
    """The worker's own number, after it has become larger than joblib is told to allow."""
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = process_executor._MEMORY_LEAK_CHECK_DELAY = -(1 << 40)
    return os.getpid()


def test_a_worker_is_not_replaced_for_having_grown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib warns of each replacement; the processes' numbers say it plainly
        assert len(set(in_order(grown, range(12), 2))) <= 2


def slow_first(folder: Path, number: int) -> bool:
    """Whether the others' preparation for this number was there; the first waits for all of it."""
    end = time.monotonic() + 60
    while number == 0 and len(list(folder.iterdir())) < 5 and time.monotonic() < end:
        time.sleep(0.01)
    return (folder / str(number)).exists()


def prepare(folder: Path, number: int) -> None:
    (folder / str(number)).touch()


def test_others_prepare_until_the_first_result_is_there_and_then_work(tmp_path: Path) -> None:
    meanwhile = Meanwhile(partial(prepare, tmp_path), lambda: False)
    found = list(in_order(partial(slow_first, tmp_path), range(6), 2, meanwhile=meanwhile))
    assert found == [False, True, True, True, True, True]


def sees_the_others(folder: Path, number: int) -> bool:
    """Whether another number has been worked; the first waits for that."""
    end = time.monotonic() + 60
    while number == 0 and not (folder / "worked").exists() and time.monotonic() < end:
        time.sleep(0.01)
    seen = (folder / "worked").exists()
    if number:
        (folder / "worked").touch()
    return seen


def test_others_work_as_soon_as_what_they_wait_for_is_there(tmp_path: Path) -> None:
    """Else they would nap until the first result is there, which here waits for them."""
    meanwhile = Meanwhile(partial(prepare, tmp_path), (tmp_path / "1").exists)
    assert next(in_order(partial(sees_the_others, tmp_path), range(3), 2, meanwhile=meanwhile))
