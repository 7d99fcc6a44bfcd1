"""Many records at once: in any order, from several packs, and never bytes that are not theirs."""

from __future__ import annotations

import pytest

from cas.errors import CorruptObject, ObjectNotFound
from cas.objects import canonical
from cas.objects.ids import Kind, object_id
from cas.objects.records import read_records
from cas.objects.store import ObjectStore


@pytest.fixture
def store(tmp_path):
    made = ObjectStore(tmp_path / "objects")
    yield made
    made.close()


def records(start: int, stop: int) -> list[bytes]:
    return [canonical.encode({"number": number}) for number in range(start, stop)]


def test_from_several_packs_and_one_that_is_open(store):
    payloads = records(0, 90)
    ids = []
    for start in (0, 30, 60):
        writer = store.writer()
        ids += writer.put_records(Kind.SPAN, payloads[start : start + 30])
        if start < 60:
            writer.seal()
    for step in (1, 7, 89):
        order = [at * step % 90 for at in range(90)]
        assert read_records(store, Kind.SPAN, [ids[at] for at in order]) == [payloads[at] for at in order]
    assert read_records(store, Kind.SPAN, [ids[5], ids[5], ids[65], ids[5]]) == [payloads[at] for at in (5, 5, 65, 5)]
    assert read_records(store, Kind.SPAN, []) == []


def test_one_that_is_missing(store):
    with store.writer() as writer:
        ids = writer.put_records(Kind.SPAN, records(0, 3))
    with pytest.raises(ObjectNotFound):
        read_records(store, Kind.SPAN, [*ids, object_id(Kind.SPAN, b"no")])


@pytest.mark.parametrize("copies", [1, 2])
def test_a_flipped_bit_is_found_and_another_copy_is_read(store, tmp_path, copies):
    payloads = records(1000, 1003)
    for _ in range(copies):
        writer = store.writer()
        for payload in payloads:
            writer.repeat_record(Kind.SPAN, payload)
        writer.seal()
    ids = [object_id(Kind.SPAN, payload) for payload in payloads]
    store.close()
    path = sorted((tmp_path / "objects").glob("*.pack"), key=lambda one: one.stat().st_mtime_ns)[-1]
    path.chmod(0o644)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(payloads[1], payloads[1][:-1] + bytes([payloads[1][-1] ^ 1])))
    again = ObjectStore(tmp_path / "objects")
    if copies == 1:
        with pytest.raises(CorruptObject):
            read_records(again, Kind.SPAN, ids)
    else:
        assert read_records(again, Kind.SPAN, ids) == payloads
    again.close()
