from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from cas.cli.render.tables import as_table, write_table
from cas.errors import UsageError


def written(value: object, form: str) -> bytes:
    stream = io.BytesIO()
    table = as_table(value)
    assert table is not None
    write_table(table, form, stream)
    return stream.getvalue()


FRAME = pd.DataFrame({"origin": ["EWR", None], "delay": [1.5, -2.0], "n": [1, 2]})


def test_csv_is_plain() -> None:
    assert written(FRAME, "csv") == b"origin,delay,n\nEWR,1.5,1\n,-2,2\n"


def test_csv_quotes_what_needs_it() -> None:
    texts = ["a,b", 'say "x"', "two\nlines", "", None, "plain"]
    rows = list(csv.reader(io.StringIO(written(pa.table({"text": texts}), "csv").decode())))
    assert rows == [["text"], ["a,b"], ['say "x"'], ["two\nlines"], [""], [], ["plain"]]


def test_csv_holds_any_column() -> None:
    table = pa.table(
        {
            "list": pa.array([[1, 2], None]),
            "bytes": pa.array([b"\x00", None]),
            "code": pa.array(["x", "y"]).dictionary_encode(),
            "money": pa.array(["1.50", None]).cast(pa.decimal128(5, 2)),
            "took": pa.array([5, None], pa.duration("s")),
            "when": pa.array([0, None], pa.timestamp("us", "UTC")),
        }
    )
    head, first, _ = csv.reader(io.StringIO(written(table, "csv").decode()))
    assert head == table.column_names
    assert first[:4] == ["[1, 2]", "AA==", "x", "1.50"]


def test_json_is_an_array_of_records() -> None:
    assert json.loads(written(FRAME, "json"))[1] == {"origin": None, "delay": -2.0, "n": 2}
    assert written(FRAME.iloc[:0], "json") == b"[]\n"


def test_markdown() -> None:
    assert written(pd.DataFrame({"a|b": ["x\ny"]}), "markdown") == b"| a\\|b |\n| --- |\n| x y |\n"


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_binary_forms_come_back(form: str) -> None:
    content = pa.BufferReader(written(FRAME, form))
    table = parquet.read_table(content) if form == "parquet" else pa.ipc.open_stream(content).read_all()
    assert table.to_pylist() == pa.Table.from_pandas(FRAME).to_pylist()


def test_index_and_series() -> None:
    named = FRAME.set_index("origin")
    assert written(named, "csv").splitlines()[0] == b"delay,n,origin"
    assert written(pd.Series([1, 2], name="n"), "csv") == b"n\n1\n2\n"
    assert written(pd.DataFrame({0: [1]}, index=["row"]), "csv") == b"0,\n1,row\n"


def test_no_table() -> None:
    assert as_table({"a": 1}) is None
    assert as_table(pa.array([1])) is None


def csv_of(frame) -> list[str]:
    return written(frame, "csv").decode().splitlines()


def test_frames_that_arrow_does_not_take_as_they_are() -> None:
    assert csv_of(pd.DataFrame([[1, "b"]], columns=["a", "a"])) == ["a,a", "1,b"]
    assert csv_of(pd.DataFrame([[1, 2]], columns=[1, "1"], index=["x"])) == ["1,1,", "1,2,x"]
    assert csv_of(pd.DataFrame({"o": [2**70, None, 1]}, dtype=object)) == ["o", str(2**70), "", "1"]
    assert csv_of(pd.DataFrame({"o": pd.arrays.SparseArray([0, 1])})) == ["o", "0", "1"]
    assert csv_of(pd.DataFrame({"o": [1j]})) == ["o", '"[0.0, 1.0]"']
    assert csv_of(pd.DataFrame({"o": np.arange(2, dtype=">i4")}, index=pd.Index([5, 6], name="i"))) == [
        "o,i",
        "0,5",
        "1,6",
    ]
    assert csv_of(pd.DataFrame({"o": pd.period_range("2024-01", periods=2, freq="M")})) == ["o", "2024-01", "2024-02"]
    halves = csv_of(pd.DataFrame({"o": pd.cut([1, 2, 3], 2)}))
    assert len(halves) == 4
    assert "left" in halves[1]
    both = written(pd.DataFrame({"p": pd.period_range("2024", periods=1, freq="D")}), "json")
    assert both == b'[\n{"p":"2024-01-01"}\n]\n'


def test_columns_that_a_form_does_not_hold() -> None:
    table = pa.table({"a": pa.array([None, (1, 2, 3)], pa.month_day_nano_interval())})
    lines = written(table, "csv").decode().splitlines()
    assert lines[:2] == ["a", ""]
    assert "months=1" in lines[2]
    with pytest.raises(UsageError, match="Parquet holds no such column") as caught:
        written(table, "parquet")
    assert caught.value.hint == "--format arrow holds any"
