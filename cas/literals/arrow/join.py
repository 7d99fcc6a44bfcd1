"""The buffers of the normal form → an Arrow array, without copying; the inverse of ``split``.

Every length is checked before Arrow sees a buffer, and the array is validated in full (offsets, codes, UTF-8), since
the bytes may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import types as kinds

from cas.errors import CodecError

__all__ = ["join"]

_MAX_LENGTH = 1 << 62

Take = Callable[[], "bytes | None"]
"""Gives the next buffer in order; None where it is absent (no nulls, or empty)."""


def join(kind: pa.DataType, length: int, take: Take, lengths: Iterator[int]) -> pa.Array:
    """The array of a type and length. Raises CodecError when the buffers do not make one."""
    try:
        array = _join(kind, length, take, lengths)
        array.validate(full=True)
    except (pa.ArrowException, OverflowError, MemoryError, TypeError, ValueError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"stored column of type {kind} is not valid: {error}") from error
    return array


def _join(kind: pa.DataType, length: int, take: Take, lengths: Iterator[int]) -> pa.Array:
    if not 0 <= length < _MAX_LENGTH:
        raise CodecError(f"stored column of type {kind} has the length {length}")
    if kinds.is_null(kind):
        return pa.Array.from_buffers(kind, length, [None])
    if kinds.is_run_end_encoded(kind):
        return pc.run_end_encode(_join(kind.value_type, length, take, lengths), run_end_type=kind.run_end_type)
    if kinds.is_dictionary(kind):
        return _dictionary(kind, length, take, lengths)
    if kinds.is_string_view(kind) or kinds.is_binary_view(kind):
        wide = pa.large_string() if kinds.is_string_view(kind) else pa.large_binary()
        return _join(wide, length, take, lengths).cast(kind)
    if kinds.is_list_view(kind) or kinds.is_large_list_view(kind):
        return _list_view(kind, _join(pa.large_list(kind.value_field), length, take, lengths))
    valid = _validity(length, take)
    if kinds.is_struct(kind):
        fields = [_join(kind.field(index).type, length, take, lengths) for index in range(kind.num_fields)]
        return pa.Array.from_buffers(kind, length, [valid], children=fields)
    if kinds.is_fixed_size_list(kind):
        child = _join(kind.value_type, length * kind.list_size, take, lengths)
        return pa.Array.from_buffers(kind, length, [valid], children=[child])
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_map(kind):
        return _list(kind, length, valid, take, lengths)
    if kinds.is_binary(kind) or kinds.is_string(kind) or kinds.is_large_binary(kind) or kinds.is_large_string(kind):
        offsets, total = _offsets(kind, length, take)
        return pa.Array.from_buffers(kind, length, [valid, offsets, _sized(take(), total, kind)])
    size = (length + 7) // 8 if kinds.is_boolean(kind) else length * (kind.bit_width // 8)
    return pa.Array.from_buffers(kind, length, [valid, _sized(take(), size, kind)])


def _validity(length: int, take: Take) -> pa.Buffer | None:
    bits = take()
    return None if bits is None else _sized(bits, (length + 7) // 8, "validity")


def _sized(content: bytes | None, size: int, what: object) -> pa.Buffer:
    content = content or b""
    if len(content) != size:
        raise CodecError(f"stored buffer of type {what} has {len(content)} bytes where {size} are due")
    return pa.py_buffer(content)


def _offsets(kind: pa.DataType, length: int, take: Take) -> tuple[pa.Buffer, int]:
    """The offsets, checked, and what the last of them says."""
    wide = kinds.is_large_binary(kind) or kinds.is_large_string(kind) or kinds.is_large_list(kind)
    width = np.dtype("<i8" if wide else "<i4")
    buffer = _sized(take(), (length + 1) * width.itemsize, f"{kind} offsets")
    numbers = np.frombuffer(buffer, width)
    if numbers[0] != 0 or (numbers[1:] < numbers[:-1]).any():
        raise CodecError(f"stored offsets of type {kind} do not rise from 0")
    return buffer, int(numbers[-1])


def _list(kind: pa.DataType, length: int, valid: pa.Buffer | None, take: Take, lengths: Iterator[int]) -> pa.Array:
    offsets, total = _offsets(kind, length, take)
    if kinds.is_map(kind):
        fields = [_join(field.type, total, take, lengths) for field in (kind.key_field, kind.item_field)]
        pairs = pa.struct([kind.key_field, kind.item_field])
        child = pa.Array.from_buffers(pairs, total, [None], children=fields)
    else:
        child = _join(kind.value_type, total, take, lengths)
    return pa.Array.from_buffers(kind, length, [valid, offsets], children=[child])


def _list_view(kind: pa.DataType, lists: pa.Array) -> pa.Array:
    narrow: Any = np.int64 if kinds.is_large_list_view(kind) else np.int32
    edges = lists.offsets.to_numpy()
    view = pa.LargeListViewArray if kinds.is_large_list_view(kind) else pa.ListViewArray
    starts, sizes = pa.array(edges[:-1].astype(narrow)), pa.array(np.diff(edges).astype(narrow))
    mask = lists.is_null() if lists.null_count else None
    return view.from_arrays(starts, sizes, lists.values, type=kind, mask=mask)


def _dictionary(kind: pa.DataType, length: int, take: Take, lengths: Iterator[int]) -> pa.Array:
    valid = _validity(length, take)
    codes = _sized(take(), length * (kind.index_type.bit_width // 8), kind)
    count = next(lengths, None)
    if type(count) is not int:
        raise CodecError(f"stored column of type {kind} does not say how long its dictionary is")
    values = _join(kind.value_type, count, take, lengths)
    return pa.DictionaryArray.from_buffers(kind, length, [valid, codes], values)
