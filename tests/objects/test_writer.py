from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from cas.errors import ObjectNotFound, StorageError, StorageFull, TypeMismatch
from cas.objects import appending
from cas.objects.ids import Kind, blob_id, object_id
from cas.objects.limits import Limits
from cas.objects.store import ObjectStore
from cas.objects.trees import Blob
from cas.storage import writeback


def names(store: ObjectStore) -> list[str]:
    return sorted(path.suffix for path in store.directory.iterdir()) if store.directory.exists() else []


def test_everything_put_is_readable_before_and_after_the_seal(store: ObjectStore) -> None:
    writer = store.writer()
    blobs = [b"", b"a", b"b" * 5000, b"a"]
    ids = writer.put_blobs(blobs)
    assert ids == [blob_id(blob) for blob in blobs]
    tree, size = writer.put_tree({"x": Blob(ids[2], 5000, 0o644)})
    assert size == 5000
    record = writer.put_record(Kind.ARTIFACT, b"record")
    assert record == object_id(Kind.ARTIFACT, b"record")

    def look(at: ObjectStore) -> None:
        assert at.read_many(ids) == blobs
        assert [at.read(ident) for ident in ids] == blobs
        assert at.read(record, Kind.ARTIFACT) == b"record"
        assert at.kind(tree) is Kind.TREE
        assert at.kind(ids[0]) is Kind.BLOB
        assert [at.size(ident) for ident in ids] == [0, 1, 5000, 1]
        assert at.missing([*ids, tree, bytes(32)]) == {bytes(32)}
        assert at.contains(tree)
        assert not at.contains(bytes(32))
        assert at.find(ids[1].hex()[:6]) == [(Kind.BLOB, ids[1])]
        assert at.find(tree.hex()) == [(Kind.TREE, tree)]
        with pytest.raises(TypeMismatch):
            at.read(tree, Kind.BLOB)
        with pytest.raises(TypeMismatch):
            at.read(ids[1], Kind.TREE)
        with pytest.raises(ObjectNotFound):
            at.read(bytes(32))
        with pytest.raises(ObjectNotFound):
            at.size(bytes(32))

    look(store)
    writer.flush()
    look(store)
    assert names(store) == [".open"]
    writer.seal()
    look(store)
    assert names(store) == [".pack"]
    look(ObjectStore(store.directory))
    assert next(store.directory.glob("*.pack")).stat().st_mode & 0o777 == 0o444


def test_nothing_put_makes_no_file(store: ObjectStore) -> None:
    with store.writer() as writer:
        assert writer.put_blobs([]) == []
        writer.flush()
    assert names(store) == []


def test_what_is_there_is_not_stored_again(store: ObjectStore) -> None:
    with store.writer() as writer:
        writer.put_blobs([b"one", b"two"])
        writer.put_record(Kind.SPAN, b"one")
    with store.writer() as writer:
        writer.put_blobs([b"two", b"one"])
        writer.put_record(Kind.SPAN, b"one")
    assert names(store) == [".pack"]
    with store.writer() as writer:
        writer.put_blob(b"three")
        writer.put_blob(b"three")
        writer.put_blob(b"one")
    assert sorted(len(pack) for pack in store.packs) == [1, 3]


def test_another_process_sees_a_new_pack_at_its_first_miss(store: ObjectStore) -> None:
    other = ObjectStore(store.directory)
    assert other.missing([blob_id(b"x")])
    with store.writer() as writer:
        ident = writer.put_blob(b"x")
    assert other.read(ident) == b"x"


def test_an_exception_leaves_nothing(store: ObjectStore) -> None:
    with pytest.raises(RuntimeError), store.writer() as writer:
        ident = writer.put_blob(b"x")
        writer.flush()
        raise RuntimeError
    assert names(store) == []
    with pytest.raises(ObjectNotFound):
        store.read(ident)


def test_bytes_like_payloads_are_copied(store: ObjectStore) -> None:
    payload = bytearray(b"before")
    with store.writer() as writer:
        ident = writer.put_blob(payload)
        payload[:] = b"behind"
        assert writer.put_blob(memoryview(b"view")) == blob_id(b"view")
    assert store.read(ident) == b"before"


