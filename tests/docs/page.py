"""A page whose commands are run: each `sh` block, and the block after it with what it prints.

`python -m tests.docs.page docs/engine.md` runs them and writes what they printed into the page.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.engine.process import Running, environment, running

SECTION = "## The life of an order"
SERVE = "liverush serve"
URL = "http://127.0.0.1:8080"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "end of what a block prints"
#: What differs from run to run, and what stands for it when two runs are compared. Ids are told apart by `_Names`.
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r'"request_id":"[0-9a-f]+-\d+"'), '"request_id":"REQUEST"'),
    (re.compile(r"^date: .*$", re.MULTILINE), "date: DATE"),
    (re.compile(r"^content-length: \d+$", re.MULTILINE), "content-length: LENGTH"),
    (re.compile(r"whsec_[A-Za-z0-9+/=]+"), "SECRET"),
)
_ID = re.compile(r"\b\d{18}\b")


@dataclass(frozen=True)
class Step:
    """Commands of the page, what it says that they print, and where in the text it says so (None: nowhere)."""

    commands: str
    shown: str
    span: tuple[int, int] | None


def section(text: str) -> tuple[int, int]:
    """Where the part of a page begins and ends whose commands are run."""
    begin = text.index(SECTION + "\n")
    end = text.find("\n## ", begin + 1)
    return begin, len(text) if end < 0 else end


def steps(text: str) -> list[Step]:
    """The steps of a page."""
    begin, end = section(text)
    found: list[Step] = []
    for block in _BLOCK.finditer(text, begin, end):
        if block[1] == "sh":
            found.append(Step(block[2], "", None))
        else:
            last = found[-1]
            assert last.span is None, f"two outputs of {last.commands}"
            found[-1] = Step(last.commands, block[2], block.span(2))
    return found


def play(text: str, folder: Path) -> list[str]:
    """Run a page's commands on an engine that its first step starts; return what each step printed."""
    first, *others = steps(text)
    assert first.commands.startswith(SERVE), "the first step starts the engine"
    options = first.commands.removeprefix(SERVE).replace("&", "").split()
    options = [str(Path(option).resolve()) if option.endswith(".yaml") else option for option in options]
    database = str(folder / "engine.sqlite3")
    shown = re.search(r"^Payment provider at (\S+)$", first.shown, re.MULTILINE)
    assert shown is not None
    with running(folder, *options, "--database", database) as engine:
        outputs = [engine.said, *_printed(others, engine, shown[1], folder)]
    places = ((engine.url, URL), (engine.psp_url, shown[1]), (database, "results/engine/engine.sqlite3"))
    for place, written in places:
        outputs = [output.replace(place, written) for output in outputs]
    return outputs


def _printed(others: list[Step], engine: Running, psp_url: str, folder: Path) -> list[str]:
    """Run all steps in one shell."""
    script = "".join(f"{step.commands}printf '\\n%s\\n' '{_END}'\n" for step in others)
    script = script.replace(URL, engine.url).replace(psp_url, engine.psp_url)
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    parts = [part.strip("\n") for part in done.stdout.replace("\r", "").split(f"{_END}\n")]
    return [part + "\n" if part else "" for part in parts[:-1]]


class _Names:
    """Names for ids, by the order in which they come: so that the same id is the same one in both runs."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, match: re.Match[str]) -> str:
        return self._known.setdefault(match[0], f"ID{len(self._known) + 1}")


def masked(outputs: list[str]) -> Iterator[str]:
    """Outputs with what varies replaced."""
    names = _Names()
    for output in outputs:
        text = output
        for pattern, word in _VARYING:
            text = pattern.sub(word, text)
        yield _ID.sub(names, text)


def renewed(text: str, printed: list[str]) -> str:
    """A page with its outputs replaced."""
    for step, output in reversed(list(zip(steps(text), printed, strict=True))):
        if step.span is not None:
            text = text[: step.span[0]] + output + text[step.span[1] :]
    return text


def main(path: Path) -> None:
    """Run a page and write what came of it."""
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        printed = play(text, Path(folder))
    path.write_text(renewed(text, printed), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
