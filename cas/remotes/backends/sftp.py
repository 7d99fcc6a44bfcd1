"""``sftp://user@host:port/path``: any SSH server, through asyncssh.

A file is created as OpenSSH lets it be done atomically: written to a temporary name, then renamed by the plain
rename of SFTP 3, which is refused when the target exists (fsspec's ``mv`` overwrites it). The file is synced
before the rename and, through its still open handle, after it: on journalling file systems that carries the new
name to the disk too, and SFTP has no way to sync a directory.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from cas.errors import AuthError
from cas.remotes.backends.forks import part_from
from cas.remotes.backends.loading import load
from cas.remotes.options import seconds
from cas.remotes.store import Reply, WriteStore
from cas.remotes.urls import Location
from cas.storage.contract import FileInfo

__all__ = ["open_store"]

T = TypeVar("T")
_TEMPORARY = "tmp"
_PIECE = 4 << 20


def open_store(location: Location, options: Mapping[str, str]) -> WriteStore:
    """The directory on the server, which the first create makes."""
    return WriteStore(lambda: SftpClient(location, options))


class SftpClient:
    """One SSH connection, made on first use and again after it broke; its requests overlap."""

    listable = True
    attempts = 6

    def __init__(self, location: Location, options: Mapping[str, str]) -> None:
        self.url = location.url
        self._location = location
        self._options = options
        self._ssh = load("asyncssh", "sftp", "sftp")
        self._asyn = load("fsspec.asyn", "sftp", "sftp")
        self._loop = self._asyn.get_loop()
        part_from(self._loop)
        self._timeout = seconds(options)
        self._connecting: asyncio.Lock | None = None
        self._connection: Any = None
        self._sftp: Any = None
        self._root = location.path.removeprefix("/~/") if location.path.startswith("/~/") else location.path
        self.errors: tuple[type[Exception], ...] = (self._ssh.Error, OSError, ValueError, asyncio.TimeoutError)

    def get(self, name: str, start: int, end: int | None) -> Reply:
        """Read a range; asyncssh has many requests under way for a long one."""
        return self._run(lambda sftp: self._get(sftp, self._path(name), start, end))

    def info(self, name: str) -> FileInfo | None:
        """Look at one file."""

        async def look(sftp: Any) -> FileInfo | None:
            try:
                found = await sftp.stat(self._path(name))
            except (self._ssh.SFTPNoSuchFile, self._ssh.SFTPNoSuchPath):
                return None
            return _info(name, found)

        return self._run(look)

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """Read the directories that can hold names of the prefix; links are not followed."""

        async def collect(sftp: Any) -> list[FileInfo]:
            return [info async for info in self._walk(sftp, prefix)]

        return iter(self._run(collect))

    def put_new(self, name: str, content: bytes) -> None:
        """Create from memory."""

        async def write(file: Any) -> None:
            await file.write(content)

        self._run(lambda sftp: self._put(sftp, name, write))

    def put_new_file(self, name: str, path: Path) -> None:
        """Create from a local file, piece by piece."""

        async def write(file: Any) -> None:
            with path.open("rb") as source:
                while piece := source.read(_PIECE):
                    await file.write(piece)

        self._run(lambda sftp: self._put(sftp, name, write))

    def remove(self, name: str) -> None:
        """Delete one file."""
        self._run(lambda sftp: sftp.remove(self._path(name)))

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._sftp = self._connection, None, None
        if connection is not None:

            async def end() -> None:
                connection.close()
                await connection.wait_closed()

            self._asyn.sync(self._loop, end, timeout=10)

    async def _get(self, sftp: Any, path: str, start: int, end: int | None) -> Reply:
        async with sftp.open(path, "rb") as file:
            size = (await file.stat()).size
            stop = size if end is None else min(end, size)
            content = await file.read(stop - start, start) if stop > start else b""
        return Reply(content, size)

    async def _walk(self, sftp: Any, prefix: str) -> AsyncIterator[FileInfo]:
        pending = [prefix.rpartition("/")[0]]
        while pending:
            folder = pending.pop()
            with suppress(self._ssh.SFTPNoSuchFile, self._ssh.SFTPNoSuchPath):
                async for entry in sftp.scandir(self._path(folder) or "."):
                    if entry.filename in {".", ".."}:
                        continue
                    name = f"{folder}/{entry.filename}" if folder else entry.filename
                    mode = entry.attrs.permissions or 0
                    if stat.S_ISDIR(mode):
                        if name != _TEMPORARY and (name.startswith(prefix) or prefix.startswith(f"{name}/")):
                            pending.append(name)
                    elif stat.S_ISREG(mode) and name.startswith(prefix):
                        yield _info(name, entry.attrs)

    async def _put(self, sftp: Any, name: str, write: Callable[[Any], Awaitable[None]]) -> None:
        scratch = self._path(f"{_TEMPORARY}/{os.urandom(16).hex()}")
        target = self._path(name)
        file = await self._new(sftp, scratch)
        try:
            try:
                await write(file)
                await file.fsync()
                await self._rename(sftp, scratch, target)
                await file.fsync()
            finally:
                await file.close()
        except BaseException:
            with suppress(self._ssh.Error, OSError):
                await sftp.remove(scratch)
            raise

    async def _new(self, sftp: Any, path: str) -> Any:
        attributes = self._ssh.SFTPAttrs(permissions=0o644)
        try:
            return await sftp.open(path, "xb", attributes)
        except (self._ssh.SFTPNoSuchFile, self._ssh.SFTPNoSuchPath):
            await sftp.makedirs(posixpath.dirname(path), exist_ok=True)
            return await sftp.open(path, "xb", attributes)

    async def _rename(self, sftp: Any, scratch: str, target: str) -> None:
        try:
            await sftp.rename(scratch, target)
        except (self._ssh.SFTPNoSuchFile, self._ssh.SFTPNoSuchPath):
            await sftp.makedirs(posixpath.dirname(target), exist_ok=True)
            await self._rename_again(sftp, scratch, target)
        except self._ssh.SFTPFailure as error:  # all that SFTP 3 says of a target that exists
            await self._explain(sftp, target, error)

    async def _rename_again(self, sftp: Any, scratch: str, target: str) -> None:
        try:
            await sftp.rename(scratch, target)
        except self._ssh.SFTPFailure as error:
            await self._explain(sftp, target, error)

    async def _explain(self, sftp: Any, target: str, error: Exception) -> None:
        if await sftp.lexists(target):
            raise FileExistsError(target) from error
        raise error

    def _run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        found: T = self._asyn.sync(self._loop, self._with_connection, work, timeout=self._timeout)
        return found

    async def _with_connection(self, work: Callable[[Any], Awaitable[T]]) -> T:
        sftp = await self._connected()
        try:
            return await work(sftp)
        except (self._ssh.SFTPConnectionLost, self._ssh.SFTPNoConnection, self._ssh.DisconnectError, ConnectionError):
            if self._sftp is sftp:
                self._sftp = None
                self._connection.abort()
            raise

    async def _connected(self) -> Any:
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:
            if self._sftp is None:
                self._connection = await self._connect()
                self._sftp = await self._connection.start_sftp_client()
            return self._sftp

    async def _connect(self) -> Any:
        settings: dict[str, Any] = {}
        if self._location.port:
            settings["port"] = self._location.port
        if self._location.user:
            settings["username"] = self._location.user
        if "identity_file" in self._options:
            settings["client_keys"] = [self._options["identity_file"]]
        if "known_hosts" in self._options:
            settings["known_hosts"] = self._options["known_hosts"]
        host = self._location.host.strip("[]")
        times = {"connect_timeout": 10, "login_timeout": 30, "keepalive_interval": 30}
        try:
            return await self._ssh.connect(host, **times, **settings)
        except FileNotFoundError as error:  # of a file here, not there
            raise AuthError(f"{self.url}: no file {error.filename}", hint="name a file of keys that exists") from error

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}".rstrip("/") if self._root else name


def _info(name: str, attributes: Any) -> FileInfo:
    return FileInfo(name, int(attributes.size or 0), int(attributes.mtime or 0) * 1_000_000)
