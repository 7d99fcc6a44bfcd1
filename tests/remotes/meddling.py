"""What stands between a client and a server in tests: a proxy that cuts connections, and one that changes answers."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class CuttingProxy:
    """A TCP proxy that may cut a connection instead of passing on the server's bytes.

    ``cut(sent, reply)`` is asked before each piece of a reply, with all the client sent since the last one that
    passed, and the piece; when it says so both sides are closed and the piece is lost.
    """

    def __init__(self, upstream: int, cut: Callable[[bytes, bytes], bool]) -> None:
        self._upstream = upstream
        self._cut = cut
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            _end(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            self._open += [client, server]
            sent = bytearray()
            threading.Thread(target=self._forward, args=(client, server, sent), daemon=True).start()
            threading.Thread(target=self._back, args=(server, client, sent), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket, sent: bytearray) -> None:
        with suppress(OSError):
            while piece := client.recv(1 << 16):
                sent += piece
                server.sendall(piece)
        _end(server)

    def _back(self, server: socket.socket, client: socket.socket, sent: bytearray) -> None:
        with suppress(OSError):
            while piece := server.recv(1 << 16):
                if not piece.startswith(b"HTTP/1.1 100"):  # "go on", not yet an answer
                    if self._cut(bytes(sent), piece):
                        self.cuts += 1
                        break
                    sent.clear()
                client.sendall(piece)
        _end(client)
        _end(server)


class Message(NamedTuple):
    """A request on its way to the server, or an answer on its way back."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


class Front:
    """An HTTP proxy. ``before`` changes requests, or answers them by giving a status; ``after`` changes answers."""

    def __init__(self, upstream: int) -> None:
        self.before: Callable[[Message], Message] = lambda message: message
        self.after: Callable[[Message], Message] = lambda message: message
        self.seen: list[tuple[str, str, int]] = []
        front = self

        class Passing(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                message = front.before(Message(self.command, self.path, 0, dict(self.headers.items()), body))
                if not message.status:
                    message = front.after(_passed_on(message, upstream))
                front.seen.append((message.method, message.path, message.status))
                self._send(message)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

            def _send(self, message: Message) -> None:
                self.send_response_only(message.status)
                for name, value in message.headers.items():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                length = len(message.body)
                if self.command == "HEAD":
                    length = int({k.lower(): v for k, v in message.headers.items()}.get("content-length", "0"))
                if message.status != 204:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    with suppress(OSError):
                        self.wfile.write(message.body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass  # clients that hang up are part of the tests

        self._server = Server(("127.0.0.1", 0), Passing)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _passed_on(message: Message, upstream: int) -> Message:
    connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=30)
    try:
        connection.putrequest(message.method, message.path, skip_host=True, skip_accept_encoding=True)
        for name, value in message.headers.items():
            if name.lower() not in {"expect", "connection"}:
                connection.putheader(name, value)
        connection.endheaders(message.body or None)
        answer = connection.getresponse()
        return Message(message.method, message.path, answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
