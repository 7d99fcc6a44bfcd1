"""Codecs of pandas DataFrame, Series and Index: a tree of ``schema`` and column buffers, each its own blob."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cas.errors import CodecError
from cas.literals.arrow.table import SCHEMA, open_schema
from cas.literals.codec import Codec, Content, Decoding, Encoding, write_members
from cas.literals.frames.indexes import label_form, load_index, store_index
from cas.literals.frames.values import Parts, Source, load_values, store_values
from cas.literals.literal import Literal
from cas.literals.plain import encode_plain

__all__ = ["FRAME", "INDEX", "SERIES"]


class FrameCodec(Codec):
    """A pandas DataFrame, with its index, column labels, dtypes and attrs."""

    type = "pandas.DataFrame"
    types = ("pandas.core.frame.DataFrame", "pandas.DataFrame")

    def write(self, value: Any, encoding: Encoding) -> Content:
        parts = Parts(encoding)
        schema = {
            "rows": len(value),
            "count": len(value.columns),
            "columns": store_index(value.columns, "columns", parts, f"the columns of {encoding.name}"),
            "index": store_index(value.index, "index", parts, f"the index of {encoding.name}"),
            "fields": [
                store_values(column, str(place), parts, f"{encoding.name}[{label!r:.80}]")
                for place, (label, column) in enumerate(value.items())
            ],
        }
        return _write(schema, value.attrs, parts)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        schema, source = _open(literal, decoding)
        match schema:
            case {"rows": rows, "count": int(count), "columns": columns, "index": index, "fields": list(fields)} if (
                count == len(fields)
            ):
                labels = load_index(columns, count, "columns", source)
                rows_index = load_index(index, rows, "index", source)
                series = {}
                for place, form in enumerate(fields):
                    values = load_values(form, rows, str(place), source)
                    series[place] = pd.Series(values, rows_index, values.dtype, copy=False)
                frame = pd.DataFrame(series, index=rows_index)
                frame.columns = labels
                frame.attrs = _attrs(schema)
                return frame
        raise CodecError(f"the schema of a {literal.type} is not valid")


class SeriesCodec(Codec):
    """A pandas Series, with its index, name, dtype and attrs."""

    type = "pandas.Series"
    types = ("pandas.core.series.Series", "pandas.Series")

    def write(self, value: Any, encoding: Encoding) -> Content:
        parts = Parts(encoding)
        schema = {
            "rows": len(value),
            "index": store_index(value.index, "index", parts, f"the index of {encoding.name}"),
            "name": label_form(value.name),
            "values": store_values(value, "0", parts, encoding.name),
        }
        return _write(schema, value.attrs, parts)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        schema, source = _open(literal, decoding)
        match schema:
            case {"rows": rows, "index": index, "name": name, "values": form}:
                values = load_values(form, rows, "0", source)
                found = load_index(index, rows, "index", source)
                try:
                    series = pd.Series(values, found, values.dtype, name, copy=False)
                except TypeError as error:  # a name that cannot be hashed
                    raise CodecError(f"the schema of a {literal.type} is not valid: {error}") from error
                series.attrs = _attrs(schema)
                return series
        raise CodecError(f"the schema of a {literal.type} is not valid")


class IndexCodec(Codec):
    """A pandas Index of any kind."""

    type = "pandas.Index"
    bases = ("pandas.core.indexes.base.Index", "pandas.Index")

    def write(self, value: Any, encoding: Encoding) -> Content:
        parts = Parts(encoding)
        schema = {"rows": len(value), "index": store_index(value, "index", parts, encoding.name)}
        return _write(schema, {}, parts)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        schema, source = _open(literal, decoding)
        return load_index(schema.get("index"), schema["rows"], "index", source)


FRAME = FrameCodec()
SERIES = SeriesCodec()
INDEX = IndexCodec()


def _write(schema: dict[str, Any], attrs: Any, parts: Parts) -> Content:
    if attrs:
        schema["attrs"] = dict(attrs)
    name = parts.encoding.name
    try:
        content = encode_plain(schema, name)
    except CodecError as error:
        raise CodecError(
            f"a name, label or attribute of {name} is not plain: {error.message}",
            hint="give it another: series.rename('…'), index.rename('…')",
        ) from error
    return write_members({**parts.blobs, SCHEMA: content}, parts.encoding.writer, parts.others)


def _open(literal: Literal, decoding: Decoding) -> tuple[dict[str, Any], Source]:
    schema, members = open_schema(literal, decoding.store)
    return schema, Source(members, decoding)


def _attrs(schema: dict[str, Any]) -> dict[Any, Any]:
    attrs = schema.get("attrs", {})
    if not isinstance(attrs, dict):
        raise CodecError("the attrs of a stored frame are not a dict")
    return attrs
