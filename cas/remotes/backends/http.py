"""``http://`` and ``https://``: any web server as a read-only remote, through fsspec's HTTP session.

It cannot list: readers ask for names they know, and probe for the next segment. Packs alone have names that nobody
knows: they are taken from the page that most servers show of a directory. A server is hostile until its bytes are
verified: answers are counted, never decompressed, and a redirect leads neither from https to http nor
to an address of a private network other than the one the user named.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from cas.clock import from_datetime
from cas.errors import RemoteProtocol
from cas.remotes.backends.forks import part_from
from cas.remotes.backends.loading import load
from cas.remotes.options import seconds
from cas.remotes.store import ReadStore, Reply
from cas.remotes.urls import Location, redact
from cas.storage.contract import FileInfo

__all__ = ["HttpClient", "open_store"]

_REDIRECTS = 5
_LARGEST_WHOLE = 1 << 30
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_LARGEST_PAGE = 64 << 20
_LINKED_PACK = re.compile(rb"""href=["'](?:\./)?([0-9a-f]{32}\.pack)["']""", re.IGNORECASE)
_MOVED = frozenset({301, 302, 303, 307, 308})


def open_store(location: Location, options: Mapping[str, str]) -> ReadStore:
    """The files below a URL, read-only."""
    return ReadStore(lambda: HttpClient(location, options))


class HttpProblem(Exception):
    """An answer that is not the file; ``status`` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Head(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes


class HttpClient:
    """Ranged GETs and HEADs over one keep-alive session."""

    listable = False
    indexed = ("objects/",)
    """The directories of which a page is asked for."""
    attempts = 6

    def __init__(self, location: Location, options: Mapping[str, str]) -> None:
        self.url = location.url
        self._location = location
        self._aiohttp = load("aiohttp", location.scheme, "http")
        self._asyn = load("fsspec.asyn", location.scheme, "http")
        self._timeout = self._aiohttp.ClientTimeout(total=seconds(options), sock_connect=10)
        self._loop = self._asyn.get_loop()
        part_from(self._loop)
        self._sessions: dict[bool, Any] = {}
        self.errors: tuple[type[Exception], ...] = (
            self._aiohttp.ClientError,
            HttpProblem,
            RemoteProtocol,
            OSError,
            asyncio.TimeoutError,
        )

    def get(self, name: str, start: int, end: int | None) -> Reply:
        """One ranged GET; a server that ignores ranges sends all of it, of which the range is kept."""
        ranged = start > 0 or end is not None
        headers = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if ranged else {}
        limit = _LARGEST_WHOLE if end is None else end - start
        head = self._asyn.sync(self._loop, self._ask, "GET", name, headers, start, limit)
        if head.status == 206:
            return _ranged(head, name, start, end)
        size = _length(head.headers)
        if size is not None and len(head.content) != max(0, min(limit, size - start)):
            raise RemoteProtocol(f"{name}: {size} bytes were announced, others came")
        return Reply(head.content, size)

    def info(self, name: str) -> FileInfo | None:
        """One HEAD."""
        found: FileInfo | None = self._asyn.sync(self._loop, self._size, name)
        return found

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """The packs that the server's page of a directory links to: one GET, and a HEAD for each."""
        try:
            head = self._asyn.sync(self._loop, self._ask, "GET", prefix, {}, 0, _LARGEST_PAGE + 1)
        except HttpProblem as problem:
            if problem.status == 403:  # what nginx says where it is not to show directories
                raise HttpProblem(404, str(problem)) from problem
            raise
        if len(head.content) > _LARGEST_PAGE:
            raise RemoteProtocol(f"{prefix}: a page of more than {_LARGEST_PAGE} bytes")
        names = sorted({prefix + name.decode() for name in _LINKED_PACK.findall(head.content)})
        return iter(self._asyn.sync(self._loop, self._sizes, names))

    def close(self) -> None:
        """Close the sessions."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            self._asyn.sync(self._loop, session.close)

    async def _sizes(self, names: list[str]) -> list[FileInfo]:
        return [one for one in await asyncio.gather(*map(self._size, names)) if one is not None]

    async def _size(self, name: str) -> FileInfo | None:
        try:
            head = await self._ask("HEAD", name, {}, 0, 0)
        except HttpProblem as problem:
            if problem.status in {404, 410}:
                return None
            raise
        size = _length(head.headers)
        if size is None:
            raise RemoteProtocol(f"{name}: the server tells no length")
        return FileInfo(name, size, _modified(head.headers))

    async def _ask(self, method: str, name: str, headers: dict[str, str], start: int, limit: int) -> _Head:
        url = f"{self.url}/{quote(name)}"
        for _ in range(_REDIRECTS):
            own = urlsplit(url).netloc == self._location.authority
            session = self._session(guarded=not own)
            if not own:
                _check_literal(url)
            async with session.request(method, url, headers=headers, allow_redirects=False) as answer:
                if answer.status in _MOVED:
                    url = _redirected(url, answer.headers.get("Location", ""))
                    continue
                if answer.status not in {200, 206} or (answer.status == 206 and not headers):
                    raise HttpProblem(answer.status, f"{answer.status} {answer.reason}")
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise RemoteProtocol(f"{name}: an encoded answer, though none was asked for")
                skip = 0 if answer.status == 206 else start
                content = b"" if method == "HEAD" else await _read(answer.content, skip, limit, answer.status)
                return _Head(answer.status, dict(answer.headers), content)
        raise RemoteProtocol(f"{name}: more than {_REDIRECTS} redirects")

    def _session(self, *, guarded: bool) -> Any:
        if guarded not in self._sessions:
            resolver = _PublicResolver(self._aiohttp.ThreadedResolver()) if guarded else None
            self._sessions[guarded] = self._aiohttp.ClientSession(
                connector=self._aiohttp.TCPConnector(resolver=resolver, limit=32),
                timeout=self._timeout,
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
                cookie_jar=self._aiohttp.DummyCookieJar(),
                trust_env=not guarded,  # a proxy would look up the name where no guard stands
            )
        return self._sessions[guarded]


class _PublicResolver:
    """Looks names up as another resolver does, and refuses addresses of private networks."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> Any:
        """The addresses of a host. Raises RemoteProtocol for one that is not public."""
        found = await self._inner.resolve(host, port, family)
        for entry in found:
            _check_public(entry["host"], host)
        return found

    async def close(self) -> None:
        """Close the other."""
        await self._inner.close()


async def _read(body: Any, skip: int, limit: int, status: int) -> bytes:
    """The body's bytes after ``skip``; one byte more than ``limit`` tells that there were more."""
    kept = bytearray()
    async for piece in body.iter_any():
        if skip >= len(piece):
            skip -= len(piece)
            continue
        kept += piece[skip:] if skip else piece
        skip = 0
        if len(kept) > limit:
            if status == 206 or limit == _LARGEST_WHOLE:
                raise RemoteProtocol(f"an answer of more than {limit} bytes, which were asked for")
            return bytes(kept[:limit])
    return bytes(kept)


def _ranged(head: _Head, name: str, start: int, end: int | None) -> Reply:
    match = _CONTENT_RANGE.fullmatch(head.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start or (end is not None and int(match[2]) >= end):
        raise RemoteProtocol(f"{name}: an answer for another range than was asked for")
    if len(head.content) != int(match[2]) - start + 1:
        raise RemoteProtocol(f"{name}: {len(head.content)} bytes came, which is not the range they claim to be")
    return Reply(head.content, None if match[3] == "*" else int(match[3]))


def _redirected(url: str, target: str) -> str:
    found = urljoin(url, target)
    parts = urlsplit(found)
    if not target or parts.scheme not in {"http", "https"} or parts.username or parts.password:
        raise RemoteProtocol(f"a redirect to {redact(found)!r}")
    if urlsplit(url).scheme == "https" and parts.scheme == "http":
        raise RemoteProtocol(f"a redirect from https to {redact(found)!r}")
    return found


def _check_literal(url: str) -> None:
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    _check_public(host, host)


def _check_public(address: str, host: str) -> None:
    if not ipaddress.ip_address(address.partition("%")[0]).is_global:
        raise RemoteProtocol(f"a redirect to {host}, which is in a private network")


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def _modified(headers: Mapping[str, str]) -> int:
    try:
        return from_datetime(parsedate_to_datetime(headers["Last-Modified"]))
    except (KeyError, ValueError):
        return 0
