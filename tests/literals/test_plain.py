"""Plain values come back equal and of the same type, and have one encoding each."""

import math
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import CodecError, UnknownType
from cas.literals import decode, encode, encode_many
from cas.literals.plain import decode_plain, encode_plain

VALUES = [
    None,
    True,
    False,
    0,
    42,
    -1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63),
    -(2**63) - 1,
    2**70,
    -(2**700),
    1.5,
    float("inf"),
    "",
    "héllo \U0001f600",
    b"",
    b"\0x",
    [],
    [1, "a", [2.0, None]],
    {},
    {"b": 1, "a": {"c": [True]}},
    {1: 2, "a": 3, None: 4, (1, 2): 5},
    (),
    (1, (2, [3])),
    set(),
    {1, 2, "x", (1, 2)},
    frozenset({1, frozenset()}),
    {"x": bytearray(b"1"), "y": [(1,), {2}], "z": b"3"},
    datetime.min,
    datetime.max,
    datetime(2020, 1, 1, tzinfo=timezone.utc),
    datetime(2020, 10, 25, 2, 30, 0, 7, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=-1, microseconds=5), "X")),
    date.min,
    date.max,
    time(1, 2, 3, 4),
    time(1, 2, fold=1, tzinfo=timezone(timedelta(hours=2))),
    timedelta.min,
    timedelta.max,
    timedelta(microseconds=-1),
    Decimal("1.00"),
    Decimal("-0E+3"),
    Decimal("-Infinity"),
    UUID(int=5),
    complex(1, -2),
    bytearray(b"zz"),
]


def title(value) -> str:
    """How a test of this value is called: alike in every process, which the repr of a set is not."""
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, set | frozenset) else repr(value)


@pytest.mark.parametrize("value", VALUES, ids=title)
def test_comes_back_equal_and_of_the_same_type(writer, value):
    literal = encode(value, writer)
    found = decode(literal, writer.store)
    assert found == value
    assert same_types(found, value)
    assert encode(found, writer) == literal
    assert literal.size == writer.store.size(literal.content)


def test_what_equality_does_not_tell_comes_back_too(writer):
    for value in (datetime(2020, 10, 25, 2, 30, fold=1), time(1, fold=1)):
        assert decode(encode(value, writer), writer.store).fold == 1
    zone = timezone(timedelta(hours=1), "CET")
    assert decode(encode(datetime(2020, 1, 1, tzinfo=zone), writer), writer.store).tzname() == "CET"
    found = decode(encode(datetime(2020, 1, 1, tzinfo=ZoneInfo("UTC")), writer), writer.store)
    assert found.tzinfo == ZoneInfo("UTC")
    assert str(decode(encode(Decimal("1.00"), writer), writer.store)) == "1.00"
    assert str(decode(encode(Decimal("-sNaN12"), writer), writer.store)) == "-sNaN12"
    assert math.copysign(1, decode(encode(-0.0, writer), writer.store)) == -1
    assert math.isnan(decode(encode([float("nan")], writer), writer.store)[0])


def test_42_is_one_byte_and_not_the_file_that_holds_it(writer, tmp_path):
    literal = encode(42, writer)
    assert writer.store.read(literal.content) == b"*"
    path = tmp_path / "star"
    path.write_bytes(b"*")
    file = encode(path, writer)
    assert file.content == literal.content
    assert file.id != literal.id
    assert encode("*", writer).id not in {literal.id, file.id, encode(b"*", writer).id}


def test_dict_and_set_order_do_not_matter():
    assert encode_plain({"b": 1, "a": 2}) == encode_plain({"a": 2, "b": 1})
    assert encode_plain({2: 1, "a": 2}) == encode_plain({"a": 2, 2: 1})
    assert list(decode_plain(encode_plain({"b": 1, "é": 0, "a": 2}))) == ["a", "b", "é"]


