import subprocess
import sys

import pytest

from sim.demand.streams import stream, uniform_u32


def test_the_same_seed_replication_and_name_give_the_same_numbers() -> None:
    assert list(uniform_u32(stream(7, 2, "pick"), 5)) == list(uniform_u32(stream(7, 2, "pick"), 5))


def test_seed_replication_and_name_each_change_the_numbers() -> None:
    draws = [
        (7, 2, "pick"),
        (8, 2, "pick"),
        (7, 3, "pick"),
        (7, 2, "pack"),
        (2**32 + 7, 2, "pick"),
        (7, 2**32 + 2, "pick"),
    ]
    assert len({tuple(uniform_u32(stream(*key), 4)) for key in draws}) == len(draws)


def test_another_process_with_other_string_hashes_draws_the_same_numbers() -> None:
    code = "from sim.demand.streams import *; print(list(map(int, uniform_u32(stream(7, 2, 'pick'), 5))))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    )
    assert other.stdout.strip() == str([int(x) for x in uniform_u32(stream(7, 2, "pick"), 5)])


def test_a_negative_replication_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        stream(1, -1, "pick")
