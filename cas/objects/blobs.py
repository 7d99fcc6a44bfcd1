"""Reading blobs: streams, seekable files, export. Every chunk is verified, and every whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from blake3 import blake3

from cas.errors import CorruptObject, HashMismatch, StorageError, TypeMismatch
from cas.objects.copying import copy_blob
from cas.objects.ids import BlobId, Kind
from cas.objects.maps import Chunk, ChunkMap
from cas.storage.durable import create_temporary, fsync_directory, fsync_file, storage_errors, write_all

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["export", "open_blob", "stream"]

_BUFFER = 256 * 1024
# Of what lies elsewhere: how far it is read ahead of who reads on and on, and the most that is fetched at once.
_AHEAD = 8 << 20
_MOST = 64 << 20


def stream(store: ObjectStore, blob: BlobId) -> Iterator[bytes]:
    """A blob's bytes chunk by chunk, each verified; HashMismatch at the end where the whole is not the blob."""
    chunks = _chunks(store, blob)
    if isinstance(chunks, bytes):
        yield chunks
        return
    whole = blake3()
    for chunk in chunks.chunks():
        payload = _read(store, chunk, blob)
        whole.update(payload)
        yield payload
    _compare(whole, blob)


def open_blob(store: ObjectStore, blob: BlobId) -> BinaryIO:
    """A blob as a seekable file that reads only the chunks it needs, each verified."""
    chunks = _chunks(store, blob, alone=True)
    if isinstance(chunks, bytes):
        return io.BytesIO(chunks)
    return cast("BinaryIO", io.BufferedReader(_ChunkedFile(store, chunks), _BUFFER))


def export(store: ObjectStore, blob: BlobId, path: Path, mode: int | None) -> None:
    """Write a blob to ``path``: a temporary file beside it, verified, made durable, then renamed.

    ``mode`` are the permission bits; without it those of a new file. Raises StorageError, StorageFull, CorruptObject.
    """
    with storage_errors(f"write {path}"):
        if path.is_dir():
            raise StorageError(f"cannot write {path}: it is a directory")
        descriptor, scratch = create_temporary(path.parent)
        try:
            try:
                write_blob(store, blob, descriptor)
                os.fchmod(descriptor, _usual_mode() if mode is None else mode)
                fsync_file(descriptor)
            finally:
                os.close(descriptor)
            scratch.rename(path)
            fsync_directory(path.parent)
        finally:
            with suppress(FileNotFoundError):
                scratch.unlink()


def write_blob(store: ObjectStore, blob: BlobId, descriptor: int) -> None:
    """Write a blob's bytes to a new file, verified as they are written. Raises OSError, CorruptObject."""
    chunks = _chunks(store, blob)
    if isinstance(chunks, bytes):
        write_all(descriptor, chunks)
        return
    if copy_blob(store, chunks, descriptor):
        return
    # Chunk by chunk says which one is damaged, or takes it from another pack that has it whole.
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    for payload in stream(store, blob):
        write_all(descriptor, payload)


class _ChunkedFile(io.RawIOBase):
    """Reads through a chunk map; keeps the chunk it read last."""

    def __init__(self, store: ObjectStore, chunks: ChunkMap) -> None:
        super().__init__()
        self._store = store
        self._map = chunks
        self._position = 0
        self._start = 0
        self._chunk = b""
        self._gathered = (0, 0)  # from where to where what lies elsewhere was fetched last
        self._run = 0  # and how often, each time from where the last ended

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._map.size}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError(f"cannot seek to {offset} from {whence}")
        self._position = base + offset
        return self._position

    def readinto(self, target: object) -> int:
        view = memoryview(target).cast("B")  # type: ignore[arg-type]  # RawIOBase promises a buffer
        done = 0
        while done < len(view) and self._position < self._map.size:
            inner = self._position - self._start
            if not 0 <= inner < len(self._chunk):
                if self._store.elsewhere is not None:
                    self._gather(len(view) - done)
                self._start, chunk = self._map.at(self._position)
                self._chunk = _read(self._store, chunk, self._map.blob)
                inner = self._position - self._start
            piece = self._chunk[inner : inner + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def _gather(self, wanted: int) -> None:
        """Fetch the chunks of the next ``wanted`` bytes at once; ever more of them for who reads on and on."""
        start, end = self._gathered
        if start <= self._position < end:
            return
        self._run = self._run + 1 if self._position == end else 0
        chunks, end = self._until(self._position, min(wanted, _MOST))
        if self._run and self._store.missing(chunks):
            ahead = min(_BUFFER << min(self._run, 8), _AHEAD)
            chunks, end = self._until(self._position, max(min(wanted, _MOST), ahead))
        self._store.gather(chunks)
        self._gathered = (self._position, end)

    def _until(self, position: int, length: int) -> tuple[list[bytes], int]:
        """The chunks that cover so many bytes, and where they end."""
        chunks: list[bytes] = []
        end, until = self._map.at(position)[0], min(position + length, self._map.size)
        while end < until:
            end, chunk = self._map.at(end)
            chunks.append(chunk.id)
            end += chunk.length
        return chunks, end


def _chunks(store: ObjectStore, blob: BlobId, *, alone: bool = False) -> ChunkMap | bytes:
    """A blob's map, or its bytes where they are one entry; ``alone`` where not all of them are wanted."""
    load = store.alone if alone else store.load
    kind, payload = load(blob)
    if kind is Kind.BLOB:
        return payload
    if kind is not Kind.MAP:
        raise TypeMismatch(f"{blob.hex()} is a {kind.name.lower()}, not a blob")
    chunks = ChunkMap(payload, lambda part: load(part, Kind.PART)[1])
    if chunks.blob != blob:
        raise HashMismatch(f"the chunk map under {blob.hex()} is another blob's", hint="cas fsck")
    return chunks


def _read(store: ObjectStore, chunk: Chunk, blob: BlobId) -> bytes:
    payload = store.load(chunk.id, Kind.BLOB)[1]
    if len(payload) != chunk.length:
        raise CorruptObject(f"blob {blob.hex()}: chunk {chunk.id.hex()} has not the length that the map says")
    return payload


def _compare(whole: blake3, blob: BlobId) -> None:
    if whole.digest() != blob:
        raise HashMismatch(f"blob {blob.hex()}: its chunks, streamed, are not it", hint="cas fsck")


def _usual_mode() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
