"""Entries on their way in: verified one by one, invisible to the store until all that belongs to them is there.

Files of entries lie in a directory of their own, each locked by the process that writes it. What an interrupted
transfer left is taken up by the next: verified again, not fetched again. Chunk maps are kept aside until the chunks,
streamed, have given the blob's id.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from cas.errors import CorruptObject, HashMismatch, StorageError
from cas.objects.appending import names
from cas.objects.compression import expand
from cas.objects.ids import BlobId, Kind, ObjectId, object_id
from cas.objects.maps import ChunkMap
from cas.objects.packs import ENTRY, ENTRY_SIZE, MAGIC, MAX_PAYLOAD, SQUEEZED, footer, scan, verified
from cas.objects.raw import RawEntry, mapped_size, read_raw
from cas.storage.durable import fsync_directory, fsync_file, make_directories, storage_errors, write_views

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["Staging"]

_ENDING = ".part"


class Staging:
    """Entries that arrived. Thread-safe. ``admit`` gives them to the store, ``close`` leaves them for another try."""

    def __init__(self, directory: Path, store: ObjectStore) -> None:
        self._directory = directory
        self._store = store
        self._lock = threading.Lock()
        self._parts: list[_Part] = []
        self._places: dict[bytes, tuple[_Part, int]] = {}
        self._maps: dict[bytes, bytes] = {}
        self._take_up()

    def add(self, entries: Iterable[RawEntry]) -> None:
        """Keep verified entries that are not here yet."""
        with self._lock, storage_errors(f"write to {self._directory}"):
            fresh: list[RawEntry] = []
            for entry in entries:
                if entry.kind is Kind.MAP:
                    self._maps[entry.key] = entry.payload
                elif entry.key not in self._places:
                    fresh.append(entry)
            if fresh:
                self._append(list({entry.key: entry for entry in fresh}.values()))

    def holds(self, key: bytes, kind: Kind | None = None) -> bool:
        """Whether an entry is here; of a blob's map only where ``kind`` is not blob."""
        if kind is None and key in self._maps:
            return True
        place = self._places.get(key)
        return place is not None and kind in (None, place[0].kinds[key])

    def has_map(self, blob: bytes) -> bool:
        """Whether a map of the blob has arrived."""
        return blob in self._maps

    def load(self, key: bytes, kind: Kind | None = None) -> tuple[Kind, bytes]:
        """The kind and payload of an entry here, or in the store. Raises ObjectNotFound."""
        if kind in (None, Kind.MAP) and key in self._maps:
            return Kind.MAP, self._maps[key]
        place = self._places.get(key)
        if place is not None and kind in (None, place[0].kinds[key]):
            with storage_errors(f"read {self._directory}"):
                return place[0].load(place[1])
        return self._store.load(key, kind)

    def admit(self, check: Iterable[bytes] = ()) -> int:
        """Give everything here to the store, durably; the bytes. The maps in ``check`` are admitted, no others.

        Raises HashMismatch where a map's chunks, streamed, are not its blob; then nothing is admitted.
        """
        maps = [blob for blob in dict.fromkeys(check) if blob in self._maps]
        for blob in maps:
            self._check_map(blob)
        with self._lock, storage_errors(f"write to {self._store.directory}"):
            if maps:
                self._append_maps(maps)
            total = 0
            for part in self._parts:
                total += part.size
                part.seal(self._store)
            self._parts, self._places, self._maps = [], {}, {}
            return total

    def keep_only(self, keys: Collection[bytes]) -> None:
        """Leave everything but these for the next transfer."""
        with self._lock, storage_errors(f"write to {self._directory}"):
            kept = [(place[0], place[1]) for key, place in self._places.items() if key in keys]
            before, self._parts, self._places = self._parts, [], {}
            for part, at in kept:
                self._append([part.raw(at)])
            for part in before:
                part.close()

    def close(self) -> None:
        """Let go of the files; the next transfer takes them up."""
        with self._lock:
            for part in self._parts:
                part.close()
            self._parts, self._places = [], {}

    def _check_map(self, blob: bytes) -> None:
        whole = blake3()
        for chunk in self._map(blob).chunks():
            payload = self._chunk(chunk.id)
            if len(payload) != chunk.length:
                raise CorruptObject(f"blob {blob.hex()}: chunk {chunk.id.hex()} has not the length that its map says")
            whole.update(payload)
        if whole.digest() != blob:
            raise HashMismatch(f"blob {blob.hex()}: its chunks, streamed, are not it")

    def _chunk(self, ident: bytes) -> bytes:
        """A chunk's bytes; of one that arrived, which was verified then, not hashed again: the whole is, just after."""
        place = self._places.get(ident)
        if place is None or place[0].kinds[ident] is not Kind.BLOB:
            return self._store.load(ident, Kind.BLOB)[1]
        with storage_errors(f"read {self._directory}"):
            return place[0].payload(place[1])

    def _map(self, blob: bytes) -> ChunkMap:
        found = ChunkMap(self._maps[blob], lambda part: self.load(part, Kind.PART)[1])
        if found.blob != blob:
            raise HashMismatch(f"the chunk map under {blob.hex()} is another blob's")
        return found

    def _append_maps(self, blobs: list[bytes]) -> None:
        entries = []
        for blob in blobs:
            payload = self._maps[blob]
            head = ENTRY.pack(Kind.MAP, len(payload), object_id(Kind.MAP, payload))
            entries.append(RawEntry(Kind.MAP, BlobId(ObjectId(blob)), head + payload))
        # One key means one thing within a pack.
        taken = any(blob in part.kinds for part in self._parts[-1:] for blob in blobs)
        self._append(entries, fresh=taken)

    def _append(self, entries: list[RawEntry], *, fresh: bool = False) -> None:
        size = sum(len(entry.content) for entry in entries)
        if not self._parts or fresh or self._parts[-1].size + size > self._store.limits.pack:
            self._parts.append(_Part.create(self._directory))
        part = self._parts[-1]
        at = part.size
        part.append(entries)
        for entry in entries:
            if entry.kind is not Kind.MAP:
                self._places[entry.key] = (part, at)
            at += len(entry.content)

    def _take_up(self) -> None:
        """The files that nobody holds: of interrupted transfers."""
        with storage_errors(f"read {self._directory}"):
            for path in sorted(self._directory.glob(f"*{_ENDING}")) if self._directory.is_dir() else ():
                part = _Part.take_up(path)
                if part is None:
                    continue
                self._parts.append(part)
                for key, at in part.places.items():
                    self._places.setdefault(key, (part, at))


