"""What exchanging logs asks of a catalog: which entries it has, and which refs have tombstones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

__all__ = ["known_writes", "names_with", "suspects", "tombed"]

_TABLES = ("version", "alias", "tomb", "written")
_BATCH = 500


def known_writes(connection: sqlite3.Connection, writes: Iterable[str]) -> set[str]:
    """Those of the write ids whose entries the catalog has taken in."""
    found: set[str] = set()
    for batch in _batches(writes):
        marks = ",".join("?" * len(batch))
        for table in _TABLES:
            rows = connection.execute(f"SELECT writing FROM {table} WHERE writing IN ({marks})", batch)
            found.update(row[0] for row in rows)
    return found


def tombed(connection: sqlite3.Connection, project: str, domain: str) -> set[tuple[str, str]]:
    """The (name, partition's text) of every ref of which something other than an alias was ever deleted."""
    rows = connection.execute(
        "SELECT DISTINCT name.name, ref.partition FROM tomb JOIN ref ON ref.id = tomb.ref"
        " JOIN name ON name.id = ref.name JOIN log ON log.id = name.log"
        " WHERE log.project = ? AND log.domain = ? AND tomb.alias IS NULL",
        (project, domain),
    )
    return set(rows.fetchall())


def suspects(connection: sqlite3.Connection, project: str, domain: str) -> set[tuple[str, str]]:
    """The (name, partition's text) of every ref with a version of two literals or an alias that moved: only these
    can hold a stored conflict."""
    rows = connection.execute(
        "SELECT name.name, ref.partition FROM ("
        " SELECT ref FROM version GROUP BY ref, version HAVING COUNT(DISTINCT literal) > 1"
        " UNION SELECT ref FROM alias GROUP BY ref, alias HAVING COUNT(*) > 1"
        ") AS odd JOIN ref ON ref.id = odd.ref JOIN name ON name.id = ref.name JOIN log ON log.id = name.log"
        " WHERE log.project = ? AND log.domain = ?",
        (project, domain),
    )
    return set(rows.fetchall())


def names_with(connection: sqlite3.Connection, project: str, domain: str) -> dict[str, str]:
    """Every name of a log, by the key that its twins share."""
    rows = connection.execute(
        "SELECT name.collision, name.name FROM name JOIN log ON log.id = name.log"
        " WHERE log.project = ? AND log.domain = ?",
        (project, domain),
    )
    return dict(rows.fetchall())


def _batches(items: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
