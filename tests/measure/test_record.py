"""The run record: what it tells, and what it must not."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

import sim
from sim.measure.machine import (
    LOAD_PACKAGES,
    PACKAGES,
    describe_machine,
    memory_bytes,
    package_versions,
    peak_rss_bytes,
    usable_cores,
)
from sim.measure.record import RunRecord


def test_a_record_tells_the_time_of_each_stage_and_of_everything() -> None:
    record = RunRecord()
    with record.stage("first"):
        pass
    with pytest.raises(KeyError), record.stage("first"):
        raise KeyError
    told = record.as_dict()
    assert set(told["elapsed_s"]) == {"first", "all"}
    assert told["elapsed_s"]["all"] >= told["elapsed_s"]["first"] >= 0
    assert told["liverush"] == sim.__version__
    assert told["started_utc"].endswith("+00:00")


def test_a_record_names_no_host_no_user_and_no_path() -> None:
    text = json.dumps(RunRecord().as_dict())
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    assert os.getcwd() not in text
    assert os.sep + "usr" not in text


def test_the_versions_are_those_of_the_packages_that_compute() -> None:
    import numpy as np

    versions = package_versions()
    assert set(versions) == set(PACKAGES)
    assert versions["numpy"] == np.__version__
    assert set(package_versions((*LOAD_PACKAGES, "no-such-package"))) == {*PACKAGES, *LOAD_PACKAGES}


def test_the_machine_has_a_processor_cores_and_memory() -> None:
    machine = describe_machine()
    assert machine["processor"]
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert machine["python"] == sys.version.split()[0]
    if sys.platform != "win32":
        assert (memory_bytes() or 0) > 2**26
        assert 2**20 < (peak_rss_bytes() or 0) < 2**45
