"""Partitions as lines, as a grid of two keys, and as a calendar; pure functions."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cas.cli.render.text import Style, When, clean, columns, size

if TYPE_CHECKING:
    from cas.repository.version import ArtifactVersion

__all__ = ["calendar_lines", "dimensions", "grid_lines", "part_rows"]

# The length of a time partition → how much of it names a line, and the units that follow, as (first, last).
_LINES = {7: (4, 1, 12), 10: (7, 1, 31), 13: (10, 0, 23), 16: (13, 0, 59)}
_UNITS = {7: "month", 10: "day", 13: "hour", 16: "minute"}
_THERE, _MISSING, _MANY = "■", "·", "+"


def dimensions(versions: Sequence[ArtifactVersion], keys: Sequence[str]) -> list[str]:
    """The partition columns that have more than one value."""
    return [key for key in keys if len({_value(version, key) for version in versions}) > 1]


def part_rows(versions: Sequence[ArtifactVersion], keys: Sequence[str], when: When, style: Style) -> list[str]:
    """A line each: the value of every key, version, type, size and time."""
    heads = [style(clean(head), bold=True) for head in (*keys, "version", "type", "size", "created")]
    rows = [
        [
            *(clean(_value(one, key) or "-") for key in keys),
            clean(one.version or "-"),
            one.type,
            size(one.size),
            when(one.created),
        ]
        for one in versions
    ]
    return columns(rows, right=(len(keys) + 2,), heads=heads) if rows else []


def grid_lines(versions: Sequence[ArtifactVersion], keys: Sequence[str], style: Style) -> list[str]:
    """Two keys against each other, the one with fewer values (not the time) across; in each cell the size, or ``·``."""
    down, across = sorted(keys, key=lambda key: (-len({_value(version, key) for version in versions}), key != "time"))
    cells: dict[tuple[str, str], list[ArtifactVersion]] = {}
    for version in versions:
        cells.setdefault((_value(version, down) or "-", _value(version, across) or "-"), []).append(version)
    tops = sorted({top for _, top in cells})
    heads = [clean(f"{down} / {across}"), *(style(clean(top), bold=True) for top in tops)]
    rows = [
        [style(clean(side), bold=True), *(_cell(cells.get((side, top), [])) for top in tops)]
        for side in sorted({side for side, _ in cells})
    ]
    return columns(rows, right=range(1, len(tops) + 1), heads=heads)


def calendar_lines(versions: Sequence[ArtifactVersion], style: Style) -> list[str]:
    """A line for each year, month, day or hour, a mark for each unit in it.

    ``■`` is there, ``·`` missing; 2 to 9 and ``+`` are so many partitions of that time.
    """
    counts: dict[str, int] = {}
    for version in versions:
        if version.time is not None:
            counts[version.time] = counts.get(version.time, 0) + 1
    if not counts:
        return []
    length = len(next(iter(counts)))
    cut, first, last = _LINES[length]
    head = "".join(str(unit % 10) for unit in range(first, last + 1))
    lines = [f"{_UNITS[length].ljust(cut)}  {head}"]
    separator = {7: "-", 10: "-", 13: "T", 16: ":"}[length]
    for line in sorted({time[:cut] for time in counts}):
        marks = [
            _mark(counts.get(f"{line}{separator}{unit:02d}", 0)) if unit <= _days(line, length, last) else " "
            for unit in range(first, last + 1)
        ]
        lines.append(f"{style(line, bold=True)}  {''.join(marks)}".rstrip())
    return lines


def _mark(count: int) -> str:
    if count < 2:
        return _THERE if count else _MISSING
    return str(count) if count < 10 else _MANY


def _days(line: str, length: int, last: int) -> int:
    return monthrange(int(line[:4]), int(line[5:7]))[1] if length == 10 else last


def _cell(found: Sequence[ArtifactVersion]) -> str:
    if not found:
        return _MISSING
    return size(sum(one.size for one in found)) + (f" in {len(found)}" if len(found) > 1 else "")


def _value(version: ArtifactVersion, key: str) -> str | None:
    return version.time if key == "time" else version.partitions.get(key)
