"""msgpack extension types for the plain values that msgpack lacks (docs/format.md, Values). Pure.

Each type has a number, a function from the value to what its payload holds, and the inverse. Worked example: the
date 1970-01-02 has number 7 and the payload ``01`` (days since the epoch), in all ``d4 07 01``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from cas.errors import CodecError

__all__ = ["LEAVES", "Leaf", "Number", "bigint_bytes", "zone_form"]

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_NAN = struct.unpack(">d", b"\x7f\xf8\0\0\0\0\0\0")[0]


class Number:
    """The extension types' numbers in msgpack (plain ints: msgspec takes no other)."""

    BIGINT = 1
    TUPLE = 2
    SET = 3
    FROZENSET = 4
    MAP = 5
    DATETIME = 6
    DATE = 7
    TIME = 8
    TIMEDELTA = 9
    DECIMAL = 10
    UUID = 11
    COMPLEX = 12
    BYTEARRAY = 13
    CHILD = 14


class Leaf(NamedTuple):
    """A type without members: ``form`` gives bytes (the payload itself) or a simple value (encoded to the payload)."""

    number: int
    form: Callable[[Any], object]
    value: Callable[[Any], object]
    raw: bool


def bigint_bytes(number: int) -> bytes:
    """Two's complement, big-endian, as short as it goes."""
    return number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True)


def zone_form(zone: tzinfo | None) -> object:
    """nil for naive, microseconds for a fixed offset, [microseconds, name] for a named one, a str for an IANA key.

    Raises CodecError for time zones of other libraries.
    """
    if zone is None:
        return None
    if type(zone) is timezone:
        offset = zone.utcoffset(None)
        name = zone.tzname(None)
        return [offset // _MICROSECOND, name] if name != timezone(offset).tzname(None) else offset // _MICROSECOND
    kind = f"{type(zone).__module__}.{type(zone).__qualname__}"
    key = getattr(zone, "key", None)
    if kind == "zoneinfo.ZoneInfo" and isinstance(key, str):
        return key
    raise CodecError(f"cannot store a time zone of type {kind}", hint="use datetime.timezone or zoneinfo.ZoneInfo(key)")


def _zone(form: object) -> tzinfo | None:
    match form:
        case None:
            return None
        case str():
            from zoneinfo import ZoneInfo

            return ZoneInfo(form)
        case [int(offset), str(name)]:
            return timezone(timedelta(microseconds=offset), name)
        case int():
            return timezone(timedelta(microseconds=form))
    raise CodecError(f"not a time zone: {form!r:.80}")


def _datetime_form(value: datetime) -> object:
    return [(value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND, value.fold, zone_form(value.tzinfo)]


def _datetime(form: Any) -> datetime:
    wall, fold, zone = form
    return (_EPOCH + timedelta(microseconds=wall)).replace(fold=fold, tzinfo=_zone(zone))


def _time_form(value: time) -> object:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return [seconds * 1_000_000 + value.microsecond, value.fold, zone_form(value.tzinfo)]


def _time(form: Any) -> time:
    wall, fold, zone = form
    if not 0 <= wall < _DAY // _MICROSECOND:
        raise CodecError(f"not a time of day: {wall} µs")
    return (_EPOCH + timedelta(microseconds=wall)).time().replace(fold=fold, tzinfo=_zone(zone))


def _double(number: float) -> bytes:
    return struct.pack(">d", _NAN if math.isnan(number) else number)


def _complex(payload: bytes) -> complex:
    return complex(*struct.unpack(">2d", payload))


def _bigint(payload: bytes) -> int:
    return int.from_bytes(payload, "big", signed=True)


LEAVES: dict[type, Leaf] = {
    datetime: Leaf(Number.DATETIME, _datetime_form, _datetime, raw=False),
    date: Leaf(
        Number.DATE, lambda day: day.toordinal() - _EPOCH_DAY, lambda n: date.fromordinal(n + _EPOCH_DAY), False
    ),
    time: Leaf(Number.TIME, _time_form, _time, raw=False),
    timedelta: Leaf(
        Number.TIMEDELTA, lambda span: span // _MICROSECOND, lambda n: timedelta(microseconds=n), raw=False
    ),
    Decimal: Leaf(Number.DECIMAL, str, Decimal, raw=False),
    UUID: Leaf(Number.UUID, lambda value: value.bytes, lambda payload: UUID(bytes=payload), raw=True),
    complex: Leaf(Number.COMPLEX, lambda value: _double(value.real) + _double(value.imag), _complex, raw=True),
    bytearray: Leaf(Number.BYTEARRAY, bytes, bytearray, raw=True),
    int: Leaf(Number.BIGINT, bigint_bytes, _bigint, raw=True),
}
