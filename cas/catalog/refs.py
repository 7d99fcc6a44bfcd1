"""Questions about names, partitions, versions and aliases, answered from the catalog's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from cas.refs.entries import AliasEntry, DeleteEntry, VersionEntry
from cas.refs.history import RefEntry
from cas.refs.names import Name, collision_key
from cas.refs.partitions import Partition

__all__ = ["TIPS", "Counted", "Declared", "RefQueries", "Row"]

_COLUMNS = """
SELECT log.project, log.domain, name.name, ref.partition,
       v.version, v.literal, v.artifact, v.span, v.stamp, v.writing, ref.id
FROM version AS v JOIN ref ON ref.id = v.ref JOIN name ON name.id = ref.name JOIN log ON log.id = name.log
"""
TIPS = _COLUMNS.replace("FROM version AS v JOIN ref ON ref.id = v.ref", "FROM ref JOIN version AS v ON v.id = ref.tip")
_NAME = """
SELECT name.id FROM name JOIN log ON log.id = name.log WHERE project = ? AND domain = ? AND name.name = ?
"""
_LATEST = (
    f"{TIPS} WHERE ref.id ="
    f" (SELECT id FROM ref WHERE name = ({_NAME}) AND stamp IS NOT NULL ORDER BY stamp DESC LIMIT 1)"
)
# A name of so many partitions is not gone through for a version or an alias that may be in few of them.
_WIDE = 1000
# Of versions: no tombstone covers it.
_LIVE = (
    "NOT EXISTS (SELECT 1 FROM tomb WHERE tomb.ref = v.ref AND tomb.alias IS NULL"
    " AND (tomb.version IS NULL OR tomb.version = v.version) AND (tomb.stamp, tomb.writing) >= (v.stamp, v.writing))"
)
# A partial partition is answered by the first of the newest that fits; past this many the rest is filtered in one go.
_PAGE = 64


class Row(NamedTuple):
    """One version entry: ids are 32 bytes, ``stamp`` µs, ``partition`` its canonical text, ``ref`` the catalog's
    number."""

    project: str
    domain: str
    name: str
    partition: str
    version: str
    literal: bytes
    artifact: bytes
    span: bytes | None
    stamp: int
    write: str
    ref: int


class Declared(NamedTuple):
    """What the log says of a name; ``keys`` is None where nothing was declared."""

    name: str
    keys: tuple[str, ...] | None
    granularity: str | None
    type: str | None
    description: str | None


class Counted(NamedTuple):
    """A name, what the log says of it, and what is there: partitions, the newest one's stamp, distinct versions."""

    name: Name
    declared: Declared
    partitions: int
    newest: int | None
    versions: int


