"""The pack format and the reading of sealed packs (docs/format.md, Packs)."""

from __future__ import annotations

import mmap as mapping
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple, Protocol

from blake3 import blake3

from cas.errors import CorruptObject, HashMismatch, LimitExceeded, PackCorrupt
from cas.objects.compression import check_frame, expand
from cas.objects.ids import Kind, ObjectId, object_id
from cas.objects.index import Finder, build_index, fan_bits, index_size, offsets, prefixed

__all__ = [
    "ENTRY",
    "ENTRY_SIZE",
    "MAGIC",
    "MAX_PAYLOAD",
    "SQUEEZED",
    "Pack",
    "Pages",
    "ScannedEntry",
    "footer",
    "open_pack",
    "scan",
]

MAGIC = b"CASPACK1"
_END = b"CASINDX1"
ENTRY = struct.Struct("<BI32s")
ENTRY_SIZE = ENTRY.size  # 37
SQUEEZED = 0x80
MAX_PAYLOAD = 256 << 20
_TRAILER = struct.Struct("<QIB3sI32s8s")
_KINDS = {int(kind): kind for kind in Kind}
_HELD = 64 << 20
_DONTNEED = getattr(mapping, "MADV_DONTNEED", None)
_NEVER_SQUEEZED = frozenset({Kind.MAP, Kind.PART})


class Pages(Protocol):
    """Bytes that are sliced and measured: a mapping, bytes, a file that may change under the reader."""

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> bytes: ...


class ScannedEntry(NamedTuple):
    """One verified entry: its kind, the key it is looked up by, its id, and where it lies in its file."""

    kind: Kind
    key: bytes
    id: ObjectId
    offset: int
    end: int


class Pack:
    """A pack mapped into memory. Safe to use from many threads; stays readable after its file is unlinked."""

    __slots__ = (
        "_count",
        "_places",
        "_touched",
        "end",
        "find",
        "index_at",
        "mapped",
        "modified",
        "name",
        "pages",
        "replaced",
        "sound",
        "take",
        "used",
    )

    def __init__(self, name: str, pages: mmap, modified: int) -> None:
        """Raises PackCorrupt unless the trailer fits the file exactly."""
        self.name = name
        self.pages = pages
        self.modified = modified
        self._places: Mapping[bytes, int] | None = None
        self._touched = 0
        self.used = False
        """Whether anything was read from it; whoever looks may take that back."""
        trailer = _read_trailer(name, pages)
        self.end = trailer.footer
        self._count = trailer.entries
        self.index_at = trailer.index_at
        self.replaced = trailer.replaced
        self.mapped = trailer.mapped
        index = Finder(pages, self.index_at, self._count, self.end)
        self.find, self.take = index.find, index.take
        self.sound: bool | None = None

    def __len__(self) -> int:
        return self._count

    def entry(self, offset: int) -> tuple[Kind, ObjectId, bytes]:
        """The kind, id and verified payload of the entry at ``offset``. Raises CorruptObject."""
        number, length, ident = ENTRY.unpack_from(self.pages, offset)
        start = offset + ENTRY_SIZE
        if start + length > self.end:
            raise PackCorrupt(f"pack {self.name}: the entry at {offset} runs beyond the entries")
        self.touch(length)
        try:
            return verified(number, ident, self.pages[start : start + length])
        except CorruptObject as error:
            raise type(error)(f"{error} (pack {self.name} at {offset})", hint="cas fsck") from error

    def stored(self, offset: int) -> tuple[int, memoryview]:
        """The kind number of the entry at ``offset`` and its stored bytes where they lie, not verified. Raises
        PackCorrupt."""
        number, length, _ = ENTRY.unpack_from(self.pages, offset)
        start = offset + ENTRY_SIZE
        if start + length > self.end:
            raise PackCorrupt(f"pack {self.name}: the entry at {offset} runs beyond the entries")
        self.touch(length)
        return number, memoryview(self.pages)[start : start + length]

    def sound_entry(self, offset: int) -> tuple[Kind, ObjectId, bytes] | CorruptObject:
        """As :meth:`entry`, but the error is given, not raised: another pack may hold the same object whole."""
        try:
            return self.entry(offset)
        except CorruptObject as error:
            return error

    def touch(self, length: int) -> None:
        """Count bytes read; every so often let go of the pages, which would count as this process's memory."""
        self.used = True
        self._touched += length
        if self._touched >= _HELD and _DONTNEED is not None:
            self._touched = 0
            self.pages.madvise(_DONTNEED)

    def kind(self, offset: int) -> Kind:
        """The kind of the entry at ``offset``, not verified."""
        kind = _KINDS.get(self.pages[offset] & 0x7F)
        if kind is None:
            raise PackCorrupt(f"pack {self.name}: the entry at {offset} is of no known kind", hint="cas fsck")
        return kind

    @property
    def scanned(self) -> bool:
        """Whether the footer was of no use, so that the entries were read one by one."""
        return self._places is not None

    def places(self) -> Iterable[int]:
        """Where the entries begin, in file order."""
        if self._places is not None:
            return sorted(self._places.values())
        return sorted(offsets(self.pages, self.index_at, self._count))

    def near(self, low: bytes, high: bytes) -> Iterator[int]:
        """Where the entries begin whose keys' first eight bytes lie within low … high."""
        if self._places is not None:
            return iter([place for key, place in self._places.items() if low <= key[:8] <= high])
        places = prefixed(self.pages, self.index_at, self._count, low, high)
        return (place for place in places if place + ENTRY_SIZE <= self.end)

    def prefixes(self) -> memoryview:
        """The first eight bytes of each key, as native 64-bit numbers."""
        if self._places is not None:
            return memoryview(b"".join([key[:8] for key in self._places])).cast("Q")
        start = self.index_at + (4 << fan_bits(self._count))
        return memoryview(self.pages[start : start + 8 * self._count]).cast("Q")

    def is_sound(self) -> bool:
        """Whether the footer is what was written, by its hash; computed once."""
        if self.sound is None:
            self.sound = self._places is not None or footer_is_sound(self.pages, self.end)
        return self.sound


