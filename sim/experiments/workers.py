"""Where replications run: here, in processes of this machine, or on a Dask cluster. Results come in order.

A worker that is killed is replaced, and what it did not finish is done again, three times at most without any progress.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import chain, repeat
from multiprocessing import resource_tracker
from typing import Any, TypeVar
from urllib.parse import urlsplit

import sim
from sim.errors import UsageError
from sim.measure.machine import usable_cores
from sim.operations.simulate import is_brief
from sim.scenario.schema import Scenario

_T = TypeVar("_T")
Work = Callable[[Any], _T]
TRIES = 3
_CONNECT_S = 10
_NAP_S = 0.05


@dataclass(frozen=True)
class Meanwhile:
    """`work(number)` is of use for the numbers to come, until `is_over()`: what all need (compiled code) is there."""

    work: Callable[[Any], object]
    is_over: Callable[[], bool]


def in_order(
    work: Work[_T],
    numbers: Sequence[Any],
    workers: int | None,
    cluster: str | None = None,
    meanwhile: Meanwhile | None = None,
) -> Generator[_T, None, None]:
    """`work(number)` for each of `numbers` (replications, or what has one) in order; close it to stop early.

    `workers`: processes, by default one a core. `cluster`: address of a Dask scheduler, whose workers are used instead.
    `meanwhile`: what the other processes do while the first makes what all others would have to make for themselves.
    Raises UsageError where the cluster does not answer or workers keep being killed.
    """
    if cluster is not None:
        yield from _again(numbers, lambda rest: _on_cluster(work, rest, cluster))
        return
    number = min(usable_cores() if workers is None else workers, len(numbers))
    if number <= 1:
        yield from map(work, numbers)
        return
    yield from _again(numbers, lambda rest: _in_processes(work, rest, number, meanwhile))


@contextmanager
def at_once(work: Work[_T], numbers: Sequence[int], workers: int | None) -> Iterator[Iterator[_T]]:
    """The results of `in_order`; several processes, where there are any, begin now, not when the first is asked for."""
    number = min(usable_cores() if workers is None else workers, len(numbers))
    if number <= 1:
        yield map(work, numbers)
        return
    from joblib import delayed

    with _at_work(map(delayed(_packed(work)), numbers), number) as results:
        begun: list[Iterator[_T]] = [(result for result in results)]
        yield _again(numbers, lambda rest: begun.pop() if begun else _in_processes(work, rest, number, None))


def processes(asked: int | None, scenario: Scenario, runs: int) -> int | None:
    """The number of processes that was asked for; 1 by default where `runs` are over before others would be at work."""
    return 1 if asked is None and is_brief(scenario, runs) else asked


def _again(numbers: Sequence[Any], start: Callable[[Sequence[Any]], Iterator[_T]]) -> Iterator[_T]:
    """What `start(numbers)` yields; where a worker was killed it is started again with the rest."""
    done, failed = 0, 0
    while done < len(numbers):
        try:
            with closing(start(numbers[done:])) as results:  # type: ignore[type-var]
                for result in results:
                    done, failed = done + 1, 0
                    yield result
        except Exception as error:
            if not _is_killed(error):
                raise
            failed += 1
            if failed >= TRIES:
                raise UsageError(
                    f"worker processes were killed {TRIES} times at replication {numbers[done]}; is there enough "
                    "memory for this many (--workers)?"
                ) from error


def _is_killed(error: Exception) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"BrokenProcessPool", "KilledWorker", "CommClosedError"})


def _packed(work: Work[_T]) -> Work[_T]:
    """The same work for other processes, which unpack it once: what they keep of a scenario is of use again."""
    return partial(_do, pickle.dumps(work))


def _do(packed: bytes, number: Any) -> Any:
    return _unpacked(packed)(number)


@lru_cache(maxsize=2)  # work, and what is done meanwhile
def _unpacked(packed: bytes) -> Work[Any]:
    work: Work[Any] = pickle.loads(packed)
    return work


def _in_processes(work: Work[_T], numbers: Sequence[Any], workers: int, meanwhile: Meanwhile | None) -> Iterator[_T]:
    from joblib import delayed

    asked: deque[bool] = deque()  # whether the results to come were asked for, in the order of the tasks
    begun = threading.Event()

    def tasks() -> Iterator[Any]:
        """joblib takes one when a worker is free."""
        main = delayed(_packed(work))
        asked.append(True)
        yield main(numbers[0])
        for task in _until(begun.is_set, meanwhile, numbers[1:]) if meanwhile else ():
            asked.append(False)
            yield task
        for number in numbers[1:]:
            asked.append(True)
            yield main(number)

    with _at_work(tasks(), workers) as results:
        for result in results:
            begun.set()
            if asked.popleft():
                yield result


@contextmanager
def _at_work(tasks: Iterable[Any], workers: int) -> Iterator[Iterator[Any]]:
    """Processes at work on joblib's `tasks`, until the end of the block: their results in order."""
    from joblib import Parallel

    _let_cancelled_tasks_be()
    starting = {"initializer": start_worker, "initargs": (os.getpid(),)}
    with _deaf_children():
        results = Parallel(n_jobs=workers, return_as="generator", max_nbytes=None, batch_size=1, **starting)(tasks)
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib's remark that a study which is precise enough has work left
            results.close()