class RefQueries:
    """Reads refs. ``connect`` gives the connection, so that a reopened one is used at once."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    def _rows(self, sql: str, arguments: Iterable[Any]) -> list[Row]:
        return [Row._make(row) for row in self._connect().execute(sql, tuple(arguments))]

    def tip(self, name: Name, partition: Partition) -> Row | None:
        """The latest version of exactly this partition."""
        rows = self._rows(
            f"{TIPS} WHERE log.project = ? AND log.domain = ? AND name.name = ? AND ref.partition = ?",
            (*name, partition.text),
        )
        return rows[0] if rows else None

    def tips(self, name: Name, partition: Partition) -> Iterator[Row]:
        """The latest version of every partition that contains this one, newest first."""
        where, arguments = self._containment(name, partition)
        cursor = self._connect().execute(f"{TIPS} WHERE {where} ORDER BY ref.stamp DESC", arguments)
        while page := cursor.fetchmany(_PAGE):
            yield from map(Row._make, page)

    def every_tip(self) -> list[Row]:
        """The latest version of every partition of every name."""
        return self._rows(f"{TIPS} WHERE ref.tip IS NOT NULL", ())

    def latest(self, name: Name, partition: Partition) -> Row | None:
        """The newest of :meth:`tips`. One key is answered from its index; more walk the first one's, newest first."""
        pairs = _pairs(partition)
        if not pairs:
            rows = self._rows(_LATEST, name)
            return rows[0] if rows else None
        name_id = self._name_id(name)
        if name_id is None:
            return None
        exact = self._exact_of_all_keys(name_id, partition)
        if exact is not None:
            return exact
        others = " ".join(
            "AND EXISTS (SELECT 1 FROM part AS o WHERE o.name = p.name AND o.key = ? AND o.value = ?"
            " AND o.stamp = p.stamp AND o.ref = p.ref)"
            for _ in pairs[1:]
        )
        rows = self._rows(
            f"{TIPS} WHERE ref.id = ("
            f"SELECT p.ref FROM part AS p WHERE p.name = ? AND p.key = ? AND p.value = ? {others}"
            " ORDER BY p.stamp DESC LIMIT 1)",
            (name_id, *pairs[0], *(text for pair in pairs[1:] for text in pair)),
        )
        return rows[0] if rows else None

    def _exact_of_all_keys(self, name_id: int, partition: Partition) -> Row | None:
        if not self._is_whole(name_id, partition):
            return None
        rows = self._rows(f"{TIPS} WHERE ref.name = ? AND ref.partition = ?", (name_id, partition.text))
        return rows[0] if rows else None

    def with_version(self, name: Name, partition: Partition, version: str) -> list[int]:
        """The number of every partition that contains this one and has or had a version of that name, the one where it
        is newest first."""
        return self._having("version", name, partition, version)

    def with_alias(self, name: Name, partition: Partition, alias: str) -> list[int]:
        """The number of every partition that contains this one and ever had the alias."""
        return self._having("alias", name, partition, alias)

    def _having(self, table: str, name: Name, partition: Partition, text: str) -> list[int]:
        """From the side that is sure to be small: many partitions may have a ``v1``, and a name many partitions."""
        name_id, pairs = self._name_id(name), _pairs(partition)
        refs = "ref.name = ? AND ref.tip IS NOT NULL"
        arguments: list[Any] = [name_id]
        if self._is_whole(name_id, partition):
            refs, arguments = f"{refs} AND ref.partition = ?", [*arguments, partition.text]
        else:
            refs += " AND ref.id IN (SELECT ref FROM part WHERE part.name = ref.name AND key = ? AND value = ?)" * len(
                pairs
            )
            arguments += [text for pair in pairs for text in pair]
        found = "SELECT COUNT(*) FROM (SELECT 1 FROM ref WHERE name = ? LIMIT ?)"
        is_wide = not pairs and self._connect().execute(found, (name_id, _WIDE)).fetchone()[0] == _WIDE
        tables = f"{table} AS t CROSS JOIN ref" if is_wide else f"ref CROSS JOIN {table} AS t"
        rows = self._connect().execute(
            f"SELECT ref.id FROM {tables} ON t.ref = ref.id WHERE t.{table} = ? AND {refs}"
            " GROUP BY ref.id ORDER BY MAX(t.stamp) DESC",
            (text, *arguments),
        )
        return [row[0] for row in rows]

    def _is_whole(self, name_id: int | None, partition: Partition) -> bool:
        """Whether every declared key is given, so that nothing but exactly this contains it."""
        row = self._connect().execute("SELECT keys, granularity FROM name WHERE id = ?", (name_id,)).fetchone()
        if row is None or row[0] is None:
            return False
        return len(partition.keys) >= len(_split(row[0])) and (not row[1] or partition.time is not None)

    def by_id(self, name: Name, partition: Partition, prefix: str) -> list[Row]:
        """The versions whose artifact or literal id begins with hex digits, in partitions that contain this one."""
        where, arguments = self._containment(name, partition)
        low, high = id_range(prefix)
        return self._rows(
            f"{_COLUMNS} WHERE (v.artifact BETWEEN ? AND ? OR v.literal BETWEEN ? AND ?) AND {where}"
            " ORDER BY v.stamp DESC",
            (low, high, low, high, *arguments),
        )

    def partitions(self, name: Name) -> list[tuple[int, Partition]]:
        """Every exact partition a name has or had, with its number."""
        rows = self._connect().execute("SELECT id, partition FROM ref WHERE name = ?", (self._name_id(name),))
        return [(number, Partition.parse(text)) for number, text in rows]

    def artifacts(self, prefix: str) -> list[Row]:
        """Every version whose artifact or literal id begins with these hex digits, newest first."""
        low, high = id_range(prefix)
        return self._rows(
            f"{_COLUMNS} WHERE v.artifact BETWEEN ? AND ? OR v.literal BETWEEN ? AND ? ORDER BY v.stamp DESC",
            (low, high, low, high),
        )

    def versions_of(self, artifact: bytes) -> list[Row]:
        """Every version entry that holds this artifact, newest first."""
        return self._rows(f"{_COLUMNS} WHERE v.artifact = ? ORDER BY v.stamp DESC", (artifact,))

    def newest(self, limit: int | None) -> list[Row]:
        """Every version entry of every name, newest first."""
        return self._rows(
            f"{_COLUMNS} ORDER BY v.stamp DESC, v.writing DESC LIMIT ?", (-1 if limit is None else limit,)
        )

    def entries(self, ref: int, *, version: str | None = None, alias: str | None = None) -> list[RefEntry]:
        """All entries of one exact partition, for :class:`cas.refs.history.History`; or only those that say what is
        meant by one ``version`` name, or where one ``alias`` is."""
        name, text = (
            self._connect()
            .execute(
                "SELECT name.name, ref.partition FROM ref JOIN name ON name.id = ref.name WHERE ref.id = ?", (ref,)
            )
            .fetchone()
        )
        partition = Partition.parse(text)
        found: list[RefEntry] = []
        if alias is None:
            rows = self._selected("version, literal, artifact, span, stamp, writing", "version", ref, version)
            found += [_version_entry(name, partition, row) for row in rows]
        if version is None:
            for one, at, replaces, stamp, write in self._selected(
                "alias, version, replaces, stamp, writing", "alias", ref, alias
            ):
                found.append(AliasEntry(name, partition, one, at, _split(replaces), stamp, write))
        for gone, one, stamp, write in self._selected("version, alias, stamp, writing", "tomb", ref, None):
            found.append(DeleteEntry(name, partition, gone, one, stamp, write))
        return found

    def _selected(self, columns: str, table: str, ref: int, only: str | None) -> list[tuple[Any, ...]]:
        narrowed, arguments = (f" AND {table} = ?", (ref, only)) if only is not None else ("", (ref,))
        found = self._connect().execute(f"SELECT {columns} FROM {table} WHERE ref = ?{narrowed}", arguments)
        return list(found.fetchall())

    def back(self, ref: int, stamp: int, steps: int) -> Row | None:
        """The publication so many distinct neighbours before the one with a stamp; None where only the whole history
        tells: with deletions, or where no single entry has that stamp, or there are not so many."""
        if self._connect().execute("SELECT 1 FROM tomb WHERE ref = ? LIMIT 1", (ref,)).fetchone() is not None:
            return None
        cursor = self._connect().execute(
            f"{_COLUMNS} WHERE v.ref = ? AND v.stamp <= ? ORDER BY v.stamp DESC, v.writing DESC", (ref, stamp)
        )
        run: bytes | None = None
        left = steps
        while (found := cursor.fetchone()) is not None:
            row = Row._make(found)
            if (run is None) != (row.stamp == stamp):
                return None
            if run is not None and row.literal != run:
                left -= 1
            run = row.literal
            if not left:
                return row
        return None

    def ref_number(self, name: Name, partition: Partition) -> int | None:
        """The catalog's number of an exact partition, also of one whose versions are all deleted."""
        row = (
            self._connect()
            .execute(
                "SELECT ref.id FROM ref JOIN name ON name.id = ref.name JOIN log ON log.id = name.log"
                " WHERE log.project = ? AND log.domain = ? AND name.name = ? AND ref.partition = ?",
                (*name, partition.text),
            )
            .fetchone()
        )
        return row[0] if row else None

    def version_is(self, ref: int, version: str, literal: bytes | None = None) -> bytes | None:
        """The literal that a version name of an exact partition means, deleted or not; of two, ``literal`` first."""
        row = (
            self._connect()
            .execute(
                "SELECT literal FROM version WHERE ref = ? AND version = ? ORDER BY literal = ? DESC LIMIT 1",
                (ref, version, literal or b""),
            )
            .fetchone()
        )
        return row[0] if row else None

    def has_write(self, write: str) -> bool:
        """Whether an entry is there, by its write id."""
        return any(
            self._connect().execute(f"SELECT 1 FROM {table} WHERE writing = ?", (write,)).fetchone()
            for table in ("version", "alias", "tomb")
        )

    def tips_of_name(self, name: Name) -> dict[str, Row]:
        """The latest version of every partition of a name, by the partition's text: for large batches."""
        return {
            row.partition: row
            for row in self._rows(f"{TIPS} WHERE log.project = ? AND log.domain = ? AND name.name = ?", name)
        }

    def names(self, project: str | None = None, domain: str | None = None) -> list[Name]:
        """Every name that has or had a version, sorted."""
        rows = self._connect().execute(
            "SELECT log.project, log.domain, name.name FROM name JOIN log ON log.id = name.log"
            " WHERE (?1 IS NULL OR log.project = ?1) AND (?2 IS NULL OR log.domain = ?2) ORDER BY 1, 2, 3",
            (project, domain),
        )
        return [Name(*row) for row in rows]

    def counted(self, name: Name | None = None) -> list[Counted]:
        """Every name that has or had a version or was declared, or one, with what is there of it; sorted."""
        only, arguments = ("", ()) if name is None else ("WHERE name.id = ?", (self._name_id(name),))
        partitions = {
            number: (count, newest)
            for number, count, newest in self._connect().execute(
                f"SELECT name.id, COUNT(ref.tip), MAX(ref.stamp) FROM name JOIN ref ON ref.name = name.id {only}"
                " GROUP BY name.id",
                arguments,
            )
        }
        versions = dict(
            self._connect()
            .execute(
                "SELECT name.id, COUNT(DISTINCT v.ref || ' ' || v.version) FROM name JOIN ref ON ref.name = name.id"
                f" AND ref.tip IS NOT NULL JOIN version AS v ON v.ref = ref.id AND {_LIVE} {only} GROUP BY name.id",
                arguments,
            )
            .fetchall()
        )
        rows = self._connect().execute(
            "SELECT name.id, project, domain, name.name, keys, granularity, type, description"
            f" FROM name JOIN log ON log.id = name.log {only} ORDER BY project, domain, name.name",
            arguments,
        )
        return [
            Counted(
                Name(project, domain, text),
                _declared(text, *said),
                *partitions.get(number, (0, None)),
                versions.get(number, 0),
            )
            for number, project, domain, text, *said in rows
        ]

    def is_there(self, name: Name) -> bool:
        """Whether a name has a version that is not deleted."""
        found = "SELECT 1 FROM ref WHERE name = ? AND tip IS NOT NULL LIMIT 1"
        return self._connect().execute(found, (self._name_id(name),)).fetchone() is not None

    def declared(self, name: Name) -> Declared | None:
        """What the log says of a name; None where it is unknown."""
        row = (
            self._connect()
            .execute(
                "SELECT name.name, keys, granularity, type, description FROM name JOIN log ON log.id = name.log"
                " WHERE project = ? AND domain = ? AND name.name = ?",
                name,
            )
            .fetchone()
        )
        return _declared(*row) if row else None

    def every_declared(self, project: str, domain: str) -> list[Declared]:
        """What the log says of every name of a project and domain."""
        rows = self._connect().execute(
            "SELECT name.name, keys, granularity, type, description FROM name JOIN log ON log.id = name.log"
            " WHERE project = ? AND domain = ?",
            (project, domain),
        )
        return [_declared(*row) for row in rows]

    def twin(self, name: Name) -> str | None:
        """Another name that differs from this one only by case or Unicode normalisation."""
        row = (
            self._connect()
            .execute(
                "SELECT name.name FROM name JOIN log ON log.id = name.log"
                " WHERE project = ? AND domain = ? AND collision = ? AND name.name != ?",
                (name.project, name.domain, collision_key(name.name), name.name),
            )
            .fetchone()
        )
        return row[0] if row else None

    def twins(self, project: str, domain: str, collision: str) -> list[Declared]:
        """What the log says of the names that share a collision key."""
        rows = self._connect().execute(
            "SELECT name.name, keys, granularity, type, description FROM log JOIN name ON name.log = log.id"
            " WHERE project = ? AND domain = ? AND collision = ?",
            (project, domain, collision),
        )
        return [_declared(*row) for row in rows]

    def count_names(self, project: str, domain: str) -> int:
        """How many names a log has."""
        found = "SELECT COUNT(*) FROM log JOIN name ON name.log = log.id WHERE project = ? AND domain = ?"
        count: int = self._connect().execute(found, (project, domain)).fetchone()[0]
        return count

    def values(self, name: Name, key: str) -> list[str]:
        """The values that a partition key (or ``time``) has among the name's live partitions, sorted."""
        rows = self._connect().execute(
            "SELECT DISTINCT value FROM part WHERE name = ? AND key = ? ORDER BY value", (self._name_id(name), key)
        )
        return [row[0] for row in rows]

    def _name_id(self, name: Name) -> int | None:
        row = self._connect().execute(_NAME, name).fetchone()
        return row[0] if row else None

    def _containment(self, name: Name, partition: Partition) -> tuple[str, tuple[Any, ...]]:
        pairs = _pairs(partition)
        # Tombstoned partitions have no parts, so the text is matched where the tip may be gone: see History.
        each = " AND ref.id IN (SELECT ref FROM part WHERE part.name = name.id AND key = ? AND value = ?)" * len(pairs)
        return (
            f"log.project = ? AND log.domain = ? AND name.name = ? AND ref.tip IS NOT NULL{each}",
            (*name, *(text for pair in pairs for text in pair)),
        )


def _version_entry(name: str, partition: Partition, row: tuple[Any, ...]) -> VersionEntry:
    version, literal, artifact, span, stamp, write = row
    made_by = span.hex() if span else None
    return VersionEntry(name, partition, version, literal.hex(), artifact.hex(), made_by, stamp, write)


def _declared(name: str, keys: str | None, *said: str | None) -> Declared:
    return Declared(name, None if keys is None else _split(keys), *said)


def id_range(prefix: str) -> tuple[bytes, bytes]:
    """The lowest and highest 32-byte id that begin with hex digits."""
    return bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _pairs(partition: Partition) -> tuple[tuple[str, str], ...]:
    return partition.keys if partition.time is None else (*partition.keys, ("time", partition.time))
