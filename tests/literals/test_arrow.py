"""Equal Arrow values have one form, whatever they were cut from, and come back with their type."""

import datetime as dt
import decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cas.errors import CasError, CodecError, NotFound
from cas.literals import decode, encode
from cas.literals.arrow.table import read_columns
from cas.literals.arrow.types import build, describe
from cas.objects.trees import decode_tree

DAY = dt.date(2020, 1, 2)
CASES = [
    ([1, None, 3], pa.int64()),
    ([1, 2, 255], pa.uint8()),
    ([True, None, False] * 6, pa.bool_()),
    ([None, None], pa.null()),
    (["a", None, "", "zé"], pa.string()),
    ([b"a", None, b""], pa.large_binary()),
    (["a", None, "x" * 40], pa.string_view()),
    ([b"a", None, b"x" * 40], pa.binary_view()),
    ([[1, 2], None, [], [3]], pa.list_(pa.int64())),
    ([[1, 2], None, [], [3]], pa.large_list(pa.field("entry", pa.int64(), nullable=False))),
    ([[1, 2], None, [], [3]], pa.list_view(pa.int64())),
    ([[1, 2], None, [], [3]], pa.large_list_view(pa.int64())),
    ([[1, 2], None, [3, None]], pa.list_(pa.int64(), 2)),
    ([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}], pa.struct([("a", pa.int32()), ("b", pa.string())])),
    ([[("a", 1)], None, [("b", None)], []], pa.map_(pa.string(), pa.int64())),
    ([b"ab", None], pa.binary(2)),
    ([decimal.Decimal("1.23"), None], pa.decimal128(10, 2)),
    ([decimal.Decimal("1.23"), None], pa.decimal256(50, 2)),
    ([dt.datetime(2020, 1, 1), None], pa.timestamp("us", "Europe/Berlin")),
    ([dt.datetime(2020, 1, 1), None], pa.timestamp("ns")),
    ([DAY, None], pa.date32()),
    ([DAY, None], pa.date64()),
    ([dt.time(1, 2), None], pa.time32("s")),
    ([dt.time(1, 2), None], pa.time64("ns")),
    ([dt.timedelta(1), None], pa.duration("ms")),
    ([(1, 2, 3), None], pa.month_day_nano_interval()),
    ([1.5, None, -0.0], pa.float32()),
    (["b", "a", None, "b"], pa.dictionary(pa.int8(), pa.string())),
    (["b", "a", None, "b"], pa.dictionary(pa.int32(), pa.string(), ordered=True)),
    ([1, 1, 1, 2, None, None], pa.run_end_encoded(pa.int32(), pa.int64())),
    ([[{"a": ["x", None]}], None, [None, {"a": None}]], pa.list_(pa.struct([("a", pa.list_(pa.string()))]))),
    ([[["a"], None], None], pa.list_(pa.list_(pa.dictionary(pa.int32(), pa.string())))),
]
IDS = [str(kind) for _, kind in CASES]


@pytest.mark.parametrize(("values", "kind"), CASES, ids=IDS)
def test_comes_back_with_its_type_and_slices_hide_nothing(writer, values, kind):
    array = pa.array(values, kind)
    assert build(describe(kind)) == kind
    for start in range(len(array) + 1):
        for stop in range(start, len(array) + 1):
            part = array.slice(start, stop - start)
            literal = encode(part, writer)
            found = decode(literal, writer.store)
            assert found.type == kind
            assert found.to_pylist() == part.to_pylist()
            assert encode(found, writer) == literal
            if not (pa.types.is_dictionary(kind) and kind.ordered):
                assert encode(pa.array(part.to_pylist(), kind), writer) == literal


@pytest.mark.parametrize(("values", "kind"), CASES, ids=IDS)
def test_chunks_do_not_matter(writer, values, kind):
    array = pa.array(values, kind)
    whole = pa.chunked_array([array])
    cut = pa.chunked_array([array.slice(0, 1), array.slice(1, 0), array.slice(1)])
    assert encode(cut, writer) == encode(whole, writer)
    assert decode(encode(cut, writer), writer.store).equals(whole) or pa.types.is_dictionary(kind)