def test_every_nan_is_one():
    import struct

    negative = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]
    assert encode_plain([negative]) == encode_plain([float("nan")])
    assert encode_plain(complex(0, negative)) == encode_plain(complex(0, float("nan")))
    assert decode_plain(encode_plain(negative)) != 0


def test_errors_name_the_part():
    with pytest.raises(CodecError, match=r"config\['a'\]\[1\]\['k'\] holds text that is not valid Unicode"):
        encode_plain({"a": [1, {"k": (3, "\ud800")}]}, "config")
    with pytest.raises(CodecError, match="config: cannot store a time zone"):
        encode_plain(datetime(2020, 1, 1, tzinfo=type("Zone", (tzinfo,), {})()), "config")
    loop = []
    loop.append(loop)
    with pytest.raises(CodecError, match="nests deeper than 100"):
        encode_plain(loop)
    deep = 1
    for _ in range(100):
        deep = (deep,)
    assert decode_plain(encode_plain(deep)) == deep
    with pytest.raises(CodecError):
        encode_plain((deep,))


def test_subclasses_are_unknown(writer):
    class Text(str):
        pass

    for value in (Text("x"), [Text("x")], {"a": Text()}, {Text("a"): 1}):
        with pytest.raises(UnknownType, match=r"Text, and no codec") as raised:
            encode(value, writer, name="label")
        assert "cas.register" in raised.value.hint
        assert "label" in str(raised.value)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(timezone.utc) | st.just(ZoneInfo("America/New_York")))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.dictionaries(st.integers() | st.text(max_size=3) | st.booleans(), inner, max_size=4)
        | st.sets(st.integers() | st.text(max_size=3), max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
@settings(max_examples=100, deadline=None)
def test_any_plain_value_comes_back(value):
    content = encode_plain(value)
    found = decode_plain(content)
    assert found == value
    assert same_types(found, value)
    assert encode_plain(found) == content


@given(st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_bytes_decode_to_the_one_value_they_are_or_a_typed_error(content):
    try:
        value = decode_plain(content)
    except CodecError:
        return
    assert encode_plain(value) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x02",
        b"\xcc\x01",
        b"\xca\0\0\0\0",
        b"\xd9\x01a",
        b"\x82\xa1b\x01\xa1a\x02",
        b"\x82\xa1a\x01\xa1a\x01",
        b"\x81\x01\x02",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 300 + b"\x01",
        b"\x91" * 100_000 + b"\x01",
        b"\xd6\xff\0\0\0\x01",
        b"\xd4\x01\x05",
        b"\xd4\x0e\x00",
        b"\xd4\x63\x00",
        b"\xd4\x02\x01",
        b"\xcb\xff\xf8\0\0\0\0\0\0",
        b"\xc7\x0b\x06" + b"\x93\x00\x00\xa7../../x",
    ],
)
def test_bytes_that_no_value_encodes_to_are_refused(content):
    with pytest.raises(CodecError):
        decode_plain(content)


def test_many_values_give_the_literals_of_each(writer):
    batches = [VALUES, [{"a": n, "b": [1.5, None]} for n in range(20)], ["a", "b"], [2**80, 1], [float("nan")], []]
    for values in batches:
        assert encode_many(values, writer) == [encode(value, writer) for value in values]


def same_types(found, value):
    if type(found) is not type(value):
        return False
    if isinstance(value, dict):
        return all(same_types(found[key], value[key]) for key in value) and set(map(type, found)) == set(
            map(type, value)
        )
    if isinstance(value, (list, tuple)):
        return all(map(same_types, found, value))
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, map(type, found))) == sorted(map(repr, map(type, value)))
    return True


def test_headers_that_claim_what_is_not_there_cost_nothing():
    """Nested arrays, each of which claims all the bytes that are left: the decoder must not believe them."""
    import resource
    import struct

    size = 1_000_000
    content = b"".join(b"\xdd" + struct.pack(">I", size - 5 * level - 5) for level in range(900))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CodecError):
        decode_plain(content.ljust(size, b"\xc0"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
