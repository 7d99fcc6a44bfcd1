"""Finding all damage: every byte of every pack is covered by some check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from cas.errors import CasError, CorruptObject, ObjectNotFound
from cas.objects import canonical
from cas.objects.ids import Kind
from cas.objects.maps import ChunkMap
from cas.objects.packs import (
    ENTRY,
    ENTRY_SIZE,
    MAGIC,
    Pack,
    ScannedEntry,
    entry_is_exact,
    footer,
    footer_is_sound,
    kind_of,
    open_pack,
    scan,
    verified,
)
from cas.objects.salvage import open_packs, opened
from cas.objects.trees import decode_tree
from cas.storage.durable import storage_errors

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["Damage", "check", "check_open", "sound_entries"]


class Damage(NamedTuple):
    """Something wrong: in which pack (a file name), where (None: the pack as a whole), of which kind and id where
    these are known, and why."""

    pack: str
    offset: int | None
    kind: Kind | None
    id: bytes | None
    reason: str


def check(store: ObjectStore, progress: Callable[[int, int], None]) -> Iterator[Damage]:
    """Read every byte of every sealed pack and yield what is wrong; ``progress(done, total)`` in bytes after each.

    Entries must fill each pack without a gap and match their ids; the footer must be the one that these entries
    give; every map must stream to the blob it stands for.
    """
    store.refresh()
    maps: list[tuple[str, ScannedEntry]] = []
    paths = sorted(store.directory.glob("*.pack"))
    total, done = sum(path.stat().st_size for path in paths if path.exists()), 0
    for path in paths:
        try:
            with storage_errors(f"read {path}"):
                pack = open_pack(path)
        except FileNotFoundError:
            continue
        except CasError as error:
            yield Damage(path.name, None, None, None, str(error))
            continue
        yield from _check_pack(pack, maps)
        done += len(pack.pages)
        progress(done, total)
    for name, entry in maps:
        yield from _check_map(store, name, entry)


def check_open(directory: Path, own: Collection[Path] = ()) -> tuple[int, list[Damage]]:
    """How many whole entries the packs that are still open hold, and which of their entries are damaged.

    What follows the last whole entry is damage only where a writer of this process, in ``own``, wrote it whole: others
    may be in the middle of it.
    """
    count, damage = 0, []
    for path in open_packs(directory):
        with opened(path) as content:
            size, at = len(content), len(MAGIC)
            if size >= at and content[:at] != MAGIC:
                damage.append(Damage(path.name, 0, None, None, "it does not begin as packs do"))
            while True:
                for entry in scan(content, at, size):
                    count, at = count + 1, entry.end
                if at + ENTRY_SIZE > size:
                    break
                number, length, ident = ENTRY.unpack(content[at : at + ENTRY_SIZE])
                end = min(at + ENTRY_SIZE + length, size)
                if end < size or path in own:
                    damage += [] if _mended(path, at, end) else [_open_damage(path, at, number, ident)]
                at = end
    return count, damage


def _open_damage(path: Path, at: int, number: int, ident: bytes) -> Damage:
    return Damage(path.name, at, kind_of(number), ident, "its stored bytes are not its own")


def _mended(path: Path, at: int, end: int) -> bool:
    """Whether an open pack holds no damaged entry there when it is read again: its writer took a failed write back."""
    with opened(path) as content:
        return len(content) < end or next(scan(content, at), None) is not None


def _check_pack(pack: Pack, maps: list[tuple[str, ScannedEntry]]) -> Iterator[Damage]:
    places: dict[bytes, int] = {}
    mapped: set[int] = set()
    whole = True
    for entry in _entries(pack):
        if isinstance(entry, Damage):
            yield entry
            whole = False
            continue
        if entry.key in places:
            yield Damage(pack.name, entry.offset, entry.kind, entry.id, "its key is there twice")
        places[entry.key] = entry.offset
        if entry.kind is Kind.MAP:
            start = entry.offset + ENTRY_SIZE
            mapped.add(int.from_bytes(pack.pages[start + 32 : start + 40], "little"))
            maps.append((pack.name, entry))
    if pack.scanned:
        yield Damage(pack.name, pack.end, None, None, "its footer is damaged; what lies before it is readable")
    elif not footer_is_sound(pack.pages, pack.end) or (
        whole and pack.pages[pack.end :] != footer(pack.end, places, pack.replaced, mapped)
    ):
        yield Damage(pack.name, pack.end, None, None, "its index is not the one of its entries")


def sound_entries(pack: Pack) -> Iterator[ScannedEntry]:
    """The entries of a pack that are as they were written."""
    return (entry for entry in _entries(pack) if not isinstance(entry, Damage))


def _entries(pack: Pack) -> Iterator[ScannedEntry | Damage]:
    """The entries of a pack from end to end; after a damaged one goes on with the next that the index knows."""
    at, starts = len(MAGIC), iter(pack.places())
    while True:
        for entry in scan(pack.pages, at, pack.end):
            pack.touch(entry.end - entry.offset)
            fault = _fault(pack, entry)
            yield entry if fault is None else Damage(pack.name, entry.offset, entry.kind, entry.id, fault)
            at = entry.end
        if at == pack.end:
            return
        yield _damaged(pack, at)
        at = next((start for start in starts if at < start < pack.end), pack.end)


def _fault(pack: Pack, entry: ScannedEntry) -> str | None:
    """What is wrong with an entry whose payload has its id."""
    stored = pack.pages[entry.offset + ENTRY_SIZE : entry.end]
    number = pack.pages[entry.offset]
    if not entry_is_exact(number, stored):
        return "its compressed form is not as it was written"
    if entry.kind in {Kind.BLOB, Kind.MAP, Kind.PART}:
        return None
    _, _, payload = verified(number, entry.id, stored)
    try:
        if entry.kind is Kind.TREE:
            decode_tree(payload)
        else:
            canonical.decode(payload)
    except CasError as error:
        return str(error)
    return None


def _damaged(pack: Pack, at: int) -> Damage:
    """The damage where no whole entry begins."""
    if at + ENTRY_SIZE > pack.end:
        return Damage(pack.name, at, None, None, "too few bytes for an entry")
    number, length, ident = ENTRY.unpack_from(pack.pages, at)
    end = at + ENTRY_SIZE + length
    if end > pack.end:
        return Damage(pack.name, at, None, ident, "the entry runs beyond the entries")
    try:
        verified(number, ident, pack.pages[at + ENTRY_SIZE : end])
    except CorruptObject as error:
        return Damage(pack.name, at, kind_of(number), ident, str(error))
    return Damage(pack.name, at, kind_of(number), ident, "the entry is malformed")


def _check_map(store: ObjectStore, name: str, entry: ScannedEntry) -> Iterator[Damage]:
    """Stream the chunks that a map lists, and compare with the blob it stands for."""
    whole = blake3()
    try:
        pack = next(pack for pack in store.packs if pack.name == name)
        chunks = ChunkMap(pack.entry(entry.offset)[2], lambda part: store.load(part, Kind.PART)[1])
        for chunk in chunks.chunks():
            payload = store.load(chunk.id, Kind.BLOB)[1]
            if len(payload) != chunk.length:
                raise CorruptObject(f"chunk {chunk.id.hex()} has not the length that the map says")
            whole.update(payload)
    except (CorruptObject, ObjectNotFound) as error:
        yield Damage(name, entry.offset, Kind.MAP, entry.key, f"blob {entry.key.hex()}: {error}")
        return
    except StopIteration:
        return  # merged away meanwhile; its successor is checked by the next run
    if whole.digest() != entry.key:
        reason = f"blob {entry.key.hex()}: its chunks, streamed, are not it"
        yield Damage(name, entry.offset, Kind.MAP, entry.key, reason)
