"""Span records into the catalog's tables, thousands at a time.

A closing record names the closings of the spans inside it, so one that the log names leads to a whole tree. Adding a
record that is there already changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby

from cas.catalog import rows
from cas.catalog.decoding import Closing, closing_of, open_row, text_of
from cas.catalog.rows import SpanRow
from cas.errors import ObjectNotFound

__all__ = ["ReadMany", "SpanIntake"]

_MANY = 5000  # records in memory at a time

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
        fresh, absent = self._opened([ident for ident in dict.fromkeys(idents) if ident not in known])
        rows.insert(self._db, list(fresh.values()))
        return absent

    def _opened(self, idents: Sequence[bytes]) -> tuple[dict[bytes, SpanRow], set[bytes]]:
        """The rows of spans that opening records make, and the ids of those that are not here."""
        found = self._read(idents)
        return {ident: open_row(ident, found[ident]) for ident in idents if ident in found}, set(idents) - found.keys()

    def closings(self, stack: list[bytes]) -> list[bytes]:
        """Add closing records, the last of ``stack`` first, with their earlier ones and those of the spans inside; the
        ids of those that are not here. ``stack`` is used up."""
        absent: dict[bytes, None] = {}
        while stack:
            part, stack[-_MANY:] = stack[-_MANY:][::-1], []
            followed = self.known("closing", part)
            part = [ident for ident in dict.fromkeys(part) if ident not in followed and ident not in absent]
            found = self._read(part)
            absent.update(dict.fromkeys(ident for ident in part if ident not in found))
            stack += self._add([closing_of(ident, found[ident]) for ident in part if ident in found], absent)
        return list(absent)

    def taken(self, closings: Sequence[bytes]) -> set[bytes]:
        """Those of the closing records that were added."""
        followed = self.known("closing", closings)
        closes = [closing_of(*one) for one in self._read([one for one in closings if one not in followed]).items()]
        before = rows.stored(self._db, list({close.span for close in closes}))
        return followed | {close.id for close in closes if _is_last(close, before)}

    def _add(self, closes: list[Closing], absent: dict[bytes, None]) -> list[bytes]:
        """Add the closings whose earlier one is there; what to look at next, the last one first."""
        spans = list(dict.fromkeys(close.span for close in closes))
        before = rows.stored(self._db, spans)
        closes = [close for close in closes if not _is_last(close, before)]
        known = self.known("closing", [close.previous for close in closes if close.previous is not None])
        known.update(row.closing for row in before.values() if row.closing is not None)
        fresh, unopened = self._opened([span for span in spans if span not in before])
        ready: list[Closing] = []
        later: list[bytes] = []
        inside: list[bytes] = []
        for close in closes:
            if close.span in unopened or close.previous in absent:
                absent[close.id] = None
            elif close.previous is not None and close.previous not in known:
                later += [close.id, close.previous]
            else:
                ready.append(close)
                known.add(close.id)
            inside += close.children
        self._end(ready, fresh, before)
        new = set(fresh)
        for tombs, group in groupby(ready, key=_is_tomb):
            if tombs:
                self._remove(group)
            else:
                self._link(list(group), new)
        return [*reversed(inside), *later]

    def _end(self, closes: Sequence[Closing], fresh: dict[bytes, SpanRow], before: dict[bytes, SpanRow]) -> None:
        """How spans ended, those that are new and those that were there ``before``."""
        ended = {**fresh, **{close.span: before[close.span] for close in closes if close.span in before}}
        followed = _close(ended, closes)
        rows.insert(self._db, [ended[span] for span in fresh])
        rows.replace(self._db, [row for span, row in ended.items() if span not in fresh])
        self._db.executemany("INSERT OR IGNORE INTO closing VALUES (?)", [(closing,) for closing in followed])

    def _link(self, closes: Sequence[Closing], new: set[bytes]) -> None:
        """What spans read and made. Those that are ``new``, which they are once, have no links yet."""
        read = [(close.span, one) for close in closes for one in close.inputs]
        place = self._places("input", [span for span, _ in read], new)
        self._db.executemany(
            "INSERT INTO input VALUES (?, ?, ?, ?, ?, ?)",
            [
                (span, next(place[span]), artifact, None if literal is None else text_of(literal), ref, name)
                for span, (artifact, literal, ref, name) in read
            ],
        )
        made = [(close.span, one) for close in closes for one in close.outputs]
        place = self._places("output", [span for span, _ in made], new)
        self._db.executemany(
            "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
            [(span, next(place[span]), artifact, label, ref) for span, (artifact, label, ref) in made],
        )
        new.difference_update(close.span for close in closes)

    def _remove(self, tombs: Iterable[Closing]) -> None:
        """What tombstones take away: the labelled artifacts of a span, or some of them."""
        for close in tombs:
            if close.status == "deleted":
                self._db.execute("DELETE FROM output WHERE span = ? AND label IS NOT NULL", (close.span,))
            for label in close.removed:
                self._db.execute("DELETE FROM output WHERE span = ? AND label = ?", (close.span, label))

    # --- many at once ----------------------------------------------------------------------------

    def known(self, table: str, idents: Sequence[bytes]) -> set[bytes]:
        """Those of the ids that a table has."""
        if self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None:
            return set()
        return {row[0] for row in rows.ask(self._db, f"SELECT id FROM {table} WHERE id IN", idents)}

    def _places(self, table: str, spans: Iterable[bytes], new: set[bytes]) -> dict[bytes, Iterator[int]]:
        """For each span the numbers that its next links get."""
        wanted = list(dict.fromkeys(spans))
        sql = f"SELECT span, MAX(pos) FROM {table} WHERE span IN"
        last = dict(rows.ask(self._db, sql, [span for span in wanted if span not in new], "GROUP BY span"))
        return {span: count(last.get(span, -1) + 1) for span in wanted}

    def _read(self, idents: Sequence[bytes]) -> dict[bytes, bytes]:
        """The payloads of those of the records that are here."""
        try:
            return dict(zip(idents, self._read_many(idents), strict=True))
        except ObjectNotFound:
            if len(idents) == 1:
                return {}
        middle = len(idents) // 2
        return {**self._read(idents[:middle]), **self._read(idents[middle:])}


def _is_tomb(close: Closing) -> bool:
    return close.is_tomb


def _is_last(close: Closing, spans: dict[bytes, SpanRow]) -> bool:
    row = spans.get(close.span)
    return row is not None and row.closing == close.id


def _close(spans: dict[bytes, SpanRow], closes: Sequence[Closing]) -> list[bytes]:
    """Close spans in place, by one closing after the other; the closings that others follow."""
    followed = []
    for close in closes:
        ident, parent, label, kind, _, opened, closed, last, meta, code, fields, error = spans[close.span]
        if last is not None:
            followed.append(last)
        if not close.is_tomb:  # when a span closed, and how, stays as it was
            closed, error = close.time, close.error
        spans[close.span] = SpanRow(
            ident, parent, label, kind, close.status, opened, closed, close.id, meta, code, fields, error
        )
    return followed
