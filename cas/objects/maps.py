"""Chunk maps: which chunks make a large blob (docs/format.md, Blobs and chunk maps)."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from cas.errors import CorruptObject
from cas.objects.ids import BlobId, ObjectId
from cas.objects.packs import MAX_PAYLOAD

__all__ = ["Chunk", "ChunkMap", "encode_map", "encode_part", "encode_parted_map"]

_HEAD = struct.Struct("<32sQB")
_CHUNK = struct.Struct("<32sI")
_PART = struct.Struct("<32sQ")


class Chunk(NamedTuple):
    """A stretch of a blob: its id and its length in bytes."""

    id: ObjectId
    length: int


def encode_part(chunks: Sequence[tuple[bytes, int]]) -> bytes:
    """The payload of a part."""
    pack = _CHUNK.pack
    return b"".join([pack(ident, length) for ident, length in chunks])


def encode_map(blob: bytes, size: int, chunks: Sequence[tuple[bytes, int]]) -> bytes:
    """The payload of a map that lists the chunks itself."""
    return _HEAD.pack(blob, size, 0) + encode_part(chunks)


def encode_parted_map(blob: bytes, size: int, parts: Sequence[tuple[bytes, int]]) -> bytes:
    """The payload of a map that lists parts: their ids and the bytes that each covers."""
    return _HEAD.pack(blob, size, 1) + b"".join([_PART.pack(ident, length) for ident, length in parts])


class ChunkMap:
    """A map's payload, decoded as far as it is needed.

    ``load_part`` gives the verified payload of a part. Raises CorruptObject for a payload of another form.
    """

    def __init__(self, payload: bytes, load_part: Callable[[ObjectId], bytes]) -> None:
        if len(payload) < _HEAD.size:
            raise CorruptObject("a chunk map is too short")
        blob, self.size, self.level = _HEAD.unpack_from(payload)
        self.blob = BlobId(ObjectId(blob))
        row = {0: _CHUNK, 1: _PART}.get(self.level)
        if row is None:
            raise CorruptObject(f"chunk map of {blob.hex()}: there is no level {self.level}")
        self._load_part = load_part
        self._rows = _rows(payload[_HEAD.size :], row, blob)
        self._starts = [0, *accumulate(length for _, length in self._rows)]
        if self._starts.pop() != self.size:
            raise CorruptObject(f"chunk map of {blob.hex()}: its rows do not add up to its size")
        self._part = (-1, [0], self._rows)  # which part is decoded, where its chunks start, its chunks

    def chunks(self) -> Iterator[Chunk]:
        """All chunks, in order."""
        if not self.level:
            yield from map(Chunk._make, self._rows)
            return
        for place in range(len(self._rows)):
            yield from map(Chunk._make, self._decode(place)[1])

    def parts(self) -> list[ObjectId]:
        """The ids of the parts, in order; none where the map lists the chunks itself."""
        return [ObjectId(ident) for ident, _ in self._rows] if self.level else []

    def at(self, position: int) -> tuple[int, Chunk]:
        """Where the chunk that covers ``position`` begins in the blob, and the chunk; 0 ≤ position < size."""
        place = bisect_right(self._starts, position) - 1
        base = self._starts[place]
        if not self.level:
            return base, Chunk._make(self._rows[place])
        starts, rows = self._decode(place)
        inner = bisect_right(starts, position - base) - 1
        return base + starts[inner], Chunk._make(rows[inner])

    def _decode(self, place: int) -> tuple[list[int], list[tuple[ObjectId, int]]]:
        held, starts, rows = self._part
        if held == place:
            return starts, rows
        ident, length = self._rows[place]
        rows = _rows(self._load_part(ident), _CHUNK, self.blob)
        starts = [0, *accumulate(size for _, size in rows)]
        if starts.pop() != length:
            raise CorruptObject(f"chunk map of {self.blob.hex()}: part {place} does not cover what the map says")
        self._part = (place, starts, rows)
        return starts, rows


def _rows(payload: bytes, row: struct.Struct, blob: bytes) -> list[tuple[ObjectId, int]]:
    if not payload or len(payload) % row.size:
        raise CorruptObject(f"chunk map of {blob.hex()}: it does not consist of whole rows")
    rows: list[tuple[ObjectId, int]] = list(row.iter_unpack(payload))
    lengths = [length for _, length in rows]
    if not min(lengths) or (row is _CHUNK and max(lengths) > MAX_PAYLOAD):
        raise CorruptObject(f"chunk map of {blob.hex()}: a length is out of range")
    return rows
