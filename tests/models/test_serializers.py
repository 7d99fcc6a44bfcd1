"""Serializers: the given ones, one's own, and how several compose."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import CodecError, DeclarationError, UnknownType
from cas.models import formats
from cas.models.declare import ModelBase
from cas.models.fields import artifact_field
from cas.models.serializers import Serializer, deserialize, find_serializer, serialize


class Zipped(Serializer[bytes]):
    types = (bytes,)
    name = "tests.zipped"

    def serialize(self, value):
        return zlib.compress(value)

    def deserialize(self, value):
        return zlib.decompress(value)


class Whole(Serializer[int]):
    types = (int,)
    name = "tests.whole"

    def serialize(self, value):
        return str(value).encode()

    def deserialize(self, value):
        return int(value)


zipped, whole = Zipped().register(), Whole().register()


def trip(serializer, value):
    names, content = serialize((serializer,), value)
    assert names == (serializer.name,)
    return deserialize(names, content)


def test_one_that_is_not_registered_writes_nothing():
    class Stray(Serializer[object]):
        types = (object,)
        name = "tests.stray"

        def serialize(self, value):
            return b""

        def deserialize(self, value):
            return None

    class Twin(Stray):
        name = whole.name

    for stray in (Stray(), Twin()):
        with pytest.raises(CodecError, match="is not registered, so what it writes could not be read"):
            serialize((stray,), 3)
    assert trip(Stray().register(), 3) is None


@pytest.mark.parametrize("serializer", [formats.dataframe_serializer, formats.parquet_serializer])
def test_column_names_that_arrow_would_change_are_refused(serializer):
    with pytest.raises(CodecError, match="column names are of several types"):
        trip(serializer, pd.DataFrame([[1, 2]], columns=[1, "a"]))
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))
    pd.testing.assert_frame_equal(trip(serializer, frame), frame)


@pytest.mark.parametrize(
    "value", [datetime(2024, 5, 1, 12, 30, 1, 5), datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=2)))]
)
def test_datetimes(value):
    assert trip(formats.datetime_serializer, value) == value


@given(st.timedeltas())
def test_timedeltas(value):
    assert trip(formats.timedelta_serializer, value) == value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json(value):
    assert trip(formats.json_serializer, value) == value


def test_json_with_sorted_keys():
    assert serialize((formats.json_sorted_serializer,), {"b": 1, "a": 2})[1] == b'{"a":2,"b":1}'
    assert serialize((formats.json_serializer,), {"b": 1, "a": 2})[1] == b'{"b":1,"a":2}'


@pytest.mark.parametrize(
    "array",
    [np.arange(3), np.zeros((2, 3, 4, 5)), np.array(5), np.array(["a", "bc"]), np.zeros(0, "f4"), np.array([1 + 2j])],
)
def test_arrays_of_any_dimension(array):
    back = trip(formats.array_serializer, array)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_arrays_of_objects_are_refused():
    with pytest.raises(CodecError, match="array"):
        serialize((formats.array_serializer,), np.array([object()]))


@pytest.mark.parametrize(
    "serializer", [formats.dataframe_serializer, formats.feather_serializer, formats.parquet_serializer]
)
def test_tables_come_back_as_what_they_were(serializer):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [math.nan, 1.0]}, index=pd.Index([5, 7], name="i"))
    pd.testing.assert_frame_equal(trip(serializer, frame), frame)
    other = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    back = trip(serializer, other)
    assert isinstance(back, pl.DataFrame)
    assert back.equals(other)


@pytest.mark.parametrize("serializer", [formats.feather_serializer, formats.parquet_serializer])
def test_arrow_tables(serializer):
    table = pa.table({"a": [1, 2]})
    assert trip(serializer, table).equals(table)


def test_the_value_serializer_keeps_types():
    value = {1: (2, {3}), "at": date(2024, 1, 1)}
    assert trip(formats.value_serializer, value) == value


def test_a_sequence_chooses_by_type():
    chain = (formats.array_serializer, formats.dataframe_serializer)
    assert serialize(chain, np.arange(2))[0] == ("cas.array",)
    assert serialize(chain, pd.DataFrame({"a": [1]}))[0] == ("cas.dataframe",)
    with pytest.raises(UnknownType, match=r"type str is not what serializer 'cas\.array', 'cas\.dataframe' takes"):
        serialize(chain, "text")


def test_a_serializer_of_bytes_composes_after_another():
    names, content = serialize((formats.json_serializer, zipped), [1] * 100)
    assert names == ("cas.json", "tests.zipped")
    assert len(content) < 40
    assert deserialize(names, content) == [1] * 100


def test_union_types_choose_the_serializer(shelf):
    @dataclass
    class Either(ModelBase, version=1):
        value: int | datetime = artifact_field(serializer=(whole, formats.datetime_serializer, zipped))

    for value in (5, datetime(2024, 1, 1)):
        assert shelf.trip(Either(value)) == Either(value)


def test_names_are_unique():
    with pytest.raises(DeclarationError, match=r"'tests\.whole' is already registered"):
        Whole().register()


def test_a_name_is_needed():
    class Nameless(Whole):
        name = ""

    with pytest.raises(DeclarationError, match="has no name"):
        Nameless().register()


def test_a_name_that_nobody_registered():
    with pytest.raises(CodecError, match=r"no serializer named 'os\.system'"):
        find_serializer("os.system")


def test_what_a_serializer_raises_is_told_with_its_name():
    class Broken(Serializer[Any]):
        types = (object,)
        name = "tests.broken"

        def serialize(self, value):
            return "text"

        def deserialize(self, value):
            raise ZeroDivisionError("no")

    Broken().register()
    with pytest.raises(CodecError, match="returned str, not bytes"):
        serialize((find_serializer("tests.broken"),), 1)
    with pytest.raises(CodecError, match=r"'tests\.broken' could not deserialize a bytes: no"):
        deserialize(["tests.broken"], b"")


def test_an_artigraph_serializer_moves_over_as_it_is(shelf):
    """The shape of Artigraph's documents: name set in __init__, types (object,)."""

    class CustomSerializer(Serializer[Any]):
        types = (object,)

        def __init__(self):
            self.name = "custom-serializer"

        def serialize(self, value: Any) -> bytes:
            return repr(value).encode()

        def deserialize(self, value: bytes) -> Any:
            return value.decode()

    custom = CustomSerializer().register()

    @dataclass
    class Uses(ModelBase, version=1):
        value: Any = artifact_field(serializer=custom)

    assert shelf.trip(Uses([1])) == Uses("[1]")


class Point:
    def __init__(self, x):
        self.x = x


def test_a_registered_serializer_serves_its_types_everywhere(shelf):
    class Points(Serializer[Point]):
        types = (Point,)
        name = "tests.points"

        def serialize(self, value):
            return str(value.x).encode()

        def deserialize(self, value):
            return Point(int(value))

    Points().register()
    assert shelf.trip(Point(3)).x == 3
    assert [point.x for point in shelf.trip([Point(1), Point(2)])] == [1, 2]


def test_a_figure_goes_as_plotlys_json():
    plotly = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed")
    figure = plotly.Figure(data=[plotly.Bar(y=[1, 2])])
    assert trip(formats.figure_serializer, figure) == figure
