"""What is either whole or not there, a run directory or a file: written beside, renamed when done.

What a killed process left behind of a directory is known by its lock, which the system has let go, and is removed by
the next run; of a file it is known by its age, and is removed when the file is written again.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.errors import UsageError

PREFIX = ".partial-"
_OLD = "-old"
#: What is being replaced: its own name stands inside.
_REPLACED = re.compile(rf"{re.escape(PREFIX)}(.+)-[0-9a-f]{{8}}{_OLD}")
_LOCK = ".lock"
_UNLOCKED_IS_STALE_S = 3_600
#: Failures of the disk or of permissions: told of the folder that the user named, not of a file inside.
_OF_THE_DISK = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM")}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; on leaving it takes the place of `path`.

    Whatever raises inside (an interrupt too) removes it, and `path` is as it was. OSErrors are told of `path`.
    """
    start = f"{PREFIX}{path.name}-"
    _remove_old(path.parent, start)
    partial = path.with_name(f"{start}{secrets.token_hex(4)}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _remove_old(folder: Path, start: str) -> None:
    """Remove files of this beginning that nobody has written to for an hour."""
    for partial in folder.glob(glob.escape(start) + "[0-9a-f]" * 8):
        with suppress(OSError):  # another process may have removed it
            if time.time() - partial.stat().st_mtime > _UNLOCKED_IS_STALE_S:
                partial.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a text file (UTF-8) that is either whole or as it was before."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole_directory(out: Path, name: str) -> Iterator[Path]:
    """A fresh directory inside `out`; on leaving it becomes `out/name`, replacing one that is there.

    Whatever raises inside (an interrupt too) removes it, and the folders that were made for it. Raises UsageError or
    OSError (`filename` is `out` where the disk is full or may not be written).
    """
    try:
        with _whole_directory(out, name) as partial:
            yield partial
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise OSError(error.errno, os.strerror(error.errno or 0), str(out)) from error
        raise


@contextmanager
def _whole_directory(out: Path, name: str) -> Iterator[Path]:
    made = _make(out)
    partial = out / f"{PREFIX}{name}-{secrets.token_hex(4)}"
    lock: int | None = None
    try:
        remove_stale(out)
        partial.mkdir()
        lock = _lock(partial / _LOCK)
        yield partial
        _unlock(partial / _LOCK, lock)
        lock = None
        _put_in_place(partial, out / name)
    except BaseException:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(partial, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # another run may use it by now
                folder.rmdir()
        raise


def remove_stale(out: Path) -> list[Path]:
    """Remove directories that dead processes left half written in `out`; returns those removed.

    One that a new one should have replaced, whose process was killed between, is given its name again.
    """
    removed = []
    for partial in out.glob(f"{PREFIX}*"):
        if not partial.is_dir() or partial.is_symlink() or not _is_dead(partial):
            continue
        replaced = _REPLACED.fullmatch(partial.name)
        if replaced and not (out / replaced[1]).exists():
            partial.rename(out / replaced[1])
            continue
        shutil.rmtree(partial, ignore_errors=True)
        removed.append(partial)
    return removed


def _make(out: Path) -> list[Path]:
    """Make `out`; returns the folders that were not there, the innermost first."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, not a folder for run directories")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # a drive that is not there, or a system folder
        raise UsageError(f"{out}: the folder cannot be made") from error
    return missing


def _put_in_place(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    old = partial.with_name(f"{partial.name}{_OLD}")
    try:
        target.rename(old)
        partial.rename(target)
    except BaseException:  # an interrupt too
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_dead(partial: Path) -> bool:
    """Whether no process writes here: the lock is free, or there never was one for an hour."""
    try:
        handle = os.open(partial / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        with suppress(OSError):
            status = partial.stat()  # what is being replaced is old, but was renamed just now
            renamed_s = status.st_ctime if _REPLACED.fullmatch(partial.name) else 0.0
            return time.time() - max(status.st_mtime, renamed_s) > _UNLOCKED_IS_STALE_S
        return False
    except OSError:
        return False
    try:
        return _try_lock(handle)
    finally:
        os.close(handle)


def _lock(path: Path) -> int:
    """Make the lock file and hold it as long as this process lives; returns its handle."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    _try_lock(handle)  # where the system has no locks the directory is known by its age
    return handle


def _unlock(path: Path, handle: int) -> None:
    if sys.platform == "win32":  # an open file cannot be removed there
        os.close(handle)
        path.unlink()
    else:
        path.unlink()
        os.close(handle)


def _try_lock(handle: int) -> bool:
    """Take the lock unless another process holds it; False too where the system cannot lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_json(path: Path, value: object, *, indent: int = 1) -> None:
    """Write JSON for people and programs. Raises OSError, and ValueError for what JSON cannot hold."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