class _Trailer(NamedTuple):
    footer: int
    entries: int
    index_at: int
    replaced: tuple[str, ...]
    mapped: frozenset[int]


def open_pack(path: Path) -> Pack:
    """Open a sealed pack. One whose footer is damaged is read entry by entry, up to the first that does not verify.

    Raises FileNotFoundError where a merge has taken it away, PackCorrupt where nothing of it can be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if not status.st_size:
            raise PackCorrupt(f"pack {path.name} is empty", hint="cas fsck")
        pages = mmap(descriptor, 0, access=ACCESS_READ)
    finally:
        os.close(descriptor)
    try:
        return Pack(path.name, pages, status.st_mtime_ns)
    except PackCorrupt:
        return _scanned(path.name, pages, status.st_mtime_ns)


def rescan(pack: Pack) -> Pack:
    """The same pack read entry by entry: for one whose index turned out to be wrong."""
    return _scanned(pack.name, pack.pages, pack.modified)


def kind_of(number: int) -> Kind | None:
    """The kind that the first byte of an entry says, if any."""
    return _KINDS.get(number & 0x7F)


def scan(pages: Pages, start: int = len(MAGIC), size: int | None = None) -> Iterator[ScannedEntry]:
    """The entries from ``start`` on, each verified, up to the first that does not verify, or to ``size``."""
    size = len(pages) if size is None else size
    while start + ENTRY_SIZE <= size:
        number, length, ident = ENTRY.unpack(pages[start : start + ENTRY_SIZE])
        end = start + ENTRY_SIZE + length
        if end > size or (number & 0x7F) not in _KINDS:
            return
        try:
            kind, ident, payload = verified(number, ident, pages[start + ENTRY_SIZE : end])
        except CorruptObject:
            return
        yield ScannedEntry(kind, payload[:32] if kind is Kind.MAP else ident, ident, start, end)
        start = end


def verified(number: int, ident: bytes, stored: bytes) -> tuple[Kind, ObjectId, bytes]:
    """The kind, id and payload of an entry, checked against its id. Raises CorruptObject and its kin."""
    kind = _KINDS.get(number & 0x7F)
    if kind is None:
        raise CorruptObject(f"{ident.hex()}: {number & 0x7F} is no kind of entry")
    if number & SQUEEZED:
        if kind in _NEVER_SQUEEZED:
            raise CorruptObject(f"{ident.hex()}: a {kind.name.lower()} is never compressed")
        stored = expand(stored, MAX_PAYLOAD)
    elif len(stored) > MAX_PAYLOAD:
        raise LimitExceeded(f"{ident.hex()}: {len(stored)} bytes in one entry; at most {MAX_PAYLOAD} are allowed")
    if object_id(kind, stored) != ident:
        raise HashMismatch(f"{kind.name.lower()} {ident.hex()}: the stored bytes are not its own")
    return kind, ObjectId(ident), stored


def entry_is_exact(number: int, stored: bytes) -> bool:
    """Whether even the bits that decompression ignores are as written."""
    return not number & SQUEEZED or check_frame(stored)


def footer(start: int, entries: Mapping[bytes, int], replaced: Iterable[str], mapped: Iterable[int]) -> bytes:
    """The footer of a pack whose entries end at ``start``; ``mapped``: the sizes of the blobs its maps describe."""
    numbers = b"".join(map(bytes.fromhex, replaced))
    sizes = sorted(mapped)
    body = b"".join((numbers, struct.pack(f"<{len(sizes)}Q", *sizes), build_index(entries)))
    count = (len(numbers) // 16).to_bytes(3, "little")
    bits = fan_bits(len(entries))
    return body + _TRAILER.pack(start, len(entries), bits, count, len(sizes), blake3(body).digest(), _END)


def footer_is_sound(pages: mmap, start: int) -> bool:
    """Whether the footer that begins at ``start`` has the hash that its trailer gives."""
    end = len(pages) - _TRAILER.size
    digest: bytes = _TRAILER.unpack_from(pages, end)[5]
    return blake3(pages[start:end]).digest() == digest


def _read_trailer(name: str, pages: mmap) -> _Trailer:
    """Check every field against every other, before anything is allocated."""
    size = len(pages)
    at = size - _TRAILER.size
    if at < len(MAGIC) or pages[: len(MAGIC)] != MAGIC:
        raise PackCorrupt(f"pack {name} does not begin as a pack", hint="cas fsck")
    start, count, bits, few, many, _, end = _TRAILER.unpack_from(pages, at)
    replaced = int.from_bytes(few, "little")
    index = start + 16 * replaced + 8 * many
    if (
        end != _END
        or bits != fan_bits(count)
        or start < len(MAGIC) + ENTRY_SIZE * count
        or index + index_size(count) != at
    ):
        raise PackCorrupt(f"pack {name} has no valid trailer", hint="cas fsck")
    numbers = [pages[place : place + 16].hex() for place in range(start, start + 16 * replaced, 16)]
    sizes = struct.unpack(f"<{many}Q", pages[start + 16 * replaced : index])
    return _Trailer(start, count, index, tuple(numbers), frozenset(sizes))


def _scanned(name: str, pages: mmap, modified: int) -> Pack:
    entries = list(scan(pages)) if pages[: len(MAGIC)] == MAGIC else []
    if not entries:
        raise PackCorrupt(f"pack {name}: none of its entries can be read", hint="cas fsck")
    pack = Pack.__new__(Pack)
    places = {entry.key: entry.offset for entry in entries}
    pack.name, pack.pages, pack.modified = name, pages, modified
    pack.end = entries[-1].end
    pack.replaced = ()
    pack.mapped = frozenset(
        int.from_bytes(pages[entry.offset + 69 : entry.offset + 77], "little")
        for entry in entries
        if entry.kind is Kind.MAP
    )
    pack._count, pack.index_at, pack._places, pack.sound = len(places), 0, places, False
    pack._touched = 0
    pack.used = False
    pack.find = lambda key: places.get(key, -1)
    pack.take = lambda _: None
    return pack
