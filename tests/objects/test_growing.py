"""Objects in packs that another process still writes."""

from __future__ import annotations

import pytest

from cas.errors import ObjectNotFound
from cas.objects.growing import GrowingPacks, _Headers
from cas.objects.ids import Kind
from cas.objects.store import ObjectStore


@pytest.fixture
def writing(tmp_path):
    """A writer of another store over the same directory."""
    store = ObjectStore(tmp_path)
    yield store.writer()
    store.close()


def test_what_others_write_is_read_as_it_comes(tmp_path, writing):
    store = ObjectStore(tmp_path)
    first = [writing.put_blob(bytes([number])) for number in range(100)]
    writing.flush()
    assert store.read_many(first) == [bytes([number]) for number in range(100)]
    later = writing.put_blob(b"later")
    with pytest.raises(ObjectNotFound):
        store.read(later)
    writing.flush()
    assert store.read(later) == b"later"
    assert store.read_many([*first, later])[-1] == b"later"
    big = writing.put_blob(bytes(range(256)) * 4096)
    writing.flush()
    assert store.read(big) == bytes(range(256)) * 4096
    writing.seal()
    assert store.read_many([*first, later])[-1] == b"later"


def test_headers_are_gone_through_once(tmp_path, writing, monkeypatch):
    seen = []
    go_on = _Headers._go_on

    def counted(self, content):
        before = self._end
        go_on(self, content)
        seen.append(self._end - before)

    monkeypatch.setattr(_Headers, "_go_on", counted)
    growing = GrowingPacks(tmp_path)
    ids = [writing.put_blob(bytes([number])) for number in range(50)]
    writing.flush()
    assert growing.find(ids[0]) == (Kind.BLOB, b"\0")
    assert growing.find(ids[-1]) == (Kind.BLOB, bytes([49]))
    assert growing.find(bytes(32)) is None
    assert seen[0] > 0
    assert seen[1:] == [0, 0]


def test_a_pack_that_was_cut_short_is_gone_through_again(tmp_path, writing):
    first, second = writing.put_blob(b"a" * 100), writing.put_blob(b"b" * 100)
    writing.flush()
    growing = GrowingPacks(tmp_path)
    assert growing.find(second) == (Kind.BLOB, b"b" * 100)
    (path,) = tmp_path.glob("*.open")
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    assert growing.find(second) is None
    assert growing.find(first) == (Kind.BLOB, b"a" * 100)
    path.write_bytes(content)
    assert growing.find(second) == (Kind.BLOB, b"b" * 100)
    path.write_bytes(content[:-1] + b"c")
    assert growing.find(second) is None
