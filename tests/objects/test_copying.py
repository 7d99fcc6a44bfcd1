from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.errors import CorruptObject, StorageError
from cas.objects import copying
from cas.objects.ids import BlobId
from cas.objects.limits import Limits
from cas.objects.store import ObjectStore
from cas.storage import writeback

Noise = Callable[[int, int], bytes]


def flip(path: Path, at: int) -> None:
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(whole)


def exported(store: ObjectStore, blob: BlobId, room: Path) -> bytes:
    """What export writes: that and nothing else is in the directory."""
    room.mkdir()
    store.export(blob, room / "file")
    assert os.listdir(room) == ["file"]
    return (room / "file").read_bytes()


def test_chunks_come_from_many_packs_compressed_and_not_and_from_open_ones(
    tmp_path: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_AT_ONCE", 100_000)
    monkeypatch.setattr(writeback, "_STRETCH", 300_000)
    store = ObjectStore(tmp_path / "objects", Limits(pack=300_000, stretch=300_000, part=4))
    lines = b"".join(b"%d and " % number for number in range(150_000))
    payload = noise(700_000, 1) + lines + noise(700_000, 2)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
        assert exported(store, blob, tmp_path / "open") == payload
    assert len(store.packs) > 3
    assert exported(ObjectStore(store.directory), blob, tmp_path / "sealed") == payload


@pytest.mark.parametrize("make", ["noise", "lines"])
def test_a_damaged_chunk_is_named_and_nothing_is_left_behind(
    store: ObjectStore, tmp_path: Path, noise: Noise, make: str
) -> None:
    lines = b"".join(b"%d and " % number for number in range(300_000))
    payload = noise(1_000_000, 1) if make == "noise" else lines
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    chunk = list(store.chunk_map(blob).chunks())[3]
    (pack,) = store.packs
    flip(store.directory / pack.name, pack.find(chunk.id) + 37 + 100)
    room = tmp_path / "room"
    room.mkdir()
    with pytest.raises(CorruptObject, match=chunk.id.hex()):
        ObjectStore(store.directory).export(blob, room / "file")
    assert os.listdir(room) == []


def test_a_chunk_that_another_pack_has_whole_is_taken_from_there(
    store: ObjectStore, tmp_path: Path, noise: Noise
) -> None:
    payload = noise(1_000_000, 1)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    (whole,) = store.packs
    twin = ObjectStore(tmp_path / "twin")
    with twin.writer() as writer:
        writer.put_blob(payload)
    (other,) = twin.directory.iterdir()
    other.rename(store.directory / other.name)
    # Each pack has a damage of its own.
    chunks = list(store.chunk_map(blob).chunks())
    flip(store.directory / whole.name, whole.find(chunks[2].id) + 40)
    flip(store.directory / other.name, twin.packs[0].find(chunks[5].id) + 40)
    assert exported(ObjectStore(store.directory), blob, tmp_path / "room") == payload


def test_a_failed_write_back_fails_the_export(
    store: ObjectStore, tmp_path: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = noise(9_000_000, 1)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(writeback, "_STRETCH", 1_000_000)

    real, calls = os.fsync, 0

    def fail_once(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(StorageError):
        store.export(blob, room / "file")
    assert os.listdir(room) == []