def test_a_full_disk_loses_nothing_that_was_put(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = store.writer()
    first = writer.put_blob(b"first")
    writer.flush()
    second = writer.put_blob(b"second")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for attempt in (writer.flush, writer.seal):
            with pytest.raises(StorageFull):
                attempt()
        # What was written before can still be read.
        assert store.read(first) == b"first"
        assert store.read_many([first]) == [b"first"]
    writer.seal()
    assert ObjectStore(store.directory).read_many([first, second]) == [b"first", b"second"]
    assert not list(store.check())


def test_a_failed_fsync_is_never_retried(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def fail(_: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(errno.EIO, "Input/output error")

    writer = store.writer()
    writer.put_blob(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(appending, "fsync_file", fail)
        with pytest.raises(StorageError):
            writer.seal()
    assert calls == 1
    assert names(store) == []
    assert not store.contains(blob_id(b"x"))
    ident = writer.put_blob(b"x")
    writer.seal()
    assert store.read(ident) == b"x"


def test_a_forked_child_writes_a_pack_of_its_own(store: ObjectStore) -> None:
    writer = store.writer()
    writer.put_blob(b"parent")
    writer.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            writer.put_blob(b"child")
            writer.seal()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    writer.put_blob(b"parent again")
    writer.seal()
    fresh = ObjectStore(store.directory)
    assert fresh.read_many([blob_id(b"parent"), blob_id(b"child"), blob_id(b"parent again")])
    assert sorted(map(len, fresh.packs)) == [1, 2]
    assert not list(fresh.check())


def test_many_threads_share_a_writer(store: ObjectStore) -> None:
    writer = store.writer()

    def run(number: int) -> None:
        for turn in range(200):
            writer.put_blob(f"{number % 2} {turn}".encode())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.seal()
    assert sum(map(len, store.packs)) == 400
    assert not list(store.check())


def test_a_writer_goes_over_to_another_pack(tmp_path: Path, noise: Callable[[int, int], bytes]) -> None:
    store = ObjectStore(tmp_path, Limits(pack=300_000, stretch=300_000))
    with store.writer() as writer:
        payload = noise(3_000_000, 1)
        blob, size = writer.put_stream(io.BytesIO(payload))
        small = [writer.put_blob(noise(1000, seed)) for seed in range(1000)]
    assert (blob, size) == (blake3(payload).digest(), len(payload))
    assert len(store.packs) > 4
    assert len(writer.sealed) == len(store.packs)
    fresh = ObjectStore(tmp_path)
    assert fresh.read(blob) == payload
    assert fresh.read_many(small)
    assert not list(fresh.check())


def test_a_write_back_that_failed_in_the_background_fails_the_seal(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writeback, "_STRETCH", 1000)
    writer = store.writer()
    writer.put_blob(b"first")
    writer.flush()

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for _ in range(20):
            writer.put_blob(os.urandom(3000))
            writer.flush()
    with pytest.raises(StorageError):
        writer.seal()
    assert names(store) == []
    ident = writer.put_blob(b"x" * 5000)
    writer.seal()
    assert store.read(ident) == b"x" * 5000


def test_a_file_too_large_for_its_limit_is_a_full_store(tmp_path: Path) -> None:
    program = """
import os, resource, sys
from cas.errors import StorageFull
from cas.objects.store import ObjectStore
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
writer = ObjectStore(sys.argv[1]).writer()
kept = writer.put_blob(b"kept")
writer.flush()
try:
    writer.put_file(sys.argv[2])
except StorageFull:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.seal()
    print(kept.hex())
"""
    (tmp_path / "file").write_bytes(os.urandom(3_000_000))
    command = [sys.executable, "-c", program, str(tmp_path / "objects"), str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    store = ObjectStore(tmp_path / "objects")
    assert store.read(bytes.fromhex(done.stdout.strip())) == b"kept"
    assert not list(store.check())
