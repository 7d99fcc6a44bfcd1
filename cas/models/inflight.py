"""Spans that the ref log does not name yet: the open ones of this process, and those that closed inside them.

They are kept as the catalog keeps the others, in SQLite, but in memory; so every question about spans is one query,
asked of either. When no span is open here any more, the log names them all and this is dropped.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cas import clock
from cas.catalog import rows
from cas.catalog.intake import SpanIntake
from cas.catalog.rows import SpanRow
from cas.catalog.schema import SCHEMA
from cas.catalog.spans import SpanQueries
from cas.repository import history
from cas.repository.live import LiveSpan, live_spans

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.spanning import ActiveSpan

__all__ = ["InFlight", "elsewhere", "in_flight"]

_OF: weakref.WeakKeyDictionary[Repository, InFlight] = weakref.WeakKeyDictionary()


class InFlight:
    """The spans in flight of one repository; :meth:`queries` brings them up to date first."""

    def __init__(self, repository: Repository) -> None:
        self._repository = weakref.ref(repository)
        self._open: dict[bytes, _Seen] = {}
        self._told: list[tuple[bytes, bytes]] | None = None
        self._again = 0  # how many of what is told were taken in
        self.database: sqlite3.Connection | None = None

    def queries(self) -> SpanQueries | None:
        """Questions to the spans in flight, None where there are none. Hold the repository's lock."""
        repository = self._repository()
        assert repository is not None
        session = repository.session
        if session.closed_again is not self._told:  # all were closed since, which the log tells
            self._forget()
            self._told = session.closed_again
        if not session.open_spans:
            return None
        stirred, session.stirred = session.stirred, {}
        if self.database is None:
            self.database, stirred = _database(), dict.fromkeys(session.open_spans, True)
        database = self.database
        queries = SpanQueries(lambda: database, repository.objects.read_many)
        database.execute("BEGIN")
        try:
            self._refresh(queries.intake(), session.open_spans, stirred)
            database.execute("COMMIT")
        except BaseException:
            self._forget()  # half of it would be wrong: the next question starts afresh
            raise
        return queries

    def _forget(self) -> None:
        if self.database is not None:
            self.database.close()
        self.database = None
        self._open.clear()
        self._again = 0

    def _refresh(self, intake: SpanIntake, running: dict[bytes, ActiveSpan], stirred: Iterable[bytes]) -> None:
        """Take in what closed, opened and happened since the last time, to the spans that ``stirred``."""
        # One that was left and entered again is another span here by now.
        known = [(ident, seen) for ident in stirred if (seen := self._open.get(ident)) is not None]
        closed = [ident for ident, seen in known if running.get(ident) is not seen.span]
        intake.closings([end for ident in reversed(closed) if (end := self._leave(ident)) is not None])
        fresh = [(ident, running[ident]) for ident in stirred if ident in running and ident not in self._open]
        intake.openings([ident for ident, span in fresh if span.state.previous is None])
        for ident, span in fresh:
            self._open[ident] = _Seen(span)
            if span.state.previous is not None:
                self._enter_again(intake, ident, self._open[ident])
        for ident in stirred:
            if ident in self._open:
                self._catch_up(intake, ident, self._open[ident])
        told = (self._told or [])[self._again :]
        here = intake.known("span", [ident for ident, _ in told])
        intake.closings([closing for ident, closing in reversed(told) if ident in here])
        self._again += len(told)

    def _enter_again(self, intake: SpanIntake, ident: bytes, seen: _Seen) -> None:
        """Take in a span that was closed before. One that the log names is lent by the catalog, without what is below
        it; it goes back when it closes, since its end enters the log at once."""
        repository, database = self._repository(), self.database
        assert repository is not None
        assert database is not None
        if not intake.known("span", [ident]):
            history.catch_up_all(repository)
            catalog = repository.catalog.spans()
            row = catalog.get(ident)
            if row is None:  # it closed inside a span that another process has open
                intake.closings([seen.before] if seen.before is not None else [])
            else:
                seen.is_lent = True
                rows.insert(database, [row])
                made = [
                    (one.span, at, one.artifact, one.name, one.asked) for at, one in enumerate(catalog.outputs(ident))
                ]
                database.executemany("INSERT INTO output VALUES (?, ?, ?, ?, ?)", made)
        entered = rows.stored(database, [ident]).values()
        rows.replace(database, [row._replace(status="open", closed=None) for row in entered])
        # Not their count: labels that were removed leave gaps.
        last = database.execute("SELECT MAX(pos) FROM output WHERE span = ?", (ident,)).fetchone()[0]
        seen.first = 0 if last is None else last + 1

    def _leave(self, ident: bytes) -> bytes | None:
        """Forget a span that closed; its closing record, where that is still to be taken in.

        That tells all of its outputs: those noted while it was open make room, before anything (the span around it
        names the record, too) takes it in.
        """
        seen, database = self._open.pop(ident), self.database
        assert database is not None
        previous = seen.span.state.previous
        if previous is None or (previous == seen.before and not seen.is_lent):
            return None
        database.execute("DELETE FROM output WHERE span = ? AND pos >= ?", (ident, 0 if seen.is_lent else seen.first))
        if seen.is_lent:
            rows.forget(database, ident)
            return None
        return previous

    def _catch_up(self, intake: SpanIntake, ident: bytes, seen: _Seen) -> None:
        """Take in what happened in a span that is open."""
        state = seen.span.state
        assert self.database is not None
        if len(state.children) > seen.children:
            intake.closings(list(reversed(state.children[seen.children :])))
            seen.children = len(state.children)
        made = state.outputs_after(seen.outputs)
        if made:
            at = seen.first + seen.outputs
            self.database.executemany(
                "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
                [(ident, at + index, one.artifact, one.label, one.ref) for index, one in enumerate(made)],
            )
            seen.outputs += len(made)


def elsewhere(repository: Repository) -> sqlite3.Connection | None:
    """The spans that other processes have open, and those that closed inside them, as the catalog would keep them;
    None where there are none. Made anew for each question."""
    live = live_spans(repository, here=False)
    if not live:
        return None
    database = _database()
    rows.insert(database, [_row(ident, span) for ident, span in live.items()])
    for ident, span in live.items():
        database.executemany(
            "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
            [(ident, at, one.artifact, one.label, one.ref) for at, one in enumerate(span.outputs)],
        )
    return database


def _row(ident: bytes, span: LiveSpan) -> SpanRow:
    info = span.info
    return SpanRow(
        ident,
        span.opened.parent,
        info.label,
        info.kind,
        info.status,
        span.opened.time,
        None if info.closed_at is None else clock.from_datetime(info.closed_at),
        None if info.closing is None else bytes.fromhex(info.closing),
        json.dumps(info.metadata),
        json.dumps(info.code),
        json.dumps(info.fields),
        None if info.error is None else json.dumps(info.error),
    )


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database.executescript(SCHEMA)
    return database


class _Seen:
    """How far an open span was taken in."""

    def __init__(self, span: ActiveSpan) -> None:
        self.span = span
        self.before = span.state.previous
        self.first = 0
        self.is_lent = False
        self.children = 0
        self.outputs = 0


def in_flight(repository: Repository) -> InFlight:
    """The spans in flight of a repository."""
    found = _OF.get(repository)
    if found is None:
        found = _OF[repository] = InFlight(repository)
    return found
