"""Many partitions of one name at once: chosen in SQL by lists and ranges, in the order of their text.

Only texts are given, so that a hundred thousand cost a tenth of a second; whoever needs a version asks for its tip.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cas.catalog.refs import TIPS, Row
from cas.refs.names import Name

__all__ = ["TimeRange", "choose", "tips", "values"]

_NAME = (
    "SELECT name.id FROM name JOIN log ON log.id = name.log WHERE log.project = ? AND log.domain = ? AND name.name = ?"
)


class TimeRange(NamedTuple):
    """Times between two prefixes, both included (``2024-03`` holds all of March); None where it is open."""

    first: str | None
    last: str | None

    def holds(self, time: str) -> bool:
        """Whether a time partition lies in it."""
        return (self.first is None or time >= self.first) and (self.last is None or time <= _end(self.last))


def choose(
    connection: sqlite3.Connection,
    name: Name,
    keys: Mapping[str, Sequence[str]],
    times: Sequence[str] | TimeRange | None = None,
    *,
    after: str | None = None,
    limit: int | None = None,
    newest_first: bool = False,
) -> list[str]:
    """The texts of the partitions that have one of the values for each key, and one of the times, in order.

    At most ``limit`` of them, those past the text ``after``; ``newest_first`` orders them by their latest version.
    """
    where, arguments = _where(connection, name, keys, times)
    if where is None:
        return []
    if after is not None:
        where, arguments = f"{where} AND ref.partition > ?", [*arguments, after]
    asked = f"SELECT ref.partition FROM ref WHERE {where} AND ref.tip IS NOT NULL"
    if newest_first:
        asked += " ORDER BY ref.stamp DESC"
    elif limit is not None:
        asked += " ORDER BY ref.partition"
    found = [text for (text,) in connection.execute(f"{asked} LIMIT ?", (*arguments, -1 if limit is None else limit))]
    if limit is None and not newest_first:
        found.sort()  # twice as fast as to walk the index of the partitions, which says nothing of their tips
    return found


def tips(
    connection: sqlite3.Connection,
    name: Name,
    keys: Mapping[str, Sequence[str]],
    times: Sequence[str] | TimeRange | None = None,
) -> list[Row]:
    """The latest version of each partition that :func:`choose` would give, in the order of their texts."""
    where, arguments = _where(connection, name, keys, times)
    if where is None:
        return []
    found = connection.execute(f"{TIPS} WHERE {where}", arguments)
    return sorted(map(Row._make, found), key=lambda row: row.partition)


def values(
    connection: sqlite3.Connection,
    name: Name,
    key: str,
    keys: Mapping[str, Sequence[str]],
    times: Sequence[str] | TimeRange | None = None,
) -> list[str]:
    """The values of one key (or ``time``) among the partitions that :func:`choose` would give, sorted."""
    where, arguments = _where(connection, name, keys, times)
    if where is None:
        return []
    narrowed = f"AND part.ref IN (SELECT ref.id FROM ref WHERE {where})" if keys or times is not None else ""
    found = connection.execute(
        f"SELECT DISTINCT part.value FROM part WHERE part.name = ? AND part.key = ? {narrowed} ORDER BY part.value",
        (arguments[0], key, *(arguments if narrowed else ())),
    )
    return [value for (value,) in found]


def _where(
    connection: sqlite3.Connection,
    name: Name,
    keys: Mapping[str, Sequence[str]],
    times: Sequence[str] | TimeRange | None,
) -> tuple[str | None, list[object]]:
    """The condition on ``ref`` and its arguments, the number of the name first; None where the name is unknown."""
    known = connection.execute(_NAME, name).fetchone()
    if known is None:
        return None, []
    number: int = known[0]
    wanted = list(keys.items())
    where = ["ref.name = ?"]
    arguments: list[object] = [number]
    if times is not None and not isinstance(times, TimeRange):
        wanted.append(("time", times))
    for key, each in wanted:
        where.append(f"ref.id IN ({_PART} AND value IN (SELECT value FROM json_each(?)))")
        arguments += [number, key, json.dumps(list(each))]
    if isinstance(times, TimeRange):
        where.append(f"ref.id IN ({_PART} AND value >= ? AND value <= ?)")
        arguments += [number, "time", times.first or "", _end(times.last or "")]
    return " AND ".join(where), arguments


_PART = "SELECT ref FROM part WHERE name = ? AND key = ?"


def _end(prefix: str) -> str:
    """A text past every time that begins with a prefix, and before all that come after those."""
    return prefix + "~"
