"""Time zones of pandas dtypes ↔ plain values: an IANA key, or a fixed offset in microseconds.

pandas takes zones of several libraries for the same; only the key is stored, and pandas chooses the library on
reading.
"""

from __future__ import annotations

from datetime import timedelta, timezone, tzinfo
from typing import Any

from cas.errors import CodecError

__all__ = ["zone_form", "zone_of"]


def zone_form(zone: Any, name: str) -> str | int:
    """The stored form of a zone. Raises CodecError for zones without a key."""
    if isinstance(zone, timezone):
        offset = zone.utcoffset(None) // timedelta(microseconds=1)
        return offset or "UTC"
    key = getattr(zone, "key", None) or getattr(zone, "zone", None)  # zoneinfo, pytz
    if isinstance(key, str):
        return key
    minutes = getattr(zone, "_minutes", None)  # pytz.FixedOffset
    if isinstance(minutes, int):
        return minutes * 60_000_000
    raise CodecError(
        f"{name} has the time zone {zone!r:.80}, which has no IANA key", hint="use .dt.tz_convert('Europe/Berlin')"
    )


def zone_of(form: Any) -> str | tzinfo:
    """What pandas takes for a stored zone. Raises CodecError."""
    if isinstance(form, str):
        return form
    if type(form) is int and abs(form) < 86_400_000_000:
        return timezone(timedelta(microseconds=form))
    raise CodecError(f"stored time zone {form!r:.80} is not valid")
