"""A repository's files where its logs lie elsewhere: what is read is kept here, what is published goes there.

The remote is the authority: a segment is published when it stands there, after the objects that it needs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from cas.errors import ObjectNotFound
from cas.refs.entries import Entry, SpanEntry, VersionEntry
from cas.refs.segments import parse
from cas.remotes.fetching import fetch, position, read_on
from cas.remotes.pushing import bundle, send_objects
from cas.remotes.retry import wait_turn
from cas.storage.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    from cas.remotes.sides import Remote, Scope
    from cas.storage.contract import FileInfo

__all__ = ["AttachedStore"]

_SEGMENT = re.compile(r"refs/([^/]+)/([^/]+)/([0-9]{20})\.toml")


class AttachedStore(LocalStore):
    """The files below ``root``; those of ref logs are a remote's, kept here once they were verified."""

    def __init__(self, root: Path | str, remote: Callable[[], Remote]) -> None:
        super().__init__(root)
        self._remote = remote
        self._sent: frozenset[str] = frozenset()
        """What a segment needed that lost its race: it lies there already when the next one is tried."""
        self._lost = 0
        self._last = 0

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
            return self._publish(remote, (segment[1], segment[2]), name, content)
        return remote.writable.create(name, content) and super().create(name, content)

    def _publish(self, remote: Remote, scope: Scope, name: str, content: bytes) -> bool:
        began = time.monotonic()
        segment = parse(content)
        needs = _needs(segment.entries)
        missing = set() if needs <= self._sent else send_objects(remote, scope, segment.entries)
        if missing:
            raise ObjectNotFound(f"no object {min(missing).hex()} to publish, here or at {remote.settings.url}")
        self._sent = frozenset()
        theirs = remote.claim(name, content)
        if theirs is None:
            super().create(name, content)
            self._lost, self._last = 0, segment.number
            bundle(remote, scope, segment.number)
            return True
        self._sent = needs
        self._lost += 1
        wait_turn(self._lost, time.monotonic() - began, segment.number - self._last if self._last else 1)
        read_on(remote, scope, (segment.number, theirs))
        return False

    def _bring(self, name: str) -> bool:
        """Read on from the last segment kept, where the next one is asked for; whether it is here now."""
        segment = _SEGMENT.fullmatch(name)
        if segment is None:
            return False
        remote, scope = self._remote(), (segment[1], segment[2])
        if int(segment[3]) == position(remote, scope)[0] + 1:
            read_on(remote, scope)
        return super().exists(name)


def _needs(entries: Iterable[Entry]) -> frozenset[str]:
    """The artifacts and the records of spans that entries name."""
    artifacts = (entry.artifact for entry in entries if isinstance(entry, VersionEntry))
    records = (text for entry in entries if isinstance(entry, SpanEntry) for text in (entry.open, entry.close) if text)
    return frozenset((*artifacts, *records))
