"""Ref log entries into the catalog's tables, a segment at a time."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Container, Iterable, Sequence

from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry
from cas.refs.names import collision_key
from cas.refs.partitions import EMPTY, Partition

__all__ = ["Ingest"]

# From this many entries on, a name's refs are fetched whole rather than one by one.
_WHOLE = 200

_TIP = """
SELECT id, stamp FROM version AS v WHERE ref = ?1 AND NOT EXISTS (
    SELECT 1 FROM tomb AS t WHERE t.ref = ?1 AND t.alias IS NULL AND (t.version IS NULL OR t.version = v.version)
    AND (t.stamp, t.writing) > (v.stamp, v.writing))
ORDER BY stamp DESC, writing DESC LIMIT 1
"""

_PART = "INSERT OR IGNORE INTO part (name, key, value, stamp, ref) VALUES (?, ?, ?, ?, ?)"
# So many rows are inserted without indexes, which are then made anew, where the table held fewer: a third of the time.
_BULK = 20_000


class Ingest:
    """Adds entries of one log to the tables. Adding an entry that is there already, in any order, changes nothing."""

    def __init__(self, connection: sqlite3.Connection, log: int) -> None:
        self._db = connection
        self._log = log
        self._names: dict[str, int] = {}
        self._refs: dict[tuple[str, Partition], int] = {}
        self._fresh: dict[int, tuple[str, Partition]] = {}
        """Refs that have a number and no row yet; nothing else makes a ref before they get theirs."""

    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries; the tips that they move are moved."""
        versions = [entry for entry in entries if isinstance(entry, VersionEntry)]
        self._prefetch(versions)
        numbers = [self._ref(entry.name, entry.partition) for entry in versions]
        moved = {
            number: (entry.name, entry.partition)
            for number, entry in zip(numbers, versions, strict=True)
            if number not in self._fresh
        }
        first = self._insert_versions(numbers, versions)
        self._insert_refs(None if first is None else _tips(self._fresh, numbers, versions, first))
        for other in entries:
            if isinstance(other, AliasEntry):
                self._alias(other)
            elif isinstance(other, DeleteEntry):
                ref = self._tomb(other)
                if other.alias is None:
                    moved[ref] = (other.name, other.partition)
            elif isinstance(other, DeclareEntry):
                self._declare(other)
            elif isinstance(other, SpanEntry):
                self._span(other)
        self._move_tips(moved)

    def _insert_versions(self, numbers: Sequence[int], versions: Sequence[VersionEntry]) -> int | None:
        """Add versions, given the refs that they are of; the first one's id, where all were new and ids count up."""
        unhex = bytes.fromhex
        first: int = self._db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM version").fetchone()[0]
        rows = [
            (ident, number, version, unhex(literal), unhex(artifact), unhex(span) if span else None, stamp, write)
            for ident, number, (_, _, version, literal, artifact, span, stamp, write) in zip(
                itertools.count(first), numbers, versions, strict=False
            )
        ]
        indexes: list[tuple[str, str]] = []
        if len(rows) >= _BULK and self._db.execute("SELECT COUNT(*) FROM version").fetchone()[0] < len(rows):
            indexes = self._db.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'version' AND sql IS NOT NULL"
            ).fetchall()
        for name, _ in indexes:
            self._db.execute(f'DROP INDEX "{name}"')
        inserted = self._db.executemany(
            "INSERT OR IGNORE INTO version (id, ref, version, literal, artifact, span, stamp, writing)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        ).rowcount
        for _, statement in indexes:
            self._db.execute(statement)
        return first if inserted == len(rows) else None

    def _insert_refs(self, tips: dict[int, tuple[int, int]] | None) -> None:
        """Give the fresh refs their rows, with the tips (id and stamp) that their versions make; asked for where
        versions were there already."""
        fresh, names = self._fresh, self._names
        if not fresh:
            return
        if tips is None:
            found = "SELECT id, stamp FROM version WHERE ref = ? ORDER BY stamp DESC, writing DESC LIMIT 1"
            asked = {ref: self._db.execute(found, (ref,)).fetchone() for ref in fresh}
            tips = {ref: row for ref, row in asked.items() if row is not None}
        nothing = (None, None)
        self._db.executemany(
            "INSERT INTO ref (id, name, partition, tip, stamp) VALUES (?, ?, ?, ?, ?)",
            [(ref, names[name], partition.text, *tips.get(ref, nothing)) for ref, (name, partition) in fresh.items()],
        )
        parts = [
            (names[name], key, value, tips[ref][1], ref)
            for ref, (name, partition) in fresh.items()
            if ref in tips and partition != EMPTY
            for key, value in _pairs(partition)
        ]
        self._db.executemany(_PART, parts)
        self._fresh = {}

    def _prefetch(self, versions: Sequence[VersionEntry]) -> None:
        if len(versions) < _WHOLE:
            return
        rows = self._db.execute("SELECT name, id FROM name WHERE log = ?", (self._log,)).fetchall()
        self._names.update(rows)
        new = [name for name in dict.fromkeys(entry.name for entry in versions) if name not in self._names]
        if new:
            self._insert_names(new)
        counts: dict[str, int] = {}
        for entry in versions:
            counts[entry.name] = counts.get(entry.name, 0) + 1
        fresh = set(new)
        for name, count in counts.items():
            if name not in fresh and count >= _WHOLE:
                known = self._db.execute("SELECT partition, id FROM ref WHERE name = ?", (self._names[name],))
                for text, ref in known.fetchall():
                    self._refs[name, Partition.parse(text)] = ref
        missing = [
            pair
            for pair in dict.fromkeys((entry.name, entry.partition) for entry in versions)
            if pair not in self._refs and (pair[0] in fresh or counts[pair[0]] >= _WHOLE or self._stored(*pair) is None)
        ]
        if missing:
            first = self._db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM ref").fetchone()[0]
            self._fresh = dict(enumerate(missing, first))
            self._refs.update(zip(missing, self._fresh, strict=True))

    def _insert_names(self, names: Iterable[str]) -> None:
        first = self._db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM name").fetchone()[0]
        fresh = dict(zip(names, itertools.count(first), strict=False))
        self._db.executemany(
            "INSERT INTO name (id, log, name, collision) VALUES (?, ?, ?, ?)",
            [(number, self._log, name, collision_key(name)) for name, number in fresh.items()],
        )
        self._names.update(fresh)

    def _name(self, name: str) -> int:
        if name not in self._names:
            row = self._db.execute("SELECT id FROM name WHERE log = ? AND name = ?", (self._log, name)).fetchone()
            if row is None:
                self._insert_names([name])
            else:
                self._names[name] = row[0]
        return self._names[name]

    def _stored(self, name: str, partition: Partition) -> int | None:
        """The number of a ref that has a row."""
        where = "SELECT id FROM ref WHERE name = ? AND partition = ?"
        row = self._db.execute(where, (self._name(name), partition.text)).fetchone()
        if row is None:
            return None
        self._refs[name, partition] = number = int(row[0])
        return number

    def _ref(self, name: str, partition: Partition) -> int:
        found = self._refs.get((name, partition)) or self._stored(name, partition)
        if found is None:
            cursor = self._db.execute(
                "INSERT INTO ref (name, partition) VALUES (?, ?)", (self._name(name), partition.text)
            )
            assert cursor.lastrowid is not None
            found = self._refs[name, partition] = cursor.lastrowid
        return found

    def _tomb(self, entry: DeleteEntry) -> int:
        ref = self._ref(entry.name, entry.partition)
        self._db.execute(
            "INSERT OR IGNORE INTO tomb (ref, version, alias, stamp, writing) VALUES (?, ?, ?, ?, ?)",
            (ref, entry.version, entry.alias, entry.stamp, entry.write),
        )
        return ref

    def _alias(self, entry: AliasEntry) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO alias (ref, alias, version, replaces, stamp, writing) VALUES (?, ?, ?, ?, ?, ?)",
            (
                self._ref(entry.name, entry.partition),
                entry.alias,
                entry.version,
                ",".join(entry.replaces),
                entry.stamp,
                entry.write,
            ),
        )

    def _declare(self, entry: DeclareEntry) -> None:
        self._db.execute("INSERT OR IGNORE INTO written VALUES (?)", (entry.write,))
        grain = entry.granularity.value if entry.granularity else None
        said = (",".join(entry.keys), grain, entry.type, entry.description, entry.stamp)
        name = self._name(entry.name)
        self._db.execute("INSERT OR IGNORE INTO declaration VALUES (?, ?, ?, ?, ?, ?, ?)", (name, *said, entry.write))
        self._db.execute(
            "UPDATE name SET keys = ?, granularity = ?, type = ?, description = ?, declared = ?"
            " WHERE id = ? AND COALESCE(declared, 0) < ?",
            (*said, name, entry.stamp),
        )

    def _span(self, entry: SpanEntry) -> None:
        self._db.execute("INSERT OR IGNORE INTO written VALUES (?)", (entry.write,))
        close = bytes.fromhex(entry.close) if entry.close else None
        self._db.execute(
            "INSERT OR IGNORE INTO pending (log, open, close) VALUES (?, ?, ?)",
            (self._log, bytes.fromhex(entry.open), close),
        )

    def _move_tips(self, moved: dict[int, tuple[str, Partition]]) -> None:
        tips: list[tuple[int | None, int | None, int]] = []
        drop: list[tuple[int, str, str, int, int]] = []
        parts: list[tuple[int, str, str, int, int]] = []
        for ref, (name, partition) in moved.items():
            tip, stamp = self._db.execute(_TIP, (ref,)).fetchone() or (None, None)
            old = self._db.execute("SELECT tip, stamp FROM ref WHERE id = ?", (ref,)).fetchone()
            if old == (tip, stamp):
                continue
            tips.append((tip, stamp, ref))
            pairs = _pairs(partition)
            name_id = self._name(name)
            if old[1] is not None:
                drop.extend((name_id, key, value, old[1], ref) for key, value in pairs)
            if stamp is not None:
                parts.extend((name_id, key, value, stamp, ref) for key, value in pairs)
        self._db.executemany("UPDATE ref SET tip = ?, stamp = ? WHERE id = ?", tips)
        if drop:
            self._db.executemany(
                "DELETE FROM part WHERE name = ? AND key = ? AND value = ? AND stamp = ? AND ref = ?", drop
            )
        self._db.executemany(_PART, parts)


def _tips(
    refs: Container[int], numbers: Sequence[int], versions: Sequence[VersionEntry], first: int
) -> dict[int, tuple[int, int]]:
    """The ids, counted from ``first``, and stamps of the latest versions of refs that have no others."""
    found: dict[int, tuple[int, str, int]] = {}
    for ident, number, entry in zip(itertools.count(first), numbers, versions, strict=False):
        if number in refs:
            order = (entry.stamp, entry.write, ident)
            if number not in found or order > found[number]:
                found[number] = order
    return {number: (ident, stamp) for number, (stamp, _, ident) in found.items()}


def _pairs(partition: Partition) -> tuple[tuple[str, str], ...]:
    return partition.keys if partition.time is None else (*partition.keys, ("time", partition.time))
