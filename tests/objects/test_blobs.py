from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import FileChanged, ObjectNotFound, StorageError, TypeMismatch
from cas.objects import ingest
from cas.objects.chunks import MAX_CHUNK, cut
from cas.objects.ids import BlobId, Kind, ObjectId, blob_id
from cas.objects.limits import Limits
from cas.objects.store import ObjectStore
from cas.objects.writer import PackWriter

Noise = Callable[[int, int], bytes]
SMALL = Limits(stretch=1 << 20, part=4)
SIZES = [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 1_000_000, (1 << 20) + 262_144, 4_000_000]


def text(size: int) -> bytes:
    return b"".join(b"%d and " % number for number in range(size // 5 + 1))[:size]


class Dribble(io.RawIOBase):
    """A pipe that gives little at a time."""

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self._left = memoryview(payload)

    def readinto(self, view: object) -> int:
        target = memoryview(view)
        piece = self._left[: min(len(target), 50_000)]
        target[: len(piece)] = piece
        self._left = self._left[len(piece) :]
        return len(piece)


@pytest.mark.parametrize("limits", [Limits(), SMALL], ids=["usual", "parts"])
@pytest.mark.parametrize("size", SIZES)
def test_every_way_in_gives_the_same_objects(tmp_path: Path, noise: Noise, size: int, limits: Limits) -> None:
    for payload in (noise(size, 3), text(size)):
        blob = blob_id(payload)
        (tmp_path / "file").write_bytes(payload)
        ways: list[Callable[[PackWriter, bytes], BlobId]] = [
            lambda writer, payload: writer.put_blob(payload),
            lambda writer, payload: writer.put_blobs([b"x", payload])[1],
            lambda writer, payload: writer.put_stream(io.BytesIO(payload))[0],
            lambda writer, payload: writer.put_stream(Dribble(payload))[0],
            lambda writer, _: writer.put_file(tmp_path / "file")[0],
        ]
        seen = set()
        for number, way in enumerate(ways):
            store = ObjectStore(tmp_path / f"{number} {len(seen)} {payload[:1]!r}", limits)
            with store.writer() as writer:
                assert way(writer, payload) == blob
                assert store.read(blob) == payload
            store = ObjectStore(store.directory)
            assert store.read(blob, Kind.BLOB) == payload
            assert b"".join(store.stream(blob)) == payload
            assert store.size(blob) == size
            assert store.kind(blob) is Kind.BLOB
            assert store.find(blob.hex()) == [(Kind.BLOB, blob)]
            target = tmp_path / "out"
            store.export(blob, target, 0o640)
            assert target.read_bytes() == payload
            assert target.stat().st_mode & 0o777 == 0o640
            assert not list(store.check())
            entries = {(pack.kind(at), pack.pages[at + 5 : at + 37]) for pack in store.packs for at in pack.places()}
            seen.add(frozenset(entries - {(Kind.BLOB, blob_id(b"x"))}))
        assert len(seen) == 1


def test_the_cuts_are_pinned(noise: Noise) -> None:
    payload = noise(1_000_000, 7)
    assert cut(memoryview(payload), last=True) == PINNED
    done = cut(memoryview(payload), last=False)
    assert done == PINNED[: len(done)]
    assert len(payload) - sum(done) <= 2 * MAX_CHUNK


PINNED = [111090, 67285, 86090, 221300, 99418, 125415, 134887, 71542, 82973]


@given(st.integers(0, 600_000), st.integers(0, 3), st.data())
@settings(max_examples=25, deadline=None)
def test_a_seekable_file_is_like_bytesio(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: int, data: st.DataObject
) -> None:
    import random

    payload = random.Random(seed).randbytes(size)
    store = ObjectStore(tmp_path_factory.mktemp("objects"), SMALL)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    ours, theirs = store.open(blob), io.BytesIO(payload)
    for _ in range(8):
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, size + 10))
            assert ours.seek(place) == theirs.seek(place)
        count = data.draw(st.integers(-1, 200_000))
        assert ours.read(count) == theirs.read(count)
        assert ours.tell() == theirs.tell()
    assert ours.seek(-min(5, size), io.SEEK_END) == theirs.seek(-min(5, size), io.SEEK_END)
    assert ours.read() == theirs.read()
    ours.close()