def test_dictionary_order_repeats_and_unused_values_do_not_matter(writer):
    def literal(codes, values):
        return encode(pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(values)), writer)

    plain = literal([0, 1, None, 0], ["x", "y"])
    assert literal([1, 0, None, 1], ["y", "x"]) == plain
    assert literal([2, 3, None, 2], ["q", "r", "x", "y"]) == plain
    assert literal([0, 2, 1, 1 if False else 0], ["x", None, "y"]) == plain
    assert literal([0, 2, None, 1], ["x", "x", "y"]) == plain
    ordered = pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), pa.array(["lo", "hi", "top"]), ordered=True)
    assert decode(encode(ordered, writer), writer.store).dictionary.to_pylist() == ["lo", "hi", "top"]


def test_bytes_under_nulls_do_not_matter(writer):
    hidden = pa.Array.from_buffers(
        pa.int64(), 2, [pa.py_buffer(b"\xfd"), pa.py_buffer((7).to_bytes(8, "little") + b"\xee" * 8)]
    )
    assert hidden.to_pylist() == [7, None]
    assert encode(hidden, writer) == encode(pa.array([7, None]), writer)
    text = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x02"), pa.array([0, 3, 5], pa.int32()).buffers()[1], pa.py_buffer(b"abcde")]
    )
    assert encode(text, writer) == encode(pa.array([None, "de"]), writer)
    full = pa.Array.from_buffers(pa.int64(), 1, [pa.py_buffer(b"\xff"), pa.py_buffer(bytes(8))])
    assert encode(full, writer) == encode(pa.array([0]), writer)
    fields = pa.StructArray.from_arrays(
        [pa.array([1, 2]), pa.array(["a", "b"])], ["n", "s"], mask=pa.array([True, False])
    )
    assert encode(fields, writer) == encode(pa.array([None, {"n": 2, "s": "b"}], fields.type), writer)


def test_tables_come_back_without_foreign_metadata(writer):
    table = pa.table({"a": [1, 2, None], "b": ["x", "y", None]})
    noted = table.replace_schema_metadata({"writer": "someone 1.2"})
    literal = encode(noted, writer)
    assert decode(literal, writer.store).equals(table)
    assert encode(table, writer) == literal
    batch = table.to_batches()[0]
    assert decode(encode(batch, writer), writer.store).equals(batch)
    assert encode(batch, writer).content == literal.content
    assert encode(batch, writer).id != literal.id
    strict = table.cast(pa.schema([("a", pa.int64()), pa.field("b", pa.string())]))
    assert decode(encode(strict, writer), writer.store).schema == strict.schema
    assert decode(encode(pa.table({}), writer), writer.store).shape == (0, 0)


def test_one_column_is_read_alone(writer):
    table = pa.table({"a": pa.array(range(1000)), "b": [str(n) for n in range(1000)], "a b": [None] * 1000})
    literal = encode(table, writer)
    entries = decode_tree(writer.store.read(literal.content))
    assert sorted(entries) == ["0.1", "1.1", "1.2", "schema"]
    read = []

    class Watched:
        def __getattr__(self, name):
            return getattr(writer.store, name)

        def read(self, key, kind=None):
            read.append(key)
            return writer.store.read(key, kind)

    assert read_columns(literal, Watched(), ["a"]).equals(table.select(["a"]))
    assert entries["1.2"].id not in read
    assert read_columns(literal, writer.store, ["a b", "b"]).equals(table.select(["a b", "b"]))
    with pytest.raises(NotFound, match="no column 'c'"):
        read_columns(literal, writer.store, ["c"])


def test_what_cannot_be_stored_names_the_column(writer):
    unions = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(CodecError, match=r"flights\['u'\]: the Arrow type .*union"):
        encode(pa.table({"u": unions}), writer, name="flights")
    with pytest.raises(CodecError, match=r"extension type .*uuid"):
        encode(pa.table({"u": pa.array([b"0" * 16], pa.uuid())}), writer)


