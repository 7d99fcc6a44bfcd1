"""Parts of what lies at a URL: only what a range or a column touches is fetched, checked, and kept within bounds."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import cas
from cas.errors import CasError, CorruptObject, HashMismatch
from cas.objects.ids import BlobId, Kind, ObjectId
from cas.objects.store import ObjectStore
from cas.repository.exchange import clone

SIZE = 24 << 20


class Hub:
    """A repository behind a proxy that counts what is asked of it, and the bytes that it answers with."""

    def __init__(self, place, front) -> None:
        self.place = place
        self.bytes = 0
        self.requests = 0
        front.after = self._count

    def _count(self, message):
        self.requests += 1
        self.bytes += len(message.body)
        return message

    def open(self, **more):
        there = cas.open(self.place.url, options=self.place.options, **more)
        self.reset()
        return there

    def reset(self) -> None:
        self.bytes = self.requests = 0


@pytest.fixture
def hub(any_remote, fronting, moto) -> Hub:
    front = fronting(moto)
    return Hub(any_remote("s3-moto-obstore", port=front.port), front)


@pytest.fixture
def content() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture
def big(hub: Hub, content: bytes, tmp_path: Path) -> Hub:
    source = tmp_path / "big.bin"
    source.write_bytes(content)
    ann = cas.init(tmp_path / "ann")
    ann.put(source, "big")
    ann.put(content[:1000], "small")
    ann.remotes.add("origin", hub.place.url, hub.place.options)
    ann.push()
    return hub


def test_a_slice_of_a_file_fetches_its_chunks_only(big: Hub, content: bytes) -> None:
    there = big.open()
    with there.open("big") as file:
        assert big.bytes < 200_000  # what the pack holds, the record, the map
        big.reset()
        file.seek(9 << 20)
        assert file.read(1000) == content[9 << 20 : (9 << 20) + 1000]
        assert big.requests == 1
        assert big.bytes < 1 << 20
        file.seek(SIZE - 10)
        assert file.read() == content[-10:]
        file.seek(5 << 20)
        big.reset()
        assert file.read(4 << 20) == content[5 << 20 : 9 << 20]
        assert big.requests <= 2
        assert big.bytes < 5 << 20
        big.reset()
        file.seek(9 << 20)
        assert file.read(500) == content[9 << 20 : (9 << 20) + 500]
        assert big.requests == 0  # kept in the cache
    there.close()


def test_a_file_of_a_ref_opens_in_parts(big: Hub, content: bytes) -> None:
    there = big.open()
    found = there.get("big")
    with found.open() as file:
        file.seek(SIZE // 2)
        assert file.read(100) == content[SIZE // 2 : SIZE // 2 + 100]
    assert big.bytes < 2 << 20
    assert there.resolve("big").size == SIZE
    # All of it, once all of it is wanted: what is here is not fetched again, and the whole is checked.
    big.reset()
    assert found.read_bytes() == content
    assert SIZE - (2 << 20) < big.bytes < SIZE + (1 << 20)
    big.reset()
    assert there.get("big").read_bytes() == content
    assert big.requests <= 1  # whether there is anything new
    there.close()


def test_reading_on_and_on_takes_few_requests(big: Hub, content: bytes) -> None:
    there = big.open()
    with there.open("big") as file:
        whole = b"".join(iter(lambda: file.read(100_000), b""))
    assert whole == content
    assert big.requests <= 20
    there.close()


def test_a_cache_smaller_than_the_file(big: Hub, content: bytes, tmp_path: Path) -> None:
    limit = 3 << 20
    there = big.open(cache=tmp_path / "cache", cache_bytes=limit)
    with there.open("big") as file:
        for start in (0, 20 << 20, 10 << 20, 3 << 20, 15 << 20, 0, 22 << 20):
            file.seek(start)
            assert file.read(300_000) == content[start : start + 300_000]
            held = sum(path.stat().st_size for path in (there.root / "objects").glob("*.pack"))
            assert held <= limit
    there.close()


def test_a_map_read_in_parts_is_not_admitted(big: Hub, content: bytes, tmp_path: Path) -> None:
    there = big.open(cache=tmp_path / "cache")
    blob = there.resolve("big").literal.content
    with there.open("big") as file:
        file.seek(1 << 20)
        file.read(10)
    packs = ObjectStore(there.root / "objects")
    assert not packs.contains(blob)
    assert not packs.maps_size(SIZE)
    # So the same content, put again here, is cut and stored by itself, not by what a remote said of it.
    again = tmp_path / "again.bin"
    again.write_bytes(content)
    assert there.put(again, "again").literal.content == blob
    assert there.get("again").read_bytes() == content
    there.close()


def test_a_damaged_chunk_is_refused(big: Hub, tmp_path: Path) -> None:
    store = big.place.open()
    pack = max(store.list("objects/"), key=lambda info: info.size)
    whole = bytearray(store.read(pack.name))
    whole[SIZE // 2] ^= 1
    store.delete(pack.name)
    store.create(pack.name, bytes(whole))
    there = big.open(cache=tmp_path / "cache")
    with there.open("big") as file:
        file.seek(1000)
        assert len(file.read(1000)) == 1000
        with pytest.raises(CorruptObject):
            while file.read(1 << 20):
                pass
    there.close()
    store.close()


def test_a_map_of_another_blob_is_refused(tmp_path: Path, content: bytes) -> None:
    mine = ObjectStore(tmp_path / "objects")
    with mine.writer() as writer:
        blob = writer.put_blob(content[: 1 << 20])
    kind, payload = mine.load(blob)
    assert kind is Kind.MAP

    class Liar:
        def entry(self, key: bytes) -> tuple[Kind, bytes]:
            return kind, payload

        def bring(self, keys) -> bool:
            return False

    mine.elsewhere = Liar()
    with pytest.raises(HashMismatch):
        mine.open(BlobId(ObjectId(bytes(32))))


def test_a_column_of_a_table_fetches_that_column_only(hub: Hub, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from cas.literals.tables import read_table

    rows = 250_000
    table = pa.table(
        {name: pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(os.urandom(8 * rows))]) for name in "abcdef"}
    )
    ann = cas.init(tmp_path / "ann")
    ann.put(table, "table")
    ann.remotes.add("origin", hub.place.url, hub.place.options)
    ann.push()
    there = hub.open()
    version = there.resolve("table")
    column = read_table(version.literal, there.objects, ["c"])
    assert column.equals(table.select(["c"]))
    assert hub.bytes < 8 * rows + 400_000
    assert there.get("table").equals(table)
    there.close()


def test_a_clone_without_objects_reads_in_parts_too(big: Hub, content: bytes, tmp_path: Path) -> None:
    ben, _ = clone(big.place.url, tmp_path / "ben", options=big.place.options, objects=False)
    big.reset()
    with ben.open("big") as file:
        file.seek(7 << 20)
        assert file.read(1000) == content[7 << 20 : (7 << 20) + 1000]
    assert big.bytes < 1 << 20
    assert ben.fsck().ok
    target = tmp_path / "out.bin"
    ben.get("big").export(target)
    assert target.read_bytes() == content
    assert ben.fsck().ok


def test_what_is_nowhere_says_so(big: Hub, tmp_path: Path) -> None:
    there = big.open()
    with pytest.raises(CasError):
        there.objects.open(BlobId(ObjectId(bytes(32))))
    there.close()
