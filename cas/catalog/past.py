"""A catalog as it was: a copy in memory, without the entries that came later, whose tips follow by the same rules.

What changed since is taken out of the copy, so the cost is that of copying, and of the refs that moved meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from cas.catalog import rows
from cas.catalog.catalog import Catalog, Position
from cas.catalog.database import Database
from cas.catalog.folding import Folding
from cas.catalog.refs import RefQueries
from cas.catalog.rows import unpack
from cas.objects.ids import Kind, ObjectId
from cas.refs.partitions import Partition
from cas.spans import records

if TYPE_CHECKING:
    from cas.catalog.spans import SpanQueries
    from cas.refs.log import RefLog
    from cas.refs.segments import Segment

__all__ = ["Cut", "PastCatalog"]

_WRITES = ("version", "alias", "tomb", "declaration")
_LATER = {
    "version": "SELECT t.writing FROM version AS t JOIN ref ON ref.id = t.ref JOIN name ON name.id = ref.name",
    "alias": "SELECT t.writing FROM alias AS t JOIN ref ON ref.id = t.ref JOIN name ON name.id = ref.name",
    "tomb": "SELECT t.writing FROM tomb AS t JOIN ref ON ref.id = t.ref JOIN name ON name.id = ref.name",
    "declaration": "SELECT t.writing FROM declaration AS t JOIN name ON name.id = t.name",
}
_TIP = """
(SELECT {} FROM version AS v WHERE v.ref = ref.id AND NOT EXISTS (
    SELECT 1 FROM tomb AS t WHERE t.ref = ref.id AND t.alias IS NULL AND (t.version IS NULL OR t.version = v.version)
    AND (t.stamp, t.writing) > (v.stamp, v.writing))
 ORDER BY v.stamp DESC, v.writing DESC LIMIT 1)
