"""docs/tutorial.md as a reader follows it: files written, lines put right, commands run, in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(yaml|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (add to |line (\d+) of )?([\w-]+\.yaml)[^\n]*\n")
_GAP = "..."


@dataclass(frozen=True)
class Step:
    """A command of the page and what it says that it prints."""

    command: str
    shown: str


def follow(page: str, folder: Path, run: Callable[[str], str]) -> list[tuple[Step, str]]:
    """Do all that the page says in `folder`; `run` runs a command. Returns each step with what it printed."""
    blocks, done = _BLOCK.findall(page), []
    for number, (kind, text) in enumerate(blocks):
        if kind == "yaml":
            _write(text, folder)
        elif kind == "sh":
            following, shown = blocks[number + 1]
            assert following == "text", f"nothing is shown of {text}"
            done.append((Step(text.strip(), shown), run(text.strip())))
    return done


def _write(text: str, folder: Path) -> None:
    """Write a block into the file that its first line names: all of it, at the end, or instead of a line."""
    head = _FILE.match(text)
    assert head is not None, f"which file? {text}"
    file, body = folder / head[3], text[head.end() :]
    if head[1] is None:
        file.write_text(text, encoding="utf-8")
    elif head[2] is None:
        file.write_text(file.read_text(encoding="utf-8") + body, encoding="utf-8")
    else:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[int(head[2]) - 1] = body
        file.write_text("".join(lines), encoding="utf-8")


def missing(shown: str, printed: str) -> list[str]:
    """The first lines shown that were not printed there: a part between two `...` stands in one piece, in order."""
    lines, at = printed.splitlines(), 0
    parts = [part.splitlines() for part in re.split(rf"^{re.escape(_GAP)}\n", shown, flags=re.MULTILINE)]
    for number, part in enumerate(parts):
        places = range(at, len(lines) - len(part) + 1) if number else range(1)
        begin = next((place for place in places if lines[place : place + len(part)] == part), None)
        if begin is None:
            return part
        at = begin + len(part)
    return [] if not parts[-1] or at == len(lines) else lines[at:]