TYPES = st.recursive(
    st.sampled_from(
        [pa.int8(), pa.int64(), pa.bool_(), pa.string(), pa.large_binary(), pa.null(), pa.timestamp("us", "UTC")]
    ),
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(pa.large_list)
        | inner.map(lambda kind: pa.list_(kind, 2))
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: pa.struct([(f"f{place}", kind) for place, kind in enumerate(kinds)])
        )
    ),
    max_leaves=3,
)


def values_of(kind):
    if pa.types.is_null(kind):
        return st.none()
    if pa.types.is_boolean(kind):
        inner = st.booleans()
    elif pa.types.is_integer(kind):
        inner = st.integers(-100, 100)
    elif pa.types.is_string(kind):
        inner = st.text(max_size=4)
    elif pa.types.is_large_binary(kind):
        inner = st.binary(max_size=4)
    elif pa.types.is_timestamp(kind):
        inner = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.timezone.utc))
    elif pa.types.is_fixed_size_list(kind):
        inner = st.lists(values_of(kind.value_type), min_size=2, max_size=2)
    elif pa.types.is_struct(kind):
        inner = st.fixed_dictionaries({field.name: values_of(field.type) for field in kind})
    else:
        inner = st.lists(values_of(kind.value_type), max_size=3)
    return st.none() | inner


@st.composite
def arrays(draw):
    kind = draw(TYPES)
    values = draw(st.lists(values_of(kind), max_size=9))
    array = pa.array(values, kind)
    start = draw(st.integers(0, len(values)))
    stop = draw(st.integers(start, len(values)))
    return array.slice(start, stop - start), values[start:stop]


@given(arrays())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slice_is_what_the_fresh_array_is(writer, drawn):
    array, values = drawn
    literal = encode(array, writer)
    assert literal == encode(pa.array(values, array.type), writer)
    found = decode(literal, writer.store)
    assert found.equals(array)
    assert found.type == array.type


@given(arrays(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_members_give_typed_errors(writer, drawn, data):
    array, _ = drawn
    literal = encode(array, writer)
    entries = decode_tree(writer.store.read(literal.content))
    name = data.draw(st.sampled_from(sorted(entries)))
    content = bytearray(writer.store.read(entries[name].id))
    at = data.draw(st.integers(0, len(content)))
    change = data.draw(st.sampled_from(["cut", "flip", "grow", "drop"]))
    if change == "cut":
        del content[at:]
    elif change == "flip" and content:
        content[at % len(content)] ^= data.draw(st.integers(1, 255))
    elif change == "grow":
        content[at:at] = b"\xff" * 3
    entries[name] = entries[name]._replace(id=writer.put_blob(bytes(content)), size=len(content))
    if change == "drop":
        del entries[name]
    tree, size = writer.put_tree(entries)
    try:
        found = decode(literal._replace(content=tree, size=size), writer.store)
    except CasError:
        return
    found.validate(full=True)
    found.to_pylist()


def test_compute_works_on_what_was_read(writer):
    table = pa.table({"a": [1.5, None, 2.5]})
    found = decode(encode(table, writer), writer.store)
    assert pc.sum(found["a"]).as_py() == 4.0


def test_text_too_long_for_its_offsets_comes_back_in_chunks(writer, monkeypatch):
    monkeypatch.setattr("cas.literals.arrow.columns._CHUNK", 10)
    for kind in (pa.string(), pa.binary()):
        column = pa.chunked_array([["abcd", "efgh"], [None, "ijkl", "", "mnopqrstuv"]]).cast(kind)
        literal = encode(column, writer)
        found = decode(literal, writer.store)
        assert found.type == kind
        assert found.num_chunks == 3
        assert found.equals(column)
        assert encode(found, writer) == literal
        assert encode(pa.chunked_array([pa.concat_arrays(column.chunks)]), writer) == literal
        with pytest.raises(CodecError, match="does not fit its type"):
            decode(encode(pa.chunked_array([["x" * 11]]).cast(kind), writer), writer.store)
    table = pa.table({"s": ["abcd", "efgh", "ijkl"]})
    assert decode(encode(table, writer), writer.store).equals(table)
