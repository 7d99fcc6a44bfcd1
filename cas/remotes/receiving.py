"""Receiving objects: ranged reads of a remote's packs, few and large, every entry verified before it is kept."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cas.errors import CorruptObject
from cas.objects.ids import Kind
from cas.objects.raw import RawEntry, read_alike, read_raw
from cas.remotes.closure import Found
from cas.remotes.inventory import Place, grouped
from cas.remotes.reports import Transfer
from cas.remotes.sides import DAMAGED, JOBS, Progress, Remote, none
from cas.remotes.staging import Staging

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["Receiver", "receiving"]

# Entries this near each other are read by one request, of at most so many bytes.
_GAP = 64 << 10
_LONGEST = 8 << 20
_SMALL = 4096
_PLAIN = frozenset({Kind.BLOB})


class Receiver:
    """Looks objects up here and, where they are not here, at a remote; what comes from there is staged.

    ``look`` is what walks ask (closure.py). ``jobs`` requests run at once.
    """

    def __init__(self, remote: Remote, staging: Staging, *, jobs: int, progress: Progress, dry: bool) -> None:
        self._remote = remote
        self._inventory = remote.inventory
        self._name = remote.name
        self._objects: ObjectStore = remote.here.objects
        self.staging = staging
        self._jobs = jobs
        self._progress = progress
        self._dry = dry
        self._lock = threading.Lock()
        self.done = 0
        """Bytes received."""
        self.total = 0
        self.objects = 0
        """Entries received."""
        self.packs = 0
        """Requests made for them."""
        self._looked = False

    def look(self, keys: Collection[bytes], kind: Kind | None) -> Mapping[bytes, Found]:
        """What is there of the keys, after bringing those that are not here."""
        held = self._held(keys)
        absent = [key for key in keys if key not in held]
        if self._remote.lent:
            lent = [one[0] for key in absent if (one := self._remote.lent.get(key)) and kind in (None, one[0].kind)]
            self.staging.add(lent)
            held.update(one.key for one in lent)
            absent = [key for key in absent if key not in held]
        if absent and self._dry and kind is Kind.BLOB:
            held |= self._only_counted(absent)
            absent = []
        found = self._bring(absent, kind) if absent else {}
        for key in keys:
            if key not in found and (key in held or self.staging.holds(key, kind)):
                found[key] = self._found(key, kind)
        return found

    def entry(self, key: bytes) -> tuple[RawEntry, bytes] | None:
        """The remote's entry of a key, verified, with its payload; neither staged nor followed. None: it has none."""
        for place in self._places([key]).get(key, ()):
            for entry, payload in self._read_group([place]):
                if entry.key == key:
                    return entry, bytes(payload)
        return None

    def report(self, **more: Any) -> Transfer:
        """What was moved so far, with what the caller adds."""
        remote = self._remote
        return Transfer(remote.name, remote.settings.url, self.objects, self.done, self.packs, **more)

    def _only_counted(self, keys: list[bytes]) -> set[bytes]:
        """For chunks in a dry run: they are there, and would take so many bytes."""
        places = self._places(keys)
        with self._lock:
            self.objects += len(places)
            self.done += sum(one[0].end - one[0].start for one in places.values())
        return set(places)

    def _held(self, keys: Collection[bytes]) -> set[bytes]:
        held = self._objects.held(list(keys))
        held.update(key for key in keys if self.staging.holds(key))
        rest = [key for key in keys if key not in held]
        if rest:
            held.update(set(rest) - self._objects.missing(rest))
        return held

    def _found(self, key: bytes, kind: Kind | None) -> Found:
        if kind is not None:
            return Found(kind, None)
        # Blobs have no parts, and reading each again only to say so would cost as much as the transfer.
        at_once = self._kind_here(key)
        if at_once in _PLAIN:
            return Found(Kind.BLOB, None)
        found, payload = self.staging.load(key)
        return Found(found, None if found in _PLAIN else payload)

    def _kind_here(self, key: bytes) -> Kind | None:
        if self.staging.holds(key):
            return Kind.BLOB if self.staging.holds(key, Kind.BLOB) and not self.staging.has_map(key) else None
        for pack in self._objects.packs:
            at = pack.find(key)
            if at >= 0:
                return pack.kind(at)
        return None

    def _places(self, keys: Collection[bytes]) -> dict[bytes, list[Place]]:
        """Where the keys may lie; packs are listed again where those known do not hold them all."""
        places = self._inventory.places(keys) if self._inventory.looked else {}
        return places if len(places) == len(keys) or not self._look_again() else self._inventory.places(keys)

    def _look_again(self) -> bool:
        """List the packs and read the footers not known yet; once for each transfer. Whether it did."""
        if self._looked:
            return False
        self._looked = True
        self._inventory.look()
        self._inventory.read_all(self._jobs)
        return True

    def _bring(self, keys: list[bytes], kind: Kind | None) -> dict[bytes, Found]:
        """Read the entries of the keys. A copy that turns out to be another's is passed over for the next."""
        brought: dict[bytes, Found] = {}
        self._read_places(self._places(keys), kind, brought)
        left = [key for key in keys if key not in brought]
        if left and self._look_again():  # a pack may have given way to another
            self._read_places(self._inventory.places(left), kind, brought)
        return brought

    def _read_places(self, places: dict[bytes, list[Place]], kind: Kind | None, brought: dict[bytes, Found]) -> None:
        for attempt in range(2):
            near = (found[attempt] for key, found in places.items() if len(found) > attempt and key not in brought)
            chosen = dict.fromkeys(near)  # in the order that places came in, which is mostly that of the file
            if not chosen:
                return
            self._count(sum(place.end - place.start for place in chosen))
            for pairs in self._in_flight(list(grouped(chosen, _GAP, _LONGEST))):
                taken = [pair for pair in pairs if kind is None or pair[0].kind is kind]
                self.staging.add([entry for entry, _ in taken])
                for entry, payload in taken:
                    brought[entry.key] = Found(entry.kind, None if entry.kind in _PLAIN else payload)

    def _in_flight(self, groups: list[list[Place]]) -> Iterator[list[tuple[RawEntry, bytes]]]:
        """What each group gives, as it comes; only a few groups are in memory at once."""
        if self._jobs <= 1 or len(groups) <= 1:
            yield from map(self._read_group, groups)
            return
        waiting = iter(groups)
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="cas-receive") as pool:
            flight: set[Future[list[tuple[RawEntry, bytes]]]] = set()
            try:
                for group in waiting:
                    flight.add(pool.submit(self._read_group, group))
                    while len(flight) >= 2 * self._jobs:
                        done, flight = wait(flight, return_when=FIRST_COMPLETED)
                        for future in done:
                            yield future.result()
                while flight:
                    done, flight = wait(flight, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            finally:
                for future in flight:
                    future.cancel()

    def _read_group(self, group: list[Place]) -> list[tuple[RawEntry, bytes]]:
        """The entries of neighbouring places, each verified, with their payloads."""
        start, end = group[0].start, group[-1].end
        try:
            content = self._inventory.read(group[0].file, start, end)
        except FileNotFoundError:
            return []
        total = sum(place.end - place.start for place in group)
        if total < _SMALL * len(group):
            alike = read_alike(content, [(place.start - start, place.end - start) for place in group])
            if alike is not None:
                self._count(0, total, len(group))
                return alike
        entries = []
        view = memoryview(content)
        for place in group:
            size = place.end - place.start
            # Views spare copies of large pieces, and cost more than a copy of small ones.
            piece = (content if size < _SMALL else view)[place.start - start : place.end - start]
            try:
                entries.append(read_raw(piece))
            except CorruptObject as error:
                raise type(error)(f"{self._name}: {place.file} at {place.start}: {error}", hint=DAMAGED) from error
        self._count(0, total, len(group))
        return entries

    def _count(self, more: int, done: int = 0, entries: int = 0) -> None:
        with self._lock:
            self.objects += entries
            self.packs += entries > 0
            self.total += more
            self.done += done
            self._progress(self.done, max(self.total, self.done))


@contextmanager
def receiving(remote: Remote, *, jobs: int = JOBS, progress: Progress = none, dry: bool = False) -> Iterator[Receiver]:
    """A receiver; what it staged and nobody admitted stays for the next one. A ``dry`` one only counts chunks."""
    staging = Staging(remote.directory / "incoming", remote.here.objects)
    try:
        yield Receiver(remote, staging, jobs=jobs, progress=progress, dry=dry)
    finally:
        staging.close()
