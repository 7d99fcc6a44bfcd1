"""Codecs of numpy arrays (any shape, any dtype of fixed size) and scalars: their raw bytes in C order."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from cas.errors import CodecError
from cas.literals.codec import Codec, Content, Decoding, Encoding, Members, read_bounded, read_members, write_members
from cas.literals.literal import Literal
from cas.literals.plain import decode_plain, encode_plain

__all__ = ["ARRAY", "SCALAR", "array_bytes", "array_of", "build_dtype", "describe_dtype"]

_SCHEMA = "schema"
_VALUES = "0"


class ArrayCodec(Codec):
    """A numpy.ndarray; comes back writable and in C order. Structured padding is stored as zero."""

    type = "numpy.ndarray"
    types = ("numpy.ndarray",)

    def write(self, value: Any, encoding: Encoding) -> Content:
        schema = {"dtype": describe_dtype(value.dtype, encoding.name), "shape": list(value.shape)}
        members: dict[str, Any] = {_SCHEMA: encode_plain(schema)}
        if value.nbytes:
            members[_VALUES] = array_bytes(value)
        return write_members(members, encoding.writer)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        members = read_members(literal, decoding.store)
        entry = members.get(_SCHEMA)
        if entry is None:
            raise CodecError(f"the tree of a {literal.type} has no schema")
        schema = decode_plain(read_bounded(entry.id, decoding.store, "the schema of an array", 1 << 24))
        match schema:
            case {"dtype": dtype, "shape": list(shape)} if all(type(side) is int and side >= 0 for side in shape):
                content = Members(members, decoding.store).get(_VALUES) or b""
                return array_of(content, build_dtype(dtype), shape)
        raise CodecError(f"the schema of a {literal.type} does not give its dtype and shape")


class ScalarCodec(Codec):
    """A numpy scalar of any dtype of fixed size."""

    type = "numpy.scalar"
    bases = ("numpy.generic",)

    def write(self, value: Any, encoding: Encoding) -> Content:
        array = np.asarray(value)
        if array.dtype.kind in "SU" and array[()] != value:
            raise CodecError(f"{encoding.name} ends in NUL characters, which numpy does not keep")
        content = encode_plain([describe_dtype(array.dtype, encoding.name), bytes(array_bytes(array))])
        return Content(encoding.writer.put_blob(content), len(content))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        match decode_plain(read_bounded(literal.content, decoding.store, f"a {literal.type}")):
            case [dtype, bytes(content)]:
                return array_of(content, build_dtype(dtype), [])[()]
        raise CodecError(f"content of a {literal.type} is not a dtype and bytes")


ARRAY = ArrayCodec()
SCALAR = ScalarCodec()


def describe_dtype(dtype: Any, name: str = "array") -> Any:
    """A dtype as a plain value: its numpy code (``<f8``), or a list for structured and sub-array dtypes.

    Raises CodecError, naming ``name``, for dtypes whose bytes are not their value.
    """
    if dtype.hasobject:
        raise CodecError(
            f"{name} has dtype {dtype}, which holds Python objects",
            hint="store a list (array.tolist()), or convert: array.astype(float), array.astype('U')",
        )
    if dtype.kind == "T":
        raise CodecError(f"{name} has the dtype StringDType, of no fixed size", hint="convert: array.astype('U')")
    if dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16):
        raise CodecError(
            f"{name} has dtype {dtype}, which differs between machines", hint="convert: array.astype('float64')"
        )
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ["array", describe_dtype(base, name), list(shape)]
    if dtype.names is None:
        return dtype.str
    fields = []
    for field in dtype.names:
        inner = dtype.fields[field]
        if len(inner) > 2:
            raise CodecError(f"{name} has the field {field} with a title, which is not stored")
        fields.append([field, describe_dtype(inner[0], f"{name}[{field!r}]"), int(inner[1])])
    return ["record", fields, dtype.itemsize, bool(dtype.isalignedstruct)]


def build_dtype(form: Any) -> Any:
    """Inverse of :func:`describe_dtype`. Raises CodecError."""
    try:
        match form:
            case str():
                dtype = np.dtype(form)
            case ["array", base, list(shape)]:
                dtype = np.dtype((build_dtype(base), tuple(shape)))
            case ["record", list(fields), int(size), bool(aligned)]:
                names, formats, offsets = [list(part) for part in zip(*fields, strict=True)] or [[], [], []]
                parts = {"names": names, "formats": list(map(build_dtype, formats)), "offsets": offsets}
                record: Any = {**parts, "itemsize": size}
                dtype = np.dtype(record, align=aligned)
            case _:
                raise CodecError(f"stored dtype {form!r:.120} is not valid")
    except (TypeError, ValueError, SyntaxError, OverflowError, MemoryError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"stored dtype {form!r:.120} is not valid: {error}") from error
    if describe_dtype(dtype) != form:
        raise CodecError(f"stored dtype {form!r:.120} is not in its one form")
    return dtype


def array_bytes(array: Any) -> Any:
    """The bytes of an array in C order, without copying where it is so already."""
    if sys.byteorder != "little":
        raise CodecError("arrays are stored on little-endian machines only")
    if _padded(array.dtype):
        clean = np.zeros(array.shape, array.dtype)
        _copy_fields(clean, array)
        array = clean
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8) if array.nbytes else b""


def array_of(content: bytes, dtype: Any, shape: list[int]) -> Any:
    """A writable array of the bytes. Raises CodecError when they do not fit, or are no value of the dtype."""
    size = math.prod(shape) * dtype.itemsize
    if len(content) != size:
        raise CodecError(f"stored array of shape {shape} and dtype {dtype} has {len(content)} bytes, not {size}")
    try:
        array = np.ndarray(shape, dtype, bytearray(content)) if size else np.zeros(shape, dtype)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise CodecError(f"stored array of shape {shape!s:.80} is not valid: {error}") from error
    if size and not _sound(array):
        raise CodecError(f"stored array of dtype {dtype} holds bytes that are none of its values")
    return array


def _sound(array: Any) -> bool:
    """Whether booleans are 0 or 1 and characters are Unicode, fields included."""
    dtype = array.dtype
    if dtype.names is not None:
        return all(_sound(array[field]) for field in dtype.names)
    if dtype.kind == "b":
        return not array.size or int(np.ascontiguousarray(array).view(np.uint8).max()) <= 1
    if dtype.kind == "U" and dtype.itemsize and array.size:
        codes = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.dtype("u4").newbyteorder(dtype.byteorder))
        return int(codes.max()) <= sys.maxunicode
    return True


def _padded(dtype: Any) -> bool:
    """Whether a dtype has bytes that belong to no field."""
    if dtype.subdtype is not None:
        return _padded(dtype.subdtype[0])
    if dtype.names is None:
        return False
    inner = [dtype.fields[field][0] for field in dtype.names]
    return sum(part.itemsize for part in inner) != dtype.itemsize or any(map(_padded, inner))


def _copy_fields(target: Any, source: Any) -> None:
    if source.dtype.names is None:
        target[...] = source
        return
    for field in source.dtype.names:
        _copy_fields(target[field], source[field])
