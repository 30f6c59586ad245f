"""Reading a file that anyone may have written: sizes, kinds of file and encodings are checked first."""

from __future__ import annotations

import stat
from pathlib import Path

from sim.errors import Problem, ScenarioError

MAX_BYTES = 5_000_000


def check_file(path: Path, what: str, max_bytes: int) -> None:
    """Refuse a file that is missing, no regular file, or larger than `max_bytes`; raises ScenarioError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _wrong(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise _wrong(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise _wrong(path, "is a folder", allowed=f"a {what} file")
    if not stat.S_ISREG(status.st_mode):
        raise _wrong(path, "is no regular file", allowed=f"a {what} file")
    if status.st_size > max_bytes:
        raise _wrong(path, "too large", f"{status.st_size:,} bytes", f"at most {max_bytes:,} bytes")


def read_text(path: Path, what: str = "scenario", max_bytes: int = MAX_BYTES) -> str:
    """The text of a UTF-8 file (with or without a byte order mark); raises ScenarioError."""
    check_file(path, what, max_bytes)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from None
    if len(data) > max_bytes:
        raise _wrong(path, "too large", f"more than {max_bytes:,} bytes", f"at most {max_bytes:,} bytes")
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    try:
        return data[bom:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + bom
        found = f"byte 0x{data[at]:02x} at offset {at}"
        line = data.count(b"\n", 0, at) + 1
        raise ScenarioError(Problem(str(path), line, "", "not UTF-8 text", found, "UTF-8")) from None


def _wrong(path: Path, message: str, found: str = "", allowed: str = "") -> ScenarioError:
    return ScenarioError(Problem(str(path), 0, "", message, found, allowed))
