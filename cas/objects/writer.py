"""PackWriter: takes objects in, each once, and appends them to an open pack."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import accumulate, chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cas.errors import LimitExceeded, StorageError
from cas.objects.appending import AppendFile
from cas.objects.chunks import SMALL
from cas.objects.compression import MIN_SIZE, compress
from cas.objects.ids import BlobId, Kind, ObjectId, TreeId, blob_id, object_id, object_ids
from cas.objects.packs import ENTRY, ENTRY_SIZE, MAGIC, MAX_PAYLOAD, SQUEEZED, footer, verified
from cas.objects.trees import TreeEntry, encode_tree, tree_size
from cas.storage.durable import storage_errors, typed

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["PackWriter"]

_PEEK = 1024
_BUFFER = 4 << 20
_RECORDS = frozenset({Kind.PART, Kind.TREE, Kind.ARTIFACT, Kind.SPAN})
_WRITERS: weakref.WeakSet[PackWriter] = weakref.WeakSet()


class PackWriter:
    """Appends objects to a pack of its own; a context manager that seals on success and aborts on an exception.

    Every put skips what the store's packs or this writer already hold. Thread-safe. What ``put`` returned is
    readable through the store at once, survives the process after ``flush`` and a power cut after ``seal``.
    Methods raise StorageFull and StorageError; after a full disk the writer goes on where it was, after a
    failed fsync everything since the last seal is gone.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.sealed: list[str] = []
        """Names of the packs this writer has sealed."""
        self._limit = store.limits.pack
        self._lock = threading.RLock()
        self._file: AppendFile | None = None
        self._reset()
        _WRITERS.add(self)

    def _reset(self) -> None:
        self._entries: dict[bytes, int] = {}
        self._maps: set[bytes] = set()
        self._mapped: set[int] = set()
        self._tail: list[bytes] = []
        self.size = len(MAGIC)
        """The bytes of the pack being written, with what is in the tail."""
        self._tail_size = 0
        self.replaced: tuple[str, ...] = ()

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            self.seal()
        else:
            self.abort()
        self.store.forget(self)

    # --- putting ---------------------------------------------------------------------------------

    def put_blob(self, payload: bytes | bytearray | memoryview) -> BlobId:
        """Store bytes; their id."""
        if len(payload) > SMALL:
            from cas.objects.ingest import ingest_bytes

            return ingest_bytes(self, memoryview(payload).cast("B"))
        if type(payload) is not bytes:
            payload = bytes(payload)
        ident = blob_id(payload)
        if len(payload) < MIN_SIZE:
            self._add_one(Kind.BLOB, ident, payload)
        else:
            self._add(Kind.BLOB, {ident: payload})
        return ident

    def put_blobs(self, payloads: list[bytes]) -> list[BlobId]:
        """Store many byte strings in one go; their ids, in order."""
        if not payloads:
            return []
        if max(map(len, payloads)) > SMALL:
            return self._put_mixed(payloads)
        ids = object_ids(Kind.BLOB, payloads)
        self._add(Kind.BLOB, dict(zip(ids, payloads, strict=True)))
        return ids  # type: ignore[return-value]  # NewType costs a call per id

    def put_stream(self, stream: BinaryIO) -> tuple[BlobId, int]:
        """Store a stream to its end; its id and its size in bytes."""
        from cas.objects.ingest import ingest_stream

        return ingest_stream(self, stream)

    def put_file(self, path: Path | str) -> tuple[BlobId, int]:
        """Store a file; its id and its size in bytes. Raises FileChanged where it changes meanwhile."""
        from cas.objects.ingest import ingest_file

        return ingest_file(self, Path(path))

    def put_directory(self, path: Path | str) -> tuple[TreeId, int]:
        """Store a directory as a tree; its id and the bytes of its files."""
        from cas.objects.directories import put_directory

        return put_directory(self, Path(path))

    def put_tree(self, members: Mapping[str, TreeEntry]) -> tuple[TreeId, int]:
        """Store a tree; its id and the bytes of all that is below it."""
        ident = self.put_record(Kind.TREE, encode_tree(members))
        return TreeId(ident), tree_size(members)

    def put_record(self, kind: Kind, payload: bytes) -> ObjectId:
        """Store one canonical payload of a kind."""
        if kind not in _RECORDS or len(payload) > MAX_PAYLOAD:
            return self.put_records(kind, [payload])[0]  # which refuses it
        ident = object_id(kind, payload)
        self._add_one(kind, ident, payload)
        return ident

    def put_records(self, kind: Kind, payloads: list[bytes]) -> list[ObjectId]:
        """Store many canonical payloads of one kind; their ids, in order."""
        kind = Kind(kind)
        if kind in {Kind.BLOB, Kind.MAP}:
            raise ValueError("blobs go through put_blob, maps through put_map")
        if payloads and max(map(len, payloads)) > MAX_PAYLOAD:
            raise LimitExceeded(f"a {kind.name.lower()} of more than {MAX_PAYLOAD} bytes")
        ids = object_ids(kind, payloads)
        self._add(kind, dict(zip(ids, payloads, strict=True)))
        return ids

    def repeat_record(self, kind: Kind, payload: bytes) -> None:
        """Append a record to this pack even where another pack holds it, so that this one tells a whole story."""
        with self._lock:
            ident = object_id(kind, payload)
            if ident not in self._entries:
                self._entries[ident] = self.size
                self._append([ENTRY.pack(kind, len(payload), ident), payload], ENTRY_SIZE + len(payload))

    def put_map(self, blob: BlobId, size: int, payload: bytes) -> None:
        """Admit a chunk map. Only for callers that streamed exactly these chunks and got the blob's id."""
        with self._lock:
            if blob in self._entries or self.store.holds(blob):
                return
            if len(payload) > MAX_PAYLOAD:
                raise LimitExceeded(f"blob {blob.hex()}: {size} bytes are more than a chunk map can list")
            at = self.size
            self._entries[blob] = at
            self._maps.add(blob)
            self._mapped.add(size)
            head = ENTRY.pack(Kind.MAP, len(payload), object_id(Kind.MAP, payload))
            self._append([head, payload], ENTRY_SIZE + len(payload))

    def put_stored(self, chunks: list[tuple[bytes, int, memoryview | bytes]]) -> None:
        """Append blob entries ready made: (id, kind number, stored bytes), straight from where they lie."""
        with self._lock:
            entries, held = self._entries, self.store.holds
            views: list[bytes | memoryview] = []
            fresh: dict[bytes, int] = {}
            at = self.size
            for ident, number, stored in chunks:
                if ident in fresh or (ident in entries and ident not in self._maps) or held(ident, Kind.BLOB):
                    continue
                fresh[ident] = at
                views += (ENTRY.pack(number, len(stored), ident), stored)
                at += ENTRY_SIZE + len(stored)
            if not views:
                return
            if not self._maps.isdisjoint(fresh):
                self.seal()  # one key means one thing within a pack
                self.put_stored(chunks)
                return
            with storage_errors(f"write to {self.store.directory}"):
                self._drain().append(views)
            entries.update(fresh)
            self.size = at
            if at >= self._limit:
                self.seal()

    def has_chunk(self, ident: bytes) -> bool:
        """Whether a chunk needs no storing any more. A hint: callable from any thread without the lock."""
        return (ident in self._entries and ident not in self._maps) or self.store.holds(ident, Kind.BLOB)

    @property
    def path(self) -> Path | None:
        """The file being written, where one was begun."""
        return None if self._file is None else self._file.path

    # --- making it last --------------------------------------------------------------------------

    def flush(self) -> None:
        """Write out what is buffered: it survives the process from here on."""
        with self._lock:
            if self._tail:
                self._drain()

    def sync(self) -> None:
        """Make everything put so far durable, in the pack that stays open: it survives a power cut from here on."""
        with self._lock:
            if not self._entries:
                return
            file = self._drain()
            try:
                file.sync()
            except OSError as error:
                self.abort()
                raise typed(f"make pack {file.number} durable", error) from error

    def seal(self) -> None:
        """Make everything put so far durable and visible to all; the next put begins another pack."""
        with self._lock:
            if not self._entries:
                return
            with storage_errors(f"write to {self.store.directory}"):
                file = self._drain()
                end = file.size
                file.append([footer(end, self._entries, self.replaced, self._mapped)])
            try:
                sealed = file.seal()
            except OSError as error:
                self.abort()
                raise typed(f"make pack {file.number} durable", error) from error
            self.store.admit(sealed)
            self.sealed.append(sealed.name)
            self._file = None
            self._reset()

    def abort(self) -> None:
        """Forget everything put since the last seal or sync."""
        with self._lock:
            if self._file is not None:
                self._file.drop()
            self._file = None
            self._reset()

    # --- what the store asks ---------------------------------------------------------------------

    def load(self, key: bytes) -> tuple[Kind, ObjectId, bytes] | None:
        """The kind, id and verified payload of something put and not yet sealed."""
        if key not in self._entries:
            return None
        with self._lock:
            at = self._entries.get(key)
            if at is None:
                return None
            with storage_errors(f"read pack {self.store.directory}"):
                file = self._with(at)
                # Small entries, nearly all, in one read.
                found = file.read(at, ENTRY_SIZE + _PEEK)
                number, length, ident = ENTRY.unpack_from(found)
                stored = found[ENTRY_SIZE : ENTRY_SIZE + length]
                if len(stored) < length:
                    stored = file.read(at + ENTRY_SIZE, length)
                return verified(number, ident, stored)

    def take_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The verified payloads of those of the keys that were put and not yet sealed, save of chunked blobs."""
        taken: dict[bytes, bytes] = {}
        with self._lock:
            places = [(key, self._entries[key]) for key in keys if key in self._entries]
            if not places:
                return taken
            with storage_errors(f"read pack {self.store.directory}"):
                file = self._with(max(at for _, at in places))
                with mmap(file.descriptor, file.size, access=ACCESS_READ) as pages:
                    for key, at in places:
                        number, length, ident = ENTRY.unpack_from(pages, at)
                        begin = at + ENTRY_SIZE
                        kind, _, payload = verified(number, ident, pages[begin : begin + length])
                        if kind is not Kind.MAP:
                            taken[key] = payload
        return taken

    def kind(self, key: bytes) -> Kind | None:
        """The kind of something put and not yet sealed."""
        found = self.load(key)
        return None if found is None else found[0]

    def keys(self) -> list[bytes]:
        """The keys of everything put and not yet sealed."""
        with self._lock:
            return list(self._entries)

    # --- within ----------------------------------------------------------------------------------

    def _put_mixed(self, payloads: list[bytes]) -> list[BlobId]:
        small = [payload for payload in payloads if len(payload) <= SMALL]
        ids = iter(self.put_blobs(small))
        return [next(ids) if len(payload) <= SMALL else self.put_blob(payload) for payload in payloads]

    def _add(self, kind: Kind, fresh: dict[bytes, bytes]) -> None:
        """Append the payloads that neither this writer nor the store holds. ``fresh``, which is used up, maps ids to
        payloads."""
        with self._lock:
            entries = self._entries
            for known in [*(entries.keys() & fresh.keys()), *self.store.held(fresh)]:
                fresh.pop(known, None)
            if not fresh:
                return
            sizes = list(map(len, fresh.values()))
            if kind is Kind.BLOB and max(sizes) >= MIN_SIZE:
                heads, stored = _squeeze(fresh.values())
                sizes = list(map(len, stored))
            else:
                of_length = _Heads(kind)
                heads, stored = [of_length[size] for size in sizes], list(fresh.values())
            ends = accumulate([size + ENTRY_SIZE for size in sizes], initial=self.size)
            entries.update(zip(fresh, ends, strict=False))
            parts = list(chain.from_iterable(zip(heads, fresh, stored, strict=True)))
            self._append(parts, sum(sizes) + ENTRY_SIZE * len(sizes))

    def _add_one(self, kind: Kind, ident: bytes, payload: bytes) -> None:
        """As :meth:`_add`, for one payload that is stored as it is."""
        with self._lock:
            if ident not in self._entries and not self.store.holds(ident):
                self._entries[ident] = self.size
                length = len(payload)
                self._append((ENTRY.pack(kind, length, ident), payload), ENTRY_SIZE + length)

    def _append(self, parts: Iterable[bytes], size: int) -> None:
        self._tail += parts
        self._tail_size += size
        self.size += size
        if self._tail_size >= _BUFFER:
            self._drain()
        if self.size >= self._limit:
            self.seal()

    def _with(self, at: int) -> AppendFile:
        """The file, in which the entry that begins there is written: on a full disk what was written can be read."""
        return self._file if self._file is not None and at < self._file.size else self._drain()

    def _drain(self) -> AppendFile:
        """Write the tail; the file. After StorageFull or StorageError the tail is still there."""
        try:
            if self._file is None:
                self._file = AppendFile(self.store.directory)
            if self._tail:
                self._file.append([b"".join(self._tail)])
                self._tail = []
                self._tail_size = 0
        except StorageError:
            raise
        except OSError as error:
            raise typed(f"write to {self.store.directory}", error) from error
        return self._file

    def _part(self) -> None:
        """Leave the file, and what is in it, to the process that forked this one: a pack of its own comes next."""
        file, self._file = self._file, None
        self._lock = threading.RLock()
        self._reset()
        if file is not None:
            descriptor, file.descriptor = file.descriptor, -1
            with suppress(OSError):
                os.close(descriptor)


def _squeeze(payloads: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The heads and stored forms of blobs, compressed where that pays."""
    plain, squeezed = _Heads(Kind.BLOB), _Heads(Kind.BLOB | SQUEEZED)
    heads, stored = [], []
    for payload in payloads:
        smaller = compress(payload)
        if smaller is None:
            heads.append(plain[len(payload)])
            stored.append(payload)
        else:
            heads.append(squeezed[len(smaller)])
            stored.append(smaller)
    return heads, stored


class _Heads(dict[int, bytes]):
    """The first five bytes of an entry, by the length of what is stored."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def __missing__(self, length: int) -> bytes:
        head = self[length] = bytes((self._number,)) + length.to_bytes(4, "little")
        return head


def _after_fork() -> None:
    for writer in list(_WRITERS):
        writer._part()


os.register_at_fork(after_in_child=_after_fork)
