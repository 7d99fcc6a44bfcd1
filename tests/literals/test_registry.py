"""Codecs by type and by tag; what is unknown, taken or unsafe is refused by name."""

import datetime
import doctest
import subprocess
import sys
from collections import OrderedDict

import pytest

import cas.literals.codec
from cas.errors import CodecError, DeclarationError, LimitExceeded, UnknownType, UnsafeSerializer, UnsupportedFormat
from cas.literals import Codec, Literal, decode, encode, register, registered, registry
from cas.literals.codec import read_bounded
from cas.objects.ids import Kind


class Pair:
    def __init__(self, left, right):
        self.left, self.right = left, right


class Son(Pair):
    pass


class PairCodec(Codec):
    type = "tests.Pair"
    bases = (Pair,)

    def encode(self, value):
        return {"left": value.left, "right": value.right}

    def decode(self, content):
        return Pair(content["left"], content["right"])


class Celsius:
    def __init__(self, degrees):
        self.degrees = degrees


class OldCelsius(Codec):
    type = "tests.Celsius"
    types = (Celsius,)

    def encode(self, value):
        return b"%d" % value.degrees

    def decode(self, content):
        return Celsius(int(content))


class NewCelsius(OldCelsius):
    version = 2

    def encode(self, value):
        return value.degrees.hex().encode()

    def decode(self, content):
        return Celsius(float.fromhex(content.decode()))


@pytest.fixture(scope="module", autouse=True)
def codecs():
    register(PairCodec())
    register(OldCelsius())


def test_a_codec_may_have_members_and_serve_subclasses(writer):
    literal = encode(Son(b"l" * 100_000, b"r"), writer)
    assert literal.type == "tests.Pair"
    assert writer.store.kind(literal.content) is Kind.TREE
    found = decode(literal, writer.store)
    assert (found.left, found.right) == (b"l" * 100_000, b"r")
    assert decode(encode([Pair(b"", b"1")], writer), writer.store)[0].right == b"1"


def test_a_newer_version_writes_and_the_older_still_reads(writer):
    old = encode(Celsius(20), writer)
    register(NewCelsius())
    new = encode(Celsius(20.5), writer)
    assert (old.codec, new.codec) == (1, 2)
    assert decode(old, writer.store).degrees == 20
    assert decode(new, writer.store).degrees == 20.5
    with pytest.raises(UnsupportedFormat, match=r"tests\.Celsius of codec version 3 was written by a newer"):
        decode(new._replace(codec=3), writer.store)


def test_what_is_taken_is_refused():
    class Thief(Codec):
        type = "tests.Thief"
        types = (int,)

    with pytest.raises(DeclarationError, match=r"values of builtins\.int have the codec 'int'"):
        register(Thief())
    with pytest.raises(DeclarationError, match="registered already"):
        register(PairCodec())
    with pytest.raises(DeclarationError, match="needs a type"):
        register(Codec())
    with pytest.raises(DeclarationError, match="not a codec"):
        register(PairCodec)
    assert registered("tests.Pair")
    assert not registered("tests.Thief")


def test_unknown_types_are_named_with_the_way_out(writer):
    with pytest.raises(UnknownType, match=r"config\['rates'\]\[1\] is a .*OrderedDict") as raised:
        encode({"rates": [1, OrderedDict()]}, writer, name="config")
    assert "class MyCodec(cas.Codec)" in raised.value.hint
    with pytest.raises(CodecError, match=r"no codec is registered for the stored type 'os\.system'"):
        decode(Literal("os.system", 1, encode(1, writer).content, 1), writer.store)


def test_content_of_another_type_is_refused(writer):
    number, text = encode(42, writer), encode("é", writer)
    latin = encode(b"\xe9", writer)
    for wrong in (
        number._replace(type="float"),
        number._replace(type="list"),
        number._replace(type="arrow.Table"),
        number._replace(type="pandas.DataFrame"),
        number._replace(type="numpy.scalar"),
        text._replace(type="dict"),
        latin._replace(type="str"),
        encode({"a": Pair(b"", b"")}, writer)._replace(type="list"),
    ):
        with pytest.raises(CodecError):
            decode(wrong, writer.store)


