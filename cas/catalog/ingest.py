"""Ref log entries into the catalog's tables, a segment at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry
from cas.refs.names import collision_key
from cas.refs.partitions import Partition

__all__ = ["Ingest"]

# From this many entries on, a name's refs are fetched whole rather than one by one.
_WHOLE = 200

_TIP = """
SELECT id, stamp FROM version AS v WHERE ref = ?1 AND NOT EXISTS (
    SELECT 1 FROM tomb AS t WHERE t.ref = ?1 AND t.alias IS NULL AND (t.version IS NULL OR t.version = v.version)
    AND (t.stamp, t.writing) > (v.stamp, v.writing))
ORDER BY stamp DESC, writing DESC LIMIT 1
"""


class Ingest:
    """Adds entries of one log to the tables. Adding an entry that is there already, in any order, changes nothing."""

    def __init__(self, connection: sqlite3.Connection, log: int) -> None:
        self._db = connection
        self._log = log
        self._names: dict[str, int] = {}
        self._refs: dict[tuple[str, Partition], int] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries; the tips that they move are moved."""
        versions = [entry for entry in entries if isinstance(entry, VersionEntry)]
        self._prefetch(versions)
        moved: dict[int, tuple[str, Partition]] = {}
        rows = []
        for entry in versions:
            ref = self._ref(entry.name, entry.partition)
            moved[ref] = (entry.name, entry.partition)
            span = bytes.fromhex(entry.span) if entry.span else None
            rows.append(
                (
                    ref,
                    entry.version,
                    bytes.fromhex(entry.literal),
                    bytes.fromhex(entry.artifact),
                    span,
                    entry.stamp,
                    entry.write,
                )
            )
        self._db.executemany(
            "INSERT OR IGNORE INTO version (ref, version, literal, artifact, span, stamp, writing)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
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
        missing = dict.fromkeys(
            (entry.name, entry.partition)
            for entry in versions
            if (entry.name in fresh or counts[entry.name] >= _WHOLE) and (entry.name, entry.partition) not in self._refs
        )
        if missing:
            first = self._db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM ref").fetchone()[0]
            self._refs.update({pair: first + offset for offset, pair in enumerate(missing)})
            self._db.executemany(
                "INSERT INTO ref (id, name, partition) VALUES (?, ?, ?)",
                [(self._refs[pair], self._names[pair[0]], pair[1].text) for pair in missing],
            )

    def _insert_names(self, names: Iterable[str]) -> None:
        for name in names:
            cursor = self._db.execute(
                "INSERT INTO name (log, name, collision) VALUES (?, ?, ?)", (self._log, name, collision_key(name))
            )
            assert cursor.lastrowid is not None
            self._names[name] = cursor.lastrowid

    def _name(self, name: str) -> int:
        if name not in self._names:
            row = self._db.execute("SELECT id FROM name WHERE log = ? AND name = ?", (self._log, name)).fetchone()
            if row is None:
                self._insert_names([name])
            else:
                self._names[name] = row[0]
        return self._names[name]

    def _ref(self, name: str, partition: Partition) -> int:
        found = self._refs.get((name, partition))
        if found is None:
            name_id, text = self._name(name), partition.text
            row = self._db.execute("SELECT id FROM ref WHERE name = ? AND partition = ?", (name_id, text)).fetchone()
            if row is None:
                cursor = self._db.execute("INSERT INTO ref (name, partition) VALUES (?, ?)", (name_id, text))
                row = (cursor.lastrowid,)
            found = self._refs[name, partition] = int(row[0])
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
            pairs = partition.keys if partition.time is None else (*partition.keys, ("time", partition.time))
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
        self._db.executemany("INSERT OR IGNORE INTO part (name, key, value, stamp, ref) VALUES (?, ?, ?, ?, ?)", parts)
