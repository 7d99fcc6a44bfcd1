"""ObjectStore: every object of one directory of packs, by id."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cas.errors import CorruptObject, ObjectNotFound, PackCorrupt, TypeMismatch
from cas.objects import vectors
from cas.objects.ids import BlobId, Kind, ObjectId, TreeId
from cas.objects.limits import Limits
from cas.objects.maps import ChunkMap
from cas.objects.packs import ENTRY, ENTRY_SIZE, Pack, open_pack, rescan
from cas.objects.sieve import Sieves
from cas.storage.durable import storage_errors

if TYPE_CHECKING:
    from cas.objects.check import Damage
    from cas.objects.growing import GrowingPacks
    from cas.objects.writer import PackWriter

__all__ = ["Elsewhere", "ObjectStore"]

_PACK = ".pack"


class Elsewhere(Protocol):
    """Where objects lie that are not here, for who wants a part of one."""

    def entry(self, key: bytes, /) -> tuple[Kind, bytes] | None:
        """The kind and verified payload of one entry as it is stored; None where it is nowhere."""
        ...

    def bring(self, keys: Collection[bytes], /) -> bool:
        """Fetch objects with all that they consist of; whether they are here now."""
        ...


class ObjectStore:
    """The objects under ``directory``. Thread-safe; reads see every sealed pack and this store's own writers.

    ``fetch_missing`` is asked for what is not here; True where it is now. In a partial clone it fetches.
    ``elsewhere`` is asked where only a part is wanted.
    """

    def __init__(
        self,
        directory: Path | str,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        fetch_missing: Callable[[ObjectId], bool] | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.limits = limits
        self._lock = threading.RLock()
        self._packs: tuple[Pack, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._broken: dict[str, PackCorrupt] = {}
        self._writers: tuple[PackWriter, ...] = ()
        self._listed = False
        self._calm: tuple[Pack, ...] | None = None  # packs among which a merge found nothing to do
        self._sieves = Sieves()
        self.fetch_missing = fetch_missing
        self.elsewhere = elsewhere

    @cached_property
    def growing(self) -> GrowingPacks:
        """The packs here that somebody still writes."""
        from cas.objects.growing import GrowingPacks

        return GrowingPacks(self.directory)

    def close(self) -> None:
        """Abort this store's writers and let go of its packs."""
        for writer in self._writers:
            writer.abort()
        with self._lock:
            self._packs, self._names, self._writers, self._listed = (), frozenset(), (), False
            self._sieves.let_go()

    # --- reading ---------------------------------------------------------------------------------

    def read(self, ident: bytes, kind: Kind | None = None) -> bytes:
        """The verified payload of an object; of a blob all its bytes.

        Raises ObjectNotFound, TypeMismatch where it is not of ``kind``, CorruptObject.
        """
        if kind is None or kind is Kind.BLOB:
            taken = self.small(ident)
            if taken is not None:
                return taken
        found, payload = self.load(ident)
        if found is Kind.MAP:
            found, payload = Kind.BLOB, b"".join(self.stream(BlobId(ObjectId(ident))))
        if kind is not None and found is not kind:
            raise TypeMismatch(f"{ident.hex()} is a {found.name.lower()}, not a {kind.name.lower()}")
        return payload

    def small(self, ident: bytes) -> bytes | None:
        """The verified bytes of a blob that lies in a known pack in one piece and not compressed, else None: the quick
        way, before asking for its kind and size."""
        for pack in self._packs:
            taken = pack.take(ident)
            if taken is not None:
                return taken
        return None

    def read_many(self, idents: Iterable[bytes]) -> list[bytes]:
        """The verified payloads of many objects, in order. Raises as :meth:`read` does."""
        idents = list(idents)
        found: dict[bytes, bytes] = {}
        for writer in self._writers:
            found.update(writer.take_many(idents))
        missing = [ident for ident in idents if ident not in found] if found else idents
        for pack in self.packs:
            if not vectors.pays(len(missing)):
                break
            payloads = vectors.take_many(pack, missing)
            if missing is idents and None not in payloads:
                return payloads  # type: ignore[return-value]  # as the line above says
            found.update((ident, one) for ident, one in zip(missing, payloads, strict=True) if one is not None)
            missing = [ident for ident in missing if ident not in found]
        if len(missing) > 1:
            written = self.growing.find_many(missing)  # by other processes, so far
            found.update((ident, payload) for ident, (kind, payload) in written.items() if kind is not Kind.MAP)
        return [found[ident] if ident in found else self.read(ident) for ident in idents]

    def alone(self, key: bytes, kind: Kind | None = None) -> tuple[Kind, bytes]:
        """As :meth:`load`; but of what lies elsewhere only this entry is read, not what it consists of.

        A map that was read so is not admitted: its chunks are checked one by one, and that they make the blob is not.
        """
        return self._load(key, kind, alone=True)

    def gather(self, blobs: Iterable[bytes]) -> None:
        """Fetch those of the blobs that lie elsewhere, in few requests; what is nowhere is told by reading it."""
        if self.elsewhere is not None and (missing := self.missing(blobs)):
            self.elsewhere.bring(missing)

    def load(self, key: bytes, kind: Kind | None = None) -> tuple[Kind, bytes]:
        """The kind and verified payload of an entry as it is stored: for a chunked blob, its map.

        With ``kind``, entries of other kinds under the key are passed over.
        """
        return self._load(key, kind, alone=False)

    def _load(self, key: bytes, kind: Kind | None, *, alone: bool) -> tuple[Kind, bytes]:
        for writer in self._writers:
            found = writer.load(key)
            if found is not None and kind in (None, found[0]):
                return found[0], found[2]
        fault: CorruptObject | None = None
        for look_again in (False, True):
            if (look_again or not self._listed) and not self.refresh() and look_again:
                break
            for pack in self._packs:
                at = pack.find(key)
                if at < 0 or (kind is not None and pack.kind(at) is not kind):
                    continue
                entry = pack.sound_entry(at)
                if isinstance(entry, tuple):
                    return entry[0], entry[2]
                fault = fault or entry
        return self._search(key, kind, fault, alone=alone)

    def kind(self, ident: bytes) -> Kind:
        """The kind of an object; a chunked blob is a blob. Raises ObjectNotFound."""
        kind = self._peek(ident)[0]
        return Kind.BLOB if kind is Kind.MAP else kind

    def size(self, ident: bytes) -> int:
        """The bytes of an object's payload; of a blob all its bytes. Raises ObjectNotFound."""
        return self._peek(ident)[1]

    def contains(self, ident: bytes) -> bool:
        """Whether the store or one of its writers holds an object."""
        return ident not in self.missing((ident,))

    def missing(self, idents: Iterable[bytes]) -> set[ObjectId]:
        """Those of the ids that neither the store nor one of its writers holds."""
        wanted = set(idents)
        for writer in self._writers:
            wanted.difference_update(writer.keys())
        wanted -= self.held(wanted)
        if wanted and self.refresh():
            wanted -= self.held(wanted)
        return {ObjectId(ident) for ident in wanted}

    def chunk_map(self, blob: BlobId) -> ChunkMap | None:
        """The admitted map of a blob, or None where its bytes are one entry."""
        kind, payload = self.load(blob)
        if kind is not Kind.MAP:
            return None
        return ChunkMap(payload, lambda part: self.load(part, Kind.PART)[1])

    def stream(self, blob: BlobId) -> Iterator[bytes]:
        """A blob's bytes chunk by chunk, each verified; the whole is verified at the end."""
        from cas.objects.blobs import stream

        return stream(self, blob)

    def open(self, blob: BlobId) -> BinaryIO:
        """A blob as a seekable file that reads only the chunks it needs, each verified."""
        from cas.objects.blobs import open_blob

        return open_blob(self, blob)

    def export(self, blob: BlobId, path: Path | str, mode: int | None = None) -> None:
        """Write a blob to a file, verified, durably and atomically; replaces what is there."""
        from cas.objects.blobs import export

        export(self, blob, Path(path), mode)

    def export_tree(self, tree: TreeId, path: Path | str) -> None:
        """Write a tree to a new directory, verified, never through symbolic links."""
        from cas.objects.directories import export_tree

        export_tree(self, tree, Path(path))

    def find(self, prefix: str) -> list[tuple[Kind, ObjectId]]:
        """The objects whose id begins with the hex digits, in order; parts of maps are left out."""
        low, high = bytes.fromhex(prefix[:16].ljust(16, "0")), bytes.fromhex(prefix[:16].ljust(16, "f"))
        self.refresh()
        found: dict[ObjectId, Kind] = {}
        for writer in self._writers:
            for key in writer.keys():  # noqa: SIM118 - a method, not a mapping's
                if key.hex().startswith(prefix) and (kind := writer.kind(key)):
                    found[ObjectId(key)] = kind
        for pack in self._packs:
            for at in pack.near(low, high):
                kind, key = pack.kind(at), pack.pages[at + 5 : at + ENTRY_SIZE]
                if kind is Kind.MAP:
                    key = pack.pages[at + ENTRY_SIZE : at + ENTRY_SIZE + 32]
                if key.hex().startswith(prefix):
                    found[ObjectId(key)] = kind
        return [
            (Kind.BLOB if kind is Kind.MAP else kind, key)
            for key, kind in sorted(found.items())
            if kind is not Kind.PART
        ]

    # --- writing and upkeep ----------------------------------------------------------------------

    def writer(self) -> PackWriter:
        """A new writer; several may exist."""
        from cas.objects.writer import PackWriter  # a third of the start-up of what only reads

        writer = PackWriter(self)
        with self._lock:
            self._writers = (*self._writers, writer)
        return writer

    def refresh(self) -> bool:
        """Look at the directory again; whether it held packs that were not known, or lacks some that were."""
        with self._lock:
            names = _listed(self.directory)
            self._listed = True
            if names == self._names:
                return False
            packs = {pack.name: pack for pack in self._packs if pack.name in names}
            while not all(self._open(name, packs) for name in names - packs.keys() - self._broken.keys()):
                names = _listed(self.directory)  # a merge took one away: its successor was there before
                packs = {name: pack for name, pack in packs.items() if name in names}
            self._packs = tuple(sorted(packs.values(), key=lambda pack: pack.modified, reverse=True))
            self._names = names
            return True

    def salvage(self, settle: Callable[[list[tuple[Kind, ObjectId, bytes]]], None] = lambda _: None) -> None:
        """Seal the open packs that dead writers left; ``settle`` gets each one's span and artifact records first."""
        from cas.objects.salvage import salvage

        salvage(self, settle)

    def live(self, kind: Kind, *, others: bool = False) -> Iterator[tuple[ObjectId, bytes]]:
        """The objects of a kind in packs that are still open, of this process, of others and of dead ones; or only of
        ``others`` and dead ones."""
        from cas.objects.salvage import live

        if others:
            return live(self.directory, kind, {writer.path for writer in self._writers if writer.path is not None})
        for writer in self._writers:
            writer.flush()
        return live(self.directory, kind)

    def left(self, kind: Kind) -> set[ObjectId]:
        """The ids of the objects of a kind in packs that dead processes left open."""
        from cas.objects.salvage import left

        return set(left(self.directory, kind))

    def merge(self) -> int:
        """Merge packs where many of one size have piled up; how many went away."""
        packs = self.packs
        if packs is self._calm:
            return 0
        from cas.objects.merge import merge

        gone = merge(self)
        if not gone:
            self._calm = packs
        return gone

    def check(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Iterator[Damage]:
        """Read everything and yield what is damaged; ``progress`` gets the bytes done and to do after each pack."""
        from cas.objects.check import check

        return check(self, progress)

    def put_aside(self, damage: Iterable[Damage]) -> list[str]:
        """Rename sealed packs with damage after copying what is sound of them; what they are called now."""
        from cas.objects.repair import put_aside

        return put_aside(self, damage)

    def check_open(self) -> tuple[int, list[Damage]]:
        """How many objects lie in packs that are still open, anybody's, and which of them are damaged."""
        from cas.objects.check import check_open

        for writer in self._writers:
            writer.flush()
        return check_open(self.directory, {writer.path for writer in self._writers if writer.path is not None})

    # --- for the rest of this room ---------------------------------------------------------------

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs known so far, newest first."""
        if not self._listed:
            self.refresh()
        return self._packs

    def holds(self, key: bytes, kind: Kind | None = None) -> bool:
        """Whether a sealed pack holds a key, as far as known."""
        packs = self._packs if self._listed else self.packs
        if not packs or ((sieve := self._sieves.of(packs)) is not None and not sieve.may_hold(key)):
            return False
        for pack in packs:
            at = pack.find(key)
            if at >= 0 and (kind is None or pack.kind(at) is kind):
                return True
        return False

    def unsealed(self, key: bytes) -> tuple[Kind, bytes] | None:
        """The kind and payload of what this store's own writers hold under a key and have not sealed."""
        for writer in self._writers:
            found = writer.load(key)
            if found is not None:
                return found[0], found[2]
        return None

    def maps_size(self, size: int) -> bool:
        """Whether some admitted map describes a blob of exactly this size."""
        return any(size in pack.mapped for pack in self.packs)

    def held(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of the keys that sealed packs hold, as far as known.

        For each pack the shorter way: asking for each key, or passing over the prefixes of the pack's.
        """
        held: set[bytes] = set()
        if not (packs := self.packs) or not keys:
            return held
        keys = sieve.sift(keys) if (sieve := self._sieves.of(packs, len(keys))) else keys
        by_prefix: dict[int, bytes] = {}
        for pack in packs:
            if len(pack) > 12 * len(keys):
                held.update([key for key in keys if pack.find(key) >= 0])
                continue
            by_prefix = by_prefix or _by_prefix(keys)
            for prefix in by_prefix.keys() & pack.prefixes():
                if pack.find(by_prefix[prefix]) >= 0:
                    held.add(by_prefix[prefix])
        return held

    def admit(self, path: Path) -> None:
        """Take in a pack that a writer of this store has just sealed."""
        with self._lock:
            try:
                with storage_errors(f"open {path}"):
                    pack = open_pack(path)
            except FileNotFoundError:
                self.refresh()  # another process has merged it already
                return
            self._packs = (pack, *(known for known in self._packs if known.name != pack.name))
            self._names |= {pack.name}

    def drop(self, packs: Collection[Pack]) -> None:
        """Forget packs whose files were just removed."""
        names = {pack.name for pack in packs}
        with self._lock:
            self._packs = tuple(pack for pack in self._packs if pack.name not in names)
            self._names -= names
            self._sieves.let_go()

    def forget(self, writer: PackWriter) -> None:
        """Let go of a writer that is done."""
        with self._lock:
            self._writers = tuple(known for known in self._writers if known is not writer)

    def _open(self, name: str, packs: dict[str, Pack]) -> bool:
        """Open a pack into ``packs``; False where it is gone."""
        try:
            with storage_errors(f"open pack {name}"):
                packs[name] = open_pack(self.directory / name)
        except FileNotFoundError:
            return False
        except PackCorrupt as error:
            self._broken[name] = error
        return True

    def _peek(self, ident: bytes) -> tuple[Kind, int]:
        for writer in self._writers:
            found = writer.load(ident)
            if found is not None:
                return found[0], _payload_size(found[0], found[2])
        for look_again in (False, True):
            if look_again and not self.refresh():
                break
            for pack in self.packs:
                at = pack.find(ident)
                if at >= 0:
                    return pack.kind(at), _entry_size(pack, at)
        kind, payload = self.alone(ident)
        return kind, _payload_size(kind, payload)

    def _search(self, key: bytes, kind: Kind | None, fault: CorruptObject | None, *, alone: bool) -> tuple[Kind, bytes]:
        """The last resort: packs whose index is damaged, and packs that others still write."""
        for pack in self._packs:
            if pack.is_sound():
                continue
            at = rescan(pack).find(key)
            if at >= 0 and (kind is None or pack.kind(at) is kind):
                found = pack.entry(at)
                return found[0], found[2]
        if fault is not None:
            raise fault
        found_open = self.growing.find(key)
        if found_open is not None and kind in (None, found_open[0]):
            return found_open
        if alone and self.elsewhere is not None and (lent := self.elsewhere.entry(key)) is not None:
            return lent
        if self.fetch_missing is not None and self.fetch_missing(ObjectId(key)):
            self.refresh()
            return self.load(key, kind)
        damaged = [*self._broken, *(pack.name for pack in self._packs if not pack.is_sound())]
        if damaged:
            raise PackCorrupt(f"no object {key.hex()}; it may have been in damaged pack {damaged[0]}", hint="cas fsck")
        raise ObjectNotFound(f"no object {key.hex()} in {self.directory}", hint="cas fsck")


def _listed(directory: Path) -> frozenset[str]:
    try:
        with storage_errors(f"list {directory}"):
            return frozenset([name for name in os.listdir(directory) if name.endswith(_PACK)])
    except FileNotFoundError:
        return frozenset()


def _by_prefix(keys: Collection[bytes]) -> dict[int, bytes]:
    """The keys by their first eight bytes as a native number (of two that share them, one)."""
    return dict(zip(memoryview(b"".join(keys)).cast("Q")[::4].tolist(), keys, strict=True))


def _payload_size(kind: Kind, payload: bytes) -> int:
    return int.from_bytes(payload[32:40], "little") if kind is Kind.MAP else len(payload)


def _entry_size(pack: Pack, at: int) -> int:
    """The size that an entry claims; its payload is not read."""
    number, length, _ = ENTRY.unpack_from(pack.pages, at)
    start = at + ENTRY_SIZE
    if number == Kind.MAP:
        return int.from_bytes(pack.pages[start + 32 : start + 40], "little")
    if number & 0x80:
        return int.from_bytes(pack.pages[start : start + 4], "little")
    return int(length)
