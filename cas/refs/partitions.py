"""Partitions of a name: ``key=value`` texts in the order of their keys, and at most one time.

``Partition.of({"b": "2", "a": "1"}, "2024-05-01").text == "a=1,b=2,time=2024-05-01"``
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cas.errors import PartitionError, RefSyntax
from cas.refs.names import MAX_KEYS, check_key, shown

if TYPE_CHECKING:
    from datetime import date, datetime

__all__ = ["EMPTY", "Granularity", "Partition", "check_time", "check_value", "decode_value", "encode_value"]

MAX_VALUE_BYTES = 1024

# Left for re to compile when the first value needs it: start-up is quicker by a millisecond.
_TIME = r"([0-9]{4})-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])(?:T(?:[01][0-9]|2[0-3])(?::[0-5][0-9])?)?)?"
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Marks of the grammar, and what a terminal would act on or hide. A fixed list, so that every Python writes the same.
_ENCODED = (
    "[,#~^/@%\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]"
)
_PERCENT = r"(?:%[0-9A-Fa-f]{2})+"


class Granularity(str, Enum):
    """How finely a time partition counts. Members are their own text."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def truncate(self, value: datetime | date | str) -> str:
        """The partition that a time falls in, in UTC: ``2024-05-01T13`` for an hour.

        A naive datetime is UTC, a date its midnight, a text ISO 8601. Raises PartitionError on a text that is no
        time or is coarser than the granularity.
        """
        text = _iso(value)
        length = _LENGTHS[self.value]
        if len(text) < length:
            unit = "an hour" if self is Granularity.HOUR else f"a {self.value}"
            raise PartitionError(f"{shown(value)} is coarser than {unit}", hint=f"write it as {_EXAMPLES[self.value]}")
        return text[:length]

    @staticmethod
    def of(text: str) -> Granularity:
        """The granularity of a time partition's text. Raises RefSyntax."""
        return _BY_LENGTH[len(check_time(text))]

    @staticmethod
    def of_length(length: int) -> Granularity:
        """The granularity of a checked time partition that has so many characters."""
        return _BY_LENGTH[length]


_LENGTHS = {"minute": 16, "hour": 13, "day": 10, "month": 7}
_EXAMPLES = {"minute": "2024-05-01T13:45", "hour": "2024-05-01T13", "day": "2024-05-01", "month": "2024-05"}
_BY_LENGTH = {length: Granularity(name) for name, length in _LENGTHS.items()}


class Partition(NamedTuple):
    """Which part of a name: its keys, sorted, and its time (an ISO prefix) or None."""

    keys: tuple[tuple[str, str], ...]
    time: str | None

    @staticmethod
    def of(keys: Mapping[str, str] | None = None, time: str | None = None) -> Partition:
        """The partition with these keys; ``time`` may also stand among them. Raises RefSyntax, InvalidRefName."""
        if not keys:
            return EMPTY if time is None else Partition((), check_time(time))
        if "time" in keys:
            if time is not None:
                raise RefSyntax("a partition has two times", text=shown(time))
            keys = dict(keys)
            time = keys.pop("time")
        pairs = tuple(sorted((check_key(key), check_value(value)) for key, value in keys.items()))
        check_count(len(pairs))
        return Partition(pairs, None if time is None else check_time(time))

    @staticmethod
    def parse(text: str) -> Partition:
        """Inverse of :attr:`text`, for texts that were made by it: nothing is checked again."""
        if not text:
            return EMPTY
        pairs = [item.split("=", 1) for item in text.split(",")]
        time = pairs.pop()[1] if pairs[-1][0] == "time" else None
        return Partition(tuple((key, decode_value(value)) for key, value in pairs), time)

    @property
    def text(self) -> str:
        """``a=b,c=d,time=2024-05-01``, percent-encoded; empty for the whole name."""
        parts = [f"{key}={encode_value(value)}" for key, value in self.keys]
        if self.time is not None:
            parts.append(f"time={self.time}")
        return ",".join(parts)

    def as_dict(self) -> dict[str, str]:
        """The keys and their values, without the time."""
        return dict(self.keys)

    def contains(self, query: Partition) -> bool:
        """Whether all that ``query`` asks for holds here: each of its keys, and its time where it has one."""
        if query.time is not None and query.time != self.time:
            return False
        return not query.keys or set(query.keys) <= set(self.keys)


EMPTY = Partition((), None)


@lru_cache(maxsize=4096)
def check_time(text: str) -> str:
    """The text, if it is a time partition: an ISO prefix down to month, day, hour or minute. Raises RefSyntax."""
    found = re.fullmatch(_TIME, text) if isinstance(text, str) else None
    if found and (found[3] is None or int(found[3]) <= _days(int(found[1]), int(found[2]))) and found[1] != "0000":
        return text
    raise RefSyntax(
        f"{shown(text)} is not a time partition",
        text=str(text),
        hint="write a month, day, hour or minute in UTC: 2024-05, 2024-05-01, 2024-05-01T13, 2024-05-01T13:45",
    )


def check_value(text: str) -> str:
    """The text, if it may be a partition value: 1 to 1024 bytes of UTF-8. Raises RefSyntax."""
    if isinstance(text, str) and text:
        if len(text) <= MAX_VALUE_BYTES // 4 and text.isascii():
            return text
        try:
            if len(text.encode()) <= MAX_VALUE_BYTES:
                return text
            cause = f"it is longer than {MAX_VALUE_BYTES} bytes"
        except UnicodeEncodeError:
            cause = "it is not Unicode text"
    else:
        cause = "it is empty" if isinstance(text, str) else f"it is {type(text).__name__}, not text"
    raise RefSyntax(f"{shown(text)} cannot be a partition value: {cause}", text=str(text), hint="write key=value")


def check_count(count: int) -> None:
    """Raises RefSyntax when there are more partition keys than a name may have."""
    if count > MAX_KEYS:
        raise RefSyntax(f"{count} partition keys: a name has at most {MAX_KEYS}", hint="make one key of several")


def encode_value(value: str) -> str:
    """A partition value as refs write it: grammar's marks and control characters as ``%XX`` of their UTF-8."""
    return value if value.isalnum() else re.sub(_ENCODED, _encode, value)


def decode_value(text: str) -> str:
    """Inverse of :func:`encode_value`; other characters may be encoded too. Raises RefSyntax."""
    if "%" not in text:
        return text
    try:
        decoded = re.sub(_PERCENT, _decode, text)
    except UnicodeDecodeError:
        raise RefSyntax(
            "a percent-encoded value is not UTF-8", text=text, position=text.index("%"), hint="write % as %25"
        ) from None
    stray = re.sub(_PERCENT, lambda found: "_" * len(found[0]), text).find("%")
    if stray >= 0:
        raise RefSyntax("'%' must be followed by two hex digits", text=text, position=stray, hint="write % as %25")
    return decoded


def _encode(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _decode(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode()


def _days(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _DAYS[month - 1] + leap


def _iso(value: datetime | date | str) -> str:
    """The time in UTC as ISO text, at least as exact as it was given, to the minute."""
    from datetime import date, datetime, timezone

    from cas import clock

    if isinstance(value, str):
        if re.fullmatch(_TIME, value):
            return check_time(value)
        try:
            value = clock.read(value)
        except ValueError:
            raise PartitionError(f"{shown(value)} is not a time", hint="write ISO 8601: 2024-05-01T13:45Z") from None
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(timezone.utc)).isoformat()[:16]
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00"
    raise PartitionError(f"{shown(value)} is not a time: give a datetime, a date or ISO text")