def test_pickle_runs_only_where_the_call_allows_it(writer):
    with pytest.raises(UnknownType):
        encode(OrderedDict(a=1), writer)
    literal = encode([OrderedDict(a=1)], writer, allow_pickle=True)
    with pytest.raises(UnsafeSerializer, match="pickle"):
        decode(literal, writer.store)
    assert decode(literal, writer.store, allow_pickle=True) == [OrderedDict(a=1)]
    with pytest.raises(CodecError, match="cannot be pickled"):
        encode(lambda: 1, writer, allow_pickle=True)


def test_an_explicit_codec_overrides(writer):
    class Shout(Codec):
        type = "tests.Shout"

        def encode(self, value):
            return value.upper().encode()

        def decode(self, content):
            return content.decode()

    shout = Shout()
    register(shout)
    assert decode(encode("quiet", writer, codec=shout), writer.store) == "QUIET"

    class Wrong(Codec):
        type = "tests.Wrong"

        def encode(self, value):
            return "text"

    with pytest.raises(CodecError, match="encoded value as str, not bytes"):
        encode(1, writer, codec=Wrong())


def test_literal_arrays_round_trip_and_are_checked(writer):
    literal = encode(42, writer)
    assert Literal.from_array(literal.array) == literal
    for wrong in ([], ["int", 1, b"short", 1], ["", 1, bytes(32), 1], ["int", 0, bytes(32), 1], [1, 1, bytes(32), 1]):
        with pytest.raises(CodecError):
            Literal.from_array(wrong)
    assert literal._replace(size=99).id == literal.id
    assert literal._replace(codec=2).id != literal.id
    assert Literal("t" * 40, 1, literal.content, 1).id != Literal("t" * 41, 1, literal.content, 1).id


def test_content_too_large_to_hold_is_refused_before_it_is_read(writer):
    with pytest.raises(LimitExceeded, match="a list has 3000 bytes"):
        read_bounded(encode(b"x" * 3000, writer).content, writer.store, "a list", 2000)


def test_the_example_in_the_docstring_runs():
    result = doctest.testmod(cas.literals.codec)
    assert result.attempted >= 4
    assert result.failed == 0


def test_heavy_libraries_stay_unloaded_until_needed():
    program = (
        "import sys; import cas.literals.registry; from cas.literals.plain import encode_plain; encode_plain((1,))\n"
        "assert not {'pandas', 'numpy', 'pyarrow', 'polars'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_values_inside_values_are_bounded_both_ways(writer):
    import pandas as pd

    value = 1
    with pytest.raises(CodecError, match=r"each inside another|nests too deeply"):
        for _ in range(110):
            value = pd.Series([[value], "x"], dtype=object)
        encode(value, writer)


def test_parts_that_unfold_without_end_are_refused(writer, monkeypatch):
    monkeypatch.setattr(cas.literals.codec.Budget.__init__, "__defaults__", (1 << 20,))
    big = Pair(b"x" * 300_000, b"y")
    assert len(decode(encode([big, big, big], writer), writer.store)) == 3
    with pytest.raises(LimitExceeded, match="unfold"):
        decode(encode([big] * 9, writer), writer.store)


def test_a_size_that_is_not_so_is_refused(writer):
    literal = encode([Pair(b"x", b"y")], writer)
    with pytest.raises(CodecError, match="do not have the size"):
        decode(literal._replace(size=literal.size + 1), writer.store)


def test_the_registry_claims_each_plain_type_without_loading_its_codec() -> None:
    from cas.literals.plain import PLAIN

    for kind, tag in PLAIN.items():
        codec = registry.codec_of(kind)
        assert codec is not None and codec.type == tag
    claimed = {**registry._PLAIN, **registry._NESTING}
    assert claimed.keys() == set(PLAIN.values())


def test_a_type_that_is_claimed_by_name_cannot_be_claimed_again() -> None:
    class Clock(Codec):
        type = "test.clock"
        types = (datetime.time,)

    with pytest.raises(DeclarationError, match=r"datetime\.time"):
        register(Clock())
