"""Small pieces of text: sizes, times, ids, aligned columns, and text made safe for a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

__all__ = ["Style", "When", "ago", "clean", "columns", "count", "duration", "iso", "pairs", "short", "size"]

When = Callable[[datetime | None], str]
"""How a time is shown."""
Style = Callable[..., str]
"""Colours a piece of text, as ``click.style``, or leaves it."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_LENGTHS = (
    ("year", 365 * 86400),
    ("month", 30 * 86400),
    ("week", 7 * 86400),
    ("day", 86400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)
_ANSI = re.compile("\x1b\\[[0-9;]*m")


def clean(text: str, *, keep: str = "") -> str:
    """The text with control and direction characters written as escapes: what is stored is not trusted."""
    return _CONTROL.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), text
    )


def short(identity: str | None) -> str:
    """The first 12 digits of an id; they can be typed back."""
    return identity[:12] if identity else "-"


def size(count: int | None) -> str:
    """``812 B``, ``1.5 kB``, ``23 MB`` (decimal units)."""
    if count is None:
        return "-"
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 version``, ``2,041 versions``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def iso(moment: datetime | None) -> str:
    """``2026-11-22T07:40:49Z``."""
    return "-" if moment is None else moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(moment: datetime | None, now: datetime) -> str:
    """``3 hours ago``; ``just now`` within five seconds; the ISO time where it lies ahead of ``now``."""
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    if seconds < -60:
        return iso(moment)
    if seconds < 5:
        return "just now"
    unit, length = next((unit, length) for unit, length in _LENGTHS if seconds >= length)
    return f"{count(int(seconds // length), unit)} ago"


def duration(start: datetime | None, end: datetime | None) -> str:
    """``340 ms``, ``12.3 s``, ``4 min 05 s``, ``2 h 10 min``."""
    if start is None or end is None:
        return "-"
    seconds = max(0.0, (end - start).total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def pairs(mapping: dict[str, Any]) -> str:
    """``a=1 b=two``, cleaned."""
    return " ".join(f"{clean(str(key))}={clean(str(value))}" for key, value in mapping.items())


def columns(rows: Iterable[Sequence[str]], *, right: Iterable[int] = (), heads: Sequence[str] = ()) -> list[str]:
    """Rows as aligned lines, two spaces between columns; the columns numbered in ``right`` are aligned to the right."""
    table = ([list(heads)] if heads else []) + [list(row) for row in rows]
    if not table:
        return []
    rights = set(right)
    widths = [max(_width(row[place]) for row in table) for place in range(len(table[0]))]
    lines = []
    for row in table:
        cells = []
        for place, cell in enumerate(row):
            gap = " " * (widths[place] - _width(cell))
            cells.append(gap + cell if place in rights else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(cell: str) -> int:
    return len(_ANSI.sub("", cell))