"""


class Cut(NamedTuple):
    """What is kept: entries stamped up to ``until`` (µs), and spans as they were then.

    Of the log ``exact`` (project, domain), where one is given, all entries but those whose write ids are ``without``.
    """

    until: int
    exact: tuple[str, str] | None = None
    without: tuple[str, ...] = ()


class PastCatalog(Catalog):
    """Answers as the catalog did then; nothing is taken in any more."""

    def __init__(self, catalog: Catalog, cut: Cut) -> None:
        self.__dict__.update(catalog.__dict__)
        self.database = Database(None, "")
        self.refs = RefQueries(lambda: self.database.connection)
        self._spans = None
        self._recent = {}
        self.folding = Folding()
        self._cut = cut
        with catalog.database.lock:
            catalog.database.connection.backup(self.database.connection)
        with self.database.writing() as connection:
            take_back(connection, cut)

    def position(self, log: RefLog) -> Position:  # noqa: ARG002 - as its base has it
        """The beginning: a log that stands still has nothing new."""
        return 0, "0" * 64, 0

    def head(self, log: RefLog) -> Position:
        """The same."""
        return self.position(log)

    def catch_up(self, log: RefLog, *, probe: bool = True) -> Position:  # noqa: ARG002 - as its base has it
        """Takes nothing in."""
        return self.position(log)

    def wrote(self, log: RefLog, segment: Segment) -> None:
        """Nothing is written to a repository as it was."""

    def spans(self) -> SpanQueries:
        """The spans that had been opened by then."""
        with self.database.lock:
            cut = self._spans is None
            spans = super().spans()
            if cut:
                with self.database.writing() as connection:
                    self._take_back_spans(connection, spans)
            return spans

    def _take_back_spans(self, connection: sqlite3.Connection, spans: SpanQueries) -> None:
        until = self._cut.until
        again = self._closings_then(connection)
        connection.execute("CREATE TEMP TABLE reopened (id BLOB PRIMARY KEY)")
        connection.execute("INSERT INTO reopened SELECT id FROM span WHERE opened > ? OR closed > ?", (until, until))
        connection.executemany("INSERT OR IGNORE INTO reopened VALUES (?)", [(span,) for span in again])
        for table in ("input", "output"):
            connection.execute(f"DELETE FROM {table} WHERE span IN (SELECT id FROM reopened)")
        connection.execute("DELETE FROM span WHERE opened > ?", (until,))
        reopened = connection.execute("SELECT row FROM span WHERE id IN (SELECT id FROM reopened)").fetchall()
        rows.replace(
            connection,
            (unpack(row)._replace(status="open", closed=None, closing=None, error=None) for (row,) in reopened),
        )
        connection.execute("DROP TABLE reopened")
        for chain, last in again.values():
            connection.executemany("DELETE FROM closing WHERE id = ?", [(ident,) for ident in chain])
            if last is not None:
                spans.intake().closings([last])

    def _closings_then(self, connection: sqlite3.Connection) -> dict[bytes, tuple[list[bytes], bytes | None]]:
        """Of spans with several closing records: all of those, and the last one by then."""
        found: dict[bytes, tuple[list[bytes], bytes | None]] = {}
        for (ident,) in connection.execute("SELECT id FROM closing").fetchall():
            span = self._closing(ident).span
            if span in found:
                continue
            row = rows.stored(connection, [span]).get(span)
            chain: list[bytes] = []
            last: bytes | None = None
            step = row.closing if row is not None else None
            while step is not None:
                chain.append(step)
                close = self._closing(step)
                if last is None and close.time <= self._cut.until:
                    last = step
                step = close.previous
            found[span] = (chain, last)
        return found

    def _closing(self, ident: bytes) -> records.SpanClose:
        record = records.decode(self._read(ObjectId(ident), Kind.SPAN))
        assert isinstance(record, records.SpanClose)
        return record


def take_back(connection: sqlite3.Connection, cut: Cut) -> None:
    """Delete the entries that came after a cut, and what follows from them. Runs inside a write transaction."""
    connection.execute("CREATE TEMP TABLE gone (writing TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.execute("CREATE TEMP TABLE moved (ref INTEGER PRIMARY KEY)")
    exact = 0
    if cut.exact is not None:
        row = connection.execute("SELECT id FROM log WHERE project = ? AND domain = ?", cut.exact).fetchone()
        exact = row[0] if row is not None else 0
        connection.executemany("INSERT OR IGNORE INTO gone VALUES (?)", [(write,) for write in cut.without])
    for asked in _LATER.values():
        connection.execute(
            f"INSERT OR IGNORE INTO gone {asked} WHERE t.stamp > ? AND name.log <> ?", (cut.until, exact)
        )
    for table in ("version", "tomb"):
        connection.execute(
            f"INSERT OR IGNORE INTO moved SELECT ref FROM {table} WHERE writing IN (SELECT writing FROM gone)"
        )
    for table in _WRITES:
        connection.execute(f"DELETE FROM {table} WHERE writing IN (SELECT writing FROM gone)")
    _move_tips(connection)
    _forget_names(connection)
    connection.execute("DROP TABLE gone")
    connection.execute("DROP TABLE moved")


def _move_tips(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM part WHERE ref IN (SELECT ref FROM moved)")
    at = ", ".join(f"{column} = {_TIP.format(value)}" for column, value in (("tip", "v.id"), ("stamp", "v.stamp")))
    connection.execute(f"UPDATE ref SET {at} WHERE id IN (SELECT ref FROM moved)")
    there = connection.execute(
        "SELECT name, partition, stamp, id FROM ref WHERE id IN (SELECT ref FROM moved) AND stamp IS NOT NULL"
    )
    rows = [row for name, text, stamp, ref in there.fetchall() for row in _parts(name, text, stamp, ref)]
    connection.executemany("INSERT INTO part (name, key, value, stamp, ref) VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute(
        "DELETE FROM ref WHERE tip IS NULL AND NOT EXISTS (SELECT 1 FROM version WHERE version.ref = ref.id)"
        " AND NOT EXISTS (SELECT 1 FROM tomb WHERE tomb.ref = ref.id)"
        " AND NOT EXISTS (SELECT 1 FROM alias WHERE alias.ref = ref.id)"
    )


def _parts(name: int, text: str, stamp: int, ref: int) -> Iterable[tuple[int, str, str, int, int]]:
    partition = Partition.parse(text)
    pairs = partition.keys if partition.time is None else (*partition.keys, ("time", partition.time))
    return [(name, key, value, stamp, ref) for key, value in pairs]


def _forget_names(connection: sqlite3.Connection) -> None:
    """What names were declared as then; names that nobody had used yet are gone."""
    columns = ("keys", "granularity", "type", "description")
    last = "(SELECT d.{} FROM declaration AS d WHERE d.name = name.id ORDER BY d.stamp DESC, d.writing DESC LIMIT 1)"
    said = ", ".join(f"{column} = {last.format(column)}" for column in columns)
    connection.execute(f"UPDATE name SET {said}, declared = {last.format('stamp')}")
    connection.execute(
        "DELETE FROM name WHERE declared IS NULL AND NOT EXISTS (SELECT 1 FROM ref WHERE ref.name = name.id)"
    )
