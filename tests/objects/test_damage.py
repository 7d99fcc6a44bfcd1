"""Every flipped byte and every cut is found; what is whole comes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.errors import CasError, CorruptObject
from cas.objects import canonical
from cas.objects.ids import Kind, ObjectId
from cas.objects.limits import Limits
from cas.objects.packs import MAGIC, scan
from cas.objects.store import ObjectStore
from cas.objects.trees import Blob


@pytest.fixture
def small(tmp_path: Path, noise: Callable[[int, int], bytes]) -> ObjectStore:
    """One pack with entries of every kind, compressed and not."""
    store = ObjectStore(tmp_path / "objects", Limits(part=2))
    with store.writer() as writer:
        ids = writer.put_blobs([b"", b"short", noise(40, 1), b"compressible " * 30])
        writer.put_tree({"file": Blob(ids[1], 5, 0o644)})
        writer.put_record(Kind.ARTIFACT, canonical.encode({"label": "x"}))
        writer.put_record(Kind.SPAN, canonical.encode({"record": "open", "nonce": bytes(16)}))
    return store


def test_every_flipped_byte_is_found(small: ObjectStore) -> None:
    (path,) = small.directory.glob("*.pack")
    whole = path.read_bytes()
    assert not list(small.check())
    path.chmod(0o644)
    chance = random.Random(0)
    for at in range(len(whole)):
        for mask in (1 << chance.randrange(8), chance.randrange(1, 256)):
            broken = bytearray(whole)
            broken[at] ^= mask
            path.write_bytes(broken)
            assert list(ObjectStore(small.directory).check()), (at, mask)


def test_every_cut_is_found_and_what_is_whole_comes_back(small: ObjectStore) -> None:
    (path,) = small.directory.glob("*.pack")
    whole = path.read_bytes()
    entries = list(scan(whole))
    assert len(entries) == 7
    payloads = {entry.key: small.read(entry.key) for entry in entries}
    path.chmod(0o644)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        cut = ObjectStore(small.directory)
        assert list(cut.check()), length
        for entry in entries:
            if entry.end <= length:
                assert cut.read(entry.key) == payloads[entry.key], length
            else:
                with pytest.raises(CorruptObject):
                    cut.read(entry.key)


def test_salvage_brings_all_that_is_whole_back(small: ObjectStore) -> None:
    (path,) = small.directory.glob("*.pack")
    whole = path.read_bytes()
    path.unlink()
    entries = list(scan(whole))
    told = [(entry.kind, entry.id) for entry in entries if entry.kind in {Kind.SPAN, Kind.ARTIFACT}]
    for length in range(len(whole)):
        for old in small.directory.iterdir():
            old.unlink()
        (small.directory / ("a" * 32 + ".open")).write_bytes(whole[:length])
        store = ObjectStore(small.directory)
        present = [entry for entry in entries if entry.end <= length]
        assert {ident for ident, _ in store.live(Kind.SPAN)} == {e.id for e in present if e.kind is Kind.SPAN}
        if present:
            assert store.read(present[-1].key) is not None
        spoken: list[tuple[Kind, ObjectId, bytes]] = []
        store.salvage(spoken.extend)
        assert [(kind, ident) for kind, ident, _ in spoken] == told[
            : len([e for e in present if (e.kind, e.id) in told])
        ]
        assert sorted(name.suffix for name in small.directory.iterdir()) == ([".pack"] if present else [])
        assert not list(store.check()), length
        assert not ObjectStore(small.directory).missing(entry.key for entry in present)


def test_damage_inside_a_pack_leaves_the_rest_readable(small: ObjectStore) -> None:
    (path,) = small.directory.glob("*.pack")
    whole = bytearray(path.read_bytes())
    entries = list(scan(bytes(whole)))
    whole[entries[2].end - 1] ^= 1
    path.chmod(0o644)
    path.write_bytes(whole)
    store = ObjectStore(small.directory)
    (damage,) = store.check()
    assert (damage.pack, damage.offset, damage.kind, damage.id) == (
        path.name,
        entries[2].offset,
        Kind.BLOB,
        entries[2].id,
    )
    for entry in entries:
        if entry is not entries[2]:
            store.read(entry.key)
    with pytest.raises(CasError, match=path.name):
        store.read(entries[2].key)


def test_damage_to_a_large_blob_is_named(tmp_path: Path, noise: Callable[[int, int], bytes]) -> None:
    store = ObjectStore(tmp_path, Limits(part=2))
    payload = noise(1_000_000, 1)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    assert not list(store.check())
    (path,) = store.directory.glob("*.pack")
    content = bytearray(path.read_bytes())
    content[400_000] ^= 4
    path.chmod(0o644)
    path.write_bytes(content)
    store = ObjectStore(tmp_path)
    damages = list(store.check())
    assert {damage.kind for damage in damages} == {Kind.BLOB, Kind.MAP}
    assert blob in {damage.id for damage in damages}
    for read in (
        lambda: store.read(blob),
        lambda: store.export(blob, tmp_path / "out"),
        lambda: store.open(blob).read(),
    ):
        with pytest.raises(CorruptObject):
            read()
    assert not (tmp_path / "out").exists()
    with store.open(blob) as file:
        file.seek(800_000)
        assert file.read(1000) == payload[800_000:801_000]


def test_a_lost_part_or_chunk_is_found(tmp_path: Path, noise: Callable[[int, int], bytes]) -> None:
    store = ObjectStore(tmp_path, Limits(part=2))
    with store.writer() as writer:
        blob = writer.put_blob(noise(1_000_000, 1))
    content = store.packs[0].pages[:]
    from cas.objects.packs import footer

    for kind in (Kind.PART, Kind.BLOB):
        entries = list(scan(content, len(MAGIC), store.packs[0].end))
        dropped = next(entry for entry in entries if entry.kind is kind)
        body, places = b"", {}
        for entry in entries:
            if entry is not dropped:
                places[entry.key] = 8 + len(body)
                body += content[entry.offset : entry.end]
        directory = tmp_path / kind.name
        directory.mkdir()
        (directory / ("b" * 32 + ".pack")).write_bytes(MAGIC + body + footer(8 + len(body), places, (), [1_000_000]))
        (damage,) = ObjectStore(directory).check()
        assert damage.id == blob
        assert damage.id is not None
        assert ObjectId(damage.id) == blob
