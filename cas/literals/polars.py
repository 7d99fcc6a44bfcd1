"""Codecs of polars DataFrame and Series: the columns as Arrow, beside the polars dtypes."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from cas.errors import CodecError
from cas.literals.arrow.table import open_schema, read_columns, write_table
from cas.literals.codec import Codec, Content, Decoding, Encoding
from cas.literals.literal import Literal

__all__ = ["FRAME", "SERIES"]

_EXTRA = "polars"


class FrameCodec(Codec):
    """A polars DataFrame."""

    type = "polars.DataFrame"
    types = ("polars.dataframe.frame.DataFrame", "polars.DataFrame")

    def write(self, value: Any, encoding: Encoding) -> Content:
        columns = value.get_columns()
        dtypes = [_describe(column.dtype, f"{encoding.name}[{column.name!r}]") for column in columns]
        arrays = [_to_arrow(column) for column in columns]
        fields = [pa.field(column.name, array.type) for column, array in zip(columns, arrays, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        return write_table(table, encoding, {_EXTRA: dtypes})

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        columns = _columns(literal, decoding)
        try:
            return pl.DataFrame(columns)
        except pl.exceptions.PolarsError as error:
            raise CodecError(f"a stored {literal.type} is not valid: {error}") from error


class SeriesCodec(Codec):
    """A polars Series."""

    type = "polars.Series"
    types = ("polars.series.series.Series", "polars.Series")

    def write(self, value: Any, encoding: Encoding) -> Content:
        return FRAME.write(value.to_frame(), encoding)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        columns = _columns(literal, decoding)
        if len(columns) != 1:
            raise CodecError(f"a stored {literal.type} has {len(columns)} columns")
        return columns[0]


FRAME = FrameCodec()
SERIES = SeriesCodec()

_SIMPLE_NAMES = (
    "Boolean Int8 Int16 Int32 Int64 Int128 UInt8 UInt16 UInt32 UInt64 UInt128 Float16 Float32 Float64 "
    "String Binary Date Time Null Categorical"
)
_SIMPLE: dict[str, Any] = {name: getattr(pl, name) for name in _SIMPLE_NAMES.split() if hasattr(pl, name)}
_AS_TEXT = frozenset({"Categorical", "Enum", "Int128", "UInt128"})


def _describe(dtype: Any, name: str) -> list[Any]:
    """A polars dtype as a plain value."""
    kind = dtype.base_type().__name__
    if kind in _SIMPLE:
        return [kind]
    if kind == "Datetime":
        return [kind, dtype.time_unit, dtype.time_zone]
    if kind == "Duration":
        return [kind, dtype.time_unit]
    if kind == "Decimal":
        return [kind, dtype.precision, dtype.scale]
    if kind == "Enum":
        return [kind, dtype.categories.to_list()]
    if kind == "List":
        return [kind, _describe(dtype.inner, name)]
    if kind == "Array":
        return [kind, _describe(dtype.inner, name), dtype.size]
    if kind == "Struct":
        return [kind, [[field.name, _describe(field.dtype, name)] for field in dtype.fields]]
    raise CodecError(f"{name} has the polars dtype {dtype}, which cannot be stored", hint="cast the column first")


def _build(form: Any) -> Any:
    match form:
        case [str(kind)] if kind in _SIMPLE:
            return _SIMPLE[kind]()
        case ["Datetime", str(unit), None | str() as zone]:
            return pl.Datetime(unit, zone)  # type: ignore[arg-type]  # polars checks the unit
        case ["Duration", str(unit)]:
            return pl.Duration(unit)  # type: ignore[arg-type]  # polars checks the unit
        case ["Decimal", None | int() as precision, int(scale)]:
            return pl.Decimal(precision, scale)
        case ["Enum", list(categories)]:
            return pl.Enum(categories)
        case ["List", inner]:
            return pl.List(_build(inner))
        case ["Array", inner, int(size)] if size >= 0:
            return pl.Array(_build(inner), size)
        case ["Struct", list(fields)]:
            return pl.Struct([pl.Field(name, _build(inner)) for name, inner in fields])
    raise CodecError(f"stored polars dtype {form!r:.120} is not valid")


def _bare(dtype: Any) -> Any:
    """The dtype that Arrow carries exactly: text for categories and for integers of 128 bits."""
    kind = dtype.base_type()
    if kind.__name__ in _AS_TEXT:
        return pl.String()
    if kind is pl.List:
        return pl.List(_bare(dtype.inner))
    if kind is pl.Array:
        return pl.Array(_bare(dtype.inner), dtype.size)
    if kind is pl.Struct:
        return pl.Struct([pl.Field(field.name, _bare(field.dtype)) for field in dtype.fields])
    return dtype


def _to_arrow(column: Any) -> Any:
    bare = _bare(column.dtype)
    return (column if bare == column.dtype else column.cast(bare)).to_arrow(compat_level=pl.CompatLevel.oldest())


def _columns(literal: Literal, decoding: Decoding) -> list[Any]:
    schema, _ = open_schema(literal, decoding.store)
    forms = schema.get(_EXTRA)
    table = read_columns(literal, decoding.store)
    if not isinstance(forms, list) or len(forms) != table.num_columns:
        raise CodecError(f"the schema of a {literal.type} does not give its dtypes")
    return [
        _column(field.name, column, form)
        for field, column, form in zip(table.schema, table.columns, forms, strict=True)
    ]


def _column(name: str, column: Any, form: Any) -> Any:
    try:
        dtype = _build(form)
        series = pl.Series(name, column, _bare(dtype))
        return series if series.dtype == dtype else series.cast(dtype)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"stored column {name!r} is not a polars {form!r:.80}: {error}") from error
