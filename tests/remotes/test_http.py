"""Read-only remotes over Python's own web server, and over servers that misbehave."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cas.errors import AuthError, RemoteError, RemoteProtocol, UnsupportedRemote
from cas.remotes.backends import open_readable, open_writable
from cas.remotes.backends.http import HttpClient
from cas.remotes.urls import parse


@pytest.fixture
def serving() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], str]]:
    """Starts a web server with a handler; gives its URL."""
    servers = []

    def serve(handler) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def files(tmp_path) -> Path:
    root = tmp_path / "site"
    (root / "store/objects").mkdir(parents=True)
    (root / "store/objects/pack").write_bytes(bytes(range(256)))
    (root / "store/100% ü.toml").write_bytes(b"odd")
    (root / "store/empty").write_bytes(b"")
    return root


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store(serving, files):
    opened = open_readable(serving(functools.partial(Quiet, directory=str(files))) + "/store")
    opened.retry = opened.retry._replace(first=0.01)
    yield opened
    opened.close()


def test_reads_from_a_plain_web_server(store):
    content = bytes(range(256))
    assert store.exists("objects/pack")
    assert not store.exists("objects/none")
    assert store.read("objects/pack") == content
    assert store.read("100% ü.toml") == b"odd"
    assert store.read("empty") == b""
    for offset, length in [(0, 1), (10, 20), (250, 50), (256, 5), (300, 5), (0, 0), (0, 256)]:
        assert store.read("objects/pack", offset, length) == content[offset : offset + length], (offset, length)
    assert store.read("objects/pack", 9) == content[9:]
    for read in (lambda: store.read("none"), lambda: store.read("none", 1, 2), lambda: store.read("none", 0, 0)):
        with pytest.raises(FileNotFoundError):
            read()


def test_it_cannot_list_nor_be_written(store):
    assert not store.listable
    with pytest.raises(RemoteError, match="listed"):
        store.list("refs/")
    assert not hasattr(store, "create")
    with pytest.raises(UnsupportedRemote, match="read"):
        open_writable(store.url)


def test_packs_are_found_on_the_page_of_their_directory(store, files):
    names = [f"objects/{digit * 32}.pack" for digit in "a0f"]
    for size, name in enumerate(names):
        (files / "store" / name).write_bytes(bytes(size))
    (files / "store/objects" / ("b" * 32 + ".open")).write_bytes(b"not sealed")
    assert [(info.name, info.size) for info in store.list("objects/")] == [
        (name, names.index(name)) for name in sorted(names)
    ]


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_shows_no_directories(serving, status):
    refusing = misbehaving(lambda _: (status, {}, b"no"))
    opened = open_readable(serving(refusing))
    with pytest.raises(RemoteError, match="shows no page of objects/") as caught:
        opened.list("objects/")
    assert caught.value.kind == "remote"
    assert "list its directories" in caught.value.hint
    opened.close()


class Misbehaving(Quiet):
    """Answers by a function of the class: (status, headers, body)."""

    protocol_version = "HTTP/1.1"
    answer: Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        status, headers, body = type(self).answer(self)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if headers.get("Connection") == "close":
            self.close_connection = True

    do_HEAD = do_GET


def misbehaving(answer) -> type[Misbehaving]:
    return type("Answering", (Misbehaving,), {"answer": staticmethod(answer)})


PART = {"Content-Range": "bytes 2-5/10"}


def test_a_good_ranged_server(serving):
    with_ranges = misbehaving(lambda request: (206, PART, b"2345"))
    store = open_readable(serving(with_ranges))
    assert store.read("x", 2, 4) == b"2345"
    store.close()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (206, PART, b"234"),
        (206, PART, b"23456"),
        (206, {}, b"2345"),
        (206, {"Content-Range": "bytes 0-3/10"}, b"2345"),
        (206, {"Content-Range": "bytes 2-9/10"}, b"23456789"),
        (206, {"Content-Range": "bytes 2-3/10"}, b"23"),
        (206, {"Content-Range": "nonsense"}, b"2345"),
        (200, {"Content-Encoding": "gzip"}, b"0123456789"),
        (302, {"Location": ""}, b""),
        (302, {"Location": "ftp://example.org/x"}, b""),
        (302, {"Location": "file:///etc/passwd"}, b""),
        (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
        (302, {"Location": "http://10.0.0.1/x"}, b""),
        (302, {"Location": "http://localhost:1/x"}, b""),
        (302, {"Location": "http://[::1]/x"}, b""),
        (302, {"Location": "http://[::ffff:127.0.0.1]/x"}, b""),
        (302, {"Location": "http://0/x"}, b""),
        (302, {"Location": "http://2130706433/x"}, b""),
        (302, {"Location": "http://ann:pw@example.org/x"}, b""),
        (302, {"Location": "/again"}, b""),
    ],
)
def test_wrong_answers(status, headers, body, serving):
    store = open_readable(serving(misbehaving(lambda request: (status, headers, body))))
    with pytest.raises(RemoteProtocol):
        store.read("x", 2, 4)
    store.close()


def test_a_redirect_on_the_same_server(serving):
    def answer(request):
        if request.path == "/moved/x":
            return 200, {}, b"here"
        return 301, {"Location": "/moved/x"}, b""

    store = open_readable(serving(misbehaving(answer)))
    assert store.read("x") == b"here"
    assert store.exists("x")
    store.close()


def test_a_redirect_from_https_to_http():
    from cas.remotes.backends.http import _redirected

    with pytest.raises(RemoteProtocol, match="https"):
        _redirected("https://example.org/x", "http://example.org/x")
    assert _redirected("http://example.org/x", "https://example.org/y") == "https://example.org/y"


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthError), (403, AuthError), (500, RemoteError), (400, RemoteError)]
)
def test_statuses(status, error, serving):
    store = open_readable(serving(misbehaving(lambda request: (status, {}, b""))))
    store.retry = store.retry._replace(first=0.01)
    for act in (lambda: store.read("x"), lambda: store.exists("x")):
        with pytest.raises(error):
            act()
    store.close()


def test_a_busy_server_is_asked_again(serving):
    left = [503, 429, 500]

    def answer(request):
        return (left.pop(), {}, b"") if left else (200, {}, b"here")

    store = open_readable(serving(misbehaving(answer)))
    store.retry = store.retry._replace(first=0.01)
    assert store.read("x") == b"here"
    store.close()


def test_a_body_shorter_than_announced(serving):
    cut = misbehaving(lambda request: (200, {"Content-Length": "100", "Connection": "close"}, b"only this"))
    store = open_readable(serving(cut))
    store.retry = store.retry._replace(attempts=2, first=0.01)
    with pytest.raises(RemoteError):
        store.read("x")
    store.close()


def test_no_cookies_and_no_encodings_are_taken(serving):
    seen = []

    def answer(request):
        seen.append(dict(request.headers.items()))
        return 200, {"Set-Cookie": "a=b"}, b"x"

    store = open_readable(serving(misbehaving(answer)))
    store.read("x")
    store.read("y")
    assert "Cookie" not in seen[1]
    assert seen[1]["Accept-Encoding"] == "identity"
    store.close()


def test_the_client_is_lazy():
    client = HttpClient(parse("http://127.0.0.1:1/x"), {})
    client.close()
