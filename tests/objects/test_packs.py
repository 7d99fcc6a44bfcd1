from __future__ import annotations

import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import CasError, CorruptObject, HashMismatch, LimitExceeded, ObjectNotFound, PackCorrupt
from cas.objects.compression import check_frame, compress, expand
from cas.objects.ids import Kind, blob_id, object_id
from cas.objects.index import fan_bits
from cas.objects.packs import ENTRY, MAGIC, footer, open_pack, scan
from cas.objects.store import ObjectStore


def entry(kind: int, ident: bytes, stored: bytes) -> bytes:
    return ENTRY.pack(kind, len(stored), ident) + stored


def forge(directory: Path, body: bytes, places: dict[bytes, int], name: str = "0" * 32) -> ObjectStore:
    """A pack with any body and a footer that is right for the places given."""
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.pack").write_bytes(MAGIC + body + footer(len(MAGIC) + len(body), places, (), ()))
    return ObjectStore(directory)


def test_a_pack_is_pinned_to_the_byte(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.writer() as writer:
        writer.put_blobs([b"hello", b"x" * 300])
        writer.put_record(Kind.ARTIFACT, b"\x80")
        writer.put_record(Kind.TREE, b"\x80")
    content = next(store.directory.glob("*.pack")).read_bytes()
    head = (
        MAGIC
        + b"\x01\x05\0\0\0"
        + bytes.fromhex("ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f")
        + b"hello"
    )
    assert content.startswith(head)
    at = len(head)
    kind, length, ident = ENTRY.unpack_from(content, at)
    assert (kind, ident) == (0x81, blob_id(b"x" * 300))
    stored = content[at + 37 : at + 37 + length]
    assert stored[:4] == b"\x2c\x01\0\0"
    assert stored[4:8] == blake3(stored[8:]).digest()[:4]
    assert zstandard.decompress(stored[8:]) == b"x" * 300
    at += 37 + length
    for kind in (Kind.ARTIFACT, Kind.TREE):
        context = f"cas-store 2026 {kind.name.lower()} v1"
        digest = blake3(b"\x80", derive_key_context=context).digest()
        assert content[at : at + 38] == struct.pack("<BI", kind, 1) + digest + b"\x80"
        at += 38
    keys = sorted(
        [blob_id(b"hello"), blob_id(b"x" * 300), object_id(Kind.ARTIFACT, b"\x80"), object_id(Kind.TREE, b"\x80")]
    )
    index = struct.pack("<I", 4) + b"".join(key[:8] for key in keys)
    index += b"".join((content.index(key, 0) - 5).to_bytes(5, "little") for key in keys)
    assert content[at:] == (
        index + struct.pack("<QIB3sI", at, 4, 0, b"\0\0\0", 0) + blake3(index).digest() + b"CASINDX1"
    )


def test_a_map_is_pinned_to_the_byte(store: ObjectStore, noise: Callable[[int, int], bytes]) -> None:
    payload = noise(300_000, 5)
    with store.writer() as writer:
        blob = writer.put_blob(payload)
    kind, found = store.load(blob)
    assert kind is Kind.MAP
    assert found[:41] == blob + struct.pack("<QB", 300_000, 0)
    rows = list(struct.iter_unpack("<32sI", found[41:]))
    at = 0
    for ident, length in rows:
        assert blob_id(payload[at : at + length]) == ident
        at += length
    assert at == 300_000
    (pack,) = store.packs
    assert pack.mapped == {300_000}
    content = bytes(pack.pages)
    assert content[pack.end : pack.end + 8] == struct.pack("<Q", 300_000)


@pytest.mark.parametrize(
    ("count", "bits"), [(0, 0), (1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (1 << 28, 24), (1 << 31, 24)]
)
def test_fan_bits(count: int, bits: int) -> None:
    assert fan_bits(count) == bits


@given(st.lists(st.binary(max_size=40), max_size=200), st.randoms())
@settings(max_examples=30)
def test_the_index_finds_all_and_only_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], chance: random.Random
) -> None:
    store = ObjectStore(tmp_path_factory.mktemp("objects"))
    with store.writer() as writer:
        ids = writer.put_blobs(payloads)
    chance.shuffle(ids)
    assert {ident: store.read(ident) for ident in ids} == {blob_id(payload): payload for payload in payloads}
    assert store.missing([bytes(32), b"\xff" * 32]) == {bytes(32), b"\xff" * 32}
    for ident in ids[:5]:
        for digits in (6, 15, 16, 17, 40, 64):
            prefix = ident.hex()[:digits]
            assert {key for _, key in store.find(prefix)} == {key for key in ids if key.hex().startswith(prefix)}


def test_keys_that_share_eight_bytes(tmp_path: Path) -> None:
    keys = [b"\1" * 8 + bytes([number]) * 24 for number in range(20)]
    body = b"".join(entry(1, key, b"") for key in keys)
    store = forge(tmp_path, body, {key: 8 + 37 * number for number, key in enumerate(keys)})
    (pack,) = store.packs
    assert [pack.find(key) for key in keys] == [8 + 37 * number for number in range(20)]