@cache
def _let_cancelled_tasks_be() -> None:
    """Mend joblib's pool: stopped early, it looks up a task submitted a moment ago that it has just cancelled.

    Its thread then died of a KeyError, with a traceback among our output, before it had closed its queues.
    """
    from joblib.externals.loky.process_executor import _ExecutorManagerThread  # no public way to the thread

    hand_out = _ExecutorManagerThread.add_call_item_to_queue

    def hand_out_if_there(thread: Any) -> None:
        with suppress(KeyError):
            hand_out(thread)

    _ExecutorManagerThread.add_call_item_to_queue = hand_out_if_there


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C, which a terminal sends to them too: what it ends, we end.

    What is blocked here they inherit, so they are deaf from their first moment on; here it comes when the block ends.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when it starts it unblocks what we block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _until(begun: Callable[[], bool], meanwhile: Meanwhile, numbers: Sequence[Any]) -> Iterator[Any]:
    """Tasks until the first result is there: `meanwhile` for each number, then naps as long as no worker minds."""
    from joblib import delayed

    ahead, nap = delayed(_packed(meanwhile.work)), delayed(time.sleep)
    for task in chain(map(ahead, numbers), repeat(nap(_NAP_S))):
        if begun() or meanwhile.is_over():
            return
        yield task


def _on_cluster(work: Work[_T], numbers: Sequence[Any], address: str) -> Iterator[_T]:
    """On a cluster through joblib's Dask backend, which has no generator: a block as large as the cluster at a time."""
    from joblib import Parallel, delayed, parallel_config

    work = _packed(work)
    with ExitStack() as stack:
        client = stack.enter_context(_client(address))
        block = max(1, sum(client.nthreads().values()))
        stack.enter_context(parallel_config(backend="dask", client=client, wait_for_workers_timeout=_CONNECT_S))
        for first in range(0, len(numbers), block):
            yield from Parallel(n_jobs=-1, batch_size=1)(delayed(work)(n) for n in numbers[first : first + block])


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing; install 'liverush[cluster]'") from error
    _refuse_closed(address)
    try:
        connect: Any = distributed.Client  # its types are not complete
        client = connect(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        raise UsageError(f"no Dask scheduler answers at {address!r}") from error
    try:
        versions = client.run(_version)
        if not versions:
            raise UsageError(f"the Dask scheduler at {address!r} has no workers")
        if set(versions.values()) != {sim.__version__}:
            found = ", ".join(sorted(set(versions.values())))
            raise UsageError(f"the workers at {address!r} have liverush {found}, here it is {sim.__version__}")
        yield client
    finally:
        client.close()


def _refuse_closed(address: str) -> None:
    """Raise UsageError where nothing listens: the client alone would try again for its whole time-out."""
    try:
        place = urlsplit(address if "://" in address else f"tcp://{address}")
        if place.hostname is None or place.port is None:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--cluster {address!r}: write tcp://HOST:PORT, the address that the scheduler tells"
        ) from None
    try:
        socket.create_connection((place.hostname, place.port), _CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or "no answer"
        raise UsageError(f"no Dask scheduler answers at {address!r}: {reason.lower()}") from error


def _version() -> str:
    return sim.__version__


def start_worker(parent: int) -> None:
    """Make a process that joblib has started a worker of ours: it ends with its parent, and not for having grown.

    It ends when its parent has been killed, whether it has got work by then or not. joblib would also end a worker
    whose memory is 300 MB more than after its first task: it takes that for a leak, and warns. Here the first task may
    be a trace made ahead and the second a whole replication, with the compiled kernels and the columns of a million
    orders; the worker put in its place would load the same again.
    """
    if os.getpid() == parent:
        return
    from joblib.externals.loky import process_executor

    process_executor._USE_PSUTIL = False  # no public way; without it joblib collects garbage and measures nothing
    threading.Thread(target=_wait_for_the_end_of, args=(parent,), daemon=True).start()


def _wait_for_the_end_of(parent: int) -> None:
    while os.getppid() == parent:  # a system that keeps telling the dead parent's number leaves it to joblib's time-out
        threading.Event().wait(1.0)
    os._exit(1)
