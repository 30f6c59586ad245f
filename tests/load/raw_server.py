"""A server that does to each connection what a script says, byte by byte: for clients that must bear it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

Script = Callable[["Peer"], None]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """The server's side of one connection. `number` counts connections from 0."""

    def __init__(self, sock: socket.socket, number: int, seen: list[bytes]) -> None:
        self.sock = sock
        self.number = number
        self._seen = seen

    def read(self) -> bytes:
        """A whole request (head and body by content-length); empty when the client closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-len")]
        while lengths and len(body) < lengths[0]:
            body += self.sock.recv(65536)
        self._seen.append(head + b"\r\n\r\n" + body)
        return self._seen[-1]

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)


class RawServer:
    """Listens on loopback; each connection is a thread that follows the script, then closes."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}/base"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> RawServer:
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock, len(self._threads)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), sock:
            sock.settimeout(10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            with sock:
                self._script(Peer(sock, number, self.requests))


def always(*answers: bytes) -> Script:
    """Answer every request of a connection with these bytes, each part sent by itself."""

    def script(peer: Peer) -> None:
        while peer.read():
            for part in answers:
                peer.say(part)

    return script
