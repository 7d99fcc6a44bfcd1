"""Sending objects: entries copied as they are stored, each verified first, into few and large packs."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cas.errors import RemoteProtocol
from cas.objects.ids import Kind
from cas.objects.packs import MAGIC, footer
from cas.objects.raw import mapped_size
from cas.objects.stretches import Place, Wanted, in_file_order, locate, stretches
from cas.remotes.closure import Found
from cas.remotes.reports import Transfer
from cas.remotes.sides import JOBS, Progress, Remote, in_threads, none
from cas.storage.durable import create_temporary, storage_errors, write_all, write_views
from cas.storage.leftovers import sweep

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["Sender"]

# A pack is sent when it is this large; what is left over makes a smaller one.
_PACK = 64 << 20
# Footers not known yet are read only where what they might spare is worth a request each.
_WORTH = 16 << 10
_TRIFLE = 64 << 10
# In one call ext4 takes memory for all of it in one piece, which costs twice the time where memory is in many.
_WRITE = 128 << 10


class Sender:
    """Looks objects up here, and sends those that a remote lacks."""

    def __init__(self, remote: Remote, *, jobs: int = JOBS, progress: Progress = none) -> None:
        self._remote = remote
        self._objects: ObjectStore = remote.here.objects
        self._jobs = jobs
        self._progress = progress
        self._lock = threading.Lock()
        self._places: dict[bytes, Place] = {}
        self.objects = 0
        self.packs = 0
        self.done = 0
        """Bytes sent."""
        self.total = 0

    @property
    def objects_here(self) -> ObjectStore:
        """Where it looks objects up."""
        return self._objects

    @contextmanager
    def of(self, objects: ObjectStore) -> Iterator[Sender]:
        """A sender of what another store holds; what it sends counts here too."""
        other = Sender(self._remote, jobs=self._jobs)
        other._objects = objects
        yield other
        self.objects += other.objects
        self.packs += other.packs
        self.done += other.done
        self.total += other.total

    def look(self, keys: Collection[bytes], kind: Kind | None) -> Mapping[bytes, Found]:
        """What is there of the keys, here; as walks ask (closure.py)."""
        found: dict[bytes, Found] = {}
        for key in keys:
            place = self._places.get(key) or locate(self._objects, key)
            if place is None:
                continue
            self._places[key] = place
            if kind is not None or place.kind is Kind.BLOB:
                found[key] = Found(kind or place.kind, None)
            else:
                found[key] = Found(*self._objects.load(key, place.kind))
        return found

    def lacked(self, kinds: Mapping[bytes, Kind]) -> list[bytes]:
        """Those of the keys that the remote does not hold, as far as it is worth finding out."""
        size = sum(map(self._size, kinds))
        inventory = self._remote.inventory
        if size <= _TRIFLE:
            return list(kinds)  # a look at what is there takes longer than sending them
        inventory.look()
        missing = inventory.missing(kinds)
        if inventory.unread and sum(map(self._size, missing)) > inventory.unread * _WORTH:
            inventory.read_all(self._jobs)
            missing = inventory.missing(missing)
        return [key for key in kinds if key in missing]

    def held_there(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of the keys that the remote holds."""
        self._remote.inventory.read_all(self._jobs)
        return set(keys) - self._remote.inventory.missing(keys)

    def plan(self, keys: Sequence[bytes]) -> int:
        """The bytes that sending the keys takes."""
        return sum(map(self._size, keys))

    def send(self, keys: Sequence[bytes], kinds: Mapping[bytes, Kind]) -> None:
        """Send the keys' entries; they are durable there when this returns. Raises CorruptObject for damaged ones."""
        if not keys:
            return
        self.total += self.plan(keys)
        wanted = in_file_order(Wanted(key, kinds[key], self._places[key]) for key in keys)
        # A directory has no answers to wait for but the disk's: more threads than that only stand in each other's way.
        workspace: Path | None = getattr(self._remote.store, "workspace", None)
        if workspace is not None:
            sweep(workspace, self._remote.here.now())
        jobs = min(self._jobs, (os.cpu_count() or 1) + 1) if workspace is not None else self._jobs
        for _ in in_threads(jobs, self._send_pack, list(_batches(wanted))):
            pass

    def report(self, **more: Any) -> Transfer:
        """What was moved so far, with what the caller adds."""
        remote = self._remote
        return Transfer(remote.name, remote.settings.url, self.objects, self.done, self.packs, **more)

    def _size(self, key: bytes) -> int:
        return self._places[key].size

    def _send_pack(self, wanted: Sequence[Wanted]) -> None:
        store = self._remote.writable
        # Where the remote is a directory the pack is written there at once, and only gets its name at the end.
        workspace: Path = getattr(store, "workspace", self._remote.here.root / "tmp")
        with storage_errors(f"write to {workspace}"):
            descriptor, path = create_temporary(workspace)
        try:
            try:
                with storage_errors(f"write {path}"):
                    tail, size = self._write_pack(descriptor, wanted)
            finally:
                os.close(descriptor)
            name = f"objects/{os.urandom(16).hex()}.pack"
            if not store.create_from_file(name, path):
                raise RemoteProtocol(f"{self._remote.name}: {name} was there already, though its name is random")
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
        self._remote.inventory.add(name, size, tail)
        with self._lock:
            self.packs += 1

    def _write_pack(self, descriptor: int, wanted: Sequence[Wanted]) -> tuple[bytes, int]:
        """Write a whole pack; its footer, and its size."""
        places: dict[bytes, int] = {}
        mapped: set[int] = set()
        write_views(descriptor, [MAGIC])
        at = len(MAGIC)
        for entries, pieces in stretches(self._objects, wanted):
            _write(descriptor, pieces)
            before = at
            for entry in entries:
                if entry.kind is Kind.MAP:
                    mapped.add(mapped_size(entry.payload))
                places[entry.key] = at
                at += len(entry.content)
            self._count(at - before)
        tail = footer(at, places, (), mapped)
        write_views(descriptor, [tail])
        with self._lock:
            self.objects += len(places)
        return tail, at + len(tail)

    def _count(self, done: int) -> None:
        with self._lock:
            self.done += done
            self._progress(self.done, self.total)


def _write(descriptor: int, pieces: Sequence[bytes | memoryview]) -> None:
    small: list[bytes | memoryview] = []
    for piece in pieces:
        if len(piece) <= _WRITE:
            small.append(piece)
            continue
        write_views(descriptor, small)
        small = []
        for start in range(0, len(piece), _WRITE):
            write_all(descriptor, piece[start : start + _WRITE])
    write_views(descriptor, small)


def _batches(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """What makes a pack each."""
    batch: list[Wanted] = []
    size = 0
    for one in wanted:
        batch.append(one)
        size += one.place.size
        if size >= _PACK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
