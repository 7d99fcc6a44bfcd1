"""Entries copied out of packs as stored: read a stretch at a time, verified in the memory they are written from.

Reading into memory of its own costs less than mapping a pack whose every page is wanted once, and what was verified is
what is written, whatever happens to the file meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from cas.errors import CorruptObject
from cas.objects.ids import Kind
from cas.objects.packs import ENTRY, ENTRY_SIZE, Pack
from cas.objects.raw import RawEntry, raw_entry, read_raw
from cas.storage.durable import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from cas.objects.store import ObjectStore

__all__ = ["Place", "Stretch", "Wanted", "in_file_order", "locate", "stretches"]

# What stays in a processor's cache between reading, hashing and writing.
_AT_ONCE = 2 << 20
_GAP = 16 << 10


class Place(NamedTuple):
    """Where a store holds an entry: its kind and the bytes it takes, header and all, both as it claims; the pack and
    the offset in it, or None and 0 where no sealed pack holds it."""

    kind: Kind
    size: int
    pack: Pack | None
    at: int


class Wanted(NamedTuple):
    """An entry to read: its key, the kind that is meant, and where it was located."""

    key: bytes
    kind: Kind
    place: Place


class Stretch(NamedTuple):
    """Verified entries, and their bytes in order, in as few pieces as they came in; good until the next one."""

    entries: list[RawEntry]
    pieces: list[bytes | memoryview]


def locate(store: ObjectStore, key: bytes) -> Place | None:
    """Where a store holds a key; nothing of it is verified. None: nowhere here."""
    for pack in store.packs:
        at = pack.find(key)
        if at >= 0:
            return Place(pack.kind(at), ENTRY_SIZE + ENTRY.unpack_from(pack.pages, at)[1], pack, at)
    # Not by load, which may ask elsewhere for what is not here.
    found = store.unsealed(key) or store.growing.find(key)
    return Place(found[0], ENTRY_SIZE + len(found[1]), None, 0) if found is not None else None


def in_file_order(wanted: Iterable[Wanted]) -> list[Wanted]:
    """As the entries follow each other in their packs, so that reading goes forward."""
    return sorted(wanted, key=lambda one: (one.place.pack.name if one.place.pack is not None else "", one.place.at))


def stretches(store: ObjectStore, wanted: Sequence[Wanted]) -> Iterator[Stretch]:
    """The entries, in the order given, each verified against its id.

    Raises ObjectNotFound, and CorruptObject where every copy of one is damaged.
    """
    with closing(_Files(store.directory)) as files:
        for group in _neighbours(wanted):
            yield _read(store, files, group)


class _Files:
    """The packs being read, and the memory that they are read into."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = ""
        self._descriptor = -1
        self._memory = memoryview(bytearray())

    def read(self, pack: Pack, start: int, size: int) -> memoryview | None:
        """Bytes of a pack; None where its file is gone, merged into another."""
        with storage_errors(f"read {self._directory / pack.name}"):
            if pack.name != self._name:
                self.close()
                try:
                    self._descriptor = os.open(self._directory / pack.name, os.O_RDONLY | os.O_NOFOLLOW)
                except FileNotFoundError:
                    return None
                self._name = pack.name
            if len(self._memory) < size:
                self._memory = memoryview(bytearray(max(size, _AT_ONCE)))
            view, done = self._memory[:size], 0
            while done < size:
                got = os.preadv(self._descriptor, [view[done:]], start + done)
                if not got:
                    return None
                done += got
            return view

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._name, self._descriptor = "", -1


def _neighbours(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """What one read brings: entries of one pack, ascending, at most a gap apart, and a stretch in all."""
    group: list[Wanted] = []
    for one in wanted:
        if group:
            first, last = group[0].place, group[-1].place
            gap = one.place.at - last.at - last.size
            near = one.place.pack is first.pack is not None and 0 <= gap <= _GAP
            if not near or one.place.at + one.place.size - first.at > _AT_ONCE:
                yield group
                group = []
        group.append(one)
    if group:
        yield group


def _read(store: ObjectStore, files: _Files, group: Sequence[Wanted]) -> Stretch:
    first, last = group[0].place, group[-1].place
    read: memoryview | None = None
    if first.pack is not None and last.at + last.size - first.at <= _AT_ONCE:  # else one large entry, or an open pack's
        first.pack.used = True
        read = files.read(first.pack, first.at, last.at + last.size - first.at)
    entries: list[RawEntry] = []
    pieces: list[bytes | memoryview] = []
    begin = end = 0  # the piece of what was read that is not among the pieces yet
    for one in group:
        start = one.place.at - first.at
        entry = _verified(read[start : start + one.place.size], one) if read is not None else None
        if entry is None or start != end:
            if read is not None and begin < end:
                pieces.append(read[begin:end])
            begin = end = start
        if entry is None:
            entry = raw_entry(store, one.key, one.kind)  # another pack may hold it whole; else it says what is wrong
            pieces.append(entry.content)
            begin = end = start + one.place.size
        else:
            end = start + one.place.size
        entries.append(entry)
    if read is not None and begin < end:
        pieces.append(read[begin:end])
    return Stretch(entries, pieces)


def _verified(content: memoryview, one: Wanted) -> RawEntry | None:
    """The entry that was wanted; None where this is another, or damaged."""
    try:
        entry = read_raw(content)[0]
    except CorruptObject:
        return None
    return entry if entry.key == one.key and entry.kind is one.kind else None