class _Part:
    """A pack without a footer yet."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self.places: dict[bytes, int] = {}
        self.kinds: dict[bytes, Kind] = {}
        self._mapped: set[int] = set()
        self._descriptor = descriptor

    @classmethod
    def create(cls, directory: Path) -> _Part:
        make_directories(directory)
        for _ in range(100):
            path = directory / f"{os.urandom(16).hex()}{_ENDING}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            part = cls(path, descriptor)
            # Between its creation and its lock another process may take it for one that was left.
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if names(path, descriptor):
                    part._write([MAGIC])
                    return part
            part.close()
        raise StorageError(f"cannot lock a new file in {directory}: another process takes each one away")

    @classmethod
    def take_up(cls, path: Path) -> _Part | None:
        """A file whose writer is gone, cut after its last whole entry; None where it is held, empty or only maps."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        part = cls(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            part.close()
            return None
        if not names(path, descriptor):
            part.close()
            return None
        content = _Whole(descriptor)
        for entry in scan(content) if content[: len(MAGIC)] == MAGIC else ():
            if entry.kind is Kind.MAP:
                break
            part.places[entry.key], part.kinds[entry.key], part.size = entry.offset, entry.kind, entry.end
        if not part.size:
            path.unlink()
            part.close()
            return None
        os.ftruncate(descriptor, part.size)
        os.lseek(descriptor, part.size, os.SEEK_SET)
        return part

    def append(self, entries: list[RawEntry]) -> None:
        at = self.size
        self._write([entry.content for entry in entries])
        for entry in entries:
            self.places[entry.key], self.kinds[entry.key] = at, entry.kind
            if entry.kind is Kind.MAP:
                self._mapped.add(mapped_size(entry.payload))
            at += len(entry.content)

    def raw(self, at: int) -> RawEntry:
        length = ENTRY.unpack(os.pread(self._descriptor, ENTRY_SIZE, at))[1]
        return read_raw(os.pread(self._descriptor, ENTRY_SIZE + length, at))[0]

    def payload(self, at: int) -> bytes:
        number, length, _ = ENTRY.unpack(os.pread(self._descriptor, ENTRY_SIZE, at))
        stored = os.pread(self._descriptor, length, at + ENTRY_SIZE)
        return expand(stored, MAX_PAYLOAD) if number & SQUEEZED else stored

    def load(self, at: int) -> tuple[Kind, bytes]:
        number, length, ident = ENTRY.unpack(os.pread(self._descriptor, ENTRY_SIZE, at))
        kind, _, payload = verified(number, ident, os.pread(self._descriptor, length, at + ENTRY_SIZE))
        return kind, payload

    def seal(self, store: ObjectStore) -> None:
        """Make it a pack of the store."""
        self._write([footer(self.size, self.places, (), self._mapped)])
        fsync_file(self._descriptor)
        os.fchmod(self._descriptor, 0o444)
        make_directories(store.directory)
        sealed = store.directory / f"{self.path.stem}.pack"
        self.path.rename(sealed)
        fsync_directory(store.directory)
        self.close()
        store.admit(sealed)

    def close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, views: list[bytes | memoryview]) -> None:
        write_views(self._descriptor, views)
        self.size += sum(map(len, views))


class _Whole:
    """An open file as bytes to scan; keeps the window it read last."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._start, self._window = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice, /) -> bytes:
        start, stop, _ = span.indices(self._size)
        if not self._start <= start <= stop <= self._start + len(self._window):
            self._start = start
            self._window = os.pread(self._descriptor, max(stop - start, 4 << 20), start)
        return self._window[start - self._start : stop - self._start]
