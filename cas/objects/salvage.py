"""Packs that are still open: reading them, and sealing those whose writer died."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cas.objects.appending import names
from cas.objects.ids import Kind, ObjectId
from cas.objects.packs import ENTRY_SIZE, MAGIC, Pages, ScannedEntry, footer, scan, verified
from cas.storage.durable import fsync_directory, fsync_file, storage_errors, typed, write_all

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["left", "live", "open_packs", "opened", "salvage"]

_WINDOW = 256 * 1024
_TOLD = frozenset({Kind.SPAN, Kind.ARTIFACT})


def live(directory: Path, kind: Kind, but: Collection[Path] = ()) -> Iterator[tuple[ObjectId, bytes]]:
    """The objects of a kind in the open packs of a directory (``but`` these), each verified, up to each file's first
    torn entry."""
    for path in open_packs(directory):
        if path in but:
            continue
        with opened(path) as content:
            for entry in scan(content):
                if entry.kind is kind:
                    yield entry.id, payload_of(content, entry)


def left(directory: Path, kind: Kind) -> Iterator[ObjectId]:
    """As :func:`live`, the ids alone, and only of packs whose writer died: nobody holds their lock."""
    for path in open_packs(directory):
        with opened(path) as content:
            if isinstance(content, _OpenFile) and content.left():
                yield from (entry.id for entry in scan(content) if entry.kind is kind)


def salvage(store: ObjectStore, settle: Callable[[list[tuple[Kind, ObjectId, bytes]]], None]) -> None:
    """Seal every open pack whose lock is free, cut after its last whole entry.

    Before each is sealed, ``settle`` gets the span and artifact records found in it, durable by then: should it not
    return, the pack stays open for the next writer, who settles again. Raises StorageError, StorageFull.
    """
    for path in open_packs(store.directory):
        with storage_errors(f"salvage {path}"):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between our open and our lock its writer may have sealed it, or another salvager.
                if names(path, descriptor):
                    _seal(store, path, descriptor, settle)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)


def payload_of(content: Pages, entry: ScannedEntry) -> bytes:
    """The payload of a scanned entry."""
    return verified(content[entry.offset : entry.end][0], entry.id, content[entry.offset + ENTRY_SIZE : entry.end])[2]


def _seal(
    store: ObjectStore, path: Path, descriptor: int, settle: Callable[[list[tuple[Kind, ObjectId, bytes]]], None]
) -> None:
    content = _OpenFile(descriptor)
    entries = list(scan(content)) if content[: len(MAGIC)] == MAGIC else []
    if not entries:
        path.unlink()
        return
    told = [(entry.kind, entry.id, payload_of(content, entry)) for entry in entries if entry.kind in _TOLD]
    end = entries[-1].end
    places = {entry.key: entry.offset for entry in entries}
    mapped = {
        int.from_bytes(content[entry.offset + 69 : entry.offset + 77], "little")
        for entry in entries
        if entry.kind is Kind.MAP
    }
    os.ftruncate(descriptor, end)
    try:
        fsync_file(descriptor)
        fsync_directory(store.directory)
        settle(told)
        os.lseek(descriptor, end, os.SEEK_SET)
        write_all(descriptor, footer(end, places, (), mapped))
        fsync_file(descriptor)
    except OSError as error:
        raise typed(f"make {path} durable", error) from error
    os.fchmod(descriptor, 0o444)
    sealed = path.with_suffix(".pack")
    path.rename(sealed)
    fsync_directory(store.directory)
    store.admit(sealed)


def open_packs(directory: Path) -> list[Path]:
    """The packs of a directory that nobody has sealed yet."""
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ".open")
    except FileNotFoundError:
        return []


class _OpenFile:
    """A file that its writer may cut short at any time: read, never mapped, since a mapped page that goes away kills
    the reader. Keeps the window it read last."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._start = 0
        self._window = b""

    def __len__(self) -> int:
        return self._size

    def left(self) -> bool:
        """Whether its writer is gone. A salvager that looks at this very moment passes it over until its next turn."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # held, or a file system that has no locks and tells nothing
            return False
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return True

    def __getitem__(self, span: slice, /) -> bytes:
        start, stop, _ = span.indices(self._size)
        if not self._start <= start <= stop <= self._start + len(self._window):
            self._start = start
            self._window = os.pread(self._descriptor, max(stop - start, _WINDOW), start)
        return self._window[start - self._start : stop - self._start]


@contextmanager
def opened(path: Path) -> Iterator[_OpenFile | bytes]:
    """The bytes of an open pack; none where it is gone."""
    with storage_errors(f"read {path}"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            yield b""
            return
        try:
            yield _OpenFile(descriptor)
        finally:
            os.close(descriptor)