# --- hostile packs ---------------------------------------------------------------------------------


def test_bytes_that_are_not_their_id(tmp_path: Path) -> None:
    ident = blob_id(b"right")
    store = forge(tmp_path, entry(1, ident, b"wrong"), {ident: 8})
    with pytest.raises(HashMismatch, match=ident.hex()):
        store.read(ident)
    with pytest.raises(HashMismatch):
        store.read_many([ident])


def test_another_pack_may_hold_it_whole(tmp_path: Path) -> None:
    ident = blob_id(b"right")
    store = forge(tmp_path, entry(1, ident, b"wrong"), {ident: 8})
    forge(tmp_path, entry(1, ident, b"right"), {ident: 8}, "1" * 32)
    assert store.read(ident) == b"right"
    assert store.read_many([ident]) == [b"right"]


def test_a_kind_does_not_pass_for_another(tmp_path: Path) -> None:
    ident = object_id(Kind.TREE, b"\x80")
    store = forge(tmp_path, entry(Kind.ARTIFACT, ident, b"\x80"), {ident: 8})
    with pytest.raises(HashMismatch):
        store.read(ident)


@pytest.mark.parametrize("claimed", [0, 1, 299, 301, 1 << 28, (1 << 32) - 1])
def test_forged_frame_sizes(tmp_path: Path, claimed: int) -> None:
    payload = b"x" * 300
    frame = zstandard.compress(payload, 1)
    stored = struct.pack("<I4s", claimed, blake3(frame).digest(4)) + frame
    with pytest.raises(CorruptObject):
        expand(stored, 1 << 28)
    ident = blob_id(payload)
    store = forge(tmp_path, entry(0x81, ident, stored), {ident: 8})
    with pytest.raises(CorruptObject):
        store.read(ident)


def test_bombs_are_refused_before_they_expand() -> None:
    big = zstandard.ZstdCompressor(level=1).compress(bytes(100 << 20))
    stored = struct.pack("<I4s", 100 << 20, bytes(4)) + big
    with pytest.raises(LimitExceeded):
        expand(stored, 1 << 20)
    stored = struct.pack("<I4s", 1000, bytes(4)) + big
    with pytest.raises(CorruptObject):
        expand(stored, 1 << 20)
    silent = zstandard.ZstdCompressor(level=1, write_content_size=False).compress(bytes(100 << 20))
    with pytest.raises(CorruptObject):
        expand(struct.pack("<I4s", 1000, bytes(4)) + silent, 1 << 20)
    one = zstandard.compress(bytes(1000))
    with pytest.raises(CorruptObject):
        expand(struct.pack("<I4s", 1000, bytes(4)) + one + one, 1 << 20)


