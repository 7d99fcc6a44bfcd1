from __future__ import annotations

import math
import struct
from datetime import datetime, timezone
from enum import IntEnum

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import CasError, CodecError, CorruptObject, LimitExceeded
from cas.objects.canonical import MAX_DEPTH, decode, encode

texts = st.text(st.characters(exclude_categories=("Cs",)))
atoms = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | texts | st.binary()
values = st.recursive(atoms, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(values)
def test_decode_inverts_encode(value: object) -> None:
    payload = encode(value)
    assert same(decode(payload), value)
    assert encode(decode(payload)) == payload


@given(st.binary(max_size=40))
def test_whatever_decodes_is_canonical(payload: bytes) -> None:
    try:
        value = decode(payload)
    except CasError:
        return
    assert encode(value) == payload


@given(values)
@settings(max_examples=50)
def test_order_of_keys_does_not_matter(value: object) -> None:
    one = {"a": value, "é": 1, "z": 2, "\U00010000": 3, "\uffff": 4}
    assert encode(one) == encode(dict(reversed(one.items())))


def test_keys_are_sorted_by_their_utf8_bytes() -> None:
    payload = encode({"\uffff": 0, "\U00010000": 0, "b": 0, "aa": 0})
    keys = [key.encode() for key in decode(payload)]
    assert keys == sorted(keys)


def test_the_bytes_are_pinned() -> None:
    value = {"b": [1, -1, 300, None, True], "a": 1.5, "c": b"\0", "d": "é"}
    assert encode(value).hex() == "84a161cb3ff8000000000000a1629501ffcd012cc0c3a163c40100a164a2c3a9"


def test_every_nan_is_one() -> None:
    (odd,) = struct.unpack(">d", bytes.fromhex("fff8000000000001"))
    assert encode([odd]) == encode((math.nan,)) == bytes.fromhex("91cb7ff8000000000000")
    with pytest.raises(CorruptObject):
        decode(bytes.fromhex("91cbfff8000000000001"))


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "cc01",  # 1 in two bytes
        "d001",
        "cd0001",
        "ca3fc00000",  # a 32-bit float
        "d90161",  # a long header for a short string
        "c5000161",
        "dc000101",
        "de0001a16101",
        "82a16101a16101",  # a key twice
        "82a16201a16101",  # keys out of order
        "810101",  # a key that is no string
        "a1ff",  # not UTF-8
        "a3eda080",  # a surrogate
        "0101",  # more than one value
        "91",  # less than one
        "d4ff00",  # an extension
        "d6ff00000000",  # a timestamp
        "c1",
        "ddffffffff",
        "c6ffffffff00",
    ],
)
def test_other_forms_are_refused(payload: str) -> None:
    with pytest.raises(CorruptObject):
        decode(bytes.fromhex(payload))


class Colour(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        {1: 2},
        {None: 1},
        2**64,
        -(2**63) - 1,
        "\ud800",
        {"\ud800": 1},
        {1, 2},
        datetime.now(timezone.utc),
        Colour.RED,
        object(),
    ],
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(CodecError):
        encode(value)


def test_depth_is_bounded() -> None:
    value: object = None
    for _ in range(MAX_DEPTH):
        value = [value]
    assert same(decode(encode(value)), value)
    with pytest.raises(LimitExceeded):
        encode([value])
    with pytest.raises(LimitExceeded):
        decode(b"\x91" * (MAX_DEPTH + 1) + b"\xc0")
    with pytest.raises(LimitExceeded):
        decode(b"\x91" * 100_000 + b"\xc0")


def test_extensions_only_where_they_are_named() -> None:
    value = [msgspec.msgpack.Ext(7, b"abc")]
    payload = encode(value, extensions=frozenset({7}))
    assert decode(payload, extensions=frozenset({7})) == value
    with pytest.raises(CorruptObject):
        decode(payload)
    with pytest.raises(CodecError):
        encode(value)
