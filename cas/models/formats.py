"""The given serializers: JSON, times, arrays, tables and figures. Heavy libraries load when a value needs them."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

from cas.errors import CodecError
from cas.literals.plain import decode_plain, encode_plain
from cas.models.serializers import Serializer

__all__ = [
    "array_serializer",
    "dataframe_serializer",
    "datetime_serializer",
    "feather_serializer",
    "figure_serializer",
    "json_serializer",
    "json_sorted_serializer",
    "parquet_serializer",
    "timedelta_serializer",
    "value_serializer",
]

_LIBRARY = b"cas.library"  # key in an Arrow schema: which library's frame this was


class _Json(Serializer[Any]):
    types = (object,)

    def __init__(self, name: str, sort_keys: bool) -> None:
        self.name = name
        self._sort_keys = sort_keys

    def serialize(self, value: Any) -> bytes:
        return json.dumps(value, sort_keys=self._sort_keys, separators=(",", ":"), ensure_ascii=False).encode()

    def deserialize(self, value: bytes) -> Any:
        return json.loads(value)


class _Value(Serializer[Any]):
    """Any plain value, exactly, in the repository's own canonical form; what a storage keeps of a field without a
    serializer.
    """

    name = "cas.value"
    types = (object,)

    def serialize(self, value: Any) -> bytes:
        return encode_plain(value)

    def deserialize(self, value: bytes) -> Any:
        return decode_plain(value)


class _Datetime(Serializer[datetime]):
    name = "cas.datetime"
    types = (datetime,)

    def serialize(self, value: datetime) -> bytes:
        return value.isoformat().encode()

    def deserialize(self, value: bytes) -> datetime:
        return datetime.fromisoformat(value.decode())


class _Timedelta(Serializer[timedelta]):
    """Whole microseconds in decimal: seconds as a float would round."""

    name = "cas.timedelta"
    types = (timedelta,)

    def serialize(self, value: timedelta) -> bytes:
        return str(value // timedelta(microseconds=1)).encode()

    def deserialize(self, value: bytes) -> timedelta:
        return timedelta(microseconds=int(value))


class _Array(Serializer[Any]):
    """NumPy's own .npy format, any dimension; object arrays are refused, since they need pickle."""

    name = "cas.array"
    types = ("numpy.ndarray",)

    def serialize(self, value: Any) -> bytes:
        import numpy as np

        target = io.BytesIO()
        np.save(target, value, allow_pickle=False)
        return target.getvalue()

    def deserialize(self, value: bytes) -> Any:
        import numpy as np

        return np.load(io.BytesIO(value), allow_pickle=False)


class _Table(Serializer[Any]):
    """pandas, polars and pyarrow tables as Feather (Arrow IPC) or Parquet; each comes back as what it was."""

    def __init__(self, name: str, form: str, types: tuple[str, ...]) -> None:
        self.name = name
        self.types = types
        self._form = form

    def serialize(self, value: Any) -> bytes:
        import pyarrow as pa

        table = _to_arrow(value)
        target = pa.BufferOutputStream()
        if self._form == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, target, compression="zstd")
        else:
            # Uncompressed: the repository compresses by chunk, and then rows that did not change cost nothing.
            with pa.ipc.new_file(target, table.schema) as writer:
                writer.write_table(table)
        return bytes(target.getvalue())

    def deserialize(self, value: bytes) -> Any:
        import pyarrow as pa

        if self._form == "parquet":
            import pyarrow.parquet as pq

            return _from_arrow(pq.read_table(pa.BufferReader(value)))
        return _from_arrow(pa.ipc.open_file(pa.BufferReader(value)).read_all())


class _Figure(Serializer[Any]):
    """Plotly figures as Plotly's JSON."""

    name = "cas.figure"
    types = ("plotly.Figure", "plotly.FigureWidget")

    def serialize(self, value: Any) -> bytes:
        return str(value.to_json()).encode()

    def deserialize(self, value: bytes) -> Any:
        import plotly.io

        return plotly.io.from_json(value.decode())


def _to_arrow(value: Any) -> Any:
    """An Arrow table that remembers in its schema which library's frame it was."""
    import pyarrow as pa

    library = type(value).__module__.partition(".")[0]
    if library == "pandas":
        if value.columns.nlevels == 1 and value.columns.inferred_type.startswith("mixed"):
            raise CodecError(
                "its column names are of several types, and Arrow would make them all text",
                hint="leave serializer= out: a frame's own codec keeps them; or name the columns by str",
            )
        table = pa.Table.from_pandas(value)
    elif library == "polars":
        table = value.to_arrow()
    else:
        table = value
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _LIBRARY: library.encode()})


def _from_arrow(table: Any) -> Any:
    found = dict(table.schema.metadata or {})
    library = found.pop(_LIBRARY, b"pyarrow")
    table = table.replace_schema_metadata(found or None)
    if library == b"pandas":
        return table.to_pandas()
    if library == b"polars":
        import polars as pl

        return pl.from_arrow(table)
    if library == b"pyarrow":
        return table
    raise CodecError(f"a stored table names the library {library!r}, which this release does not know")


_FRAMES = ("pandas.DataFrame", "polars.DataFrame")

json_serializer: Serializer[Any] = _Json("cas.json", sort_keys=False).register()
json_sorted_serializer: Serializer[Any] = _Json("cas.json-sorted", sort_keys=True).register()
value_serializer: Serializer[Any] = _Value().register()
datetime_serializer: Serializer[datetime] = _Datetime().register()
timedelta_serializer: Serializer[timedelta] = _Timedelta().register()
array_serializer: Serializer[Any] = _Array().register()
dataframe_serializer: Serializer[Any] = _Table("cas.dataframe", "feather", _FRAMES).register()
feather_serializer: Serializer[Any] = _Table("cas.feather", "feather", ("pyarrow.Table", *_FRAMES)).register()
parquet_serializer: Serializer[Any] = _Table("cas.parquet", "parquet", ("pyarrow.Table", *_FRAMES)).register()
figure_serializer: Serializer[Any] = _Figure().register()
