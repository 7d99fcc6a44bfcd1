"""Entries as they are stored, verified: what is copied from pack to pack without being unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import ne
from typing import TYPE_CHECKING, NamedTuple, cast

from cas.errors import CorruptObject
from cas.objects.ids import Kind, ObjectId, object_id, object_ids
from cas.objects.packs import ENTRY, ENTRY_SIZE, entry_is_exact, verified

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["RawEntry", "mapped_size", "raw_entry", "read_alike", "read_raw"]


_ALIKE = {int(kind): kind for kind in Kind if kind not in (Kind.MAP, Kind.PART)}


class RawEntry(NamedTuple):
    """One verified entry: its kind, its key, and its bytes as packs hold them, header and all."""

    kind: Kind
    key: ObjectId
    content: bytes | memoryview

    @property
    def payload(self) -> bytes:
        """What it holds."""
        number, _, ident = ENTRY.unpack_from(self.content)
        return bytes(verified(number, ident, cast("bytes", self.content[ENTRY_SIZE:]))[2])


def read_raw(content: bytes | memoryview) -> tuple[RawEntry, bytes]:
    """The entry that the bytes are, and its payload. Raises CorruptObject and its kin unless they are just one.

    Of a view nothing is copied: the entry, and the payload of a blob that is not compressed, are views too.
    """
    if len(content) < ENTRY_SIZE:
        raise CorruptObject("too few bytes for an entry")
    number, length, ident = ENTRY.unpack_from(content)
    stored = cast("bytes", content[ENTRY_SIZE:])
    if length != len(stored):
        raise CorruptObject(f"the entry of {ident.hex()} has not the length it says")
    kind, ident, payload = verified(number, ident, stored)
    if not entry_is_exact(number, stored):
        raise CorruptObject(f"the compressed form of {ident.hex()} is not as it was written")
    if kind is Kind.BLOB:
        return RawEntry(kind, ident, content), payload
    payload = payload if type(payload) is bytes else bytes(payload)
    return RawEntry(kind, ObjectId(payload[:32]) if kind is Kind.MAP else ident, content), payload


def read_alike(content: bytes, spans: Sequence[tuple[int, int]]) -> list[tuple[RawEntry, bytes]] | None:
    """As :func:`read_raw` of each span of ``content``, where all are of one kind and none is compressed: a third of
    the time. None where one is otherwise, or not what it should be; then each has to be read by itself."""
    heads = [ENTRY.unpack_from(content, start) for start, _ in spans]
    numbers, lengths, idents = zip(*heads, strict=True)
    kind = _ALIKE.get(numbers[0])
    if (
        kind is None
        or len(set(numbers)) > 1
        or any(map(ne, lengths, [end - start - ENTRY_SIZE for start, end in spans]))
    ):
        return None
    payloads = [content[start + ENTRY_SIZE : end] for start, end in spans]
    if any(map(ne, object_ids(kind, payloads), idents)):
        return None
    pieces = [content[start:end] for start, end in spans]
    return list(zip(map(RawEntry, repeat(kind), idents, pieces), payloads, strict=True))


def raw_entry(store: ObjectStore, key: bytes, kind: Kind | None = None) -> RawEntry:
    """What a store holds under a key (of one kind, where given), as it is stored.

    Raises ObjectNotFound, and CorruptObject where every copy of it is damaged.
    """
    for pack in store.packs:
        at = pack.find(key)
        if at < 0 or (kind is not None and pack.kind(at) is not kind):
            continue
        length = ENTRY.unpack_from(pack.pages, at)[1]
        try:
            found = read_raw(memoryview(pack.pages)[at : at + ENTRY_SIZE + length])[0]
        except CorruptObject:
            continue  # another pack may hold it whole; else load says what is wrong
        pack.touch(length)
        return found
    found_kind, payload = store.load(key, kind)
    head = ENTRY.pack(found_kind, len(payload), object_id(found_kind, payload))
    return RawEntry(found_kind, ObjectId(key), head + payload)


def mapped_size(payload: bytes) -> int:
    """The size of the blob that a map describes, for a pack's footer."""
    return int.from_bytes(payload[32:40], "little")
