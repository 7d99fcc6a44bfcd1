"""Taking large blobs in: read, cut, hash, compress and write side by side, in bounded memory.

One thread reads and cuts, one hashes the whole, two hash and compress chunks, and the caller's own writes. Whatever is
stored was hashed from the same buffer, so a map is right by construction.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable
from functools import partial
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from blake3 import blake3

from cas.errors import FileChanged, StorageError
from cas.objects.chunks import MAX_CHUNK, SMALL, cut
from cas.objects.compression import Prober
from cas.objects.ids import BlobId, Kind, ObjectId, blob_id
from cas.objects.maps import encode_map, encode_part, encode_parted_map
from cas.objects.moved import MOVED
from cas.objects.packs import SQUEEZED
from cas.storage.durable import storage_errors

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from cas.objects.writer import PackWriter

__all__ = ["hash_file", "ingest_bytes", "ingest_file", "ingest_stream"]

Fill = Callable[[memoryview], int]
Stored = tuple[bytes, int, "memoryview | bytes"]
Process = Callable[[memoryview, list[int]], "list[Stored]"]

_AHEAD = 6  # stretches in flight: few large ones cost twice the time on ext4, and no less on tmpfs
_INLINE = 2 << 20
_WINDOW = 64 << 20


def ingest_bytes(writer: PackWriter, view: memoryview) -> BlobId:
    """Store bytes that are in memory, more than 64 KiB of them."""
    if len(view) > _INLINE:
        return _ingest(writer, _filler(view), waits=False)[0]
    lengths = cut(view, last=True)
    stored = _process(writer, Prober(), view, lengths)
    writer.put_stored(stored)
    blob = blob_id(view)
    if len(lengths) > 1:
        rows = _Rows(writer)
        rows.add([(ident, length) for (ident, _, _), length in zip(stored, lengths, strict=True)])
        rows.finish(blob)
    return blob


def ingest_stream(writer: PackWriter, stream: BinaryIO) -> tuple[BlobId, int]:
    """Store a stream of unknown size to its end."""
    readinto = getattr(stream, "readinto", None)
    if readinto is not None:
        return _ingest(writer, lambda view: readinto(view) or 0)

    def fill(view: memoryview) -> int:
        piece = stream.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    return _ingest(writer, fill)


def ingest_file(writer: PackWriter, path: Path) -> tuple[BlobId, int]:
    """Store a regular file. Raises FileChanged where it changes meanwhile; then nothing is under its id.

    A file of the size of a blob that the store holds in chunks is hashed first: unchanged, it is only read once.
    """
    with storage_errors(f"read {path}"):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise StorageError(f"cannot read {path}: it is not a regular file")
            size = before.st_size
            if size <= SMALL:
                payload = os.read(descriptor, SMALL + 1)
                _same(path, descriptor, before, len(payload))
                return writer.put_blob(payload), size
            if writer.store.maps_size(size):
                blob = _hash_open(descriptor, size)
                if blob is not None and writer.store.holds(blob, Kind.MAP):
                    _same(path, descriptor, before, size)
                    return blob, size
            return _ingest(
                writer,
                lambda view: os.readv(descriptor, [view]),
                lambda read: _same(path, descriptor, before, read),
                waits=False,
            )
        finally:
            os.close(descriptor)


def hash_file(path: Path) -> BlobId:
    """The id of a file's bytes, with all processors. Raises StorageError, FileChanged."""
    with storage_errors(f"read {path}"), open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size:
            blob = _hash_open(file.fileno(), status.st_size)
            if blob is None:
                raise FileChanged(f"{path} changed while it was read", hint="run it again when nobody writes to it")
            return blob
        whole = blake3()
        while piece := file.read(1 << 20):
            whole.update(piece)
        return BlobId(ObjectId(whole.digest()))


# --- the pipeline --------------------------------------------------------------------------------


class _Stretch(NamedTuple):
    """A buffer on its way: the bytes and lengths of its chunks, and the two things being computed."""

    buffer: bytearray
    lengths: list[int]
    stored: Future[list[Stored]]
    hashed: Future[None]


class _Stretches:
    """Reads and cuts one stretch after another, and has its chunks and the whole hashed by other threads."""

    def __init__(self, begun: bytes | bytearray, fill: Fill, size: int, whole: blake3, process: Process) -> None:
        self._carried: bytes | bytearray = begun
        self._fill = fill
        self._size = size
        self._whole = whole
        self._process = process
        self.spare: list[bytearray] = []
        """Buffers that are free again."""
        self.ended = False
        """Whether all was read; whoever wants no more sets it."""

    def take(self, hasher: Executor, workers: Executor) -> _Stretch | None:
        """The next stretch; None after the last."""
        if self.ended:
            return None
        buffer = self.spare.pop() if self.spare else bytearray(self._size)
        view = memoryview(buffer)
        filled = len(self._carried)
        view[:filled] = self._carried
        filled += _fill(self._fill, view[filled:])
        self.ended = filled < self._size
        view = view[:filled]
        lengths = cut(view, last=self.ended)
        done = sum(lengths)
        self._carried = bytes(view[done:])
        hashed = hasher.submit(self._whole.update, view[:done])
        stored = workers.submit(self._process, view[:done], lengths)
        return _Stretch(buffer, lengths, stored, hashed)  # type: ignore[arg-type]  # the hasher's result is not used


