"""Many blobs read through the columns of an index give what single reads give."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from cas.errors import CorruptObject, ObjectNotFound
from cas.objects import vectors
from cas.objects.ids import Kind, blob_id
from cas.objects.store import ObjectStore


@pytest.fixture
def filled(tmp_path: Path) -> tuple[ObjectStore, list[bytes]]:
    """Two sealed packs and an open one; small, empty, compressed and chunked blobs, and a record between them."""
    store = ObjectStore(tmp_path / "objects")
    ids: list[bytes] = []
    for part in range(2):
        with store.writer() as writer:
            ids += writer.put_blobs([f"{part} {number}".encode() for number in range(1500)])
            ids += [writer.put_blob(payload) for payload in (b"", b"x" * 5000, os.urandom(200_000))]
            writer.put_record(Kind.ARTIFACT, bytes([0x80 + part]))
    ids += store.writer().put_blobs([f"open {number}".encode() for number in range(600)])
    return store, ids


def test_many_reads_give_what_single_reads_give(filled: tuple[ObjectStore, list[bytes]]) -> None:
    store, ids = filled
    assert vectors.pays(len(ids)) and np
    mixed = [ids[number * 7919 % len(ids)] for number in range(len(ids))]
    assert store.read_many(mixed) == [store.read(ident) for ident in mixed]
    assert [vectors.take_many(pack, mixed) for pack in store.packs]


def test_an_id_that_is_not_there(filled: tuple[ObjectStore, list[bytes]]) -> None:
    store, ids = filled
    for stranger in (b"\0" * 32, b"\xff" * 32, ids[0][:8] + b"\0" * 24):
        with pytest.raises((ObjectNotFound, CorruptObject)):
            store.read_many([*ids[:900], stranger])


def test_the_empty_blob_is_not_found_where_it_is_not(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects")
    with store.writer() as writer:
        ids = list(writer.put_blobs([str(number).encode() for number in range(600)]))
    (pack,) = store.packs
    assert vectors.take_many(pack, [*ids, blob_id(b"")])[-1] is None


def test_a_damaged_payload_is_never_given(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects")
    with store.writer() as writer:
        ids = list(writer.put_blobs([b"payload %d" % number for number in range(700)]))
    (path,) = (tmp_path / "objects").glob("*.pack")
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[content.index(b"payload 350") + 3] ^= 1
    path.write_bytes(content)
    again = ObjectStore(tmp_path / "objects")
    with pytest.raises(CorruptObject):
        again.read_many(ids)


def test_without_numpy_the_single_way_is_taken(
    filled: tuple[ObjectStore, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ids = filled
    with_columns = store.read_many(ids)
    monkeypatch.delitem(sys.modules, "numpy")
    assert not vectors.pays(len(ids))
    assert store.read_many(ids) == with_columns
