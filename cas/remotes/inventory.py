"""What a remote holds, read from the footers of its packs: one listing, and each footer once, kept here by pack name.

Packs never change, so a footer kept is right for as long as its pack is listed. Only first eight bytes of keys are
known this way; whatever is read is checked against its whole id.
"""

from __future__ import annotations

import os
import re
import struct
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cas.errors import PackCorrupt
from cas.objects.footers import TRAILER_SIZE, Footer, footer_start
from cas.objects.packs import MAGIC, scan
from cas.remotes.sides import DAMAGED, JOBS, in_threads
from cas.storage.durable import create_temporary, storage_errors, write_all

if TYPE_CHECKING:
    from cas.storage.contract import FileInfo, RemoteStore

__all__ = ["Inventory", "Place"]

_PACK = re.compile(r"objects/([0-9a-f]{32})\.(pack|open)")
# Read from the end of a pack at first: with most packs their whole footer, with small ones all of them.
_TAIL = 128 << 10
_HEAD = struct.Struct("<Q")
# A pack of so many times as many entries is asked for each key; a smaller one is passed over once.
_MANY = 12
# Whole small packs are remembered up to this many bytes in all.
_REMEMBERED = 64 << 20
_START = itemgetter(1)


class Place(NamedTuple):
    """Where an entry lies: the file, and the bytes from ``start`` to ``end`` (not with it)."""

    file: str
    start: int
    end: int


