"""Buckets through obstore: conditional writes for Amazon, Google and Azure, at a tenth of the client's time.

obstore brings its own credential chains (environment, files, metadata services); see docs/remotes.
"""

from __future__ import annotations

import mmap
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from cas.clock import from_datetime
from cas.errors import RemoteProtocol
from cas.remotes.backends.choosing import enter_obstore
from cas.remotes.backends.loading import load
from cas.remotes.options import seconds
from cas.remotes.store import Reply
from cas.remotes.urls import Location
from cas.storage.contract import FileInfo

__all__ = ["ObstoreClient", "client_settings"]

_STATUS = re.compile(r"status: (\d{3})\b|status code: (\d{3})\b|(?:Client|Server) error with status (\d{3})")
_PROTOCOL = re.compile(
    r"(?i)non-partial response|content-?range|content-length|last-modified|wanted range|requested \d+\.\."
)
_RANGE = re.compile(r"StartTooLarge|starting at \d+, but")
_CREDENTIALS = re.compile(r"(?i)credential|metadata/identity|instance metadata|latest/api/token|oauth")

_MADE = 64


class ObstoreProblem(Exception):
    """A failure that obstore reports in words only; ``status`` is the HTTP status read off them, or None."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


def client_settings(options: Mapping[str, str], *, insecure: bool) -> dict[str, Any]:
    """Arguments of every obstore.store class: time limits, and no retries but ours."""
    limit = f"{seconds(options)}s"
    return {
        "client_options": {"timeout": limit, "connect_timeout": "10s", "allow_http": insecure},
        "retry_config": {"max_retries": 0, "retry_timeout": timedelta(seconds=seconds(options))},
    }


class ObstoreClient:
    """A bucket as obstore sees it. ``store`` is one of obstore.store."""

    listable = True
    attempts = 6

    def __init__(self, location: Location, store: Any) -> None:
        self.url = location.url
        self._location = location
        self._store = store
        self._obstore = load("obstore", location.scheme, "fast")
        self._base = load("obstore.exceptions", location.scheme, "fast").BaseError
        self.errors: tuple[type[Exception], ...] = (ObstoreProblem, OSError, ValueError, RemoteProtocol)
        # What was created lately: its tag, and how a listing showed it with that tag.
        self._made: OrderedDict[str, tuple[str, FileInfo | None]] = OrderedDict()
        # Azure has no such listing: obstore would fetch all the names and pass over them.
        self.walk_after = self._walk_after if location.scheme in ("s3", "gs") else None

    def get(self, name: str, start: int, end: int | None) -> Reply:
        """Read a range; obstore itself checks the answer's range against what was asked."""
        key = self._location.full(name)
        options: dict[str, Any] = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        with self._plain_errors():
            result = self._obstore.get(self._store, key, options=options)
            return Reply(bytes(result.bytes()), int(result.meta["size"]))

    def info(self, name: str) -> FileInfo | None:
        """Look at one file."""
        try:
            with self._plain_errors():
                meta = self._obstore.head(self._store, self._location.full(name))
        except FileNotFoundError:
            return None
        return FileInfo(name, int(meta["size"]), from_datetime(meta["last_modified"]))

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """List the directory of the prefix: obstore's own prefixes are whole path segments."""
        return self._walk_after(prefix, "")

    def _walk_after(self, prefix: str, after: str) -> Iterator[FileInfo]:
        root = f"{self._location.path}/" if self._location.path else ""
        folder, _, _ = self._location.full(prefix).rpartition("/")
        beyond = {"offset": self._location.full(after)} if after else {}
        with self._plain_errors():
            for batch in self._obstore.list(self._store, folder or None, **beyond):
                for meta in batch:
                    name = meta["path"][len(root) :]
                    if name.startswith(prefix) and name > after:
                        found = FileInfo(name, int(meta["size"]), from_datetime(meta["last_modified"]))
                        self._recognise(found, meta["e_tag"])
                        yield found

    def made(self, info: FileInfo) -> bool:
        """Whether a file that was listed is one that this client created lately, by the store's own tag."""
        return self._made.get(info.name, ("", None))[1] == info

    def _recognise(self, found: FileInfo, tag: str | None) -> None:
        known = self._made.get(found.name)
        if known is not None and known[0] == (tag or "").strip('"'):
            self._made[found.name] = (known[0], found)

    def folders(self, prefix: str) -> list[str]:
        """The common prefixes of one listing with a delimiter."""
        with self._plain_errors():
            found = self._obstore.list_with_delimiter(self._store, self._location.full(prefix.rstrip("/")))
        return [path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]]

    def put_new(self, name: str, content: bytes) -> None:
        """One conditional PUT."""
        with self._plain_errors():
            put = self._obstore.put(self._store, self._location.full(name), content, mode="create")
        if put["e_tag"]:
            self._made[name] = (put["e_tag"].strip('"'), None)
            if len(self._made) > _MADE:
                self._made.popitem(last=False)

    def put_new_file(self, name: str, path: Path) -> None:
        """One conditional PUT of the mapped file: its pages, not a copy of it, are what is sent."""
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                self.put_new(name, b"")
                return
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with self._plain_errors():
            self._obstore.put(self._store, self._location.full(name), memoryview(mapped), mode="create")

    def remove(self, name: str) -> None:
        """Delete one file."""
        with self._plain_errors():
            self._obstore.delete(self._store, self._location.full(name))

    def close(self) -> None:
        """obstore closes idle connections itself."""

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        enter_obstore()
        try:
            yield
        except self._base as error:
            raise _plain(error) from None  # its text holds whole requests


def _plain(error: Exception) -> Exception:
    """The same failure as a built-in exception, or with its status: obstore tells most only in its text."""
    text = str(error)
    message = text.partition("\n")[0]
    kind = type(error).__name__
    if kind in {"AlreadyExistsError", "PreconditionError"}:
        return FileExistsError(message)
    if kind in {"PermissionDeniedError", "UnauthenticatedError"}:
        return PermissionError(message)
    status = next((int(found) for match in _STATUS.finditer(text) for found in match.groups() if found), None)
    if status is not None:
        return ObstoreProblem(message, status)
    if _RANGE.search(text):
        return ObstoreProblem(message, 416)
    if _PROTOCOL.search(text):
        return RemoteProtocol(message)
    if _CREDENTIALS.search(text):
        return PermissionError(f"no credentials were found: {message}")
    if "kind: Connect" in text:
        return ConnectionRefusedError(message)
    if "HttpError" in text or "HTTP error" in text or "reqwest" in text:
        return ConnectionError(message)
    return ObstoreProblem(message, None)
