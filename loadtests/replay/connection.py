"""One kept HTTP/1.1 connection, driven by gevent's hub: bytes go to httptools as they come, the waiting greenlet is
switched to once, when its answer is whole.

The connection listens while it is idle too, so a server that closes it is noticed at once, not by the next request.
"""

from __future__ import annotations

import errno
import ssl
import time
from typing import Any

import gevent
import httptools
from gevent import monkey
from gevent.socket import wait_read, wait_write
from greenlet import getcurrent

from loadtests.targets.base import Answer, HttpDropped, HttpFailed, HttpStale, HttpTimeout

_socket = monkey.get_original("socket", "socket")
_READ = 1  # libev's EV_READ
_CHUNK = 16_384
#: An answer with more bytes is an error: it would fill the memory until the time-out.
MAX_ANSWER_BYTES = 64 << 20
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN)
#: What this machine has run out of: files, local ports, memory. The target has no part in it.
_OURS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)


def open_socket(addresses: list[tuple[Any, ...]], deadline: float) -> Any:
    """A connected non-blocking socket. Raises HttpTimeout, HttpFailed, or HttpDropped where we cannot send.

    The last address decides which: for an earlier one this machine may have no network of its kind.
    """
    failed, kind = "no address", HttpFailed
    for family, address in addresses:
        try:
            sock = _socket(family, 1)
        except OSError as error:
            raise (HttpDropped if error.errno in _OURS else HttpFailed)(f"no socket: {error}") from error
        try:
            _connect(sock, address, deadline)
            sock.setsockopt(6, 1, 1)  # TCP_NODELAY
            return sock
        except OSError as error:
            sock.close()
            failed, kind = error.strerror or str(error), HttpDropped if error.errno in _OURS else HttpFailed
        except BaseException:
            sock.close()
            raise
    raise kind(f"cannot connect: {failed}")


def _connect(sock: Any, address: tuple[Any, ...], deadline: float) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code in _UNDER_WAY:
        wait_write(sock.fileno(), *_left(deadline))
        code = sock.getsockopt(1, 4)  # SOL_SOCKET, SO_ERROR
    if code:
        raise OSError(code, errno.errorcode.get(code, str(code)))


def _left(deadline: float) -> tuple[float, HttpTimeout]:
    """What gevent's waits take: seconds left and what to raise when they are over."""
    return max(0.0, deadline - time.monotonic()), HttpTimeout("not connected in time")


