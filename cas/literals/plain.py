"""Plain values ↔ their canonical msgpack (docs/format.md, Values). Pure.

Plain are None, bool, int, float, str, bytes, list, dict, tuple, set, frozenset, datetime, date, time, timedelta,
Decimal, UUID, complex and bytearray, and any nesting of them; by exact type, so that nothing comes back as another.
Worked example: 42 is ``2a``; ``{"b": 1, "a": (2,)}`` is ``82 a1 61 d5 02 91 02 a1 62 01``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import DecimalException
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.msgpack import Decoder, Encoder, Ext

from cas.errors import CasError, CodecError
from cas.literals.extensions import LEAVES, Number, bigint_bytes

__all__ = [
    "MAX_DEPTH",
    "PLAIN",
    "Foreign",
    "Rewriter",
    "all_flat",
    "child_form",
    "decode_plain",
    "encode_all_flat",
    "encode_flat",
    "encode_plain",
    "is_flat",
]

MAX_DEPTH = 100

_ATOMS = frozenset({type(None), bool, int, str})
_FAULTS = (ArithmeticError, DecimalException, LookupError, RecursionError, TypeError, ValueError)
_NAN = float("nan")
_NESTS = {tuple: Number.TUPLE, set: Number.SET, frozenset: Number.FROZENSET}
_BY_NUMBER = {leaf.number: leaf for leaf in LEAVES.values()}

PLAIN: dict[type, str] = {
    type(None): "none",
    bool: "bool",
    int: "int",
    float: "float",
    list: "list",
    dict: "dict",
    **{kind: kind.__name__.lower() for kind in (*_NESTS, *LEAVES) if kind is not int},
}
"""Type tag of each plain type, save str and bytes, whose content is their bytes."""

_pack = Encoder(order="sorted").encode
_unpack = Decoder().decode

Foreign = Callable[[Any, str], object]
"""Called with a value that is not plain and the path to it (``['key'][0]``); returns what stands for it."""


def encode_plain(value: object, name: str | None = None) -> bytes:
    """The canonical bytes of a plain value.

    Raises UnknownType or CodecError, which name the part (``name['key'][0]``) that cannot be encoded.
    """
    if is_flat(value):
        try:
            return _pack(value)
        except (OverflowError, UnicodeEncodeError):
            pass  # a big integer, or a surrogate: the slow path takes the one and names the other
    return Rewriter(refuse(name), name).encode(value)


encode_flat = _pack
"""The canonical bytes of values for which :func:`is_flat` holds; lets OverflowError and UnicodeEncodeError through."""


def refuse(name: str | None) -> Foreign:
    """What plain encoding does with values that are not plain: raise CodecError."""

    def foreign(value: object, path: str) -> object:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise CodecError(f"{name or 'value'}{path} is a {kind}, which is not a plain value")

    return foreign


def decode_plain(content: bytes, child: Callable[[int], object] | None = None) -> Any:
    """The value of canonical bytes; ``child`` gives the value at an index, where children are allowed.

    Raises CodecError for anything that :func:`encode_plain` would not have written.
    """
    try:
        # JSON-like values, nearly all: checked by encoding them again in C.
        value = _unpack(content)
        if is_flat(value) and _pack(value) == content:
            return value
        value = _decode(content, _no_child if child is None else _Child)
        canonical = Rewriter(_as_child, None).encode(value) == content
        if canonical and child is not None:
            value = _decode(content, child)
    except CasError:
        raise
    except (msgspec.DecodeError, *_FAULTS) as error:
        raise CodecError(f"stored value cannot be decoded: {error}") from error
    if not canonical:
        raise CodecError("stored value is not in canonical form")
    return value


def all_flat(values: Iterable[object]) -> bool:
    """Whether :func:`is_flat` holds for all."""
    return all(map(is_flat, values))


def is_flat(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether a value is, and holds, only None, bool, int, float but NaN, str, list and dict with str keys."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        value = value.values()
    elif kind is not list:
        return kind in _ATOMS or (kind is float and value == value)  # noqa: PLR0124 (the test for NaN)
    if not depth:
        return False
    for member in value:
        kind = type(member)
        if kind in _ATOMS:
            continue
        if kind is float:
            if member != member:  # noqa: PLR0124
                return False
        elif not is_flat(member, depth - 1):
            return False
    return True


def encode_all_flat(values: Iterable[object]) -> list[bytes] | None:
    """The canonical bytes of many values; None unless :func:`all_flat` holds for them and none has a form of its own,
    such as an integer beyond 64 bits."""
    values = list(values)
    if not all_flat(values):
        return None
    try:
        return list(map(_pack, values))
    except (OverflowError, UnicodeEncodeError):
        return None


class Rewriter:
    """Turns values into what msgpack can encode, extension types in place, keeping track of where it is."""

    def __init__(self, foreign: Foreign, name: str | None = None) -> None:
        self._foreign = foreign
        self._name = name or "value"
        self._trail: list[object] = []

    def encode(self, value: object) -> bytes:
        """Canonical bytes of a value."""
        return self._encode(self._rewrite(value))

    @property
    def _path(self) -> str:
        return "".join(f"[{part!r:.80}]" for part in self._trail)

    def _encode(self, rewritten: object) -> bytes:
        try:
            return _pack(rewritten)
        except UnicodeEncodeError as error:
            raise CodecError(f"{self._name}{self._path} holds text that is not valid Unicode: {error}") from error

    def _rewrite(self, value: Any) -> object:
        kind = type(value)
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else self._leaf(value)
        if kind is float:
            return _NAN if value != value else value  # noqa: PLR0124 (the test for NaN)
        if kind is str or kind is bytes or kind is bool or value is None:
            return value
        if kind is dict:
            return self._map(value)
        if kind is list:
            return self._members(value)
        if kind is tuple:
            return Ext(Number.TUPLE, self._encode(self._members(value)))
        if kind is set or kind is frozenset:
            members = sorted(map(self._encode, self._members(value)))
            return Ext(_NESTS[kind], _pack(list(map(Raw, members))))
        if kind in LEAVES:
            return self._leaf(value)
        if kind is _Child:
            return child_form(value.index)
        return self._foreign(value, self._path)

    def _leaf(self, value: Any) -> Ext:
        leaf = LEAVES[type(value)]
        try:
            form: Any = leaf.form(value)
        except CodecError as error:
            raise CodecError(f"{self._name}{self._path}: {error.message}", hint=error.hint) from error
        return Ext(leaf.number, form if leaf.raw else self._encode(_wide(form)))

    def _members(self, values: Iterable[object]) -> list[object]:
        self._enter()
        members = []
        for index, value in enumerate(values):
            self._trail[-1] = index
            members.append(self._rewrite(value))
        self._trail.pop()
        return members

    def _map(self, value: dict[Any, object]) -> object:
        self._enter()
        members: dict[Any, object] = {}
        if set(map(type, value)) <= {str}:
            for key, member in value.items():
                self._trail[-1] = key
                members[key] = self._rewrite(member)
            self._trail.pop()
            return members
        pairs = []
        for key, member in value.items():
            self._trail[-1] = key
            pairs.append((self._encode(self._rewrite(key)), self._encode(self._rewrite(member))))
        self._trail.pop()
        return Ext(Number.MAP, _pack([Raw(part) for pair in sorted(pairs) for part in pair]))

    def _enter(self) -> None:
        if len(self._trail) >= MAX_DEPTH:
            raise CodecError(
                f"{self._name} nests deeper than {MAX_DEPTH} levels",
                hint="a value that contains itself cannot be stored",
            )
        self._trail.append(None)


def child_form(index: int) -> Ext:
    """What stands for the child at an index in a skeleton."""
    return Ext(Number.CHILD, _pack(index))


class _Child:
    """Stands for a child while a skeleton is checked."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def _no_child(index: int) -> object:
    raise CodecError(f"stored value refers to a child ({index}) where it can have none")


def _as_child(value: object, path: str) -> object:
    raise CodecError(f"stored value holds a {type(value).__name__} at {path}")


def _wide(form: Any) -> object:
    """Integers beyond 64 bits (Decimal and dates never give any; timedeltas do) in their own extension."""
    if type(form) is int and not -(1 << 63) <= form < 1 << 64:
        return Ext(Number.BIGINT, bigint_bytes(form))
    return form


def _decode(content: bytes | memoryview, child: Callable[[int], object]) -> Any:
    def hook(number: int, payload: memoryview) -> object:
        leaf = _BY_NUMBER.get(number)
        if leaf is not None:
            return leaf.value(bytes(payload) if leaf.raw else decode(payload))
        members = decode(payload)
        if number == Number.CHILD:
            return child(members)
        if type(members) is not list:
            raise CodecError(f"extension {number} of a stored value does not hold an array")
        if number == Number.TUPLE:
            return tuple(members)
        if number == Number.SET:
            return set(members)
        if number == Number.FROZENSET:
            return frozenset(members)
        if number == Number.MAP:
            return dict(zip(members[::2], members[1::2], strict=True))
        raise CodecError(f"stored value has the unknown extension type {number}")

    decode = Decoder(ext_hook=hook).decode
    return decode(content)
