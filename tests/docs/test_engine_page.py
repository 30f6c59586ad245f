"""docs/engine.md: its commands print what it shows, and its tables are whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click import Option

from sim.cli.serving import serve
from sim.engine.api.explanations import EXPLANATIONS, statuses
from sim.engine.audit.queries import MEANINGS
from sim.engine.metrics import Metrics, Stored
from sim.engine.psp.behaviour import Behaviour
from sim.engine.settings import Timers
from sim.engine.webhooks.signatures import secret_of, signed_headers
from tests.docs.page import masked, play, steps
from tests.paths import DOCS, ROOT

TEXT = (DOCS / "engine.md").read_text(encoding="utf-8")


def curl_version() -> tuple[int, ...]:
    program = shutil.which("curl")
    if program is None:
        return (0,)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"curl (\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0,)


@pytest.mark.skipif(curl_version() < (7, 82), reason="the page's commands need curl 7.82 (--json)")
def test_every_command_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = steps(TEXT)
    printed = list(masked(play(TEXT, tmp_path)))
    shown = list(masked([step.shown for step in page]))
    assert len(printed) == len(page), f"the shell ended early: {printed[-1:]}"
    for step, now, then in zip(page, printed, shown, strict=True):
        assert now == then, f"{step.commands}prints something else now; renew: python -m tests.docs.page docs/engine.md"


def rows(heading: str) -> Iterator[list[str]]:
    """The rows of the first table under a heading."""
    table = TEXT.split(f"\n{heading}\n", 1)[1].split("\n|", 1)[1]
    for line in table.split("\n")[2:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_error_code_is_in_the_table_with_its_status_and_meaning() -> None:
    table = {code.strip("`"): (int(status), meaning) for code, status, meaning in rows("## Errors")}
    assert table == {code: (status, EXPLANATIONS[code]) for code, status in statuses().items()}


def test_every_invariant_is_in_the_table() -> None:
    assert {row[0]: row[1] for row in rows("## Audit")} == MEANINGS


def test_every_setting_of_the_stand_in_is_in_the_table_with_its_default() -> None:
    table = {name.strip("`"): default.strip("`") for name, default, _meaning in rows("### The stand-in's behaviour")}
    assert table == {name: str(value) for name, value in msgspec.structs.asdict(Behaviour()).items()}


def test_every_timer_is_in_the_table() -> None:
    timers = {name for name in Timers.__struct_fields__ if name.endswith("_us")}
    assert {row[0].strip("`") for row in rows("## Timers")} == timers


def test_every_metric_is_in_the_table() -> None:
    text = Metrics().text(0, 0, 0, Stored(0, 0, 0, 0)).decode()
    told = re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)
    known = {name for name, _kind in told if not name.endswith("_created")}
    assert {name.strip("`") for name, _meaning in rows("## Metrics")} == known


def test_every_option_is_in_the_table() -> None:
    options = {name for option in serve.params if isinstance(option, Option) for name in option.opts} - {"--debug"}
    assert {name.strip("`").split()[0] for name, _meaning in rows("## Start")} == options


def test_the_example_of_a_check_of_signatures_works() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    assert callable(is_genuine)
    secret, body, now_s = secret_of(b"x" * 32), b'{"id":"1"}', int(time.time())
    assert is_genuine(secret, signed_headers(secret, "1", now_s, body), body)
    assert not is_genuine(secret, signed_headers(secret, "1", now_s - 301, body), body)
    assert not is_genuine(secret, signed_headers(secret, "1", now_s, b"{}"), body)
    assert not is_genuine(secret_of(b"y" * 32), signed_headers(secret, "1", now_s, body), body)
