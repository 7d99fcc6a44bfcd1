"""Arrow arrays as named members of a tree, and back: what tables, frames and series share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from cas.errors import CodecError
from cas.literals.arrow.join import join
from cas.literals.arrow.split import one_chunk, split
from cas.literals.arrow.types import build, describe
from cas.literals.codec import Members

__all__ = ["load_column", "store_column"]

_CHUNK = (1 << 31) - 1
_WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}


def store_column(column: pa.Array | pa.ChunkedArray, prefix: str, members: dict[str, Any], name: str) -> dict[str, Any]:
    """Add a column's buffers to ``members`` as ``<prefix>.<number>``; gives what else reading it back needs.

    That is its type (``type``), how long its dictionaries are (``dictionaries``), and whether it needed 64-bit offsets
    that its type does not have (``wide``). Raises CodecError, which calls the column ``name``.
    """
    try:
        kind = describe(column.type)
        form: dict[str, Any] = {"type": kind}
        if isinstance(column, pa.ChunkedArray):
            if column.type in _WIDE and _is_long(column):
                form["wide"] = True
                column = column.cast(_WIDE[column.type])
            column = one_chunk(column)
        lengths: list[int] = []
        for number, buffer in enumerate(split(column, lengths)):
            if buffer is not None and len(buffer):
                members[f"{prefix}.{number}"] = buffer
    except CodecError as error:
        raise CodecError(f"{name}: {error.message}", hint=error.hint) from error
    except pa.ArrowException as error:
        raise CodecError(f"{name} of type {column.type} cannot be stored: {error}") from error
    if lengths:
        form["dictionaries"] = lengths
    return form


def load_column(form: Any, rows: int, prefix: str, members: Members) -> pa.ChunkedArray | pa.Array:
    """Inverse of :func:`store_column`: an array, or several chunks where its offsets need them."""
    if not isinstance(form, dict):
        raise CodecError("a stored column has no description")
    kind = build(form.get("type"))
    numbers = count()
    lengths: Iterator[Any] = iter(_checked(form.get("dictionaries", [])))
    stored = _WIDE[kind] if form.get("wide") is True and kind in _WIDE else kind
    array = join(stored, rows, lambda: members.get(f"{prefix}.{next(numbers)}"), lengths)
    return array if stored is kind else _narrow(array, kind)


def _checked(lengths: Any) -> Iterable[int]:
    if not isinstance(lengths, list):
        raise CodecError("dictionary lengths of a stored column are not a list")
    return lengths


def _is_long(column: pa.ChunkedArray) -> bool:
    """Whether a text or binary column has more bytes than 32-bit offsets reach; nulls and hidden bytes do not count."""
    if column.nbytes <= _CHUNK:
        return False
    return (pc.sum(pc.binary_length(column).cast(pa.int64())).as_py() or 0) > _CHUNK


def _narrow(array: pa.Array, kind: pa.DataType) -> pa.ChunkedArray:
    """A column whose content is too long for 32-bit offsets, in chunks that are not."""
    edges = np.frombuffer(array.buffers()[1], "<i8")
    chunks, start = [], 0
    while start < len(array):
        end = int(edges.searchsorted(int(edges[start]) + _CHUNK, side="right")) - 1
        if end <= start:
            raise CodecError(f"row {start} of a stored column does not fit its type {kind}")
        chunks.append(array.slice(start, end - start).cast(kind))
        start = end
    return pa.chunked_array(chunks, kind)
