"""The canonical encoding of trees, records and plain values (docs/format.md, Canonical encoding).

A subset of msgpack with one form for each value: encode and decode are inverse to each other, and
decode refuses every other form.
"""

from __future__ import annotations

import struct
from math import isnan
from typing import TYPE_CHECKING, Any

from cas.errors import CodecError, CorruptObject, LimitExceeded

if TYPE_CHECKING:
    import msgspec

__all__ = ["MAX_DEPTH", "decode", "encode", "encode_record"]

MAX_DEPTH = 256
_ATOMS = frozenset({type(None), bool, int, str, bytes})
_NAN = bytes.fromhex("7ff8000000000000")
_ONE_NAN = struct.unpack(">d", _NAN)[0]
_encoder: msgspec.msgpack.Encoder | None = None
_decoder: msgspec.msgpack.Decoder[Any] | None = None
_ext: type[msgspec.msgpack.Ext] | None = None


def encode(value: object, *, extensions: frozenset[int] = frozenset()) -> bytes:
    """The canonical bytes of None, bool, int, float, str, bytes, and of lists and str-keyed dicts of these.

    Tuples encode as lists. ``extensions`` are the codes of msgspec.msgpack.Ext values to let pass.
    Raises CodecError for any other type, integers beyond 64 bits and unpaired surrogates; LimitExceeded for
    nesting beyond 256.
    """
    encoder = _encoder or _load()
    if _check(value, extensions, MAX_DEPTH):
        value = _with_one_nan(value)
    try:
        return encoder.encode(value)
    except (OverflowError, UnicodeEncodeError) as error:
        raise CodecError(f"cannot encode the value: {error}") from error


def encode_record(form: dict[str, Any], unsure: tuple[str, ...]) -> bytes:
    """As :func:`encode`, for a map of which only the members ``unsure`` may hold something without a canonical form."""
    for name in unsure:
        member = form[name]
        if member and _check(member, frozenset(), MAX_DEPTH - 1):
            form[name] = _with_one_nan(member)
    try:
        return (_encoder or _load()).encode(form)
    except (OverflowError, UnicodeEncodeError) as error:
        raise CodecError(f"cannot encode the value: {error}") from error


def decode(payload: bytes | memoryview, *, extensions: frozenset[int] = frozenset()) -> Any:
    """The value of canonical bytes; lists for arrays. Raises CorruptObject for any other bytes."""
    encoder = _encoder or _load()
    assert _decoder is not None
    try:
        value = _decoder.decode(payload)
        if _check(value, extensions, MAX_DEPTH):
            value = _with_one_nan(value)
        again = encoder.encode(value)
    except LimitExceeded:
        raise
    except RecursionError as error:
        raise LimitExceeded(f"a value nested beyond {MAX_DEPTH} levels") from error
    except (ValueError, TypeError, OverflowError, CodecError) as error:
        # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        raise CorruptObject(f"not canonical: {error}") from error
    if again != payload:
        raise CorruptObject("not canonical: its bytes are not the one form of its value")
    return value


def _load() -> msgspec.msgpack.Encoder:
    """Load msgspec on first use, so that reading the catalog alone never does."""
    global _encoder, _decoder, _ext  # noqa: PLW0603 - the one cache of this module
    import msgspec

    _ext = msgspec.msgpack.Ext
    _decoder = msgspec.msgpack.Decoder()
    _encoder = msgspec.msgpack.Encoder(order="sorted")
    return _encoder


def _check(value: object, extensions: frozenset[int], depth: int) -> bool:
    """Refuse what has no canonical form; say whether a NaN must be replaced by the one NaN."""
    kind = type(value)
    if kind in _ATOMS:
        return False
    if kind is float:
        assert isinstance(value, float)
        return isnan(value) and struct.pack(">d", value) != _NAN
    if not depth:
        raise LimitExceeded(f"a value nested beyond {MAX_DEPTH} levels")
    other = False
    if kind is dict:
        assert isinstance(value, dict)
        for key, member in value.items():
            if type(key) is not str:
                raise CodecError(f"a key of a canonical map must be str, not {type(key).__name__}")
            if type(member) not in _ATOMS and _check(member, extensions, depth - 1):
                other = True
        return other
    if kind is list or kind is tuple:
        assert isinstance(value, (list, tuple))
        for member in value:
            if type(member) not in _ATOMS and _check(member, extensions, depth - 1):
                other = True
        return other
    if kind is _ext:
        assert _ext is not None and isinstance(value, _ext)
        if value.code in extensions:
            return False
        raise CodecError(f"extension type {value.code} is not allowed here")
    raise CodecError(f"a {kind.__module__}.{kind.__qualname__} has no canonical encoding")


def _with_one_nan(value: object) -> object:
    if isinstance(value, float) and isnan(value):
        return _ONE_NAN
    if isinstance(value, dict):
        return {key: _with_one_nan(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_one_nan(member) for member in value]
    return value
