"""Spans and their links: read from the records that the log names, and asked by label, tree and artifact."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from cas.catalog.refs import id_range
from cas.errors import ObjectNotFound
from cas.objects.ids import Kind, ObjectId
from cas.spans import records

__all__ = ["LinkRow", "SpanQueries", "SpanRow"]

_COLUMNS = "s.id, s.parent, s.label, s.kind, s.status, s.opened, s.closed, s.closing, s.meta, s.code, s.fields, s.error"
_DOWN = """
WITH RECURSIVE tree (id, depth) AS (
    SELECT id, 1 FROM span WHERE parent = ?1
    UNION ALL SELECT span.id, depth + 1 FROM span JOIN tree ON span.parent = tree.id
)
"""
_UP = """
WITH RECURSIVE line (id, depth) AS (
    SELECT parent, 1 FROM span WHERE id = ?1 AND parent IS NOT NULL
    UNION ALL SELECT span.parent, depth + 1 FROM span JOIN line ON span.id = line.id WHERE span.parent IS NOT NULL
)
"""


class SpanRow(NamedTuple):
    """One span: ids are 32 bytes, times µs; meta, code, fields and error are JSON text."""

    id: bytes
    parent: bytes | None
    label: str
    kind: str
    status: str
    opened: int
    closed: int | None
    closing: bytes | None
    meta: str
    code: str
    fields: str
    error: str | None


class LinkRow(NamedTuple):
    """One input or output of a span: what, as which label or argument, asked for or published as which ref."""

    span: bytes
    artifact: bytes | None
    literal: bytes | None
    name: str | None
    asked: str | None


class SpanQueries:
    """Reads spans; ``read`` gives the verified payload of a record, so that pending ones can be taken in first."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], read: Callable[[ObjectId, Kind], bytes]) -> None:
        self._connect = connect
        self._read = read

    # --- taking in -------------------------------------------------------------------------------

    def has_pending(self) -> bool:
        """Whether the log names spans whose records were not taken in yet."""
        return self._connect().execute("SELECT 1 FROM pending LIMIT 1").fetchone() is not None

    def take_in(self) -> None:
        """Read the records of pending spans, their earlier closings and their children. Runs inside a write
        transaction.

        Records that are not here (a partial clone) stay pending.
        """
        waiting = self._connect().execute("SELECT open, close FROM pending ORDER BY rowid").fetchall()
        for opening, closing in waiting:
            try:
                if closing is not None:
                    self._closings([closing])
                else:
                    self._opened(opening)
            except ObjectNotFound:
                continue
            self._connect().execute("DELETE FROM pending WHERE open = ? AND close IS ?", (opening, closing))

    def _closings(self, stack: list[bytes]) -> None:
        known = self._connect()
        while stack:
            closing = stack.pop()
            if known.execute("SELECT 1 FROM closing WHERE id = ?", (closing,)).fetchone():
                continue
            close = records.decode(self._read(ObjectId(closing), Kind.SPAN))
            assert isinstance(close, records.SpanClose)
            if (
                close.previous is not None
                and not known.execute("SELECT 1 FROM closing WHERE id = ?", (close.previous,)).fetchone()
            ):
                stack += [closing, close.previous]
                continue
            known.execute("INSERT INTO closing VALUES (?)", (closing,))
            self._opened(close.span)
            self._closed(closing, close)
            stack.extend(reversed(close.children))

    def _opened(self, opening: bytes) -> None:
        if self._connect().execute("SELECT 1 FROM span WHERE id = ?", (opening,)).fetchone():
            return
        record = records.decode(self._read(ObjectId(opening), Kind.SPAN))
        assert isinstance(record, records.SpanOpen)
        self._connect().execute(
            "INSERT INTO span (id, parent, label, kind, status, opened, meta, code, fields)"
            " VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?)",
            (
                opening,
                record.parent,
                record.label,
                record.kind,
                record.time,
                _json(record.meta),
                _json(record.code),
                _json(record.fields),
            ),
        )

    def _closed(self, closing: bytes, close: records.SpanClose) -> None:
        db = self._connect()
        if close.status == "deleted" or close.removed:
            self._removed(closing, close)
            return
        db.execute(
            "UPDATE span SET status = ?, closed = ?, closing = ?, error = ? WHERE id = ?",
            (close.status, close.time, closing, None if close.error is None else _json(close.error), close.span),
        )
        first = db.execute("SELECT COALESCE(MAX(pos), -1) + 1 FROM input WHERE span = ?", (close.span,)).fetchone()[0]
        db.executemany(
            "INSERT INTO input VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    close.span,
                    first + pos,
                    one.artifact,
                    None if one.literal is None else _json(one.literal),
                    one.ref,
                    one.name,
                )
                for pos, one in enumerate(close.inputs)
            ],
        )
        first = db.execute("SELECT COALESCE(MAX(pos), -1) + 1 FROM output WHERE span = ?", (close.span,)).fetchone()[0]
        db.executemany(
            "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
            [(close.span, first + pos, one.artifact, one.label, one.ref) for pos, one in enumerate(close.outputs)],
        )

    def _removed(self, closing: bytes, close: records.SpanClose) -> None:
        """A tombstone: of the whole span, or of some of its labelled artifacts. When it closed stays as it was."""
        db = self._connect()
        db.execute("UPDATE span SET status = ?, closing = ? WHERE id = ?", (close.status, closing, close.span))
        if close.status == "deleted":
            db.execute("DELETE FROM output WHERE span = ? AND label IS NOT NULL", (close.span,))
        for label in close.removed:
            db.execute("DELETE FROM output WHERE span = ? AND label = ?", (close.span, label))

    # --- asking ----------------------------------------------------------------------------------

    def has_closing(self, closing: bytes) -> bool:
        """Whether a closing record was taken in."""
        return self._connect().execute("SELECT 1 FROM closing WHERE id = ?", (closing,)).fetchone() is not None

    def _spans(self, sql: str, arguments: Iterable[Any]) -> list[SpanRow]:
        return [SpanRow._make(row) for row in self._connect().execute(sql, tuple(arguments))]

    def get(self, span: bytes) -> SpanRow | None:
        """One span by its id."""
        rows = self._spans(f"SELECT {_COLUMNS} FROM span AS s WHERE id = ?", (span,))
        return rows[0] if rows else None

    def by_prefix(self, prefix: str) -> list[SpanRow]:
        """The spans whose id begins with these hex digits."""
        return self._spans(f"SELECT {_COLUMNS} FROM span AS s WHERE id BETWEEN ? AND ?", id_range(prefix))

    def matching(self, label: str | None = None, status: str | None = None, limit: int | None = None) -> list[SpanRow]:
        """Spans, newest first; ``label`` is exact or a glob."""
        return self._spans(
            f"SELECT {_COLUMNS} FROM span AS s WHERE (?1 IS NULL OR s.label GLOB ?1)"
            " AND s.status = COALESCE(?2, s.status) AND (?2 IS NOT NULL OR s.status <> 'deleted')"
            " ORDER BY s.opened DESC, s.id DESC LIMIT ?3",
            (label, status, -1 if limit is None else limit),
        )

    def children(self, span: bytes) -> list[SpanRow]:
        """The spans opened directly inside a span, oldest first."""
        return self._spans(
            f"SELECT {_COLUMNS} FROM span AS s WHERE s.parent = ? AND s.status <> 'deleted' ORDER BY s.opened, s.id",
            (span,),
        )

    def descendants(self, span: bytes) -> list[SpanRow]:
        """All spans below a span, depth by depth, each depth oldest first."""
        return self._spans(
            f"{_DOWN} SELECT {_COLUMNS} FROM tree JOIN span AS s ON s.id = tree.id WHERE s.status <> 'deleted'"
            " ORDER BY tree.depth, s.opened, s.id",
            (span,),
        )

    def ancestors(self, span: bytes) -> list[SpanRow]:
        """All spans above a span, nearest first."""
        return self._spans(
            f"{_UP} SELECT {_COLUMNS} FROM line JOIN span AS s ON s.id = line.id ORDER BY line.depth", (span,)
        )

    def inputs(self, span: bytes) -> list[LinkRow]:
        """What a span read, in order."""
        rows = self._connect().execute(
            "SELECT span, artifact, literal, name, asked FROM input WHERE span = ? ORDER BY pos", (span,)
        )
        return [LinkRow._make(row) for row in rows]

    def outputs(self, span: bytes) -> list[LinkRow]:
        """What a span made, in order; ``name`` is the label."""
        rows = self._connect().execute(
            "SELECT span, artifact, NULL, label, asked FROM output WHERE span = ? ORDER BY pos", (span,)
        )
        return [LinkRow._make(row) for row in rows]

    def outputs_below(self, span: bytes) -> list[LinkRow]:
        """What the spans below a span made, depth by depth, each span's in order."""
        rows = self._connect().execute(
            f"{_DOWN} SELECT o.span, o.artifact, NULL, o.label, o.asked FROM tree JOIN span AS s ON s.id = tree.id"
            " JOIN output AS o ON o.span = s.id ORDER BY tree.depth, s.opened, s.id, o.pos",
            (span,),
        )
        return [LinkRow._make(row) for row in rows]

    def consumers(self, artifact: bytes) -> list[SpanRow]:
        """The spans that read an artifact, oldest first."""
        return self._spans(
            f"SELECT DISTINCT {_COLUMNS} FROM input AS i JOIN span AS s ON s.id = i.span WHERE i.artifact = ?"
            " ORDER BY s.opened, s.id",
            (artifact,),
        )

    def makers(self, artifact: bytes) -> list[SpanRow]:
        """The spans that have an artifact among their outputs, oldest first."""
        return self._spans(
            f"SELECT DISTINCT {_COLUMNS} FROM output AS o JOIN span AS s ON s.id = o.span WHERE o.artifact = ?"
            " ORDER BY s.opened, s.id",
            (artifact,),
        )

    def labelled(self, prefix: str) -> list[bytes]:
        """The ids of span outputs that begin with these hex digits, also of artifacts that no ref holds."""
        rows = self._connect().execute(
            "SELECT DISTINCT artifact FROM output WHERE artifact BETWEEN ? AND ?", id_range(prefix)
        )
        return [row[0] for row in rows]


def _json(value: object) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)
