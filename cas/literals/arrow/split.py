"""An Arrow array → the buffers of its normal form (docs/format.md, Values). Pure.

Equal arrays give equal buffers, whatever they were cut from: one chunk, offsets from 0, no validity bitmap without
nulls, null slots and padding zero, nothing in the children that no valid slot shows, dictionaries in order of first
use. Buffers without null slots to hide are views of the array's own memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import types as kinds

from cas.errors import CodecError

__all__ = ["one_chunk", "split"]

Buffer = Any
Bits = Any


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array. Raises ArrowInvalid when its offsets would not fit."""
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], column.type)
    if kinds.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks)


def split(array: pa.Array, lengths: list[int]) -> Iterator[Buffer | None]:
    """The buffers, depth first: validity (None without nulls), then the type's own, then the children's.

    The length of each dictionary on the way is appended to ``lengths``.
    """
    kind = array.type
    if kinds.is_null(kind):
        return
    if kinds.is_dictionary(kind):
        yield from _dictionary(array, lengths)
        return
    if kinds.is_run_end_encoded(kind):
        yield from split(pc.run_end_decode(array), lengths)
        return
    array = _without_views(array)
    kind = array.type
    if kinds.is_list_view(kind) or kinds.is_large_list_view(kind):
        yield from _list_view(array, lengths)
        return
    if kinds.is_binary(kind) or kinds.is_string(kind) or kinds.is_large_binary(kind) or kinds.is_large_string(kind):
        yield from _variable(array)
    elif kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_map(kind):
        yield from _list(array, lengths)
    elif kinds.is_fixed_size_list(kind):
        yield from _fixed_list(array, lengths)
    elif kinds.is_struct(kind):
        yield _validity(array)
        for child in _fields(array):
            yield from split(child, lengths)
    else:
        yield _validity(array)
        yield _booleans(array) if kinds.is_boolean(kind) else _fixed(array, kind.bit_width // 8)


def _without_views(array: pa.Array) -> pa.Array:
    if kinds.is_string_view(array.type):
        return array.cast(pa.large_string())
    if kinds.is_binary_view(array.type):
        return array.cast(pa.large_binary())
    return array


def _bits(buffer: pa.Buffer, offset: int, length: int) -> Bits:
    """A bitmap from bit 0 on, the bits after its end zero."""
    if offset % 8:
        first, last = offset // 8, (offset + length + 7) // 8
        loose = np.unpackbits(np.frombuffer(buffer, np.uint8)[first:last], bitorder="little")
        start = offset - first * 8
        return np.packbits(loose[start : start + length], bitorder="little")
    packed = np.frombuffer(buffer, np.uint8)[offset // 8 : (offset + length + 7) // 8]
    spare = length % 8
    if spare and packed[-1] >> spare:
        packed = packed.copy()
        packed[-1] &= (1 << spare) - 1
    return packed


def _validity(array: pa.Array) -> Bits | None:
    if not array.null_count:
        return None
    return _bits(array.buffers()[0], array.offset, len(array))


def _nulls(array: pa.Array) -> Bits:
    """True where a slot is null."""
    valid = _validity(array)
    if valid is None:
        return np.zeros(len(array), bool)
    return np.unpackbits(valid, count=len(array), bitorder="little") == 0


def _booleans(array: pa.Array) -> Buffer:
    if not len(array):
        return b""
    bits = _bits(array.buffers()[1], array.offset, len(array))
    valid = _validity(array)
    return bits if valid is None else bits & valid


def _fixed(array: pa.Array, width: int) -> Buffer:
    if not len(array) or not width:
        return b""
    slots = np.frombuffer(array.buffers()[1], np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    if array.null_count:
        slots = slots.copy()
        items = slots.view(f"u{width}") if width in (1, 2, 4, 8) else slots.reshape(len(array), width)
        items[_nulls(array)] = 0
    return slots


def _offsets(array: pa.Array) -> tuple[pa.Array, Any, int, int]:
    """The array without content under nulls, its offsets from 0, and where its content starts and ends."""
    wide = kinds.is_large_binary(array.type) or kinds.is_large_string(array.type) or kinds.is_large_list(array.type)
    kind = np.dtype("<i8" if wide else "<i4")
    if not len(array):
        return array, np.zeros(1, kind), 0, 0

    def numbers(of: pa.Array) -> Any:
        return np.frombuffer(of.buffers()[1], kind, len(of) + 1, of.offset * kind.itemsize)

    offsets = numbers(array)
    if array.null_count:
        nulls = _nulls(array)
        if (offsets[1:] != offsets[:-1])[nulls].any():
            array = array.take(pa.array(np.arange(len(array)), mask=nulls))
            offsets = numbers(array)
    first, last = int(offsets[0]), int(offsets[-1])
    return array, offsets - kind.type(first) if first else offsets, first, last


def _variable(array: pa.Array) -> Iterator[Buffer | None]:
    array, offsets, first, last = _offsets(array)
    yield _validity(array)
    yield offsets
    yield np.frombuffer(array.buffers()[2], np.uint8)[first:last] if last > first else b""


def _list(array: pa.Array, lengths: list[int]) -> Iterator[Buffer | None]:
    array, offsets, first, last = _offsets(array)
    yield _validity(array)
    yield offsets
    for child in (array.keys, array.items) if kinds.is_map(array.type) else (array.values,):
        yield from split(child.slice(first, last - first), lengths)


def _list_view(array: pa.Array, lengths: list[int]) -> Iterator[Buffer | None]:
    """As a large list: a view's lists may overlap, stand in any order and leave gaps."""
    sizes = np.where(_nulls(array), 0, array.sizes.to_numpy(zero_copy_only=False)).astype("<i8")
    yield _validity(array)
    yield np.concatenate([np.zeros(1, "<i8"), np.cumsum(sizes)])
    yield from split(array.flatten(), lengths)


def _fixed_list(array: pa.Array, lengths: list[int]) -> Iterator[Buffer | None]:
    size = array.type.list_size
    yield _validity(array)
    child = array.values.slice(array.offset * size, len(array) * size)
    if array.null_count:
        hidden = pa.array(np.repeat(_nulls(array), size))
        (child,) = pa.StructArray.from_arrays([child], names=["child"], mask=hidden).flatten()
    yield from split(child, lengths)


def _fields(array: pa.Array) -> list[pa.Array]:
    """A struct's children, null where the struct is."""
    if array.null_count:
        return list(array.flatten())
    return [array.field(index) for index in range(array.type.num_fields)]


def _dictionary(array: pa.Array, lengths: list[int]) -> Iterator[Buffer | None]:
    codes, values = array.indices, array.dictionary
    if values.null_count:
        shown = pc.is_valid(values)
        codes = pc.if_else(pc.fill_null(shown.take(codes), False), codes, pa.scalar(None, codes.type))
    if not array.type.ordered:
        codes, values = _by_first_use(codes, values)
    yield _validity(codes)
    yield _fixed(codes, codes.type.bit_width // 8)
    lengths.append(len(values))
    yield from split(values, lengths)


def _by_first_use(codes: pa.Array, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The same values without repeats and without unused ones, in the order in which they are first used."""
    kind = codes.type
    try:
        distinct = values.dictionary_encode()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        distinct = None  # nested values: Arrow finds no repeats there, and makes none either
    if distinct is not None and len(distinct.dictionary) < len(values):
        codes, values = distinct.indices.take(codes), distinct.dictionary
    used = codes.dictionary_encode()
    if used.null_count != codes.null_count:
        raise CodecError("dictionary codes changed while they were put in order")
    return used.indices.cast(kind), values.take(used.dictionary)
