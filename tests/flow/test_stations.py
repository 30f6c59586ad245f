"""The station and the batches against slow models: SimPy's own resource, and a loop over waves."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from simpy.events import ProcessGenerator

from sim.flow import stations
from sim.flow.batches import HEAD, LEFT, TAIL, TAKEN, release_waves, take_batch
from sim.flow.jit import choose
from sim.flow.stations import Station
from tests.oracle.clock import ARRIVAL, COMPLETION, PARCEL, Clock, Pool, follow, priority

FAST = pytest.mark.parametrize("fast", [False, True], ids=["plain", "compiled"])


@dataclass
class Shift:
    """Customers (id: arrival, work, when gone or -1) and the servers from given times on."""

    arrive_us: list[int]
    work_us: list[int]
    gone_us: list[int]
    servers: list[tuple[int, int]]
    end_us: int


def shift(seed: int, most: int = 60) -> Shift:
    """A random one; small numbers, so that ties abound, or large ones."""
    r = Random(seed)
    scale = r.choice((1, 1, 1000))
    number = r.randint(1, most)
    arrive = [r.randint(0, r.choice((5, 40, 80)) * scale) for _ in range(number)]
    gone = [at + r.randint(0, 20 * scale) if r.random() < 0.3 else -1 for at in arrive]
    changes = sorted({0, *(r.randint(1, 100 * scale) for _ in range(r.randint(0, 8)))})
    servers = [(at, r.choice((0, 1, 1, 2, 3, 5))) for at in changes]
    return Shift(arrive, [r.randint(1, 9 * scale) for _ in arrive], gone, servers, r.choice((50, 120, 400)) * scale)


def by_simpy(plan: Shift) -> list[tuple[int, int]]:
    """(time, id) of those done before the end, one process a customer."""
    env, done = Clock(plan.end_us), list[tuple[int, int]]()
    pool = Pool(env, plan.servers[0][1], PARCEL)
    env.process(follow(env, pool, plan.servers[1:], 0))

    def customer(number: int) -> ProcessGenerator:
        yield env.at(plan.arrive_us[number], priority(ARRIVAL, PARCEL, number))
        request = pool.request()
        yield request
        if not 0 <= plan.gone_us[number] < env.now:
            yield env.at(env.now + plan.work_us[number], priority(COMPLETION, PARCEL, number))
            done.append((env.now, number))
        pool.release(request)

    for number in range(len(plan.arrive_us)):
        env.process(customer(number))
    env.run(until=plan.end_us)
    return done


def strided(values: list[int]) -> np.ndarray:
    """A column of a table, as the order records have it."""
    table = np.zeros((len(values), 8), dtype=np.int64)
    table[:, 5] = values
    return table[:, 5]


def by_station(plan: Shift, fast: bool, cuts: list[int]) -> list[tuple[int, int]]:
    """The same, served from one change of servers (or cut) to the next."""
    table = np.zeros((len(plan.gone_us), 8), dtype=np.int64)
    table[:, 5] = plan.gone_us
    station = Station(np.array(plan.work_us, dtype=np.int32), table, 0, fast, gone_column=5)
    ids = np.array(sorted(range(len(plan.arrive_us)), key=lambda k: (plan.arrive_us[k], k)), dtype=np.int32)
    at_us = np.array([plan.arrive_us[k] for k in ids], dtype=np.int64)
    changes, done, sent = dict(plan.servers), list[tuple[int, int]](), 0
    times = sorted({*changes, *cuts, plan.end_us})
    for time_us in [time for time in times if time <= plan.end_us]:
        upto = int(np.searchsorted(at_us, time_us, side="left"))
        station.join(ids[sent:upto], at_us[sent:upto])
        sent = upto
        for done_id, done_at in station.serve_until(time_us):
            done += zip(done_at.tolist(), done_id.tolist(), strict=True)
        station.servers = changes.get(time_us, station.servers)
    assert station.started == len(done) + station.busy
    return done


@FAST
def test_a_station_is_a_simpy_resource_whose_servers_come_and_go(fast: bool) -> None:
    for seed in range(400):
        plan = shift(seed)
        assert by_station(plan, fast, []) == by_simpy(plan), seed


def test_where_windows_end_makes_no_difference() -> None:
    for seed in range(150):
        plan, r = shift(seed), Random(seed)
        cuts = [r.randrange(plan.end_us) for _ in range(r.choice((3, 30)))]
        assert by_station(plan, False, cuts) == by_simpy(plan), seed


@FAST
def test_what_is_handed_over_in_pieces_is_the_same(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(100):
        plan = shift(seed)
        monkeypatch.setattr(stations, "PIECE", 1 + seed % 3)
        assert by_station(plan, fast, [plan.end_us // 2]) == by_simpy(plan), seed


def test_a_queue_of_thousands_keeps_its_order() -> None:
    plan = Shift([k // 3 for k in range(4000)], [2] * 4000, [-1] * 4000, [(0, 1), (500, 40)], 10_000)
    assert by_station(plan, True, list(range(0, 10_000, 97))) == by_simpy(plan)


def test_a_start_at_the_instant_of_leaving_wins() -> None:
    plan = Shift([0, 0, 0], [5, 5, 5], [-1, 5, 9], [(0, 1)], 100)
    assert by_station(plan, False, []) == [(5, 0), (10, 1)]


def waves_by_hand(
    queue: list[tuple[int, int]], gone: list[int], every_us: int, capacity: int, end_us: int
) -> tuple[list[tuple[int, int]], int]:
    """(id, wave) of those released before the end, and how many waves left someone behind."""
    waiting, out, left = list(queue), list[tuple[int, int]](), 0
    for wave in range(every_us, end_us, every_us):
        ready = [(i, at) for i, at in waiting if at < wave and not 0 <= gone[i] < wave]
        taken = ready[: capacity or len(ready)]
        waiting = [(i, at) for i, at in waiting if at >= wave] if len(taken) == len(ready) else waiting
        if len(taken) < len(ready):
            left += 1
            stay = {i for i, _ in ready[len(taken) :]}
            waiting = [(i, at) for i, at in waiting if at >= wave or i in stay]
        out += [(i, wave) for i, _ in taken]
    return out, left


@FAST
def test_waves_release_what_a_loop_over_all_waves_releases(fast: bool) -> None:
    release = choose(release_waves, fast)
    for seed in range(300):
        r = Random(seed)
        number, every_us, capacity = r.randint(0, 40), r.randint(1, 12), r.choice((0, 1, 2, 5))
        queue = list(enumerate(sorted(r.randint(0, 80) for _ in range(number))))
        gone = [at + r.randint(0, 30) if r.random() < 0.3 else -1 for _, at in queue]
        reg, end_us = np.zeros(8, dtype=np.int64), r.randint(1, 150)
        reg[TAIL] = number
        ids = np.array([i for i, _ in queue], dtype=np.int32)
        at_us = np.array([at for _, at in queue], dtype=np.int64)
        out_id, out_at = np.zeros(number, dtype=np.int32), np.zeros(number, dtype=np.int64)
        found = list[tuple[int, int]]()
        for until_us in sorted({end_us, *(r.randint(1, end_us) for _ in range(3))}):
            # only what has arrived by then is known
            reg[TAIL] = int(np.searchsorted(at_us, until_us, side="left"))
            release(reg, ids, at_us, strided(gone), every_us, capacity, until_us, out_id, out_at)
            taken = int(reg[TAKEN])
            found += zip(out_id[:taken].tolist(), out_at[:taken].tolist(), strict=True)
        assert (found, int(reg[LEFT])) == waves_by_hand(queue, gone, every_us, capacity, end_us), seed
        assert reg[HEAD] <= reg[TAIL]


def test_a_batch_takes_the_first_in_time_that_are_still_there() -> None:
    for seed in range(200):
        r = Random(seed)
        at_us = np.array(sorted(r.randint(0, 20) for _ in range(r.randint(0, 30))), dtype=np.int64)
        ids = np.array(r.sample(range(1000), len(at_us)), dtype=np.int32)
        gone = np.array([r.random() < 0.3 for _ in at_us], dtype=np.bool_)
        limit, capacity = r.randint(0, 22), r.choice((0, 1, 4, 40))
        taken, kept, kept_at, left = take_batch(ids, at_us, gone, limit, capacity)
        ready = [i for i, at, is_gone in zip(ids, at_us, gone, strict=True) if at <= limit and not is_gone]
        later = [(i, at) for i, at in zip(ids, at_us, strict=True) if at > limit]
        room = min(capacity or len(ready), len(ready))
        assert taken.tolist() == ready[:room]
        assert kept.tolist() == ready[room:] + [i for i, _ in later]
        assert kept_at.tolist()[len(ready) - room :] == [at for _, at in later]
        assert left == len(ready) - room
