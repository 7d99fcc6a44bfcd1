"""Spans and their links: read from the records that the log names, and asked by label, tree and artifact."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from cas.catalog.intake import ReadMany, SpanIntake
from cas.catalog.refs import id_range
from cas.catalog.rows import SpanRow, unpack

__all__ = ["NUMBER", "LinkRow", "SpanQueries", "SpanRow"]

# The number of a span, also of one that only its children know.
NUMBER = "(SELECT seq FROM (SELECT id, seq FROM span UNION ALL SELECT id, seq FROM expected) WHERE id = ?)"
# All of the walk is in the index span_up; its ORDER BY says in which order rows come out (section 3.4 of
# sqlite.org/lang_with.html), and CROSS JOIN that the rest is looked up in that order, by row number.
_DOWN = f"""
WITH RECURSIVE tree (seq, depth, opened, lead) AS (
    SELECT seq, 1, opened, lead FROM span WHERE up = {NUMBER}
    UNION ALL SELECT span.seq, depth + 1, span.opened, span.lead FROM span JOIN tree ON span.up = tree.seq
    ORDER BY 2, 3, 4
)
"""
_UP = """
WITH RECURSIVE line (seq, depth) AS (
    SELECT up, 1 FROM span WHERE id = ?1 AND up IS NOT NULL
    UNION ALL SELECT span.up, depth + 1 FROM span JOIN line ON span.seq = line.seq WHERE span.up IS NOT NULL
)
"""


class LinkRow(NamedTuple):
    """One input or output of a span: what, as which label or argument, asked for or published as which ref."""

    span: bytes
    artifact: bytes | None
    literal: bytes | None
    name: str | None
    asked: str | None


class SpanQueries:
    """Reads spans; ``read_many`` gives the verified payloads of records, so that pending ones can be taken in first."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], read_many: ReadMany) -> None:
        self._connect = connect
        self._read_many = read_many

    def is_same(self, other: SpanQueries) -> bool:
        """Whether both ask one database."""
        return self._connect() is other._connect()

    # --- taking in -------------------------------------------------------------------------------

    def has_pending(self) -> bool:
        """Whether the log names spans whose records were not taken in yet."""
        return self._connect().execute("SELECT 1 FROM pending LIMIT 1").fetchone() is not None

    def intake(self) -> SpanIntake:
        """What takes in records; inside a write transaction."""
        return SpanIntake(self._connect(), self._read_many)

    def known(self, spans: Sequence[bytes]) -> set[bytes]:
        """Those of the ids whose spans were taken in."""
        return self.intake().known("span", spans)

    def parents(self, spans: Iterable[bytes]) -> set[bytes]:
        """Those of the ids that others may have as their parent here: also of spans that are not here themselves."""
        idents, intake = list(spans), self.intake()
        return intake.known("span", idents) | intake.known("expected", idents)

    # --- asking ----------------------------------------------------------------------------------

    def taken(self, closings: Sequence[bytes]) -> set[bytes]:
        """Those of the closing records that were taken in."""
        return self.intake().taken(closings)

    def _spans(self, sql: str, arguments: Iterable[Any]) -> list[SpanRow]:
        return list(map(unpack, self._packed(sql, arguments)))

    def _packed(self, sql: str, arguments: Iterable[Any]) -> list[bytes]:
        return [packed for (packed,) in self._connect().execute(sql, tuple(arguments))]

    def get(self, span: bytes) -> SpanRow | None:
        """One span by its id."""
        rows = self._spans("SELECT s.row FROM span AS s WHERE id = ?", (span,))
        return rows[0] if rows else None

    def by_prefix(self, prefix: str) -> list[SpanRow]:
        """The spans whose id begins with these hex digits."""
        return self._spans("SELECT s.row FROM span AS s WHERE id BETWEEN ? AND ?", id_range(prefix))

    def matching(self, label: str | None = None, status: str | None = None, limit: int | None = None) -> list[SpanRow]:
        """Spans, newest first; ``label`` is exact or a glob."""
        return self._spans(
            "SELECT s.row FROM span AS s WHERE (?1 IS NULL OR s.label GLOB ?1)"
            " AND s.status = COALESCE(?2, s.status) AND (?2 IS NOT NULL OR s.status <> 'deleted')"
            " ORDER BY s.opened DESC, s.id DESC LIMIT ?3",
            (label, status, -1 if limit is None else limit),
        )

    def count(self) -> int:
        """How many spans there are."""
        found: int = self._connect().execute("SELECT COUNT(*) FROM span WHERE status <> 'deleted'").fetchone()[0]
        return found

    def children(self, span: bytes) -> list[SpanRow]:
        """The spans opened directly inside a span, oldest first."""
        return list(map(unpack, self.packed_children(span)))

    def packed_children(self, span: bytes, limit: int | None = None, offset: int = 0) -> list[bytes]:
        """As :meth:`children`, each packed, some of them."""
        return self._packed(
            f"SELECT s.row FROM span AS s WHERE s.up = {NUMBER} AND s.status <> 'deleted'"
            " ORDER BY s.opened, s.lead LIMIT ? OFFSET ?",
            (span, -1 if limit is None else limit, offset),
        )

    def descendants(self, span: bytes) -> list[SpanRow]:
        """All spans below a span, depth by depth, each depth oldest first."""
        return list(map(unpack, self.packed_descendants(span)))

    def packed_descendants(self, span: bytes, limit: int | None = None, offset: int = 0) -> list[bytes]:
        """As :meth:`descendants`, each packed, some of them: the walk goes no further than is asked for."""
        return self._packed(
            f"{_DOWN} SELECT s.row FROM tree CROSS JOIN span AS s ON s.seq = tree.seq WHERE s.status <> 'deleted'"
            " LIMIT ? OFFSET ?",
            (span, -1 if limit is None else limit, offset),
        )

    def ancestors(self, span: bytes) -> list[SpanRow]:
        """All spans above a span, nearest first."""
        return self._spans(
            f"{_UP} SELECT s.row FROM line JOIN span AS s ON s.seq = line.seq ORDER BY line.depth", (span,)
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
            f"{_DOWN} SELECT o.span, o.artifact, NULL, o.label, o.asked FROM tree"
            " CROSS JOIN span AS s ON s.seq = tree.seq"
            " JOIN output AS o ON o.span = s.id ORDER BY tree.depth, tree.opened, tree.lead, o.pos",
            (span,),
        )
        return [LinkRow._make(row) for row in rows]

    def consumers(self, artifact: bytes) -> list[SpanRow]:
        """The spans that read an artifact, oldest first."""
        return self._spans(
            "SELECT s.row FROM span AS s WHERE s.id IN (SELECT span FROM input WHERE artifact = ?)"
            " ORDER BY s.opened, s.id",
            (artifact,),
        )

    def makers(self, artifact: bytes) -> list[SpanRow]:
        """The spans that have an artifact among their outputs, oldest first."""
        return self._spans(
            "SELECT s.row FROM span AS s WHERE s.id IN (SELECT span FROM output WHERE artifact = ?)"
            " ORDER BY s.opened, s.id",
            (artifact,),
        )

    def labelled(self, prefix: str) -> list[bytes]:
        """The ids of span outputs that begin with these hex digits, also of artifacts that no ref holds."""
        rows = self._connect().execute(
            "SELECT DISTINCT artifact FROM output WHERE artifact BETWEEN ? AND ?", id_range(prefix)
        )
        return [row[0] for row in rows]
