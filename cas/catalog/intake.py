"""Span records into the catalog's tables, thousands at a time.

A closing record names the closings of the spans inside it, so one that the log names leads to a whole tree. Adding a
record that is there already changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby
from typing import Any

from cas.errors import ObjectNotFound
from cas.spans import records

__all__ = ["ReadMany", "SpanIntake"]

_MANY = 5000  # records in memory at a time
_ASKED = 500  # ids in one question: SQLite takes 999 parameters

ReadMany = Callable[[Sequence[bytes]], list[bytes]]


class SpanIntake:
    """Adds span records to one database, within the transaction of whoever calls."""

    def __init__(self, database: sqlite3.Connection, read_many: ReadMany) -> None:
        self._db = database
        self._read_many = read_many

    def pending(self) -> None:
        """Add what the log names and was not added yet. Records that are not here (a partial clone) stay pending."""
        waiting = self._db.execute("SELECT log, open, close FROM pending ORDER BY rowid").fetchall()
        if not waiting:
            return
        self.openings([opening for _, opening, closing in waiting if closing is None])
        absent = self.closings([closing for _, _, closing in reversed(waiting) if closing is not None])
        known = self.known("span", [opening for _, opening, closing in waiting if closing is None])
        self._db.executemany(
            "DELETE FROM pending WHERE open = ? AND close IS ?",
            [(opening, closing) for _, opening, closing in waiting if closing is not None or opening in known],
        )
        # Which span an absent record closes is not known yet; it is asked for again by its own id.
        self._db.executemany(
            "INSERT OR IGNORE INTO pending (log, open, close) VALUES (?, x'', ?)",
            [(waiting[0][0], closing) for closing in absent],
        )

    def openings(self, idents: Sequence[bytes]) -> set[bytes]:
        """Add opening records; the ids of those that are not here."""
        known = self.known("span", idents)
        wanted = [ident for ident in dict.fromkeys(idents) if ident not in known]
        found = self._read(wanted)
        rows = []
        for ident, payload in found.items():
            record = records.decode(payload)
            assert isinstance(record, records.SpanOpen)
            meta, code, fields = _json(record.meta), _json(record.code), _json(record.fields)
            rows.append((ident, record.parent, record.label, record.kind, record.time, meta, code, fields))
        self._db.executemany(
            "INSERT INTO span (id, parent, label, kind, status, opened, meta, code, fields)"
            " VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?)",
            rows,
        )
        return {ident for ident in wanted if ident not in found}

    def closings(self, stack: list[bytes]) -> list[bytes]:
        """Add closing records, the last of ``stack`` first, with their earlier ones and those of the spans inside; the
        ids of those that are not here. ``stack`` is used up."""
        absent: dict[bytes, None] = {}
        while stack:
            part, stack[-_MANY:] = stack[-_MANY:][::-1], []
            known = self.known("closing", part)
            part = [ident for ident in dict.fromkeys(part) if ident not in known and ident not in absent]
            found = self._read(part)
            absent.update(dict.fromkeys(ident for ident in part if ident not in found))
            closes: list[tuple[bytes, records.SpanClose]] = []
            for ident, payload in found.items():
                close = records.decode(payload)
                assert isinstance(close, records.SpanClose)
                closes.append((ident, close))
            stack += self._add(closes, absent)
        return list(absent)

    def _add(self, closes: list[tuple[bytes, records.SpanClose]], absent: dict[bytes, None]) -> list[bytes]:
        """Add the closings whose earlier one is there; what to look at next, the last one first."""
        known = self.known("closing", [close.previous for _, close in closes if close.previous is not None])
        unopened = self.openings([close.span for _, close in closes])
        ready, later, inside = [], [], []
        for ident, close in closes:
            if close.span in unopened or close.previous in absent:
                absent[ident] = None
            elif close.previous is not None and close.previous not in known:
                later += [ident, close.previous]
            else:
                ready.append((ident, close))
                known.add(ident)
            inside += close.children
        self._db.executemany("INSERT INTO closing VALUES (?)", [(ident,) for ident, _ in ready])
        for tombs, group in groupby(ready, key=_is_tomb):
            if tombs:
                self._remove(group)
            else:
                self._link(list(group))
        return [*reversed(inside), *later]

    def _link(self, closes: Sequence[tuple[bytes, records.SpanClose]]) -> None:
        """How the spans ended, and what they read and made."""
        self._db.executemany(
            "UPDATE span SET status = ?, closed = ?, closing = ?, error = ? WHERE id = ?",
            [
                (close.status, close.time, ident, None if close.error is None else _json(close.error), close.span)
                for ident, close in closes
            ],
        )
        read = [(close.span, one) for _, close in closes for one in close.inputs]
        place = self._places("input", [span for span, _ in read])
        self._db.executemany(
            "INSERT INTO input VALUES (?, ?, ?, ?, ?, ?)",
            [(span, next(place[span]), one.artifact, _literal(one.literal), one.ref, one.name) for span, one in read],
        )
        made = [(close.span, one) for _, close in closes for one in close.outputs]
        place = self._places("output", [span for span, _ in made])
        self._db.executemany(
            "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
            [(span, next(place[span]), one.artifact, one.label, one.ref) for span, one in made],
        )

    def _remove(self, tombs: Iterable[tuple[bytes, records.SpanClose]]) -> None:
        """Tombstones: of a whole span, or of some of its labelled artifacts. When it closed stays as it was."""
        for ident, close in tombs:
            self._db.execute("UPDATE span SET status = ?, closing = ? WHERE id = ?", (close.status, ident, close.span))
            if close.status == "deleted":
                self._db.execute("DELETE FROM output WHERE span = ? AND label IS NOT NULL", (close.span,))
            for label in close.removed:
                self._db.execute("DELETE FROM output WHERE span = ? AND label = ?", (close.span, label))

    # --- many at once ----------------------------------------------------------------------------

    def known(self, table: str, idents: Sequence[bytes]) -> set[bytes]:
        """Those of the ids that a table has."""
        return {row[0] for row in self._ask(f"SELECT id FROM {table} WHERE id IN", idents)}

    def _places(self, table: str, spans: Iterable[bytes]) -> dict[bytes, Iterator[int]]:
        """For each span the numbers that its next links get."""
        wanted = list(dict.fromkeys(spans))
        last = dict(self._ask(f"SELECT span, MAX(pos) FROM {table} WHERE span IN", wanted, "GROUP BY span"))
        return {span: count(last.get(span, -1) + 1) for span in wanted}

    def _ask(self, sql: str, idents: Sequence[bytes], end: str = "") -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(idents), _ASKED):
            part = idents[start : start + _ASKED]
            yield from self._db.execute(f"{sql} ({','.join('?' * len(part))}) {end}", part)

    def _read(self, idents: Sequence[bytes]) -> dict[bytes, bytes]:
        """The payloads of those of the records that are here."""
        try:
            return dict(zip(idents, self._read_many(idents), strict=True))
        except ObjectNotFound:
            if len(idents) == 1:
                return {}
        middle = len(idents) // 2
        return {**self._read(idents[:middle]), **self._read(idents[middle:])}


def _is_tomb(one: tuple[bytes, records.SpanClose]) -> bool:
    return one[1].status == "deleted" or bool(one[1].removed)


def _literal(array: list[Any] | None) -> str | None:
    return None if array is None else _json(array)


def _json(value: object) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False) if value else "{}"


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)
