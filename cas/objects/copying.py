"""A chunked blob from packs into a file: hashed where its chunks lie, and written from there.

The whole's id vouches for every byte, so chunks need no hash of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blake3 import blake3

from cas.errors import CorruptObject
from cas.objects.compression import expand
from cas.objects.ids import Kind
from cas.objects.maps import Chunk, ChunkMap
from cas.objects.moved import MOVED
from cas.objects.packs import SQUEEZED, Pack
from cas.storage.durable import write_views
from cas.storage.writeback import WriteBack

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["copy_blob"]

# As much as stays in a processor's cache between hashing and writing. A second thread for the hash gains nothing on it.
_AT_ONCE = 1 << 20


def copy_blob(store: ObjectStore, chunks: ChunkMap, descriptor: int) -> bool:
    """Append a blob's chunks to a file; False where what was written, if anything, is not the blob. Raises OSError."""
    whole, moved = blake3(), MOVED.get()
    behind = WriteBack(descriptor)
    try:
        for pieces in _pieces(store, chunks):
            for piece in pieces:
                whole.update(piece)
            write_views(descriptor, pieces)
            size = sum(map(len, pieces))
            behind.wrote(size)
            moved(size)
        behind.settle(strict=True)
    except CorruptObject:
        return False
    finally:
        behind.close()
    return whole.digest() == chunks.blob


def _pieces(store: ObjectStore, chunks: ChunkMap) -> Iterator[list[bytes | memoryview]]:
    """The chunks in order, a megabyte and a little at a time."""
    packs = list(store.packs)
    pieces: list[bytes | memoryview] = []
    size = 0
    for chunk in chunks.chunks():
        piece = _in_packs(packs, chunk)
        # What is in no sealed pack may be in an open one, or elsewhere.
        pieces.append(store.load(chunk.id, Kind.BLOB)[1] if piece is None else piece)
        size += len(pieces[-1])
        if size >= _AT_ONCE:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def _in_packs(packs: list[Pack], chunk: Chunk) -> bytes | memoryview | None:
    """A chunk's bytes, not verified; the pack that holds it comes first from then on: the next chunk is likely there.

    Raises CorruptObject.
    """
    for place, pack in enumerate(packs):
        at = pack.find(chunk.id)
        if at < 0:
            continue
        number, stored = pack.stored(at)
        if number & ~SQUEEZED != Kind.BLOB:
            continue
        if place:
            packs.insert(0, packs.pop(place))
        return expand(stored, chunk.length) if number & SQUEEZED else stored
    return None
