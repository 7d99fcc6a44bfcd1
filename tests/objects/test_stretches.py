from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.errors import CorruptObject, ObjectNotFound
from cas.objects import stretches
from cas.objects.ids import Kind, blob_id
from cas.objects.limits import Limits
from cas.objects.packs import ENTRY_SIZE
from cas.objects.store import ObjectStore
from cas.objects.stretches import Wanted, in_file_order, locate

Noise = Callable[[int, int], bytes]


def wanted(store: ObjectStore, keys: list[bytes], kind: Kind = Kind.BLOB) -> list[Wanted]:
    found = []
    for key in keys:
        place = locate(store, key)
        assert place is not None
        found.append(Wanted(key, kind, place))
    return in_file_order(found)


def read(store: ObjectStore, found: list[Wanted]) -> tuple[dict[bytes, bytes], int]:
    """The payloads by key, and the number of pieces; pieces and entries must hold the same bytes."""
    payloads: dict[bytes, bytes] = {}
    count = 0
    for entries, pieces in stretches.stretches(store, found):
        assert b"".join(pieces) == b"".join([bytes(entry.content) for entry in entries])
        payloads.update({bytes(entry.key): entry.payload for entry in entries})
        count += len(pieces)
    return payloads, count


@pytest.fixture
def blobs(noise: Noise) -> dict[bytes, bytes]:
    sizes = [0, 1, 300, 9_000, 9, 14_000, 11_000, 7, 8_000]
    made = [noise(size, seed) for seed, size in enumerate(sizes)] + [b"compresses well " * 800]
    return {blob_id(one): one for one in made}


def test_neighbours_come_in_one_piece_and_others_in_several(
    store: ObjectStore, blobs: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.writer() as writer:
        writer.put_blobs(list(blobs.values()))
    assert read(store, wanted(store, list(blobs))) == (blobs, 1)
    some = list(blobs)[::2]
    payloads, pieces = read(store, wanted(store, some))
    assert payloads == {key: blobs[key] for key in some}
    assert pieces > 1
    monkeypatch.setattr(stretches, "_AT_ONCE", 13_000)  # less than the largest entry
    payloads, pieces = read(store, wanted(store, list(blobs)))
    assert payloads == blobs
    assert pieces > 3
    backwards = wanted(store, list(blobs))[::-1]
    assert read(store, backwards)[0] == blobs


def test_many_packs_open_ones_too(tmp_path: Path, blobs: dict[bytes, bytes]) -> None:
    store = ObjectStore(tmp_path / "objects", Limits(pack=9_000))
    with store.writer() as writer:
        for payload in blobs.values():
            writer.put_blob(payload)
        writer.flush()
        assert any(one.place.pack is None for one in wanted(store, list(blobs)))
        assert read(store, wanted(store, list(blobs)))[0] == blobs
    assert len({one.place.pack for one in wanted(store, list(blobs))}) > 2


def test_a_pack_whose_file_has_gone_is_read_from_its_mapping(store: ObjectStore, blobs: dict[bytes, bytes]) -> None:
    with store.writer() as writer:
        writer.put_blobs(list(blobs.values()))
    found = wanted(store, list(blobs))
    for path in store.directory.glob("*.pack"):
        path.unlink()
    assert read(store, found)[0] == blobs


@pytest.mark.parametrize("where", ["head", "id", "payload", "end"])
def test_a_damaged_entry_comes_from_another_pack_or_is_refused(
    tmp_path: Path, blobs: dict[bytes, bytes], where: str
) -> None:
    store = ObjectStore(tmp_path / "objects")
    with store.writer() as writer:
        writer.put_blobs(list(blobs.values()))
    found = wanted(store, list(blobs))
    victim = next(one for one in found if one.place.size > 13_000)
    at = victim.place.at + {"head": 1, "id": 20, "payload": ENTRY_SIZE + 500, "end": victim.place.size - 1}[where]
    (path,) = store.directory.glob("*.pack")
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    with pytest.raises((CorruptObject, ObjectNotFound)):
        read(ObjectStore(store.directory), found)
    elsewhere = ObjectStore(tmp_path / "elsewhere")
    with elsewhere.writer() as writer:
        writer.put_blob(blobs[victim.key])
    (whole,) = elsewhere.directory.glob("*.pack")
    os.link(whole, store.directory / whole.name)
    again = ObjectStore(store.directory)
    assert read(again, found)[0] == blobs


def test_another_kind_under_the_same_key_is_passed_over(tmp_path: Path, noise: Noise) -> None:
    """A blob that is a chunk of its own in one pack, and cut into chunks by another's map: the key has two meanings."""
    payload = noise(400_000, 1)
    cut = ObjectStore(tmp_path / "cut")
    with cut.writer() as writer:
        blob = writer.put_blob(payload)
    place = locate(cut, blob)
    assert place is not None
    assert place.kind is Kind.MAP
    with pytest.raises((CorruptObject, ObjectNotFound)):
        read(cut, [Wanted(blob, Kind.PART, place)])
    assert locate(cut, b"\0" * 32) is None
