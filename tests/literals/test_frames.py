"""pandas values come back exactly: dtypes, indexes, labels, attrs; equal ones have equal ids."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cas.errors import CodecError, UnknownType
from cas.literals import decode, encode

N = 5
OBJECT = object
COLUMNS = {
    "int": np.arange(N),
    "float": np.arange(N) * 1.5,
    "half": np.arange(N, dtype="f2"),
    "byte": np.arange(N, dtype="u1"),
    "complex": np.arange(N) * 1j,
    "bool": [True, False, True, False, True],
    "str": ["a", None, "c", "d", "é"],
    "mixed": pd.Series(["a", 1, None, (1, 2), [3]], dtype=OBJECT),
    "text": pd.Series(list("abcde"), dtype=OBJECT),
    "text or None": pd.Series(["a", None, None, "b", "x"], dtype=OBJECT),
    "text or nan": pd.Series(["a", np.nan, np.nan, "b", "x"], dtype=OBJECT),
    "text, None, nan": pd.Series(["a", np.nan, None, "b", "x"], dtype=OBJECT),
    "decimal": pd.Series([decimal.Decimal("1.0")] * N, dtype=OBJECT),
    "date": pd.Series([dt.date(2020, 1, 1)] * N, dtype=OBJECT),
    "pandas scalars": pd.Series(
        [pd.Timestamp("2020", tz="UTC"), pd.NA, pd.NaT, pd.Timedelta("1s"), pd.Period("2020-01", "M")], dtype=OBJECT
    ),
    "category": pd.Categorical(list("abcab"), categories=list("dcba")),
    "ordered": pd.Categorical([1, 2, None, 1, 2], categories=[3, 2, 1], ordered=True),
    "Int64": pd.array([1, None, 3, 4, 5], dtype="Int64"),
    "boolean": pd.array([True, None, False, True, True], dtype="boolean"),
    "Float32": pd.array([1.0, None, 3, 4, 5], dtype="Float32"),
    "time": pd.date_range("2020", periods=N),
    "zoned": pd.date_range("2020-03-28", periods=N, tz="Europe/Berlin"),
    "utc": pd.date_range("2020", periods=N, tz="UTC").as_unit("us"),
    "offset": pd.date_range("2020", periods=N, tz=dt.timezone(dt.timedelta(hours=2))),
    "span": pd.timedelta_range("1D", periods=N),
    "period": pd.period_range("2020", periods=N, freq="M"),
    "interval": pd.interval_range(0, N),
    "sparse": pd.arrays.SparseArray([0, 0, 1, 0, 2]),
    "string[pyarrow]": pd.array(["a", None, None, "b", "c"], dtype="string[pyarrow]"),
    "string[python]": pd.array(["a", None, None, "b", "c"], dtype="string[python]"),
    "arrow list": pd.array([[1], None, [2, 3], [], [4]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow time": pd.array([dt.datetime(2020, 1, 1)] * N, dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
}
EVERYTHING = pd.DataFrame(COLUMNS)
ONES = {"a": [1.5, 2.5, 3.5]}
FRAMES = {
    **{name: EVERYTHING[[name]] for name in COLUMNS},
    "everything": EVERYTHING,
    "slice": EVERYTHING.iloc[1:3],
    "reversed": EVERYTHING[::-1],
    "no rows": EVERYTHING.iloc[:0],
    "nothing": pd.DataFrame(),
    "index only": pd.DataFrame(index=[1, 2]),
    "labels only": pd.DataFrame(columns=["a"]),
    "multi index": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "a"), (2, None)], names=["x", None])
    ),
    "multi columns": pd.DataFrame(np.ones((3, 2)), columns=pd.MultiIndex.from_product([["a"], [1, 2]], names=["k", 1])),
    "int labels": pd.DataFrame(np.ones((3, 2)), columns=[1, 2]),
    "same labels": pd.DataFrame(np.ones((3, 2)), columns=["a", "a"]),
    "mixed labels": pd.DataFrame(np.ones((3, 2)), columns=["a", 1]),
    "range labels": pd.DataFrame(np.ones((3, 2))),
    "daily": pd.DataFrame(ONES, index=pd.date_range("2020", periods=3, freq="D", tz="UTC", name="t")),
    "month ends": pd.DataFrame(ONES, index=pd.date_range("2020", periods=3, freq="ME")),
    "category index": pd.DataFrame(ONES, index=pd.CategoricalIndex(list("aba"))),
    "quarters": pd.DataFrame(ONES, index=pd.period_range("2020", periods=3, freq="Q")),
    "interval index": pd.DataFrame(ONES, index=pd.interval_range(0, 3)),
    "tuple name": pd.DataFrame(ONES, index=pd.Index([1.5, 2, 3], name=("a", 1))),
    "range step": pd.DataFrame(ONES, index=pd.RangeIndex(10, 4, -2, name="r")),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_exactly(writer, frame):
    literal = encode(frame, writer)
    found = decode(literal, writer.store)
    pd.testing.assert_frame_equal(found, frame)
    assert list(found.dtypes) == list(frame.dtypes)
    assert type(found.index) is type(frame.index)
    assert type(found.columns) is type(frame.columns)
    for place in np.flatnonzero(frame.dtypes == OBJECT):
        assert list(map(type, found.iloc[:, place])) == list(map(type, frame.iloc[:, place]))
    assert encode(found, writer) == literal
    assert encode(frame.copy(), writer) == literal


def test_what_was_read_can_be_changed(writer):
    frame = EVERYTHING[["int", "float", "str"]]
    found = decode(encode(frame, writer), writer.store)
    found.iloc[0, 0] = 7
    found.loc[1, "float"] = 3.5
    found["new"] = 1
    assert found["int"].sum() == 17
    series = decode(encode(frame["int"], writer), writer.store)
    series.iloc[0] = 9
    assert series.sum() == 19


def test_attrs_and_unused_categories_are_part_of_the_value(writer):
    frame = EVERYTHING[["category"]].copy()
    bare = encode(frame, writer)
    frame.attrs = {"unit": "m", "range": (1, 2)}
    found = decode(encode(frame, writer), writer.store)
    assert found.attrs == {"unit": "m", "range": (1, 2)}
    assert encode(frame, writer) != bare
    assert list(found["category"].cat.categories) == list("dcba")


def test_memory_layout_does_not_matter(writer):
    rows = np.arange(12.0).reshape(4, 3)
    frame = pd.DataFrame(rows, columns=list("abc"))
    pieces = pd.DataFrame({name: rows[:, place].copy() for place, name in enumerate("abc")})
    joined = pd.concat([frame.iloc[:2], frame.iloc[2:]])
    joined.index = pd.RangeIndex(4)
    cut = pd.concat([frame, frame]).iloc[:4].reset_index(drop=True)
    assert len({encode(each, writer).id for each in (frame, pieces, joined, cut)}) == 1


def test_one_changed_column_shares_the_others(writer):
    frame = pd.DataFrame({"a": np.arange(1000.0), "b": np.arange(1000)})
    first = encode(frame, writer)
    second = encode(frame.assign(b=0), writer)
    from cas.objects.trees import decode_tree

    members = [decode_tree(writer.store.read(literal.content)) for literal in (first, second)]
    assert members[0]["0.0"] == members[1]["0.0"]
    assert members[0]["1.0"] != members[1]["1.0"]


@pytest.mark.parametrize(
    "series",
    [
        EVERYTHING["str"],
        EVERYTHING["category"],
        pd.Series([1, 2], name=3),
        pd.Series([], dtype=float),
        pd.Series(["x"], index=["q"], name=("a", 1)),
        EVERYTHING["zoned"].set_axis(list("abcde")),
    ],
    ids=lambda series: str(series.name),
)
def test_a_series_comes_back_exactly(writer, series):
    literal = encode(series, writer)
    found = decode(literal, writer.store)
    pd.testing.assert_series_equal(found, series)
    assert encode(found, writer) == literal


@pytest.mark.parametrize(
    "index", [pd.Index([1, 2, 3], name="z"), pd.RangeIndex(5), pd.Index(["a"]), pd.MultiIndex.from_tuples([(1, 2)])]
)
def test_an_index_comes_back_exactly(writer, index):
    found = decode(encode(index, writer), writer.store)
    pd.testing.assert_index_equal(found, index, exact=True)


def test_containers_hold_frames(writer):
    value = {"frames": [EVERYTHING, EVERYTHING[["int"]]], ("k", 1): np.float64(1.5), "n": 1}
    literal = encode(value, writer)
    found = decode(literal, writer.store)
    pd.testing.assert_frame_equal(found["frames"][0], EVERYTHING)
    assert type(found["k", 1]) is np.float64
    assert encode(found, writer) == literal
    found["frames"][0].iloc[0, 0] = 99
    assert decode(literal, writer.store)["frames"][1].iloc[0, 0] == 0


def test_errors_name_the_column(writer):
    with pytest.raises(UnknownType, match=r"flights\['a'\]\[1\] is a builtins\.object"):
        encode(pd.DataFrame({"a": [1, object()]}), writer, name="flights")
    with pytest.raises(CodecError, match=r"attribute of flights is not plain"):
        frame = pd.DataFrame({"a": [1]})
        frame.attrs = {"x": object()}
        encode(frame, writer, name="flights")
    with pytest.raises(CodecError, match="the index of flights has the frequency"):
        index = pd.date_range("2020", periods=2, freq=pd.DateOffset(months=1, days=1))
        encode(pd.DataFrame({"a": [1, 2]}, index=index), writer, name="flights")


def test_the_label_of_a_column_of_many_levels_is_kept(writer):
    columns = pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    series = pd.DataFrame(np.eye(4), columns=columns).iloc[:, 1]
    assert isinstance(series.name[1], np.integer)
    back = decode(encode(series, writer), writer.store)
    pd.testing.assert_series_equal(back, series)
    assert back.name == ("a", 2)


@pytest.mark.parametrize(
    "name", [pd.Timestamp("2024"), np.datetime64("2024-01-01T00:00:00.000000001"), ("a", object())]
)
def test_labels_that_would_come_back_as_something_else_are_refused(writer, name):
    with pytest.raises(CodecError, match="is not plain") as caught:
        encode(pd.Series([1], name=name), writer)
    assert "rename" in caught.value.hint
