"""What the death of a process cannot show: that the disk had it before anybody was told.

The system calls of the process that stores are watched. Between the last byte of a group that it writes into the log of
the database and the first answer that it sends, there must be a sync of that log that has come back with success.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from sim.engine.stores.pgserver import available
from tests.engine.hard_load import HardLoad, Journal
from tests.engine.served import Served, children_of, serving, session_with
from tests.engine.soak import write_result

STRACE = shutil.which("strace")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="watches system calls of Linux"),
    pytest.mark.skipif(STRACE is None, reason="not proven here: strace is not installed"),
]
#: Where each database writes what it must not lose.
LOGS = {"sqlite": re.compile(r"engine\.sqlite3-wal>"), "postgres": re.compile(r"/pg_wal/[0-9A-F]{24}>")}
_LONG_S = 30.0
_WRITES = ("pwrite64", "write", "writev", "pwritev")
_SYNCS = ("fdatasync", "fsync")
_SENDS = ("write", "writev", "sendto", "sendmsg")
_CALL = re.compile(r"^(?P<pid>\d+) +[\d.]+ (?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<pid>\d+) +[\d.]+ <\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")


@dataclass
class Watch:
    """One process: whether it has written what is not synced yet, and what it did in all."""

    log: re.Pattern[str]
    unsynced: bool = False
    writes: int = 0
    syncs: int = 0
    answers: int = 0
    broken: list[str] = field(default_factory=list)

    def see(self, name: str, rest: str) -> None:
        """Take one call that has returned."""
        mine = bool(self.log.search(rest.split(",")[0] + ">")) or bool(self.log.search(rest))
        if mine and name in _WRITES:
            self.unsynced = True
            self.writes += 1
        elif mine and name in _SYNCS:
            self.unsynced &= not rest.endswith("= 0")
            self.syncs += 1
        elif name in _SENDS and re.match(r"\d+<(UNIX|socket|TCP)", rest):
            self.answers += 1
            if self.unsynced:
                self.broken.append(rest)


def watched(lines: list[str], log: re.Pattern[str]) -> dict[int, Watch]:
    """What each process of a trace did, in the order in which its calls returned."""
    watches: dict[int, Watch] = {}
    begun: dict[int, str] = {}
    for line in lines:
        resumed = _RESUMED.match(line)
        found = resumed or _CALL.match(line)
        if found is None:
            continue
        pid, name, rest = int(found["pid"]), found["name"], found["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if resumed:
            rest = begun.pop(pid, "") + rest
        watches.setdefault(pid, Watch(log)).see(name, rest.strip())
    return watches


def trace(served: Served, pids: list[int], out: Path, folder: Path, seconds: float) -> None:
    """Watch processes while buyers buy."""
    targets = [part for pid in pids for part in ("-p", str(pid))]
    calls = ",".join(sorted({*_WRITES, *_SYNCS, *_SENDS}))
    command = [str(STRACE), "-f", "-y", "-ttt", "-s", "16", "-e", f"trace={calls}", "-o", str(out), *targets]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.stderr.close()
        tracer.wait()
        pytest.skip(f"not proven here: strace may not attach ({said.strip()})")
    time.sleep(0.3)  # until it holds them all
    asyncio.run(buy(served, folder, seconds))
    tracer.send_signal(signal.SIGINT)
    tracer.stderr.close()
    tracer.wait()


async def buy(served: Served, folder: Path, seconds: float) -> None:
    async with session_with(served.url) as session:
        load = HardLoad(session.send, Journal(folder / "acknowledged"), partial(asyncio.sleep, 0.1))
        await load.open_shop(30, "shop")
        burst = asyncio.create_task(load.burst(4))
        await asyncio.sleep(seconds)
        load.enough = True
        await burst
        assert len(load.said) > 20


def proven(folder: Path, store: str, seconds: float) -> Watch:
    """Watch an engine under the hard load; return what the process that stores did."""
    out = folder / "trace"
    with serving(folder, store) as served:
        pids = served.stores() if store == "sqlite" else children_of(served.postmaster())
        trace(served, pids, out, folder, seconds)
    watches = watched(out.read_text(errors="replace").splitlines(), LOGS[store])
    assert {pid: watch.broken for pid, watch in watches.items() if watch.broken} == {}
    busy = max(watches.values(), key=lambda watch: watch.syncs)
    assert min(busy.writes, busy.syncs, busy.answers) > 10, watches
    return busy


stores = pytest.mark.parametrize(
    "store", ["sqlite", pytest.param("postgres", marks=pytest.mark.skipif(not available(), reason="no PostgreSQL"))]
)


@stores
def test_a_completed_sync_lies_between_a_group_s_last_write_and_its_first_answer(tmp_path: Path, store: str) -> None:
    proven(tmp_path, store, 0.7)


@pytest.mark.soak
@stores
def test_the_same_of_a_long_trace(tmp_path: Path, store: str) -> None:
    busy = proven(tmp_path, store, _LONG_S)
    write_result(
        f"trace_{store}",
        {
            "command": f"python -m pytest -m soak tests/engine/test_kill_durable.py -k {store}",
            "store": store,
            "seconds": _LONG_S,
            "writes_to_the_log": busy.writes,
            "syncs_of_the_log": busy.syncs,
            "answers": busy.answers,
            "answers_before_their_sync": len(busy.broken),
        },
    )


def test_the_watch_finds_an_answer_that_came_too_early() -> None:
    wal = "7</x/engine.sqlite3-wal>"
    good = [f'1 1.0 pwrite64({wal}, "", 8) = 8', f"1 1.1 fdatasync({wal}) = 0", '1 1.2 write(3<UNIX:[1]>, "") = 1']
    late = [good[0], good[2], good[1]]
    failed = [good[0], f"1 1.1 fdatasync({wal}) = -1 EIO (Input/output error)", good[2]]
    other = [good[0], "1 1.1 fdatasync(8</x/other>) = 0", good[2]]
    split = [good[0], f"1 1.1 fdatasync({wal} <unfinished ...>", good[2], "1 1.3 <... fdatasync resumed>) = 0"]
    found = [bool(watched(lines, LOGS["sqlite"])[1].broken) for lines in (good, late, failed, other, split)]
    assert found == [False, True, True, True, True]