class _Open:
    """A pack that a process beside the remote's directory is still writing: its entries, read one by one."""

    def __init__(self, places: dict[bytes, tuple[int, int]]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def offsets(self, key: bytes) -> list[int]:
        return [self._places[key][0]] if key in self._places else []

    def end(self, offset: int) -> int:
        return next(end for start, end in self._places.values() if start == offset)

    def prefixes(self) -> memoryview:
        return memoryview(b"".join(key[:8] for key in self._places)).cast("Q")


class Inventory:
    """The packs of a remote. ``directory`` keeps their footers; ``temporary`` is for files on their way to a name."""

    def __init__(self, store: RemoteStore, directory: Path, temporary: Path) -> None:
        self._store = store
        self._directory = directory
        self._temporary = temporary
        self._lock = threading.Lock()
        self._packs: dict[str, Footer | _Open] = {}
        self._unread: dict[str, FileInfo] = {}
        self._small: dict[str, bytes] = {}  # packs read whole with their footer
        self._remembered = 0
        self._listed = False

    def look(self) -> None:
        """List the packs that are there now. One request for a thousand."""
        with self._lock:
            there = {}
            for info in self._store.list("objects/"):
                match = _PACK.fullmatch(info.name)
                if match is not None and (match[2] == "pack" or hasattr(self._store, "root")):
                    there[info.name] = info
            self._packs = {
                name: pack for name, pack in self._packs.items() if name in there and isinstance(pack, Footer)
            }
            self._unread = {name: info for name, info in there.items() if name not in self._packs}
            for name, info in list(self._unread.items()):
                footer = self._kept(name, info.size)
                if footer is not None:
                    self._packs[name] = footer
                    del self._unread[name]
            self._listed = True

    @property
    def looked(self) -> bool:
        """Whether the packs were ever listed."""
        return self._listed

    @property
    def known(self) -> bool:
        """Whether any pack's footer is at hand, so that asking costs no more than a listing."""
        return bool(self._packs) or self._directory.is_dir()

    @property
    def unread(self) -> int:
        """How many packs are listed whose footer was not read yet: a request each."""
        self._look_once()
        return len(self._unread)

    def read_all(self, jobs: int = JOBS) -> None:
        """Read the footers that are not known yet. Raises PackCorrupt for one that is none."""
        self._look_once()
        with self._lock:
            todo = list(self._unread.values())
            for info, found in zip(todo, in_threads(jobs, self._read, todo), strict=True):
                if found is not None:
                    self._packs[info.name] = found
                self._unread.pop(info.name, None)

    def missing(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of the keys that no pack read so far holds, by their first eight bytes."""
        self._look_once()
        left = set(keys)
        for pack in self._packs.values():
            if not left:
                break
            left.difference_update(_held(pack, left))
        return left

    def places(self, keys: Collection[bytes]) -> dict[bytes, list[Place]]:
        """Where each key's entry may lie; a key that is nowhere is left out."""
        self._look_once()
        found: dict[bytes, list[Place]] = {}
        wanted = set(keys)
        prefixes: _Prefixes | None = None
        for name, pack in self._packs.items():
            if isinstance(pack, Footer) and len(pack) <= _MANY * len(wanted):
                prefixes = prefixes or _Prefixes.of(wanted)
                pairs = prefixes.places_in(pack)
                starts = [start for start, _ in pairs]
                places = map(Place, repeat(name), starts, pack.ends(starts))
                if not found:
                    found = {key: [place] for (_, key), place in zip(pairs, places, strict=True)}
                    if len(found) == len(pairs):
                        continue
                    found, places = {}, map(Place, repeat(name), starts, pack.ends(starts))
                for (_, key), place in zip(pairs, places, strict=True):
                    found.setdefault(key, []).append(place)
                continue
            for key in _held(pack, wanted):
                found.setdefault(key, []).extend(Place(name, start, pack.end(start)) for start in pack.offsets(key))
        return found

    def read(self, file: str, start: int, end: int) -> bytes:
        """Bytes of a pack. Raises FileNotFoundError where it has gone, RemoteProtocol for a wrong length."""
        small = self._small.get(file)
        return small[start:end] if small is not None else self._store.read(file, start, end - start)

    def add(self, name: str, size: int, footer: bytes) -> None:
        """Know a pack that was just sent."""
        with self._lock:
            self._packs[name] = Footer(name, size, footer)
            self._keep(name, size, footer)

    def _look_once(self) -> None:
        if not self._listed:
            self.look()

    def _read(self, info: FileInfo) -> Footer | _Open | None:
        """A pack's footer, read in one request or two. None where the pack has gone meanwhile."""
        try:
            if info.name.endswith(".open"):
                return self._read_open(info)
            tail = self._store.read(info.name, max(0, info.size - _TAIL), min(info.size, _TAIL))
            if len(tail) == info.size and self._remembered + len(tail) <= _REMEMBERED:
                self._small[info.name] = tail
                self._remembered += len(tail)
            start = footer_start(info.name, tail[-TRAILER_SIZE:], info.size)
            if start < info.size - len(tail):
                tail = self._store.read(info.name, start, info.size - start)
            content = tail[len(tail) - (info.size - start) :]
            footer = Footer(info.name, info.size, content)
        except FileNotFoundError:
            return None
        except PackCorrupt as error:
            raise PackCorrupt(f"{self._store.url}: {error.message}", hint=DAMAGED) from error
        self._keep(info.name, info.size, content)
        return footer

    def _read_open(self, info: FileInfo) -> _Open | None:
        try:
            content = self._store.read(info.name, 0, info.size)
        except FileNotFoundError:  # sealed meanwhile
            content = self._store.read(info.name.replace(".open", ".pack"), 0, info.size)
        if content[: len(MAGIC)] != MAGIC:
            return None
        self._small[info.name] = content
        return _Open({entry.key: (entry.offset, entry.end) for entry in scan(content)})

    def _kept(self, name: str, size: int) -> Footer | None:
        try:
            content = (self._directory / Path(name).stem).read_bytes()
        except FileNotFoundError:
            return None
        if len(content) < _HEAD.size or _HEAD.unpack_from(content)[0] != size:
            return None
        with suppress(PackCorrupt):
            return Footer(name, size, content[_HEAD.size :])
        return None

    def _keep(self, name: str, size: int, content: bytes) -> None:
        # Not made durable: it carries its own hash, and without it the footer is read again.
        with storage_errors(f"write to {self._directory}"):
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor, scratch = create_temporary(self._temporary)
            try:
                write_all(descriptor, _HEAD.pack(size) + content)
            finally:
                os.close(descriptor)
            scratch.replace(self._directory / Path(name).stem)


def _held(pack: Footer | _Open, keys: Collection[bytes]) -> Iterable[bytes]:
    """Those of the keys that the pack may hold, by the shorter way: asking for each, or passing over its prefixes."""
    if len(pack) > _MANY * len(keys):
        return [key for key in keys if pack.offsets(key)]
    return _Prefixes.of(keys).held_by(pack)


class _Prefixes(NamedTuple):
    """Keys by their first eight bytes as a native number; ``twins`` are those whose number stands for another key."""

    keys: dict[int, bytes]
    twins: list[bytes]

    @classmethod
    def of(cls, keys: Collection[bytes]) -> _Prefixes:
        numbers = memoryview(b"".join(keys)).cast("Q")[::4].tolist()
        first = dict(zip(numbers, keys, strict=True))
        if len(first) == len(keys):
            return cls(first, [])
        return cls(first, [key for number, key in zip(numbers, keys, strict=True) if first[number] != key])

    def held_by(self, pack: Footer | _Open) -> list[bytes]:
        """The keys that a pack may hold."""
        found = [self.keys[prefix] for prefix in self.keys.keys() & set(pack.prefixes())]
        return found + [key for key in self.twins if pack.offsets(key)]

    def places_in(self, pack: Footer) -> list[tuple[int, bytes]]:
        """Where entries of a pack begin, in order, with the key that each may hold."""
        prefixes, starts = pack.prefixes().tolist(), pack.starts()
        by_prefix = dict(zip(prefixes, starts, strict=True))
        if len(by_prefix) == len(starts):
            found = [(by_prefix[prefix], key) for prefix, key in self.keys.items() if prefix in by_prefix]
        else:
            pairs = zip(prefixes, starts, strict=True)
            found = [(start, self.keys[prefix]) for prefix, start in pairs if prefix in self.keys]
        return sorted(found + [(start, key) for key in self.twins for start in pack.offsets(key)])


def grouped(places: Iterable[Place], gap: int, longest: int) -> Iterator[list[Place]]:
    """Places that are read by one request: neighbours in one file, at most ``gap`` apart and ``longest`` in all."""
    by_file: dict[str, list[Place]] = {}
    for place in places:
        by_file.setdefault(place.file, []).append(place)
    for _, of_file in sorted(by_file.items()):
        of_file.sort(key=_START)
        group: list[Place] = []
        first = last = 0
        for place in of_file:
            _, start, end = place
            if group and (start - last > gap or end - first > longest):
                yield group
                group = []
            if not group:
                first = start
            last = end
            group.append(place)
        yield group