@given(st.binary(min_size=256, max_size=2000) | st.integers(256, 100_000).map(lambda size: b"abcd" * (size // 4)))
def test_compression_round_trip(payload: bytes) -> None:
    stored = compress(payload)
    if stored is not None:
        assert len(stored) <= len(payload) * 7 / 8
        assert expand(stored, len(payload)) == payload
        assert check_frame(stored)


def test_what_does_not_shrink_is_left_alone(noise: Callable[[int, int], bytes]) -> None:
    for size in (10, 255, 300, 5000, 100_000):
        assert compress(noise(size, 1)) is None


BLOB = blob_id(b"payload")
BODY = entry(1, BLOB, b"payload")
FOOTER = footer(8 + len(BODY), {BLOB: 8}, (), ())


@pytest.mark.parametrize(
    "trailer",
    [
        (8 + len(BODY), 1 << 31, 0, b"\0\0\0", 0),  # more entries than bytes
        (8 + len(BODY), 2, 0, b"\0\0\0", 0),
        (8 + len(BODY), 0, 0, b"\0\0\0", 0),
        (8 + len(BODY), 1, 24, b"\0\0\0", 0),
        (8 + len(BODY), 1, 255, b"\0\0\0", 0),
        (8 + len(BODY), 1, 0, b"\xff\xff\xff", 0),
        (8 + len(BODY), 1, 0, b"\0\0\0", (1 << 32) - 1),
        (1 << 40, 1, 0, b"\0\0\0", 0),
        (0, 1, 0, b"\0\0\0", 0),
    ],
)
def test_counts_out_of_range_are_no_trailer(tmp_path: Path, trailer: tuple[object, ...]) -> None:
    end = struct.pack("<QIB3sI32s8s", *trailer, bytes(32), b"CASINDX1")
    path = tmp_path / ("0" * 32 + ".pack")
    path.write_bytes(MAGIC + BODY + FOOTER[: -len(end)] + end)
    pack = open_pack(path)
    assert pack.scanned
    store = ObjectStore(tmp_path)
    assert store.read(BLOB) == b"payload"
    assert list(store.check())


def test_an_index_that_leads_astray_does_not_hide_anything(tmp_path: Path) -> None:
    for number, places in enumerate([{BLOB: 9}, {BLOB: 1 << 39}, {BLOB: 8 + len(BODY)}, {bytes(32): 8}]):
        store = forge(tmp_path / str(number), BODY, places)
        assert list(store.check()), places
    path = tmp_path / "fan"
    store = forge(path, BODY, {BLOB: 8})
    file = next(path.glob("*.pack"))
    content = bytearray(file.read_bytes())
    content[8 + len(BODY)] = 0xFF  # the fan-out
    file.write_bytes(content)
    assert store.read(BLOB) == b"payload"
    assert [damage.offset for damage in store.check()] == [8 + len(BODY)]
    with pytest.raises(PackCorrupt):
        store.read(bytes(32))


def test_any_index_gives_typed_errors(tmp_path: Path) -> None:
    path = tmp_path / ("0" * 32 + ".pack")
    chance = random.Random(0)
    for _ in range(300):
        content = bytearray(MAGIC + BODY + FOOTER)
        for _ in range(chance.randrange(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        for look in ("size", "read", "find", "missing"):
            argument = {"find": BLOB.hex()[:8], "missing": [BLOB]}.get(look, BLOB)
            with suppress(CasError):
                getattr(ObjectStore(tmp_path), look)(argument)


def test_overlapping_and_repeated_entries_are_damage(tmp_path: Path) -> None:
    assert list(forge(tmp_path / "twice", BODY + BODY, {BLOB: 8}).check())
    inner = entry(1, BLOB, b"payload")
    outer = entry(1, blob_id(inner), inner)
    store = forge(tmp_path / "inside", outer, {blob_id(inner): 8, BLOB: 45})
    assert list(store.check())


def test_gaps_are_damage(tmp_path: Path) -> None:
    assert list(forge(tmp_path, BODY + b"gap" * 50, {BLOB: 8}).check())


def test_maps_that_lie(tmp_path: Path) -> None:
    def mapped(name: str, payload: bytes) -> ObjectStore:
        ident = object_id(Kind.MAP, payload)
        return forge(tmp_path / name, BODY + entry(2, ident, payload), {BLOB: 8, payload[:32]: 8 + len(BODY)})

    other = bytes(32)
    liars = {
        "other blob": other + struct.pack("<QB", 7, 0) + BLOB + struct.pack("<I", 7),
        "wrong length": other + struct.pack("<QB", 8, 0) + BLOB + struct.pack("<I", 8),
        "wrong size": other + struct.pack("<QB", 9, 0) + BLOB + struct.pack("<I", 7),
        "no chunks": other + struct.pack("<QB", 0, 0),
        "half a row": other + struct.pack("<QB", 7, 0) + BLOB,
        "level": other + struct.pack("<QB", 7, 2) + BLOB + struct.pack("<I", 7),
        "itself": other + struct.pack("<QB", 7, 0) + other + struct.pack("<I", 7),
        "no part": other + struct.pack("<QB", 7, 1) + BLOB + struct.pack("<Q", 7),
        "short": other,
        "empty chunk": other + struct.pack("<QB", 7, 0) + BLOB + struct.pack("<I", 7) + BLOB + struct.pack("<I", 0),
        "huge": other + struct.pack("<QB", 1 << 31, 0) + BLOB + struct.pack("<I", 1 << 31),
    }
    for name, payload in liars.items():
        store = mapped(name, payload)
        with pytest.raises((CorruptObject, ObjectNotFound)):
            store.read(other)
        with pytest.raises((CorruptObject, ObjectNotFound)):
            store.open(other).read()
            if name == "other blob":
                raise CorruptObject("a ranged read trusts an admitted map")
        assert list(store.check()), name


@given(st.binary(max_size=300))
def test_scanning_any_bytes_gives_whole_entries_or_none(content: bytes) -> None:
    for found in scan(BODY + content, 0):
        assert found.end <= len(BODY + content)


@given(st.binary(max_size=400), st.booleans())
@settings(max_examples=100)
def test_any_file_as_a_pack_gives_typed_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, begins: bool
) -> None:
    directory = tmp_path_factory.mktemp("objects")
    (directory / ("0" * 32 + ".pack")).write_bytes((MAGIC if begins else b"") + content + FOOTER[-60:])
    store = ObjectStore(directory)
    with pytest.raises(CasError):
        store.read(BLOB)
    assert list(store.check())


def test_small_gives_what_lies_in_one_piece_and_is_whole(
    store: ObjectStore, noise: Callable[[int, int], bytes]
) -> None:
    with store.writer() as writer:
        plain, squeezed, large = writer.put_blobs([b"plain", b"lines " * 500, noise(200_000, 1)])
        record = writer.put_record(Kind.SPAN, b"\x80")
        assert store.small(plain) is None  # not sealed
    assert store.small(plain) == b"plain"
    assert [store.small(ident) for ident in (squeezed, large, record, bytes(32))] == [None] * 4
    (pack,) = store.packs
    whole = bytearray((store.directory / pack.name).read_bytes())
    whole[pack.find(plain) + 37] ^= 1
    (store.directory / pack.name).chmod(0o644)
    (store.directory / pack.name).write_bytes(whole)
    damaged = ObjectStore(store.directory)
    damaged.refresh()
    assert damaged.small(plain) is None
    with pytest.raises(CorruptObject):
        damaged.read(plain)