def _ingest(
    writer: PackWriter, fill: Fill, unchanged: Callable[[int], None] = lambda _: None, *, waits: bool = True
) -> tuple[BlobId, int]:
    """Store what ``fill`` gives until it gives nothing. ``unchanged`` is called with the bytes read before anything
    is admitted under the whole's id.

    What ``waits`` for somebody is read by the caller's own thread, which an interrupt reaches.
    """
    from concurrent.futures import ThreadPoolExecutor

    begun = bytearray(SMALL + 1)
    filled = _fill(fill, memoryview(begun))
    if filled <= SMALL:
        unchanged(filled)
        return writer.put_blob(bytes(memoryview(begun)[:filled])), filled
    whole, rows = blake3(), _Rows(writer)
    size = writer.store.limits.stretch + MAX_CHUNK
    stretches = _Stretches(begun, fill, size, whole, partial(_process, writer, Prober()))
    with (
        ThreadPoolExecutor(1, thread_name_prefix="cas-hash") as hasher,
        ThreadPoolExecutor(2, thread_name_prefix="cas-chunk") as workers,
        ThreadPoolExecutor(1, thread_name_prefix="cas-cut") as reader,
    ):
        take = partial(stretches.take, hasher, workers)
        ahead = partial(_at_once, take) if waits else partial(reader.submit, take)
        flight = deque(ahead() for _ in range(_AHEAD))
        try:
            moved = MOVED.get()
            while (stretch := flight.popleft().result()) is not None:
                stretches.spare.append(_land(writer, rows, stretch))
                moved(sum(stretch.lengths))
                flight.append(ahead())
        finally:
            stretches.ended = True
    blob = BlobId(ObjectId(whole.digest()))
    unchanged(rows.size)
    if rows.count > 1:
        rows.finish(blob)
    return blob, rows.size


def _at_once(call: Callable[[], _Stretch | None]) -> Future[_Stretch | None]:
    """The call's result as if it had been waited for."""
    from concurrent.futures import Future

    done: Future[_Stretch | None] = Future()
    done.set_result(call())
    return done


def _land(writer: PackWriter, rows: _Rows, stretch: _Stretch) -> bytearray:
    """Write a stretch when its chunks are ready; its buffer, free again."""
    stored = stretch.stored.result()
    writer.put_stored(stored)
    rows.add([(ident, length) for (ident, _, _), length in zip(stored, stretch.lengths, strict=True)])
    stretch.hashed.result()
    return stretch.buffer


def _process(writer: PackWriter, probe: Prober, view: memoryview, lengths: list[int]) -> list[Stored]:
    """Hash every chunk, and compress those that are new and shrink."""
    stored: list[Stored] = []
    start = 0
    for length in lengths:
        chunk = view[start : start + length]
        start += length
        ident = blake3(chunk).digest()
        small = None if writer.has_chunk(ident) else probe(chunk)
        stored.append((ident, Kind.BLOB, chunk) if small is None else (ident, Kind.BLOB | SQUEEZED, small))
    return stored


class _Rows:
    """The chunks of a blob as they come; complete parts are stored on the way, so that memory stays bounded."""

    def __init__(self, writer: PackWriter) -> None:
        self._writer = writer
        self._limit = writer.store.limits.part
        self._rows: list[tuple[bytes, int]] = []
        self._parts: list[tuple[bytes, int]] = []
        self.size = 0
        self.count = 0

    def add(self, rows: list[tuple[bytes, int]]) -> None:
        self._rows += rows
        self.count += len(rows)
        self.size += sum(length for _, length in rows)
        while len(self._rows) > self._limit:
            self._put_part(self._limit)

    def finish(self, blob: BlobId) -> None:
        """Admit the map of the blob that the chunks gave."""
        if not self._parts:
            self._writer.put_map(blob, self.size, encode_map(blob, self.size, self._rows))
            return
        self._put_part(len(self._rows))
        self._writer.put_map(blob, self.size, encode_parted_map(blob, self.size, self._parts))

    def _put_part(self, count: int) -> None:
        rows, self._rows = self._rows[:count], self._rows[count:]
        ident = self._writer.put_record(Kind.PART, encode_part(rows))
        self._parts.append((ident, sum(length for _, length in rows)))


def _fill(fill: Fill, view: memoryview) -> int:
    """Fill the view as far as the source goes."""
    filled = 0
    while filled < len(view):
        read = fill(view[filled:])
        if not read:
            break
        filled += read
    return filled


def _filler(source: memoryview) -> Fill:
    position = 0

    def fill(view: memoryview) -> int:
        nonlocal position
        piece = source[position : position + len(view)]
        view[: len(piece)] = piece
        position += len(piece)
        return len(piece)

    return fill


def _same(path: Path, descriptor: int, before: os.stat_result, read: int) -> None:
    """Raise FileChanged unless the open file, and what its path names, are as before and were read whole."""
    after = os.fstat(descriptor)
    try:
        named = os.path.samestat(path.stat(), after)
    except FileNotFoundError:
        named = False
    as_before = (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    if not named or not as_before or read != before.st_size:
        raise FileChanged(f"{path} changed while it was read", hint="run it again when nobody writes to it")


def _hash_open(descriptor: int, size: int) -> BlobId | None:
    """The id of an open file's bytes, or None where it has shrunk.

    Mapped window by window, since reading would take twice as long, and a page that a truncation took away
    kills the process: so the size is looked at before each window.
    """
    whole = blake3(max_threads=blake3.AUTO)
    window = max(_WINDOW, ALLOCATIONGRANULARITY)
    for start in range(0, size, window):
        if os.fstat(descriptor).st_size < size:
            return None
        with mmap(descriptor, min(window, size - start), access=ACCESS_READ, offset=start) as pages:
            whole.update(pages)
    return BlobId(ObjectId(whole.digest()))
