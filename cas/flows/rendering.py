"""Python values as partition strings: the one place that says how.

str "EWR" → EWR    int 7 → 7    float 0.5 → 0.5    bool True → true
datetime at midnight → 2024-05-01    any other → 2024-05-01T10:30:00Z (UTC; a naive one is UTC)
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from cas import clock
from cas.errors import PartitionError, RefSyntax
from cas.refs.partitions import Granularity, check_value

__all__ = ["check_rendered", "moved_time", "parse_time", "render", "render_time"]

_FORMS = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d", 13: "%Y-%m-%dT%H", 16: "%Y-%m-%dT%H:%M", 19: "%Y-%m-%dT%H:%M:%S"}


def render(value: object, what: str) -> str:
    """The partition string of a value; ``what`` names it in the PartitionError for a type that has none."""
    if isinstance(value, str):
        return str.__str__(value)
    plain = _plain(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int):
        return f"{int(plain):d}"
    if isinstance(plain, float):
        return float.__repr__(plain)
    if isinstance(plain, datetime):
        return _datetime_text(plain)
    if isinstance(plain, date):
        return plain.isoformat()
    raise PartitionError(
        f"{what} is a {type(value).__name__}, which has no partition string",
        hint="give a str, int, float, bool, date or datetime",
    )


def check_rendered(text: str, what: str) -> str:
    """The partition string, if refs can hold it. Raises PartitionError, which says ``what`` it is of."""
    try:
        return check_value(text)
    except RefSyntax as fault:
        raise PartitionError(f"{what}: {fault.message}", hint=fault.hint) from None


def render_time(value: object, granularity: Granularity, what: str) -> str:
    """The time partition of a datetime, a date or ISO text, truncated. Raises PartitionError."""
    plain = _plain(value)
    if not isinstance(plain, (datetime, date, str)):
        raise PartitionError(
            f"{what} is a {type(value).__name__}; a time partition is a datetime or a date", hint="pass a datetime"
        )
    try:
        return granularity.truncate(plain)
    except OverflowError:
        raise PartitionError(f"{what} is {plain}, which is no time in UTC") from None


def moved_time(value: object, offset: timedelta, what: str) -> object:
    """A time moved by an offset; a value that is no time, and has no offset to take, is given back as it is."""
    if not offset:
        return value
    value = _plain(value)
    if isinstance(value, str):
        value = parse_time(value, what)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    if not isinstance(value, datetime):
        raise PartitionError(f"{what} is a {type(value).__name__}, so no time can be added to it")
    try:
        return value + offset
    except OverflowError:
        raise PartitionError(f"{what} is {value}, which moved by {offset!r} is out of range") from None


def parse_time(text: str, what: str) -> datetime:
    """The datetime (UTC) at the beginning of an ISO time or a prefix of one, such as ``2024-05``."""
    written = text.replace(" ", "T") if text[10:11] == " " else text  # as Python prints datetimes
    try:
        form = _FORMS.get(len(text))
        if form is not None:
            return datetime.strptime(written, form).replace(tzinfo=timezone.utc)
        moment = clock.read(written)
    except ValueError:
        raise PartitionError(f"{what} is {text!r}, which is not a time", hint="write it as 2024-05-01") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _datetime_text(value: datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(timezone.utc)
    value = value.replace(tzinfo=None)
    if value == datetime(value.year, value.month, value.day):
        return value.date().isoformat()
    return value.isoformat() + "Z"


def _plain(value: object) -> object:
    """A numpy scalar as the Python value it stands for, without importing numpy; of a NaT, None."""
    scalar: Any = value
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        if scalar.dtype.kind == "M":
            scalar = scalar.astype("datetime64[us]")  # of nanoseconds, as pandas has them, item() makes a number
        plain: object = scalar.item()
        return plain
    if isinstance(value, datetime) and scalar != scalar:  # noqa: PLR0124 - so does pandas.NaT tell itself from a time
        return None
    return value
