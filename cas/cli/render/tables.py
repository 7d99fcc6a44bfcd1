"""Tables as CSV, JSON, Markdown, Parquet and Arrow, batch by batch. pyarrow comes with the table itself."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from cas.cli.render.values import plain
from cas.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "as_table", "write_table"]

FORMATS = ("csv", "json", "markdown", "parquet", "arrow")
ROWS = 65_536
_INDEX = "__index_level_"


def as_table(value: Any) -> pa.Table | None:
    """The value as a pyarrow Table; None where it is no table. Loads nothing that the value did not load itself."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas" and "pandas" in sys.modules:
        return _from_pandas(value)
    if module == "polars" and hasattr(value, "to_arrow"):
        value = value.to_frame() if not hasattr(value, "columns") else value
        return value.to_arrow()
    if module == "pyarrow":
        import pyarrow as pa

        if isinstance(value, pa.RecordBatch):
            return pa.Table.from_batches([value])
        return value if isinstance(value, pa.Table) else None
    return None


def write_table(table: pa.Table, form: str, stream: IO[bytes]) -> None:
    """Write the table in one of FORMATS."""
    if form == "parquet":
        from pyarrow import parquet

        try:
            parquet.write_table(table, _Unseekable(stream), compression="zstd")
        except NotImplementedError as error:
            raise UsageError(f"Parquet holds no such column: {error}", hint="--format arrow holds any") from error
    elif form == "arrow":
        import pyarrow as pa

        with pa.ipc.new_stream(_Unseekable(stream), table.schema) as writer:
            writer.write_table(table, max_chunksize=ROWS)
    elif form == "csv":
        _write_csv(table, stream)
    else:
        twice = [name for name, count in Counter(table.column_names).items() if count > 1]
        if form == "json" and twice:
            raise UsageError(f"two columns are called {twice[0]!r}: JSON keeps one", hint="leave --json away, for CSV")
        lines = _json_lines(table) if form == "json" else _markdown_lines(table)
        for line in lines:
            stream.write(line.encode())


class _Unseekable:
    """A stream that only takes bytes and keeps standing when its writer closes it: what pyarrow needs of a pipe."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, content: Any) -> int:
        return self._stream.write(bytes(content))

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


def _from_pandas(value: Any) -> pa.Table | None:
    import pandas as pd
    import pyarrow as pa

    if isinstance(value, pd.Index):
        value = value.to_series(name=value.name or 0).reset_index(drop=True)
    if isinstance(value, pd.Series):
        value = value.to_frame()
    if not isinstance(value, pd.DataFrame):
        return None
    frame = value.copy(deep=False)
    frame.columns = [name if isinstance(name, str) else str(name) for name in frame.columns]
    try:
        table = pa.Table.from_pandas(frame)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):  # what Arrow does not know, or two of one name
        return _by_column(frame)
    names = ["" if name.startswith(_INDEX) else name for name in table.column_names]
    return table.rename_columns(names)


def _by_column(frame: Any) -> pa.Table:
    """A frame column by column, the index last as pyarrow has it; columns that Arrow cannot hold become text."""
    import pandas as pd
    import pyarrow as pa

    columns = [(name, frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
    if not isinstance(frame.index, pd.RangeIndex):
        levels = [frame.index.get_level_values(level) for level in range(frame.index.nlevels)]
        columns += [("" if one.name is None else str(one.name), one.to_series()) for one in levels]
    return pa.table([_column(one) for _, one in columns], names=[name for name, _ in columns])


def _column(series: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        texts = [None if pd.api.types.is_scalar(one) and pd.isna(one) else _cell(one) for one in series.array]
        return pa.array(texts, pa.string())


def _write_csv(table: pa.Table, stream: IO[bytes]) -> None:
    from pyarrow import csv as arrow_csv

    head = io.StringIO()
    csv.writer(head, lineterminator="\n").writerow(table.column_names)
    stream.write(head.getvalue().encode())
    flat = _flat(table)
    options = arrow_csv.WriteOptions(
        include_header=False, batch_size=ROWS, quoting_style="needed" if _needs_quotes(flat) else "none"
    )
    if flat.num_rows and flat.num_columns:
        arrow_csv.write_csv(flat, _Unseekable(stream), options)


def _flat(table: pa.Table) -> pa.Table:
    """The table with every column of a type that CSV can hold: nested ones and bytes become JSON text."""
    import pyarrow as pa

    columns = []
    for column in table.columns:
        kind = column.type
        if getattr(kind, "extension_name", "") == "pandas.period":
            column, kind = _periods(column), pa.string()  # noqa: PLW2901 - the readable column replaces the stored one
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
            if not isinstance(kind, pa.BaseExtensionType):
                column = column.cast(kind)  # noqa: PLW2901 - as above
        if pa.types.is_nested(kind) or _is_binary(kind) or isinstance(kind, pa.BaseExtensionType):
            column = pa.chunked_array([[_cell(item) for item in column.to_pylist()]], pa.string())  # noqa: PLW2901
        elif (
            pa.types.is_decimal(kind)
            or pa.types.is_duration(kind)
            or _is_view(kind)
            or pa.types.is_float16(kind)
            or pa.types.is_interval(kind)
        ):
            column = pa.chunked_array([[None if x is None else str(x) for x in column.to_pylist()]], pa.string())  # noqa: PLW2901
        columns.append(column)
    return pa.table(columns, names=[str(place) for place in range(len(columns))]) if columns else table


def _needs_quotes(table: pa.Table) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            if pc.any(pc.match_substring_regex(column, '[",\\r\\n]')).as_py():
                return True
            if pc.any(pc.equal(column, "")).as_py():  # "" is a text, nothing between commas is a null
                return True
    return False


def _json_lines(table: pa.Table) -> Iterator[str]:
    """A top-level array, a record a line."""
    yield "["
    separator = "\n"
    for row in _rows(table):
        yield separator + json.dumps(plain(row), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        separator = ",\n"
    yield "]\n" if separator == "\n" else "\n]\n"


def _markdown_lines(table: pa.Table) -> Iterator[str]:
    yield "| " + " | ".join(_escape(name) for name in table.column_names) + " |\n"
    yield "|" + "|".join(" --- " for _ in table.column_names) + "|\n"
    for row in _rows(table):
        yield "| " + " | ".join(_escape(_cell(item)) for item in row.values()) + " |\n"


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=ROWS):
        columns = [_items(column) for column in batch.columns]
        for items in zip(*columns, strict=True):
            yield dict(zip(table.column_names, items, strict=True))


def _items(column: Any) -> list[Any]:
    found: list[Any]
    if getattr(column.type, "extension_name", "") == "pandas.period":
        column = _periods(column)
    found = column.to_pylist()
    return found


def _periods(column: Any) -> Any:
    """A column of periods as texts: Arrow has only their ordinals."""
    import pandas as pd
    import pyarrow as pa

    texts = [None if one is pd.NaT else str(one) for one in column.to_pandas()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _cell(item: Any) -> str | None:
    if item is None:
        return None
    found = plain(item)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _escape(cell: str | None) -> str:
    return (cell or "").replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _is_view(kind: Any) -> bool:
    return str(kind) in ("string_view", "binary_view")
