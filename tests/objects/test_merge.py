from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.errors import StorageError
from cas.objects import canonical
from cas.objects import merge as merging
from cas.objects.ids import Kind
from cas.objects.limits import Limits
from cas.objects.store import ObjectStore


def fill(store: ObjectStore, count: int, first: int = 0) -> list[bytes]:
    ids: list[bytes] = []
    for number in range(first, first + count):
        with store.writer() as writer:
            ids += writer.put_blobs([b"%d" % number, b"shared", b"z" * 300 + b"%d" % number])
            ids.append(writer.put_record(Kind.SPAN, canonical.encode(number)))
    return ids


def test_sixteen_of_a_size_become_one(store: ObjectStore) -> None:
    ids = fill(store, 15)
    assert store.merge() == 0
    ids += fill(store, 1, 15)
    old = {pack.name[:32] for pack in store.packs}
    reader = ObjectStore(store.directory)
    before = reader.read_many(ids)
    assert store.merge() == 16
    (pack,) = store.packs
    assert set(pack.replaced) == old
    assert [path.name for path in store.directory.glob("*.pack")] == [pack.name]
    assert store.read_many(ids) == before
    assert reader.read_many(ids) == before
    assert ObjectStore(store.directory).read_many(ids) == before
    assert not reader.refresh() or len(reader.packs) == 1
    assert not list(store.check())
    assert store.merge() == 0


def test_nothing_to_do_costs_no_system_call(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 3)
    monkeypatch.setattr(merging.os, "open", None)
    monkeypatch.setattr(store, "refresh", None)
    assert store.merge() == 0
    assert store.merge() == 0


def test_many_writes_leave_few_packs(store: ObjectStore) -> None:
    ids: list[bytes] = []
    for number in range(100):
        ids += fill(store, 1, number)
        store.merge()
    assert len(store.packs) <= 21
    assert len(ObjectStore(store.directory).read_many(ids)) == 400
    assert not list(store.check())


def test_large_packs_are_left_alone(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path, Limits(crowd=4, merged=500))
    fill(store, 10)
    assert store.merge() == 0


def test_large_blobs_stay_admitted(tmp_path: Path, noise: Callable[[int, int], bytes]) -> None:
    store = ObjectStore(tmp_path, Limits(crowd=4, part=2))
    blobs = []
    for seed in range(4):
        with store.writer() as writer:
            blobs.append(writer.put_blob(noise(300_000 + seed, seed)))
    assert store.merge() == 4
    assert store.packs[0].mapped == {300_000, 300_001, 300_002, 300_003}
    assert [store.size(blob) for blob in blobs] == [300_000, 300_001, 300_002, 300_003]
    assert not list(store.check())


def test_damage_stops_the_merge(store: ObjectStore) -> None:
    fill(store, 16)
    path = sorted(store.directory.glob("*.pack"))[3]
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    fresh = ObjectStore(store.directory)
    assert fresh.merge() == 0
    assert len(list(store.directory.glob("*.pack"))) == 16
    assert not list(store.directory.glob("*.open"))


def test_a_failed_fsync_removes_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from cas.objects import appending

    ids = fill(store, 16)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(appending, "fsync_file", fail)
    with pytest.raises(StorageError):
        store.merge()
    assert len(ObjectStore(store.directory).read_many(ids)) == len(ids)


def test_a_pack_may_be_merged_away_before_its_writer_looks(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = fill(store, 15)
    admit = store.admit

    def late(path: Path) -> None:
        assert ObjectStore(store.directory).merge() == 16
        admit(path)

    monkeypatch.setattr(store, "admit", late)
    ids += fill(store, 1, 15)
    assert len(store.packs) == 1
    assert len(store.read_many(ids)) == len(ids)


def write_and_merge(directory: Path, base: int) -> None:
    store = ObjectStore(directory)
    for number in range(40):
        fill(store, 1, base + number)
        store.merge()
        for known in range(base, base + number, 7):
            with store.writer() as writer:
                assert store.contains(writer.put_blob(b"%d" % known))


def test_processes_write_and_merge_side_by_side(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_and_merge, args=(tmp_path, 1000 * number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    store = ObjectStore(tmp_path)
    from cas.objects.ids import blob_id

    wanted = [b"%d" % (1000 * number + turn) for number in range(3) for turn in range(40)]
    assert store.read_many([blob_id(payload) for payload in wanted]) == wanted
    assert not list(store.check())