class Connection:
    """A connection that has at most one request under way."""

    __slots__ = (
        "_bytes",
        "_complete",
        "_failure",
        "_head",
        "_head_done",
        "_head_only",
        "_hub",
        "_parser",
        "_parts",
        "_receive",
        "_reusable",
        "_sock",
        "_status",
        "_transmit",
        "_waiter",
        "_watcher",
        "closed",
        "deadline",
        "served",
    )

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._transmit, self._receive = sock.send, sock.recv
        self._hub: Any = gevent.get_hub()
        self._parser: Any = httptools.HttpResponseParser(self)
        self._waiter: Any = None
        self._failure: HttpFailed | None = None
        self.closed = False
        self.deadline = 0.0  # of the request under way, 0 for none
        self.served = 0
        self._status = self._bytes = 0
        self._parts: list[bytes] = []
        self._complete = self._head_done = self._reusable = self._head_only = False
        self._head = b""
        self._watcher: Any = self._hub.loop.io(sock.fileno(), _READ)
        self._watcher.start(self._readable)

    def exchange(self, message: bytes, deadline: float, head_only: bool) -> Answer:
        """Send a request and wait for its whole answer; a failed connection is closed."""
        self._head_only = head_only
        self._complete = self._head_done = self._reusable = False
        self._failure = None
        self._bytes = 0
        self._head = b""
        parts: list[bytes] = []
        self._parts = parts
        self.deadline = deadline
        try:
            self._send(message)
            if not self._complete and self._failure is None:
                self._waiter = getcurrent()
                self._hub.switch()
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None
            self.deadline = 0.0
        if not self._complete:
            raise self._failure or HttpFailed("the answer was not complete")
        self.served += 1
        body = b"" if not parts else parts[0] if len(parts) == 1 else b"".join(parts)
        if not self._reusable:
            self.close()
        elif head_only:  # the parser still waits for the body that a HEAD's answer only announces
            self._parser = httptools.HttpResponseParser(self)
        return Answer(self._status, self._head, body)

    def expire(self) -> None:
        """Time is up (called in the hub)."""
        if self._waiter is not None:
            self._waiter.throw(HttpTimeout("no answer in time"))

    def close(self) -> None:
        """Close for good."""
        if not self.closed:
            self.closed = True
            self._watcher.stop()
            self._watcher.close()
            self._sock.close()

    def _send(self, message: bytes) -> None:
        try:
            sent = self._transmit(message)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        if sent < len(message):
            self._send_rest(memoryview(message)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        while rest and not self._complete and self._failure is None:
            wait_write(self._sock.fileno(), max(0.0, self.deadline - time.monotonic()), HttpTimeout("not sent in time"))
            if self.closed:
                return
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                self._lost(error.strerror or str(error))

    def _readable(self) -> None:
        try:
            data = self._receive(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error.strerror or str(error))
        else:
            if data:
                self._feed(data)
            else:
                self._ended()
        waiter = self._waiter
        if waiter is not None and (self._complete or self._failure is not None):
            self._waiter = None
            waiter.switch()

    def _feed(self, data: bytes) -> None:
        if not self.deadline or self._complete:  # nobody asked for that
            self._reusable = False
            self.close()
            return
        if not self._head_done:
            self._head = self._head + data if self._head else data
        self._bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:  # else: what follows the answer is broken, the answer is not
                self._lost(f"the answer is no HTTP/1.1: {error}")
            self._reusable = False
        if self._bytes > MAX_ANSWER_BYTES and not self._complete:
            self._lost("the answer is too large")

    def _ended(self) -> None:
        """The server closed its side."""
        if self._head_done and not self._complete and self._until_close():
            self._complete = True
            self._reusable = False
        else:
            self._lost("the connection was closed")

    def _until_close(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        fields = Answer(0, self._head, b"").headers
        return "content-length" not in fields and "transfer-encoding" not in fields

    def _lost(self, why: str) -> None:
        stale = self.served > 0 and not self._bytes
        self._failure = (HttpStale if stale else HttpFailed)(why)
        self.close()

    # What httptools calls.

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._complete:  # a second answer to one request
            self._reusable = False
            return
        self._status = self._parser.get_status_code()
        if self._status >= 200:
            self._head_done = True
            if self._head_only:
                self._finish()

    def on_body(self, body: bytes) -> None:
        """A part of the body is there."""
        if not self._complete:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole; interim ones (100 Continue) are none."""
        if self._status >= 200 and not self._complete:
            self._finish()

    def _finish(self) -> None:
        self._complete = True
        self._reusable = self._parser.should_keep_alive()


class TlsConnection(Connection):
    """The same through TLS."""

    __slots__ = ("_incoming", "_outgoing", "_tls")

    def __init__(self, sock: Any, context: ssl.SSLContext, name: str, deadline: float) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._shake_hands(sock, deadline)
        super().__init__(sock)
        self._readable_tls()  # what came together with the end of the handshake

    def _shake_hands(self, sock: Any, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(sock, deadline)
                wait_read(sock.fileno(), *_left(deadline))
                data = sock.recv(_CHUNK)
                if not data:
                    raise HttpFailed("the connection was closed in the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError as error:
                raise HttpFailed(f"TLS: {error.reason or error}") from error
            else:
                self._flush(sock, deadline)
                return

    def _flush(self, sock: Any, deadline: float) -> None:
        rest = memoryview(self._outgoing.read())
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except BlockingIOError:
                wait_write(sock.fileno(), *_left(deadline))

    def _send(self, message: bytes) -> None:
        try:
            self._tls.write(message)
        except ssl.SSLError as error:
            self._lost(f"TLS: {error.reason or error}")
            return
        super()._send(self._outgoing.read())

    def _feed(self, data: bytes) -> None:
        self._incoming.write(data)
        self._readable_tls()

    def _readable_tls(self) -> None:
        try:
            while not self.closed:
                data = self._tls.read(_CHUNK)
                if not data:
                    self._ended()
                    return
                super()._feed(data)
                if not self._incoming.pending and not self._tls.pending():
                    break  # another read would only say so by an exception
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._lost(f"TLS: {error.reason or error}")
        if self._outgoing.pending and not self.closed:  # an answer to a key update: a few bytes, which fit
            try:
                self._sock.send(self._outgoing.read())
            except OSError as error:
                self._lost(f"TLS: {error}")
