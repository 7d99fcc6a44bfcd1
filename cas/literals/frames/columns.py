"""Some columns of a stored pandas DataFrame, as Arrow, without reading the others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd
import pyarrow as pa

from cas.errors import CodecError
from cas.literals.arrow.table import open_schema
from cas.literals.codec import Decoding
from cas.literals.frames.indexes import load_index
from cas.literals.frames.values import Source, load_values
from cas.literals.literal import Literal

__all__ = ["read_fields"]


def read_fields(literal: Literal, decoding: Decoding, names: Collection[str] | None = None) -> pa.Table:
    """The columns of a frame whose label, as text, is in ``names`` (None: all), after its index levels with a name.

    Raises CodecError, also for columns that Arrow cannot hold.
    """
    schema, members = open_schema(literal, decoding.store)
    source = Source(members, decoding)
    match schema:
        case {"rows": int(rows), "count": int(count), "columns": columns, "index": index, "fields": list(fields)} if (
            count == len(fields)
        ):
            labels = [str(label) for label in load_index(columns, count, "columns", source)]
            found = {
                label: load_values(fields[place], rows, str(place), source)
                for place, label in enumerate(labels)
                if names is None or label in names
            }
            levels = _levels(index, rows, source, names)
            return _table({**levels, **found}, rows)
    raise CodecError(f"the schema of a {literal.type} is not valid")


def _levels(form: Any, rows: int, source: Source, names: Collection[str] | None) -> dict[str, Any]:
    said = form.get("names", [form.get("name")]) if isinstance(form, dict) else []
    if not any(name is not None and (names is None or str(name) in names) for name in said):
        return {}
    index = load_index(form, rows, "index", source)
    return {
        str(name): index.get_level_values(level)
        for level, name in enumerate(index.names)
        if name is not None and (names is None or str(name) in names)
    }


def _table(columns: dict[str, Any], rows: int) -> pa.Table:
    if not columns:
        return pa.table({"": pa.nulls(rows)}).select([])
    return pa.table([_array(label, values) for label, values in columns.items()], names=list(columns))


def _array(label: str, values: Any) -> pa.Array:
    try:
        return pa.array(pd.Series(values, dtype=values.dtype), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise CodecError(f"column {label!r} of a stored frame does not fit Arrow: {error}") from error
