"""polars values come back exactly; how they are chunked or sliced does not matter."""

import datetime as dt
import decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from cas.errors import CodecError
from cas.literals import decode, encode

FRAME = pl.DataFrame(
    {
        "int": [1, None, 3],
        "float": [1.5, float("nan"), None],
        "text": ["a", None, "c"],
        "bool": [True, None, False],
        "bytes": [b"a", None, b""],
        "date": [dt.date(2020, 1, 1), None, None],
        "time": [dt.time(1, 2), None, None],
        "datetime": [dt.datetime(2020, 1, 1), None, None],
        "zoned": pl.Series([dt.datetime(2020, 1, 1), None, None], dtype=pl.Datetime("ms", "Europe/Berlin")),
        "duration": [dt.timedelta(1), None, None],
        "list": [[1], None, [2, 3]],
        "struct": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}],
        "decimal": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25")],
        "null": [None] * 3,
        "category": pl.Series(["b", "a", None], dtype=pl.Categorical),
        "enum": pl.Series(["b", "a", None], dtype=pl.Enum(["a", "b", "z"])),
        "array": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int8, 2)),
        "byte": pl.Series([1, 2, None], dtype=pl.UInt8),
        "categories": pl.Series([["a"], None, []], dtype=pl.List(pl.Categorical)),
        "wide": pl.Series([1, None, 2**100], dtype=pl.Int128),
    }
)


@pytest.mark.parametrize("name", FRAME.columns)
def test_a_series_comes_back_exactly(writer, name):
    series = FRAME[name]
    for part in (series, series.slice(1, 2), series.slice(0, 0)):
        literal = encode(part, writer)
        found = decode(literal, writer.store)
        assert_series_equal(found, part)
        assert found.dtype == part.dtype
        assert encode(found, writer) == literal
        assert encode(pl.Series(name, part.to_list(), dtype=part.dtype), writer) == literal


def test_a_frame_comes_back_exactly(writer):
    literal = encode(FRAME, writer)
    found = decode(literal, writer.store)
    assert_frame_equal(found, FRAME)
    assert found.schema == FRAME.schema
    twice = pl.concat([FRAME, FRAME], rechunk=False)
    assert encode(twice, writer) == encode(twice.rechunk(), writer)
    assert encode(twice[:3], writer) == literal
    assert decode(encode(pl.DataFrame(), writer), writer.store).shape == (0, 0)


def test_objects_are_refused_by_name(writer):
    with pytest.raises(CodecError, match=r"frame\['o'\] has the polars dtype Object"):
        encode(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), writer, name="frame")
