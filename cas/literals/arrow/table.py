"""Codecs of pyarrow Table and RecordBatch: a tree of ``schema`` and column buffers, each its own blob."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pyarrow as pa

from cas.errors import CodecError, NotFound
from cas.literals.arrow.columns import load_column, store_column
from cas.literals.codec import Codec, Content, Decoding, Encoding, Members, read_bounded, read_members, write_members
from cas.literals.literal import Literal
from cas.literals.plain import decode_plain, encode_plain
from cas.literals.ports import Store

__all__ = ["ARRAY", "BATCH", "CHUNKED", "SCHEMA", "TABLE", "column_names", "open_schema", "read_columns", "write_table"]

SCHEMA = "schema"


class TableCodec(Codec):
    """A pyarrow Table; comes back with one chunk per column. Schema metadata is not part of the value."""

    type = "arrow.Table"
    types = ("pyarrow.lib.Table",)

    def write(self, value: Any, encoding: Encoding) -> Content:
        return write_table(value, encoding)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        return read_columns(literal, decoding.store)


class BatchCodec(TableCodec):
    """A pyarrow RecordBatch."""

    type = "arrow.RecordBatch"
    types = ("pyarrow.lib.RecordBatch",)

    def write(self, value: Any, encoding: Encoding) -> Content:
        return write_table(pa.Table.from_batches([value]), encoding)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        table = read_columns(literal, decoding.store)
        columns = [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]
        if not columns and table.num_rows:
            raise CodecError("a stored record batch has rows but no columns")
        return pa.RecordBatch.from_arrays(columns, schema=table.schema)


class ArrayCodec(Codec):
    """A pyarrow Array, as a column of its own."""

    type = "arrow.Array"
    bases: ClassVar[tuple[str, ...]] = ("pyarrow.lib.Array",)

    def write(self, value: Any, encoding: Encoding) -> Content:
        members: dict[str, Any] = {}
        form = {"rows": len(value), "column": store_column(value, "0", members, encoding.name)}
        return write_members({**members, SCHEMA: encode_plain(form)}, encoding.writer)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        schema, members = open_schema(literal, decoding.store)
        found = load_column(schema.get("column"), schema["rows"], "0", members)
        return self._shape(found)

    def _shape(self, found: Any) -> Any:
        if isinstance(found, pa.ChunkedArray):
            raise CodecError("a stored array does not fit one chunk")
        return found


class ChunkedCodec(ArrayCodec):
    """A pyarrow ChunkedArray; comes back as one chunk."""

    type = "arrow.ChunkedArray"
    bases: ClassVar[tuple[str, ...]] = ()
    types = ("pyarrow.lib.ChunkedArray",)

    def _shape(self, found: Any) -> Any:
        return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


TABLE = TableCodec()
BATCH = BatchCodec()
ARRAY = ArrayCodec()
CHUNKED = ChunkedCodec()


def write_table(table: pa.Table, encoding: Encoding, extra: dict[str, Any] | None = None) -> Content:
    """Store a table's columns under a schema that also holds ``extra``, plain values."""
    members: dict[str, Any] = {}
    columns = []
    for index, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        form = store_column(column, str(index), members, f"{encoding.name}[{field.name!r}]")
        columns.append({"name": field.name, "nullable": field.nullable, **form})
    schema = {"rows": table.num_rows, "columns": columns, **(extra or {})}
    return write_members({**members, SCHEMA: encode_plain(schema)}, encoding.writer)


def read_columns(literal: Literal, store: Store, names: Iterable[str] | None = None) -> pa.Table:
    """A stored table, or only the columns named (in that order): the blobs of the others are not read.

    Works for every literal stored by ``write_table``. Raises NotFound for a column that is not there, CodecError.
    """
    schema, members = open_schema(literal, store)
    forms = _forms(schema, literal)
    places = range(len(forms)) if names is None else [_place(forms, name) for name in names]
    arrays = [load_column(forms[place], schema["rows"], str(place), members) for place in places]
    fields = [
        pa.field(forms[place]["name"], array.type, forms[place]["nullable"])
        for place, array in zip(places, arrays, strict=True)
    ]
    if not arrays:
        return _empty(schema["rows"])
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def open_schema(literal: Literal, store: Store) -> tuple[dict[str, Any], Members]:
    """The schema of a stored table, with a number of ``rows``, and its members. Raises CodecError."""
    members = Members(read_members(literal, store), store)
    entry = members.entries.get(SCHEMA)
    if entry is None:
        raise CodecError(f"the tree of a {literal.type} has no schema")
    schema = decode_plain(read_bounded(entry.id, store, f"the schema of a {literal.type}", 1 << 28))
    if not isinstance(schema, dict) or type(schema.get("rows")) is not int or schema["rows"] < 0:
        raise CodecError(f"the schema of a {literal.type} does not say how many rows it has")
    return schema, members


def column_names(literal: Literal, store: Store) -> list[str]:
    """The names of a stored table's columns, in order. Raises CodecError."""
    return [form["name"] for form in _forms(open_schema(literal, store)[0], literal)]


def _forms(schema: dict[str, Any], literal: Literal) -> list[Any]:
    forms = schema.get("columns")
    if not isinstance(forms, list) or not all(
        isinstance(form, dict) and type(form.get("name")) is str and type(form.get("nullable")) is bool
        for form in forms
    ):
        raise CodecError(f"the schema of a {literal.type} does not list its columns")
    return forms


def _place(forms: list[Any], name: str) -> int:
    for place, form in enumerate(forms):
        if form["name"] == name:
            return place
    known = ", ".join(form["name"] for form in forms[:20])
    raise NotFound(f"no column {name!r} in the stored table", hint=f"its columns: {known}")


def _empty(rows: int) -> pa.Table:
    """A table without columns; Arrow keeps the number of rows through a struct without fields."""
    nothing = pa.Array.from_buffers(pa.struct([]), rows, [None])
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(nothing)])
