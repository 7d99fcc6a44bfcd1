"""Buckets through an fsspec filesystem: what s3fs, gcsfs and adlfs share.

Looking at a file and listing are each backend's own: fsspec's ``info`` and ``find`` ask several questions
more, to tell directories from files, and hide a bucket that does not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cas.remotes.backends.forks import part_from
from cas.remotes.store import Reply
from cas.remotes.urls import Location

__all__ = ["FsspecClient"]


class FsspecClient:
    """Reading and writing through fsspec's verbs, whose ``mode="create"`` is a conditional request here."""

    listable = True
    reading: Mapping[str, Any] = MappingProxyType({})
    """What a read passes on beside the range."""
    writing: Mapping[str, Any] = MappingProxyType({})
    """What a create passes on beside the content."""

    def __init__(self, location: Location, filesystem: Any, errors: tuple[type[Exception], ...], attempts: int) -> None:
        self.url = location.url
        self.location = location
        self.filesystem = filesystem
        self.errors: tuple[type[Exception], ...] = (*errors, OSError, ValueError, asyncio.TimeoutError)
        self.attempts = attempts
        part_from(filesystem.loop)

    def get(self, name: str, start: int, end: int | None) -> Reply:
        """Read a range; the answer does not tell the file's size."""
        first = start or (None if end is None else 0)
        content = self.filesystem.cat_file(self._path(name), start=first, end=end, **self.reading)
        return Reply(bytes(content), None)

    def put_new(self, name: str, content: bytes) -> None:
        """One conditional PUT, or for many megabytes parts that a conditional request joins."""
        self.filesystem.pipe_file(self._path(name), content, mode="create", **self.writing)

    def put_new_file(self, name: str, path: Path) -> None:
        """The same, streamed from the file."""
        self.filesystem.put_file(str(path), self._path(name), mode="create", **self.writing)

    def remove(self, name: str) -> None:
        """Delete one file."""
        self.filesystem.rm_file(self._path(name))

    def close(self) -> None:
        """Close the session: the filesystem would when it is collected, but waits a tenth of a second at most."""
        s3fs, gcsfs, adlfs = (
            getattr(self.filesystem, name, None) for name in ("_s3creator", "_session", "service_client")
        )
        if s3fs is not None:
            self._finish(s3fs.__aexit__, None, None, None)
        elif gcsfs is not None:
            self._finish(gcsfs.close)
        elif adlfs is not None:
            self._finish(adlfs.close)

    def _finish(self, ending: Callable[..., Any], *arguments: object) -> None:
        from fsspec.asyn import sync

        with suppress(*self.errors):
            sync(self.filesystem.loop, ending, *arguments, timeout=10)

    def _path(self, name: str) -> str:
        return f"{self.location.host}/{self.location.full(name)}"