def test_a_ranged_read_takes_only_its_chunks(store: ObjectStore, noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = noise(4_000_000, 1)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    with store.open(blob) as file:
        loaded: list[bytes] = []
        load = store.load
        monkeypatch.setattr(store, "load", lambda key, kind=None: loaded.append(key) or load(key, kind))
        file.seek(2_000_000)
        assert file.read(10) == payload[2_000_000:2_000_010]
    assert 1 <= len(loaded) <= 9


def test_a_second_version_stores_little_more(store: ObjectStore, noise: Noise) -> None:
    payload = bytearray(noise(20_000_000, 1))
    with store.writer() as writer:
        writer.put_blob(payload)
    before = sum(path.stat().st_size for path in store.directory.iterdir())
    payload[7_000_000:7_200_000] = noise(200_000, 2)
    payload[100:100] = b"shift"
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    after = sum(path.stat().st_size for path in store.directory.iterdir())
    assert store.read(blob) == payload
    assert after - before < 200_000 + 6 * MAX_CHUNK


def test_an_unchanged_file_is_only_hashed(
    store: ObjectStore, noise: Noise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(noise(3_000_000, 1))
    with store.writer() as writer:
        blob, size = writer.put_file(path)
    monkeypatch.setattr(ingest, "_ingest", None)
    fresh = ObjectStore(store.directory)
    assert fresh.writer().put_file(path) == (blob, size)
    assert ingest.hash_file(path) == blob
    path.write_bytes(b"tiny")
    assert ingest.hash_file(path) == blob_id(b"tiny")
    path.write_bytes(b"")
    assert ingest.hash_file(path) == blob_id(b"")


@pytest.mark.parametrize("size", [1000, 3_000_000])
@pytest.mark.parametrize("how", ["grow", "shrink", "touch", "replace"])
def test_a_file_that_changes_while_read_is_refused(
    store: ObjectStore, noise: Noise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, how: str
) -> None:
    path = tmp_path / "file"
    payload = noise(size, 1)
    path.write_bytes(payload)
    os.utime(path, (1, 1))
    changed = threading.Event()
    name = "read" if size == 1000 else "readv"
    real = getattr(os, name)

    def meddle(*arguments: object) -> object:
        result = real(*arguments)
        if not changed.is_set():
            changed.set()
            if how == "grow":
                path.write_bytes(payload + b"more")
            elif how == "shrink":
                path.write_bytes(payload[:-1])
            elif how == "touch":
                path.touch()
            else:
                path.unlink()
                path.write_bytes(payload)
        return result

    with store.writer() as writer, monkeypatch.context() as patch:
        patch.setattr(os, name, meddle)
        with pytest.raises(FileChanged):
            writer.put_file(path)
    assert changed.is_set()
    assert not store.contains(blob_id(payload))


def test_what_is_no_regular_file_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = store.writer()
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(StorageError):
            writer.put_file(path)
    with pytest.raises(FileNotFoundError):
        writer.put_file(tmp_path / "nothing")


def test_export_replaces_and_leaves_no_scraps(store: ObjectStore, tmp_path: Path, noise: Noise) -> None:
    with store.writer() as writer:
        blob = writer.put_blob(noise(1_000_000, 1))
        tree, _ = writer.put_tree({})
    target = tmp_path / "there"
    target.mkdir()
    (target / "file").write_text("old")
    store.export(blob, target / "file")
    assert blake3((target / "file").read_bytes()).digest() == blob
    with pytest.raises(StorageError):
        store.export(blob, target)
    with pytest.raises(TypeMismatch):
        store.export(BlobId(tree), target / "other")
    with pytest.raises(ObjectNotFound):
        store.export(BlobId(ObjectId(bytes(32))), target / "other")
    assert os.listdir(target) == ["file"]


def test_memory_stays_bounded(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = """
import resource, sys
from pathlib import Path
from cas.objects.store import ObjectStore
from cas.objects.writer import PackWriter
store = ObjectStore(Path(sys.argv[1]) / "objects")
with store.writer() as writer:
    writer.put_blob(b"x" * 70_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with store.writer() as writer:
    blob, size = writer.put_file(Path(sys.argv[1]) / "file")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    with open(tmp_path / "file", "wb") as file:
        for _ in range(25):
            file.write(os.urandom(10_000_000))
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 150_000_000
