"""A repository's files where its logs lie elsewhere: what is read is kept here, what is published goes there.

The remote is the authority: a segment is published when it stands there, after the objects that it needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cas.errors import ObjectNotFound
from cas.refs.segments import parse
from cas.remotes.fetching import fetch, position, read_on
from cas.remotes.pushing import send_objects
from cas.storage.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    from cas.remotes.sides import Remote
    from cas.storage.contract import FileInfo

__all__ = ["AttachedStore"]

_SEGMENT = re.compile(r"refs/([^/]+)/([^/]+)/([0-9]{20})\.toml")


class AttachedStore(LocalStore):
    """The files below ``root``; those of ref logs are a remote's, kept here once they were verified."""

    def __init__(self, root: Path | str, remote: Callable[[], Remote]) -> None:
        super().__init__(root)
        self._remote = remote

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """As the local store's; logs are caught up with first."""
        if prefix.startswith("refs/"):
            fetch(self._remote())
        return super().list(prefix)

    def exists(self, name: str) -> bool:
        """Whether a file is there; a segment that is not here is asked for."""
        return super().exists(name) or self._bring(name)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """A file's bytes; a segment that is not here is asked for."""
        if not super().exists(name):
            self._bring(name)
        return super().read(name, offset, length)

    def create(self, name: str, content: bytes) -> bool:
        """Create a file if it is absent; one of a log there, after the objects that its entries need."""
        if not name.startswith("refs/"):
            return super().create(name, content)
        remote = self._remote()
        segment = _SEGMENT.fullmatch(name)
        if segment is not None:
            scope = (segment[1], segment[2])
            missing = send_objects(remote, scope, parse(content).entries)
            if missing:
                raise ObjectNotFound(f"no object {min(missing).hex()} to publish, here or at {remote.settings.url}")
        if not remote.writable.create(name, content):
            return False
        super().create(name, content)
        return True

    def _bring(self, name: str) -> bool:
        """Read on from the last segment kept, where the next one is asked for; whether it is here now."""
        segment = _SEGMENT.fullmatch(name)
        if segment is None:
            return False
        remote, scope = self._remote(), (segment[1], segment[2])
        if int(segment[3]) == position(remote, scope)[0] + 1:
            read_on(remote, scope)
        return super().exists(name)
